"""Run a function once, on NumPy, and record all that it computes."""

from __future__ import annotations

import ctypes
import gc
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.lib.stride_tricks import as_strided

from autograd_ref.recording import objects
from autograd_ref.recording.array import RecordedArray
from autograd_ref.recording.generators import GENERATORS, recording_generator
from autograd_ref.recording.memory import Memories, Memory, lay_out, owner_of, window
from autograd_ref.recording.reachable import Walk
from autograd_ref.recording.state import State
from autograd_ref.recording.stand_ins import originals
from autograd_ref.recording.tape import NotRecorded, Read, Tape, Value, current
from autograd_ref.recording.targets import shadowed

__all__ = ["Leaf", "Recording", "record"]

objects.ARRAY.append(RecordedArray)
objects.RECORDED.add(RecordedArray)


class Leaf(NamedTuple):
    """A floating array that was there before the call.

    Attributes:
        path: how the code reaches it: ``W``, ``params["W1"]``, ``self.W``.
        array: the array itself.
        value: what it held before the call.
        written: whether the call wrote to its memory.
    """

    path: str
    array: np.ndarray
    value: Value
    written: bool


class Recording:
    """What one run computed.

    Attributes:
        result: what the function returned, plain.
        tape: every value, in the order of the run.
        leaves: the floating arrays that were there before the call and were read.
        written: those among all arrays of before that were written to, by path.
        error: the exception that the function raised, if any.
    """

    def __init__(self, tape: Tape, memories: Memories):
        self.tape = tape
        self.memories = memories
        self.given: _Given
        self.before: State
        self.result: Any = None
        self.leaves: list[Leaf] = []
        self.written: dict[str, np.ndarray] = {}
        self.final: dict[str, tuple[Any, Value | None]] = {}
        self._left: dict[str, Any] = {}
        self._numbers: dict[int, tuple[Any, Value]] = {}

    def take(self, path: str, thing: Any) -> Any:
        """The plain object in place of a recording one, whose value is kept in mind."""
        twin = objects.plain(thing)
        self._left.setdefault(path, twin)
        if not isinstance(twin, np.ndarray):
            self._numbers[id(twin)] = (twin, thing._value)
        return twin

    def finish(self, given: _Given) -> None:
        """Keep what the run left behind, before anybody changes it."""
        self.given = given
        given.check_memory(self)
        for path, thing in self._left.items():
            value = self.value(thing)
            self.final[path] = (thing.copy() if isinstance(thing, np.ndarray) else thing, value)

    def value(self, thing: Any) -> Value | None:
        """The tape's value of an array or number that the run left behind: in its result, in an object, anywhere."""
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
            value = memory.reads[layout] = self.tape.add(Read(memory.root, layout), (memory.version,), None, like=thing)
        return value


    # The call itself, to be made again.

    @property
    def module(self) -> str | None:
        """The module that the function is from."""
        return self.given.module

    def call(self) -> Any:
        """Make the call plainly."""
        return self.given.function(*self.given.args, **self.given.kwargs)

    def visit_call(self, walk: Walk) -> None:
        """Visit all that the call can reach."""
        self.given.walk(walk)

    def visit(self, walk: Walk) -> None:
        """Visit all that the call can reach, and what it returned."""
        walk.visit("return", self.result)
        self.given.walk(walk)

    def movable(self) -> list[tuple[Value, np.ndarray]]:
        """The floating memory of before, with what it held."""
        return [(first, first.array) for memory, first in self.given.memories if first.is_floating]

    def put(self, moved: dict[Value, np.ndarray]) -> None:
        """Write other numbers into the floating memory of before."""
        for memory, first in self.given.memories:
            if first in moved:
                memory.array[...] = moved[first]


_RANDOM = (np.random.Generator, np.random.RandomState)


def record(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Recording:
    """Run a function once and record it.

    Args:
        function: any callable that computes with NumPy.
        args: its arguments.
        kwargs: its keyword arguments.

    Returns:
        The recording. An exception of the function itself is passed on, with its own traceback.

    Raises:
        NotRecorded: the function does what cannot be recorded; the message names the operation and its place.
    """
    if current.tape is not None:
        raise NotRecorded("a recording is being made already: record() was called inside record()")
    tape = Tape()
    memories = Memories(tape)
    recording = Recording(tape, memories)
    given = _Given(function, args, kwargs)
    recording.before = State(given.walk, given.module)
    # What exists already need not be searched for recording arrays afterwards.
    freezes = gc.get_freeze_count() == 0
    if freezes:
        gc.freeze()
    try:
        with shadowed(getattr(inspect.unwrap(function), "__globals__", {}), module=given.module):
            current.tape, current.memories = tape, memories
            given.wrap()
            recording.result = given.function(*given.args, **given.kwargs)
        current.tape = current.memories = None
        _release(given, recording)
    except BaseException as error:
        current.tape = current.memories = None
        _release(given, recording, error)
        if isinstance(error, NotRecorded):
            raise error.with_traceback(None) from None  # its place says where; ours is of no interest
        raise
    finally:
        if freezes:
            gc.unfreeze()
    if tape.refusal is not None:  # the program caught it
        raise tape.refusal
    recording.leaves = given.leaves(tape)
    recording.written = given.written()
    recording.finish(given)
    return recording


def _release(given: _Given, recording: Recording, error: BaseException | None = None) -> None:
    """Put plain objects in the places of all that records, wherever it is."""
    stand_ins = originals()

    def replace(path: str, thing: Any) -> Any:
        if type(thing) in objects.RECORDED:
            return recording.take(path, thing)
        if type(thing) in GENERATORS:
            return thing._twin
        if id(thing) in stand_ins:
            return stand_ins[id(thing)]
        if isinstance(thing, (np.ndarray, np.generic)):
            recording._left.setdefault(path, thing)
        return thing

    walk = Walk(replace, given.module)
    recording.result = walk.visit("return", recording.result)
    given.walk(walk)
    given.forget()
    if error is not None:
        walk.visit("error", error)
        _release_frames(error, walk)
    del walk
    _release_hidden(recording, replace)
    recording.memories.keep_all()


def _release_frames(error: BaseException, walk: Walk) -> None:
    """The local variables that a debugger or pytest shows for an exception."""
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code is not record.__code__ and frame.f_code.co_name != "<module>":
            names = frame.f_locals
            for name, each in list(names.items()):
                names[name] = walk.visit(name, each)
            if sys.version_info < (3, 13):  # later ones write through
                ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
        trace = trace.tb_next


def _release_hidden(recording: Recording, replace: Any) -> None:
    """What the walk from the call did not reach: caches of other modules, objects held by C code."""
    for _ in range(4):
        left = _left_behind()
        if not left:
            return
        gc.unfreeze()
        holders = [each for each in gc.get_referrers(*left) if each is not left]
        del left
        walk = Walk(replace)
        for holder in holders:
            _release_from(holder, walk)
        del holders, walk
        gc.collect()


def _release_from(holder: Any, walk: Walk) -> None:
    if isinstance(holder, (types.FrameType, types.GeneratorType)):
        return  # the frames of an exception: what is in them acts as plain from now on
    if hasattr(holder, "cache_clear"):
        holder.cache_clear()  # what functools keeps cannot be replaced; it will be computed again
        return
    new = walk.visit("", holder)
    if new is holder:
        return
    for outer in gc.get_referrers(holder):
        if isinstance(outer, (dict, list)):
            for key, each in list(outer.items() if isinstance(outer, dict) else enumerate(outer)):
                if each is holder:
                    outer[key] = new


def _left_behind() -> list[Any]:
    return [each for each in gc.get_objects() if type(each) in objects.RECORDED or type(each) in GENERATORS]


class _Given:
    """What can be reached from a call before it is made."""

    def __init__(self, function: Any, args: Any, kwargs: Any):
        self.function, self.args, self.kwargs = function, args, kwargs
        self.module = getattr(function, "__module__", None)
        self._arrays: dict[int, tuple[str, np.ndarray]] = {}
        self._memories: dict[int, tuple[Memory, Value]] = {}
        self._wrapped: dict[int, Any] = {}

    def wrap(self) -> None:
        """Put recording arrays in the places of all that was found."""
        self.walk(Walk(self._note, self.module))
        by_owner: dict[int, list[np.ndarray]] = {}
        for _, array in self._arrays.values():
            by_owner.setdefault(id(owner_of(array)), []).append(array)
        for arrays in by_owner.values():
            self._adopt(arrays)
        self.walk(Walk(self._replace, self.module))

    def walk(self, walk: Walk) -> None:
        """Visit the arguments and the function, with all that they know."""
        names = _names(self.function, self.args)
        self.args = tuple([walk.visit(name, each) for name, each in zip(names, self.args, strict=True)])
        self.kwargs = {name: walk.visit(name, each) for name, each in self.kwargs.items()}
        self.function = walk.visit("self", self.function)

    @property
    def memories(self) -> list[tuple[Memory, Value]]:
        """The pieces of memory that were there before, with their first values."""
        return list({id(memory): (memory, first) for memory, first in self._memories.values()}.values())

    def forget(self) -> None:
        """Let go of the recording arrays."""
        self._wrapped.clear()

    def _note(self, path: str, thing: Any) -> Any:
        if type(thing) is np.ndarray and thing.dtype.kind in "fiub" and id(thing) not in self._arrays:
            self._arrays[id(thing)] = (path, thing)
        return thing

    def _adopt(self, arrays: list[np.ndarray]) -> None:
        """One memory for arrays that share it: spanned by one of them, or from the first byte of all to the last."""
        bounds = [byte_bounds(each) for each in arrays]
        low, high = min(b[0] for b in bounds), max(b[1] for b in bounds)
        whole = [a for a, b in zip(arrays, bounds, strict=True) if b == (low, high) and a.nbytes == high - low]
        if len({each.dtype for each in arrays}) > 1:
            return  # read as numbers of several kinds: each read of it is a constant, or refused
        spanning = whole[0] if whole else _span(arrays[0], low, high)
        path = self._arrays[id(spanning)][0] if whole else ""
        memory = current.memories.adopt(spanning, path, foreign=False)
        for each in arrays:
            self._memories[id(each)] = (memory, memory.version)

    def _replace(self, path: str, thing: Any) -> Any:
        if type(thing) is not np.ndarray or id(thing) not in self._memories:
            return recording_generator(thing) or thing if isinstance(thing, _RANDOM) else thing
        wrapped = self._wrapped.get(id(thing))
        if wrapped is None:
            wrapped = self._wrapped[id(thing)] = objects.wrap_view(thing, self._memories[id(thing)][0])
        return wrapped

    def leaves(self, tape: Tape) -> list[Leaf]:
        """The floating arrays that were read."""
        used = {each for value in tape.values for each in value.inputs}
        leaves = []
        for path, array in self._arrays.values():
            memory, first = self._memories.get(id(array), (None, None))
            if memory is None or first not in used or array.dtype.kind != "f":
                continue
            layout = memory.layout(array)
            whole = layout == memory.root
            value = first if whole else tape.add(Read(memory.root, layout), (first,), None, like=array)
            leaves.append(Leaf(path, array, value, memory.written))
        return leaves

    def check_memory(self, recording: Recording) -> None:
        """Notice memory of before that code which is not recorded wrote to."""
        for path, array in self._arrays.values():
            if id(array) not in self._memories:
                continue
            memory, first = self._memories[id(array)]
            user = next((each for each in recording.tape.values if first in each.inputs), None)
            seen = window(lay_out(first.array, memory.root), memory.layout(array))
            held = recording.before.held(array)
            if user is not None and not np.array_equal(seen, held, equal_nan=array.dtype.kind == "f"):
                raise NotRecorded(
                    f"{path} left the tape: its memory was written to by code that is not recorded", user.place
                )

    def written(self) -> dict[str, np.ndarray]:
        """The arrays whose memory was written to."""
        known = ((path, array, self._memories.get(id(array))) for path, array in self._arrays.values())
        return {path: array for path, array, found in known if found is not None and found[0].written}


def _span(array: np.ndarray, low: int, high: int) -> np.ndarray:
    """All memory between two addresses as one array: what several views of it have in common."""
    start = (low - array.__array_interface__["data"][0]) // array.itemsize
    length = (high - low) // array.itemsize
    corner = as_strided(array, (1,), (array.itemsize,))
    return as_strided(corner[0:], (length,), (array.itemsize,)) if not start else _shifted(array, low, length)


def _shifted(array: np.ndarray, low: int, length: int) -> np.ndarray:
    owner: Any = owner_of(array)
    start = (low - byte_bounds(owner)[0]) // array.itemsize
    return as_strided(owner.reshape(-1, order="A"), (length,), (array.itemsize,))[start:]


def _names(function: Any, args: tuple[Any, ...]) -> list[str]:
    """The parameters' names, for the arguments given by position."""
    try:
        bound = inspect.signature(function).bind_partial(*args)
    except (TypeError, ValueError):
        return [f"args[{i}]" for i in range(len(args))]
    names: list[str] = []
    for name, each in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        names += [f"{name}[{i}]" for i in range(len(each))] if kind is kind.VAR_POSITIONAL else [name]
    return names
