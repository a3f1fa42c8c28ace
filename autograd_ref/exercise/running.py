"""Record a half-written program at two points: the value of each step, and the adjoint that it should be."""

import ast
import linecache
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.errors import cause, one_line
from autograd_ref.crosscheck.program.assigned.losses import find_loss
from autograd_ref.crosscheck.program.blame.known import Known
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.calling.caught import seeded
from autograd_ref.crosscheck.program.point import RecordedPoint, Run
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.exercise.instrument import NOTE_FORWARD, NOTE_STEP, Instrumented, instrument
from autograd_ref.exercise.topic import Topic
from autograd_ref.recording import NotRecorded, Value, adjoints, record
from autograd_ref.recording.stand_ins.objects import is_recorded, plain, plain_all, value_of

__all__ = ["Failure", "Made", "MadeBy", "Notes", "Ran", "run_steps"]

POINTS = 2


class Made(NamedTuple):
    """The value that a statement of a step made.

    Attributes:
        thing: the value; in most cases an array.
        at: the number of statements of steps that ran before.
    """

    thing: Any
    at: int


# The values of a step, by name and index of the forward value, then by the line that made them.
MadeBy = dict[tuple[str, int | None], dict[int, Made]]


@dataclass
class Notes:
    """Notes of one run.

    Attributes:
        forward: the forward pass's values on the tape, by name, and by index for a list.
        numbers: the whole numbers of the forward pass, mostly sizes.
        steps: the values that each step made.
        first: when each line first ran.
    """

    forward: dict[tuple[str, int | None], Value] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    steps: dict[int, MadeBy] = field(default_factory=dict)
    first: dict[int, int] = field(default_factory=dict)
    count: int = 0


@dataclass(frozen=True)
class Failure:
    """A line that raised an exception or cannot be recorded, with the reason."""

    line: int
    says: str


@dataclass
class Ran:
    """The result of running a student's file.

    Attributes:
        program: the program that ran.
        failures: the lines that failed.
        notes: the notes of each point.
        known: the adjoints, which recognise the values of steps.
    """

    program: Instrumented
    failures: list[Failure]
    notes: list[Notes]
    known: Known

    def step_of(self, failure: Failure) -> int:
        """Return the number of the step that contains a line, or else of the next step after it."""
        spans = [(last, number) for number, some in self.program.spans.items() for _, last in some]
        return min(((last, number) for last, number in spans if last >= failure.line), default=max(spans))[1]

    def name_of(self, value: Value) -> str | None:
        """Return the program's name for a forward value; None if it has none."""
        for (name, index), each in self.notes[0].forward.items():
            if each is value:
                return name if index is None else f"{name}[{index}]"
        return None


def run_steps(source: str, file: str, topic: Topic) -> Ran:
    """Run a student's file as far as it is filled in.

    Args:
        source: text of the file.
        file: its path.
        topic: its topic.

    Returns:
        The result.

    Raises:
        NotJudged: the forward pass or the example fails; the message says where.
        SyntaxError: the file is not Python.
    """
    failures: list[Failure] = []
    while True:
        program = instrument(source, file, topic, [each.line for each in failures])
        try:
            notes, points = _at_points(program, source, file, topic)
            return Ran(program, failures, notes, Known(Tapes(points, ())))
        except _Stopped as stopped:
            line = stopped.failure.line
            if line <= program.begins or any(each.line == line for each in failures):
                raise NotJudged(f"line {stopped.failure.line}: {stopped.failure.says}") from None
            failures.append(stopped.failure)


class _Stopped(Exception):  # noqa: N818
    def __init__(self, line: int, says: str):
        self.failure = Failure(line, says)


def _at_points(
    program: Instrumented, source: str, file: str, topic: Topic
) -> tuple[list[Notes], list[RecordedPoint]]:
    module = _module(program.tree, source, file)
    noted: list[Notes] = []
    points: list[RecordedPoint] = []
    for number in range(POINTS):
        notes = Notes()
        vars(module)[NOTE_FORWARD] = partial(_note_forward, notes)
        vars(module)[NOTE_STEP] = _noting(notes, topic)
        arguments = _guarded(lambda: module.example(seeded(0, number)), file, topic)  # noqa: B023
        recording = _guarded(
            lambda: record(vars(module)[topic.function], *arguments), file, topic  # noqa: B023
        )  # fmt: skip
        loss = find_loss(recording, "return")
        run = Run(recording, loss, adjoints(recording, loss.value), {}, "return")
        points.append(RecordedPoint(run, number, [], [], [], [], 1.0, {}))
        noted.append(notes)
        recording.before.restore()
    return noted, points


def _module(tree: ast.Module, source: str, file: str) -> ModuleType:
    """Run the file's statements in a new module."""
    lines = source.splitlines(keepends=True)
    linecache.cache[file] = (len(source), None, lines, file)
    module = ModuleType("exercise")
    module.__file__ = file
    sys.modules[module.__name__] = module
    _guarded(lambda: exec(compile(tree, file, "exec"), vars(module)), file, None)  # noqa: S102
    return module


def _guarded(make: Callable[[], Any], file: str, topic: Topic | None) -> Any:
    """Run a part of the file; turn an exception into one that names the line."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"), redirect_stdout(StringIO()):
            return make()
    except NotRecorded as error:
        if error.place is None or error.place.file != file:
            raise NotJudged(str(error)) from None
        raise _Stopped(error.place.line, one_line(str(error))) from None
    except (Exception, SystemExit) as error:
        frames = [
            (frame.f_code.co_name, line)
            for frame, line in traceback.walk_tb(error.__traceback__)
            if frame.f_code.co_filename == file
        ]
        inside = [line for name, line in frames if topic is not None and name == topic.function]
        if inside:
            raise _Stopped(inside[0], one_line(cause(error, file))) from None
        where = f"line {frames[-1][1]}: " if frames else ""
        raise NotJudged(where + one_line(cause(error, file))) from None


def _note_forward(notes: Notes, names: Mapping[str, Any]) -> None:
    for name, thing in names.items():
        if is_recorded(thing):
            notes.forward[name, None] = value_of(thing)
        elif isinstance(thing, (list, tuple)):
            notes.forward |= {(name, i): value_of(each) for i, each in enumerate(thing) if is_recorded(each)}
        elif isinstance(thing, int) and not isinstance(thing, bool):
            notes.numbers[name] = thing


def _noting(notes: Notes, topic: Topic) -> Callable[[int, int, Mapping[str, Any]], None]:
    def note(number: int, line: int, names: Mapping[str, Any]) -> None:
        step = topic.steps[number - 1]
        try:
            thing = eval(step.name, {}, names)  # noqa: S307 - the topic's own
            base, _, index = step.of.rstrip("]").partition("[")
            at = eval(index, {}, names) if index else None  # noqa: S307
        except (NameError, IndexError, KeyError, TypeError):
            return  # before the loop that contains the step
        key = base, None if at is None else int(at)
        notes.count += 1
        notes.first.setdefault(line, notes.count)
        notes.steps.setdefault(number, {}).setdefault(key, {})[line] = Made(_copied(thing), notes.count)

    return note


def _copied(thing: Any) -> Any:
    """Return a copy of a step's value in its present state."""
    twin = plain_all(thing) if isinstance(thing, (list, tuple)) else plain(thing)
    return np.array(twin) if isinstance(twin, (np.ndarray, np.generic)) else twin
