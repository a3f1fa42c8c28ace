"""What results.json holds; the classes are its documentation.

Every time is in seconds, every size in bytes. Times come as lists of passes, each a list of rounds: all
contenders are started for a pass, take their turns in each round, and are ended; the next pass starts them
anew, minutes later. Rounds of one number, of two contenders in one task of a case, belong together.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.results import write_json
from benchmarks.speed.cases import Case

SCHEMA = 1


@dataclass
class Entrant:
    """One contender in one case.

    Attributes:
        refused: why there is no time: a wrong gradient, threads that are not those asked for, or how it
            failed; None for one that was let in, in every pass.
        seconds: of one gradient, one step, one epoch; for the limit of one GEMM and one copy. By task, pass
            and round.
        cpus: how many CPUs it kept busy in the last pass, by task.
        first_seconds: of the first call, which compiles, by task and pass; the second pass may find compiled
            code that the first one left behind.
        threads: how many each of its libraries was seen to have.
        cores: the core that each OpenBLAS takes the CPU for.
        versions: of its libraries.
        peak_bytes: the largest that its process ever was.
        working_bytes: how much of that came after its library was imported and the data were read; pages of
            files left out.
    """

    refused: str | None = None
    seconds: dict[str, list[list[float]]] = field(default_factory=dict)
    cpus: dict[str, float] = field(default_factory=dict)
    first_seconds: dict[str, list[float]] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)
    cores: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    peak_bytes: int = 0
    working_bytes: int = 0


@dataclass
class Work:
    """Floating-point operations and bytes of memory traffic of one gradient.

    Attributes:
        hand_flops: counted from the hand derivation, see `benchmarks.speed.work`.
        hand_bytes: what the derivation's operations read and write if each one's arrays come from memory.
        least_bytes: what has to be read and written at least: X and the parameters once, the gradients once.
        xla_flops: what XLA's cost analysis says of the gradient that JAX compiled.
        xla_bytes: the same for the bytes accessed.
    """

    hand_flops: int
    hand_bytes: int
    least_bytes: int
    xla_flops: float
    xla_bytes: float


@dataclass
class CaseResult:
    """One case: what was timed, by whom, and the work in it."""

    case: Case
    work: Work
    entrants: dict[str, Entrant] = field(default_factory=dict)


@dataclass
class Results:
    """The whole run.

    Attributes:
        cpu: the processor's name.
        cpus: how many the run had.
        python: its version.
        platform: system and architecture.
        started: date and time, ISO 8601, UTC.
        command: what was run, but for where the results go.
        pins: the variables that pin OpenBLAS to a core, as they were set for the contenders; empty is fair.
        missing: contenders whose library is not installed, with the command that installs it.
        import_seconds: of the module that a contender's user imports, in fresh processes, by module.
        elapsed_seconds: of the run so far.
        passes: how many were finished.
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
    elapsed_seconds: float = 0.0
    passes: int = 0
    cases: list[CaseResult] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Replace the file as a whole."""
        write_json(path, {"schema": SCHEMA, **asdict(self)})

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Read what `write` wrote.

        Raises:
            ValueError: it is not such a file.
        """
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if found.pop("schema") != SCHEMA:
                raise ValueError(f"its schema must be {SCHEMA}")
            cases = [
                CaseResult(
                    Case(**each["case"]),
                    Work(**each["work"]),
                    {name: Entrant(**entrant) for name, entrant in each["entrants"].items()},
                )
                for each in found.pop("cases")
            ]
            return cls(cases=cases, **found)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} is no results.json of these benchmarks: {error}") from None
