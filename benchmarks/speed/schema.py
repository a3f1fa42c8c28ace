"""What results.json holds; the classes are its documentation.

Every time is in seconds.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.results import write_json
from benchmarks.speed.cases import Case


class Ratio(NamedTuple):
    """A ratio of times, and the interval in which another run is expected to find it."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """The ratio with its interval."""
        return f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f})"


@dataclass
class ContenderResult:
    """One contender in one case.

    Attributes:
        refused: why there is no time: a wrong gradient, the wrong number of threads, or how it failed; None
            for a contender that was admitted in every pass.
        median: time of one gradient, step or epoch; for the limit of one GEMM or copy. By task, over all
            rounds of all passes.
        spread: range of the middle half of these rounds over their median, by task.
        ratio: how many times as long as handgrad's fused step its step takes.
        first_seconds: time of the first call, which compiles, in the first pass; by task.
        busy_cpus: how many CPUs a step kept busy in the last pass.
        rounds: the times themselves, while the benchmark runs: by task, pass and round. Contenders take
            turns in each round, so that rounds of one number in two contenders belong together.
    """

    refused: str | None = None
    median: dict[str, float] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)
    ratio: Ratio | None = None
    first_seconds: dict[str, float] = field(default_factory=dict)
    busy_cpus: float = 0.0
    rounds: dict[str, list[list[float]]] = field(default_factory=dict)


@dataclass
class CaseResult:
    """One case: what was timed, how many passes there were, and each contender's result."""

    case: Case
    passes: int = 0
    contenders: dict[str, ContenderResult] = field(default_factory=dict)

    def median(self, name: str, task: str) -> float | None:
        """Return a contender's time; None if it has none."""
        contender = self.contenders.get(name)
        return None if contender is None else contender.median.get(task)

    def ratio(self, name: str) -> Ratio | None:
        """Return how many times as long as handgrad's fused step a contender's takes; None if unknown."""
        contender = self.contenders.get(name)
        return None if contender is None else contender.ratio


@dataclass
class Results:
    """The whole run.

    Attributes:
        cpu: the processor's name.
        cpus: how many CPUs the run had.
        python: version of Python.
        platform: system and architecture.
        started: date and time, ISO 8601, UTC.
        command: what was run, without the folder of the results.
        pins: variables that pin OpenBLAS to a core, as they were set for the contenders; empty is fair.
        missing: contenders whose library is not installed, with the command that installs it.
        import_seconds: time to import the module that a contender's user imports, in fresh processes, by
            module.
        versions: of the libraries.
        cores: the core that each OpenBLAS takes the CPU for.
        elapsed_seconds: of the run so far.
        cases: in the order of the tables.
    """

    cpu: str
    cpus: int
    python: str
    platform: str
    started: str
    command: str
    pins: dict[str, str]
    missing: dict[str, str] = field(default_factory=dict)
    import_seconds: dict[str, list[float]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    cores: dict[str, str] = field(default_factory=dict)
    elapsed_seconds: float = 0.0
    cases: list[CaseResult] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Replace the file as a whole; the rounds are left out."""
        content = asdict(self)
        for case in content["cases"]:
            for contender in case["contenders"].values():
                del contender["rounds"]
        write_json(path, content)

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Read what `write` wrote.

        Raises:
            ValueError: it is not such a file.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            content["cases"] = [_case_result(**case) for case in content["cases"]]
            return cls(**content)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} is not a results.json of this benchmark: {error}") from None


def _case_result(case: dict[str, Any], passes: int, contenders: dict[str, dict[str, Any]]) -> CaseResult:
    results = {name: ContenderResult(**fields) for name, fields in contenders.items()}
    for result in results.values():
        result.ratio = None if result.ratio is None else Ratio(*result.ratio)
    return CaseResult(Case(**case), passes, results)
