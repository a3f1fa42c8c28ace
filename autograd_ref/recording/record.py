"""Run a function once, on NumPy, and record everything it computes."""

from __future__ import annotations

import ctypes
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np

from autograd_ref.recording.call.given import Given, Leaf
from autograd_ref.recording.call.reachable import Walk
from autograd_ref.recording.call.release import release, unsearched
from autograd_ref.recording.call.state import State, can_be_written, collect, overwrite
from autograd_ref.recording.memory import Memories
from autograd_ref.recording.place import Place, place_of
from autograd_ref.recording.stand_ins import objects
from autograd_ref.recording.stand_ins.array import RecordedArray
from autograd_ref.recording.stand_ins.targets import shadowed
from autograd_ref.recording.tape import NotRecorded, Read, Tape, Value, current

__all__ = ["Recording", "record", "record_or_undo"]

objects.ARRAY.append(RecordedArray)
objects.RECORDED.add(RecordedArray)

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # in malloc.h


class Recording:
    """The recording of one run.

    Attributes:
        result: the function's result, without recording objects.
        tape: every value, in the order of the run.
        leaves: the floating arrays that existed before the call and were read.
        written: the arrays from before the call that were written to, by path.
        error: the exception that the function raised, if any.
    """

    def __init__(self, tape: Tape, memories: Memories):
        self.tape = tape
        self.memories = memories
        self.given: Given
        self.before: State
        self.result: Any = None
        self.leaves: list[Leaf] = []
        self.written: dict[str, np.ndarray] = {}
        self.final: dict[str, tuple[Any, Value | None]] = {}
        self._left: dict[str, Any] = {}
        self._numbers: dict[int, tuple[Any, Value]] = {}

    def take(self, path: str, thing: Any) -> Any:
        """Remember the recording object at a path, and return a plain one."""
        twin = objects.plain(thing)
        if isinstance(twin, (np.ndarray, np.generic, float)) or twin is not thing:
            self._left.setdefault(path, twin)
        if twin is not thing and not isinstance(twin, np.ndarray):
            self._numbers[id(twin)] = (twin, thing._value)
        return twin

    def finish(self, given: Given) -> None:
        """Keep the results of the run, before anything changes them."""
        self.given = given
        for path, thing in self._left.items():
            value = self.value(thing)
            if isinstance(thing, np.ndarray):
                thing = thing.copy() if value is None or value.array is None else value.array
            self.final[path] = thing, value

    def value(self, thing: Any) -> Value | None:
        """Return the tape's value of an array or number from the run, wherever it is stored."""
        known = self._numbers.get(id(thing))
        if known is not None:
            return known[1]
        if not isinstance(thing, np.ndarray):
            return None
        memory = self.memories.find(thing)
        if memory is None:
            return None
        layout = memory.layout(thing)
        if layout == memory.root:
            return memory.version
        value = memory.reads.get(layout)
        if value is None:
            value = memory.reads[layout] = self.tape.add(
                Read(memory.root, layout), (memory.version,), None, like=thing
            )
        return value

    # The call itself, to repeat it.

    @property
    def module(self) -> str | None:
        """The module of the function."""
        return self.given.module

    @property
    def definition(self) -> Place | None:
        """The place where the function begins; None for a function without Python code."""
        code = getattr(inspect.unwrap(self.given.function), "__code__", None)
        return place_of(code, -1) if code is not None else None

    def call(self) -> Any:
        """Make the call without recording."""
        return self.given.function(*self.given.args, **self.given.kwargs)

    def collect(self, result: Any) -> dict[str, Any]:
        """Return every array and NumPy number that the call can reach, and numbers in its result, by path."""
        return collect(self.given.walk, result, self.module, self.before)

    def visit(self, walk: Walk) -> None:
        """Visit everything the call can reach, and its result."""
        walk.visit_result(self.result, self.before.objects)
        self.given.walk(walk)

    def movable(self) -> list[tuple[Value, np.ndarray]]:
        """Return the writable floating memory from before the call, with its content."""
        return [
            (first, first.array)
            for memory, first in self.given.memories
            if first.is_floating and can_be_written(memory.array)
        ]

    def put(self, moved: dict[Value, np.ndarray]) -> None:
        """Write other numbers into the floating memory from before the call."""
        for memory, first in self.given.memories:
            if first in moved:
                overwrite(memory.array, moved[first])


def record(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Recording:
    """Run a function once and record it.

    Args:
        function: any callable that computes with NumPy.
        args: its arguments.
        kwargs: its keyword arguments.

    Returns:
        The recording. An exception of the function itself is passed on, with its own traceback.

    Raises:
        NotRecorded: an operation cannot be recorded; the message names it and its place.
    """
    return _record(function, args, kwargs, [])


def record_or_undo(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Recording:
    """Run a function once and record it, like `record`; if it raises, everything is as before the call."""
    before: list[State] = []
    try:
        return _record(function, args, kwargs, before)
    except BaseException:
        for each in before:
            each.restore()
        raise


def _record(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], before: list[State]
) -> Recording:
    if current.tape is not None:
        raise NotRecorded("another recording is in progress: record() was called inside record()")
    _keep_freed_memory()
    tape = Tape()
    memories = Memories(tape)
    recording = Recording(tape, memories)
    given = Given(function, tuple(args), dict(kwargs))
    recording.before = State(given.walk, given.module)
    before.append(recording.before)
    returned: list[Any] = []
    with unsearched():
        try:
            with shadowed(*given.namespaces, module=given.module):
                current.tape, current.memories = tape, memories
                given.wrap(recording.before)
                returned.append(given.function(*given.args, **given.kwargs))
            current.tape = current.memories = None
            _forget_frames(tape.refusal)
            recording.result = release(given, recording.take, returned, recording.before.objects)
        except BaseException as error:
            current.tape = current.memories = None
            _forget_frames(tape.refusal, error)
            release(given, recording.take, returned, recording.before.objects, error)
            if isinstance(error, NotRecorded):
                raise error.with_traceback(None) from None
            raise
    if tape.refusal is not None:  # the program caught it
        raise tape.refusal
    users = given.users(tape)
    given.check_memory(users, recording.before)
    memories.keep_all()
    recording.leaves = given.leaves(tape, users)
    recording.written = given.written()
    recording.finish(given)
    return recording


@cache
def _keep_freed_memory() -> None:
    """Make glibc keep 64 MB of freed memory, because large arrays in fresh memory take twice the time.

    These are the largest values of its thresholds, which it sets itself if a program frees a large array.
    """
    with suppress(AttributeError):  # other C libraries have no mallopt
        for threshold, size in ((_M_MMAP_THRESHOLD, 2**25), (_M_TRIM_THRESHOLD, 2**26)):
            ctypes.pythonapi.mallopt(threshold, size)


def _forget_frames(*errors: BaseException | None) -> None:
    """Drop the frames of a refusal, which keep objects alive; its place is enough."""
    for error in errors:
        if isinstance(error, NotRecorded):
            error.__context__ = error.__traceback__ = None
