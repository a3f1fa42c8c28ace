"""Plant mistakes one by one, check each program, and record which line is named."""

import contextlib
import importlib.util
import linecache
import os
import random
import signal
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from autograd_ref.crosscheck.function.points import move_in_place
from autograd_ref.crosscheck.program.calling.target import Asked, check_target, prepare
from autograd_ref.crosscheck.program.check import REPAIR_SECONDS
from autograd_ref.crosscheck.program.point import run
from autograd_ref.crosscheck.reports.repair import Repair
from autograd_ref.crosscheck.reports.report import NotJudged, Report
from autograd_ref.recording import tape as tapes
from benchmarks.blame.plant import KINDS, Planted, plant
from benchmarks.blame.programs import Program
from benchmarks.blame.repaired import Repaired, applied, joined, restores, same_gradients

__all__ = [
    "Gradients",
    "Outcome",
    "check",
    "gradients_of",
    "is_mistake",
    "measure",
    "measure_pair",
    "planted_in",
    "sample",
]

# Time limit of a program, which a mistake may keep from ending. In CPU seconds, so that the machine's load
# does not change the sample.
SECONDS = 60
# A mistake must change a gradient by this part of its largest entry.
CHANGED = 1e-6
# Seeds of points that the search for a repair does not use.
UNSEEN = (101, 102)
# To compute a second loss, arrays are moved by this part of their size.
MOVED = 0.1


@dataclass(frozen=True)
class Outcome:
    """One planted mistake and the checker's answer.

    Attributes:
        program: the program's name.
        kind: the kind of mistake.
        line: the line of the changed statement.
        edit: the statement before and after.
        detected: whether a gradient was found wrong.
        place: the position of the planted line among the named lines, from 0; None if it was not named.
        named: the lines that were named.
        said: the kind that was named first; if nothing was judged, the name of the exception.
        seconds: the CPU time of the check.
        repair: the result of the search for a repair.
    """

    program: str
    kind: str
    line: int
    edit: str
    detected: bool
    place: int | None
    named: tuple[int, ...]
    said: str
    seconds: float
    repair: Repaired


class _TooLongError(Exception):
    pass


@contextlib.contextmanager
def _limit(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


class _Loaded:
    """A program's source, imported as a module from its own file."""

    def __init__(self, program: Program, source: str, folder: Path):
        _Loaded.count += 1
        name = f"{program.file}_{os.getpid()}_{_Loaded.count}"
        self.path = folder / f"{name}.py"
        self.path.write_text(source)
        spec = importlib.util.spec_from_file_location(name, self.path)
        assert spec is not None
        assert spec.loader is not None
        self.module: types.ModuleType = importlib.util.module_from_spec(spec)
        sys.modules[name] = self.module
        self.name = name
        spec.loader.exec_module(self.module)

    count = 0

    def forget(self) -> None:
        sys.modules.pop(self.name, None)
        linecache.cache.pop(str(self.path), None)
        self.path.unlink()


def _asked(program: Program, points: int, dtype: str | None, seed: int = 0) -> Asked:
    spec = f"{program.file}.py:{program.target}"
    return Asked(spec, program.call, 1, program.loss, program.backward, {}, points, dtype, seed, 0.0)


def check(
    program: Program,
    source: str,
    folder: Path,
    points: int = 3,
    dtype: str | None = None,
    on_verdict: Callable[[Report], None] | None = None,
) -> Report:
    """Judge a program. With ``on_verdict``, call it with the verdict and then search for a repair.

    Raises:
        NotJudged: the program could not be judged.
    """
    loaded = _Loaded(program, source, folder)
    try:
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            seconds = 0.0 if on_verdict is None else REPAIR_SECONDS
            asked = _asked(program, points, dtype)._replace(repair_seconds=seconds)
            return check_target(loaded.module, str(loaded.path), asked, on_verdict)
    finally:
        loaded.forget()


class Gradients(NamedTuple):
    """The losses and gradients that a program computes.

    Attributes:
        losses: the loss at the first point, and after a move of the arrays that have a gradient, because a
            mistake in the forward part may not change the loss for special weights.
        of: the gradients at the first point, by path, computed without recording.
        leaves: the paths of the arrays that have a gradient.
    """

    losses: tuple[float, ...]
    of: dict[str, np.ndarray]
    leaves: tuple[str, ...]


def gradients_of(
    program: Program, source: str, folder: Path, like: Gradients | None = None, seed: int = 0
) -> Gradients:
    """Return the losses and gradients that a program computes.

    Args:
        program: the program, for its call.
        source: the text to run.
        folder: folder for its file.
        like: the right program's results; if given, the same gradients are returned.
        seed: seed of the point.

    Raises:
        NotJudged: it has no loss or no gradients.
        Exception: any exception of the program, with or without recording.
    """
    loaded = _Loaded(program, source, folder)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            made = prepare(loaded.module, str(loaded.path), _asked(program, 1, None, seed))
            call = made.call_at(0)
            found = run(made.form, *call, made.file)
            found.recording.before.restore()
            with _nan_for_uninitialised():
                given: dict[str, Any] = found.recording.collect(found.recording.call())
            pairs = [] if like else found.assignment({}).pairs
            known = list(like.of) if like else [pair.found for pair in pairs]
            leaves = like.leaves if like else tuple(sorted({pair.leaf for pair in pairs}))
            held = {leaf.path: found.held(leaf.path) for leaf in found.recording.leaves if leaf.path in known}
            of = {
                path: np.array(given[path], np.float64)
                for path in known
                if path in given and not (path in held and np.array_equal(given[path], held[path]))
            }
            found.recording.before.restore()
            arrays = {leaf.path: leaf.array for leaf in found.recording.leaves}
            move_in_place([arrays[path] for path in leaves], MOVED, [seed])
            moved = run(made.form, *call, made.file)
            moved.recording.before.restore()
            return Gradients((found.loss_here, moved.loss_here), of, leaves)
    finally:
        loaded.forget()


@contextlib.contextmanager
def _nan_for_uninitialised() -> Iterator[None]:
    """Fill uninitialised arrays with NaN, because a program that reads them differs from run to run."""

    def filled(make: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        def made(*args: Any, **kwargs: Any) -> np.ndarray:
            array = make(*args, **kwargs)
            if array.dtype.kind in "fc":
                array.fill(np.nan)
            return array

        return made

    with mock.patch.multiple(np, empty=filled(np.empty), empty_like=filled(np.empty_like)):
        yield


def _is_mistake(right: Gradients, planted: Gradients) -> bool:
    """Return whether all gradients are still computed, one of them has changed, and the loss has not."""
    if planted.losses != right.losses:
        return False
    if any(
        path not in planted.of or planted.of[path].shape != gradient.shape
        for path, gradient in right.of.items()
    ):
        return False
    return all(np.isfinite(each).all() for each in planted.of.values()) and any(
        (np.abs(planted.of[path] - gradient) > CHANGED * np.abs(gradient).max(initial=0.0)).any()
        for path, gradient in right.of.items()
    )


def is_mistake(program: Program, mistake: Planted, folder: Path, right: Gradients) -> bool:
    """Return whether a planted mistake changes a gradient but not the loss, raises nothing, and ends."""
    try:
        with _limit(SECONDS):
            return _is_mistake(right, gradients_of(program, mistake.source, folder, right))
    except Exception:  # a mistake can raise anything
        return False


def planted_in(program: Program, folder: Path) -> list[Planted]:
    """Return all mistakes that can be planted in the functions that the call runs."""
    functions: set[str] = set()
    original = tapes.Tape.add

    def add(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        value = original(self, *args, **kwargs)
        for place in filter(None, [value.place, *value.calls]):
            functions.add(place.function.rpartition(".")[2])
        return value

    tapes.Tape.add = add  # type: ignore[method-assign]
    try:
        gradients_of(program, program.source, folder)
    finally:
        tapes.Tape.add = original  # type: ignore[method-assign]
    return plant(program.source, functions, program.last)


def measure(
    program: Program, mistake: Planted, folder: Path, right: Gradients, repairs: bool
) -> Outcome | None:
    """Check a program with a mistake in it.

    Args:
        program: the right program.
        mistake: the mistake planted in it.
        folder: folder for its file.
        right: the right program's results.
        repairs: whether to search for a repair.

    Returns:
        The outcome; None unless `is_mistake`.
    """
    if not is_mistake(program, mistake, folder, right):
        return None
    start = time.process_time()
    verdicts: list[float] = []
    edit = mistake.edit
    try:
        on_verdict = (lambda _: verdicts.append(time.process_time())) if repairs else None
        report = check(program, mistake.source, folder, on_verdict=on_verdict)
    except Exception as error:  # not judged; a crash of the checker counts as not judged
        none, said = Repaired(False, False, False, 0, 0.0), type(error).__name__
        return Outcome(program.name, mistake.kind, mistake.line, edit, False, None, (), said, 0.0, none)
    end = time.process_time()
    told = verdicts[0] if verdicts else end
    seconds = told - start
    repair = _repaired(program, mistake.source, report.repair, folder, end - told)
    named = tuple(each.line for each in report.blame)
    lines = mistake.lines
    place = next(
        (i for i, each in enumerate(report.blame) if lines & set(range(each.line, each.end_line + 1))), None
    )
    said = report.blame[0].kind if report.blame else ""
    wrong = report.ok is False
    return Outcome(program.name, mistake.kind, mistake.line, edit, wrong, place, named, said, seconds, repair)


def _repaired(program: Program, source: str, repair: Repair | None, folder: Path, seconds: float) -> Repaired:
    if repair is None:
        return Repaired(False, False, False, 0, seconds)
    repaired = applied(source, repair)
    is_wrong = False
    for seed in UNSEEN:
        right = gradients_of(program, program.source, folder, seed=seed)
        try:
            given = gradients_of(program, repaired, folder, right, seed=seed)
        except NotJudged:
            given = right._replace(of={})
        is_wrong = is_wrong or not same_gradients(right.of, given.of)
    return Repaired(True, restores(program, repaired), is_wrong, repair.others, seconds)


def measure_pair(
    program: Program, first: Planted, second: Planted, folder: Path, right: Gradients
) -> Repaired | None:
    """Return the repair of two mistakes in one program; None unless both together are a mistake."""
    source = joined(first, second)
    one: list[float] = []
    if not is_mistake(program, replace(first, source=source), folder, right):
        return None
    try:
        report = check(program, source, folder, on_verdict=lambda _: one.append(time.process_time()))
    except NotJudged:
        return None
    end = time.process_time()
    return _repaired(program, source, report.repair, folder, end - (one[0] if one else end))


def sample(every: dict[str, list[Planted]], seed: int) -> Iterator[tuple[str, Planted]]:
    """Yield mistakes in a random order, taking the kinds in turn, and within a kind the programs in turn."""
    draw = random.Random(seed)  # noqa: S311
    by_kind: dict[str, list[tuple[str, Planted]]] = {kind: [] for kind in KINDS}
    for name, mistakes in every.items():
        for each in mistakes:
            by_kind[each.kind].append((name, each))
    for kind, some in by_kind.items():
        draw.shuffle(some)
        seen: dict[str, int] = {}
        ranks: list[tuple[int, int, str, Planted]] = []
        for name, each in some:
            seen[name] = seen.get(name, 0) + 1
            ranks.append((seen[name], len(ranks), name, each))
        by_kind[kind] = [(name, each) for _, _, name, each in sorted(ranks, key=lambda x: x[:2])]
    while any(by_kind.values()):
        for some in by_kind.values():
            if some:
                yield some.pop(0)
