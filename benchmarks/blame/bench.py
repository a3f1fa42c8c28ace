"""Plant a sample of mistakes in all programs, in several processes; an interrupted run can be continued."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from joblib import Parallel, delayed

from autograd_ref.crosscheck.reports.report import NotJudged
from benchmarks.blame.measure import (
    Outcome,
    check,
    gradients_of,
    is_mistake,
    measure,
    measure_pair,
    planted_in,
    sample,
)
from benchmarks.blame.plant import KINDS, Planted
from benchmarks.blame.programs import Program, programs
from benchmarks.blame.repaired import Repaired

__all__ = ["Bench"]


class _Task(NamedTuple):
    """One measurement: its name, and a function that returns JSON, with its arguments."""

    key: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Bench:
    """The measurement of one sample.

    Args:
        folder: an empty folder for the programs' files.
        jobs: number of processes.
        seed: seed of the sample.
        repairs: whether to search for repairs.
        log: file that keeps all results, with which an interrupted run continues.

    Attributes:
        programs: the programs by name.
    """

    def __init__(self, folder: Path, jobs: int, seed: int, repairs: bool, log: Path):
        self.programs = {each.name: each for each in programs()}
        self._folder, self._jobs, self._seed, self._repairs, self._log = folder, jobs, seed, repairs, log
        self._known = self._read()
        self._right = {name: gradients_of(each, each.source, folder) for name, each in self.programs.items()}
        self._planted = {name: planted_in(each, folder) for name, each in self.programs.items()}

    def right_programs_blamed(self) -> list[str]:
        """Return the names of the right programs in which the checker blames a line."""
        tasks = (_Task(f"right {name}", _is_blamed, (each,)) for name, each in self.programs.items())
        return [name for name, blamed in zip(self.programs, self._done(tasks), strict=True) if blamed]

    def mistakes(self, count: int) -> list[Outcome]:
        """Return the outcomes of this number of mistakes of each kind, or of all if there are fewer."""
        wanted = dict.fromkeys(KINDS, count)
        outcomes: list[Outcome] = []
        tasks = (
            _Task(f"{name}: {mistake.line}: {mistake.edit}", _mistake, self._arguments(name, mistake))
            for name, mistake in sample(self._planted, self._seed)
            if wanted[mistake.kind]
        )
        for found in self._done(tasks):
            if found is not None and wanted[found["kind"]]:
                wanted[found["kind"]] -= 1
                repair, named = Repaired(**found["repair"]), tuple(found["named"])
                outcomes.append(Outcome(**found | {"repair": repair, "named": named}))
                print(f"\r{len(outcomes)} mistakes", end="", flush=True)
        print()
        return outcomes

    def pairs(self, count: int) -> list[tuple[str, Repaired]]:
        """Return the repairs of this number of pairs of mistakes, in different lines of one program."""
        repairs: list[tuple[str, Repaired]] = []
        for found in self._done(self._couples()):
            if found is not None:
                repairs.append((found.pop("program"), Repaired(**found)))
                if len(repairs) == count:
                    break
        return repairs

    def forget(self) -> None:
        """Delete the log."""
        self._log.unlink(missing_ok=True)

    def _couples(self) -> Iterator[_Task]:
        waiting: dict[str, Planted] = {}
        for name, mistake in sample(self._planted, self._seed + 1):
            first = waiting.pop(name, None)
            if first is None or first.line == mistake.line:
                waiting[name] = mistake
                continue
            key = f"{name}: {first.line}: {first.edit} and {mistake.line}: {mistake.edit}"
            yield _Task(key, _pair, (*self._arguments(name, first)[:2], mistake, self._right[name]))

    def _arguments(self, name: str, mistake: Planted) -> tuple[Any, ...]:
        return self.programs[name], mistake, self._right[name], self._repairs

    def _done(self, tasks: Iterable[_Task]) -> Iterator[Any]:
        """Yield the results in the order of the tasks."""
        some: list[_Task] = []

        def calls() -> Iterator[Any]:
            for each in tasks:
                some.append(each)
                if each.key in self._known:
                    yield delayed(_same)(self._known[each.key])
                else:
                    yield delayed(each.function)(*each.arguments, self._folder)

        run = Parallel(n_jobs=self._jobs, return_as="generator", pre_dispatch="2*n_jobs")
        for i, found in enumerate(run(calls())):
            if some[i].key not in self._known:
                self._known[some[i].key] = found
                with self._log.open("a") as log:
                    print(json.dumps([some[i].key, found]), file=log)
            yield found

    def _read(self) -> dict[str, Any]:
        """Return the results of an interrupted run of the same sample."""
        sample_of = {"seed": self._seed, "repairs": self._repairs}
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        whole = [json.loads(line) for line in lines if line.endswith(("}", "]"))]
        if whole[:1] != [sample_of]:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            self._log.write_text(f"{json.dumps(sample_of)}\n")
        return dict(whole[1:]) if whole[:1] == [sample_of] else {}


def _same(found: Any) -> Any:
    return found


def _mistake(program: Program, mistake: Planted, right: Any, repairs: bool, folder: Path) -> Any:
    found = measure(program, mistake, folder, right, repairs)
    return None if found is None else asdict(found)


def _pair(program: Program, first: Planted, second: Planted, right: Any, folder: Path) -> Any:
    if not all(is_mistake(program, each, folder, right) for each in (first, second)):
        return None
    repair = measure_pair(program, first, second, folder, right)
    return None if repair is None else {"program": program.name} | asdict(repair)


def _is_blamed(program: Program, folder: Path) -> bool:
    """Return whether the checker blames a line of a right program, in either dtype."""
    for dtype in (None, "float32"):
        try:
            if check(program, program.source, folder, dtype=dtype).blame:
                return True
        except NotJudged:
            pass
    return False
