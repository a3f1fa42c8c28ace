"""The contents of results.json; every time is in seconds."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.processes import BenchmarkError
from benchmarks.results import write_json
from benchmarks.speed.cases import Case


class Ratio(NamedTuple):
    """A ratio of times, and the interval in which another run is expected to find it."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return the ratio with its interval."""
        return f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f})"


@dataclass
class ContenderResult:
    """One contender in one case.

    Attributes:
        refused: the reason why there is no time: a wrong gradient, the wrong number of threads, or a failure;
            None for a contender that was accepted in every pass.
        median: time of one gradient or step; for the limit of one GEMM or copy, or of the products and the
            gather of a step. By task, over all rounds of all passes.
        spread: range of the middle half of these rounds over their median, by task.
        first_seconds: time of the first gradient or the first two steps, compilation included, by task.
        ratio: time of its step over the time of handgrad's fused step; None if either is missing.
    """

    refused: str | None = None
    median: dict[str, float] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)
    first_seconds: dict[str, float] = field(default_factory=dict)
    ratio: Ratio | None = None


@dataclass
class CaseResult:
    """One case, its number of passes, and the results by contender."""

    case: Case
    passes: int = 0
    contenders: dict[str, ContenderResult] = field(default_factory=dict)

    def median(self, name: str, task: str) -> float | None:
        """Return a contender's time; None if it has none."""
        contender = self.contenders.get(name)
        return None if contender is None else contender.median.get(task)

    def ratio(self, name: str) -> Ratio | None:
        """Return a contender's ratio; None if it has none."""
        contender = self.contenders.get(name)
        return None if contender is None else contender.ratio


@dataclass
class Results:
    """The whole run.

    Attributes:
        environment: the machine, the libraries and the command, in one line.
        missing: contenders whose library is not installed, with the command that installs it.
        cases: the cases, in the order of the tables.
        groups: the same line as the environment for each group of cases that was measured again, by its name.
    """

    environment: str
    missing: dict[str, str]
    cases: list[CaseResult]
    groups: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Replace the file atomically."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Read a file of `write`.

        Raises:
            BenchmarkError: the file was not written by `write`.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            content["cases"] = [_case_result(**case) for case in content["cases"]]
            return cls(**content)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BenchmarkError(f"{path} is not a results.json of this benchmark: {error}") from None


def _case_result(case: dict[str, Any], passes: int, contenders: dict[str, dict[str, Any]]) -> CaseResult:
    results = {name: ContenderResult(**fields) for name, fields in contenders.items()}
    for result in results.values():
        result.ratio = None if result.ratio is None else Ratio(*result.ratio)
    return CaseResult(Case(**case), passes, results)
