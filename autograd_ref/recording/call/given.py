"""Replace the plain arrays that a call can reach by recording arrays, before the call."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.lib.stride_tricks import as_strided

from autograd_ref.recording.call.reachable import Walk
from autograd_ref.recording.call.state import State
from autograd_ref.recording.layouts import lay_out, window
from autograd_ref.recording.memory import Memory, are_same, owner_of
from autograd_ref.recording.stand_ins import objects
from autograd_ref.recording.stand_ins.generators import recording_generator
from autograd_ref.recording.stand_ins.modules import stand_in_for
from autograd_ref.recording.stand_ins.targets import might_need
from autograd_ref.recording.tape import NotRecorded, Read, Tape, Value, current

__all__ = ["Given", "Leaf"]

_RANDOM = (np.random.Generator, np.random.RandomState)


class Leaf(NamedTuple):
    """A floating array that existed before the call.

    Attributes:
        path: its path in the code: ``W``, ``params["W1"]``, ``self.W``.
        array: the array itself.
        value: its value before the call.
        written: whether the call wrote to its memory.
    """

    path: str
    array: np.ndarray
    value: Value
    written: bool

    @property
    def sources(self) -> tuple[Value, ...]:
        """The value itself, and the memory from which it was read, if that is larger."""
        return (self.value, *self.value.inputs)


class Given:
    """Everything that a call can reach beforehand."""

    def __init__(self, function: Any, args: Any, kwargs: Any):
        self.function, self.args, self.kwargs = function, args, kwargs
        self._names = _names(function, args)
        is_numpys = stand_in_for(function) is not None
        self.module = None if is_numpys else getattr(function, "__module__", None)
        self.namespaces = [] if is_numpys else [getattr(inspect.unwrap(function), "__globals__", {})]
        self._arrays: dict[int, tuple[str, np.ndarray]] = {}
        self._memories: dict[int, tuple[Memory, Value]] = {}
        self._wrapped: dict[int, Any] = {}

    def wrap(self, found: State) -> None:
        """Replace all arrays found by recording arrays."""
        self._arrays = {
            id(array): (path, array)
            for path, array in sorted(found.arrays(), key=lambda each: self._position(each[0]))
            if type(array) is np.ndarray and array.dtype.kind in "fiubc"
        }
        by_owner: dict[int, list[np.ndarray]] = {}
        for _, array in self._arrays.values():
            by_owner.setdefault(id(owner_of(array)), []).append(array)
        for arrays in by_owner.values():
            self._adopt(arrays)
        self.walk(Walk(self._replace, self.module))

    def walk(self, walk: Walk) -> None:
        """Visit the arguments and the function, with everything they refer to."""
        given = [*zip(self._names, self.args, strict=True), *self.kwargs.items()]
        found: list[Any] = [None] * len(given)
        # Arrays first: a method's object leads to the program's globals, which may be the same arrays.
        for i in sorted(range(len(given)), key=lambda i: _how_far(given[i][1])):
            found[i] = walk.visit(*given[i])
        self.kwargs = dict(zip(self.kwargs, found[len(self.args) :], strict=True))
        self.args = tuple(found[: len(self.args)])
        self.function = walk.visit("self", self.function)

    def _position(self, path: str) -> int:
        """Return the position of the argument that a path begins with."""
        names = [*self._names, *self.kwargs]
        starts = (f"{path}.".startswith((f"{name}.", f"{name}[")) for name in names)
        return next((i for i, is_it in enumerate(starts) if is_it), len(names))

    @property
    def memories(self) -> list[tuple[Memory, Value]]:
        """Return the memories that existed before the call, with their first values."""
        return list({id(memory): (memory, first) for memory, first in self._memories.values()}.values())

    def forget(self) -> None:
        """Drop the recording arrays."""
        self._wrapped.clear()

    def _adopt(self, arrays: list[np.ndarray]) -> None:
        """Create one memory for arrays that share it, from their first byte to their last."""
        if len(arrays) == 1 and arrays[0].flags.forc:  # the common case
            whole, spanning = arrays, arrays[0]
        else:
            bounds = [byte_bounds(each) for each in arrays]
            low, high = min(b[0] for b in bounds), max(b[1] for b in bounds)
            whole = [
                a for a, b in zip(arrays, bounds, strict=True) if b == (low, high) and a.nbytes == high - low
            ]
            if len({each.dtype for each in arrays}) > 1:
                return  # read with several dtypes: each read of it is a constant, or refused
            spanning = whole[0] if whole else _span(arrays[0], low, high)
        path = self._arrays[id(spanning)][0] if whole else ""
        memory = current.memories.adopt(spanning, path, foreign=False)
        for each in arrays:
            self._memories[id(each)] = (memory, memory.version)

    def _replace(self, path: str, thing: Any) -> Any:
        if type(thing) is not np.ndarray:
            made = recording_generator(thing) if isinstance(thing, _RANDOM) else None
            # np.tanh among the attributes, np in a closure:
            if made is None and might_need(thing):
                made = stand_in_for(thing)
            return thing if made is None else made
        if id(thing) not in self._memories:
            return thing
        wrapped = self._wrapped.get(id(thing))
        if wrapped is None:
            wrapped = self._wrapped[id(thing)] = objects.wrap_view(thing, self._memories[id(thing)][0])
        return wrapped

    def users(self, tape: Tape) -> dict[Value, Value]:
        """Return the first value that was computed from each first value of a memory."""
        firsts = {first for _, first in self._memories.values()}
        found: dict[Value, Value] = {}
        for value in tape.values:
            for each in value.inputs:
                if each in firsts:
                    found.setdefault(each, value)
        return found

    def leaves(self, tape: Tape, users: dict[Value, Value]) -> list[Leaf]:
        """Return the floating arrays that were read."""
        leaves = []
        for path, array in self._arrays.values():
            memory, first = self._memories.get(id(array), (None, None))
            if memory is None or first not in users or array.dtype.kind != "f":
                continue
            layout = memory.layout(array)
            whole = layout == memory.root
            value = first if whole else tape.add(Read(memory.root, layout), (first,), None, like=array)
            leaves.append(Leaf(path, array, value, memory.written))
        return leaves

    def check_memory(self, users: dict[Value, Value], before: State) -> None:
        """Notice unrecorded writes to memory from before the call."""
        for path, array in self._arrays.values():
            if id(array) not in self._memories:
                continue
            memory, first = self._memories[id(array)]
            user = users.get(first)
            seen = window(lay_out(first.array, memory.root), memory.layout(array))
            held = before.held(array)
            if user is not None and not are_same(seen.reshape(held.shape), held):
                raise NotRecorded(
                    f"{path} left the tape: its memory was written to by code that is not recorded",
                    user.place,
                )
            if first.array is array:
                first.array = held

    def written(self) -> dict[str, np.ndarray]:
        """Return the arrays whose memory was written to."""
        known = ((path, array, self._memories.get(id(array))) for path, array in self._arrays.values())
        return {path: array for path, array, found in known if found is not None and found[0].written}


def _how_far(thing: Any) -> int:
    """Return 0 for an array, 1 for a container, and 2 for an object, which leads to more."""
    return 0 if type(thing) is np.ndarray else 1 if isinstance(thing, (dict, list, tuple)) else 2


def _span(array: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return all memory between two addresses as one array, which contains several views."""
    start = (low - array.__array_interface__["data"][0]) // array.itemsize
    length = (high - low) // array.itemsize
    corner = as_strided(array, (1,), (array.itemsize,))
    return as_strided(corner[0:], (length,), (array.itemsize,)) if not start else _shifted(array, low, length)


def _shifted(array: np.ndarray, low: int, length: int) -> np.ndarray:
    owner: Any = owner_of(array)
    start = (low - byte_bounds(owner)[0]) // array.itemsize
    corner = owner.reshape(-1, order="A")[start : start + 1]
    return as_strided(corner, (length,), (array.itemsize,))


def _names(function: Any, args: tuple[Any, ...]) -> list[str]:
    """Return the names of the parameters, for arguments given by position."""
    plain = getattr(function, "__func__", function)
    if type(plain) is FunctionType and not vars(plain):  # the common case: nothing hides its signature
        code = plain.__code__
        names = list(code.co_varnames[plain is not function : code.co_argcount])
        if len(args) <= len(names):
            return names[: len(args)]
    try:
        bound = inspect.signature(function).bind_partial(*args)
    except (TypeError, ValueError):
        return [f"args[{i}]" for i in range(len(args))]
    names = []
    for name, each in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        names += [f"{name}[{i}]" for i in range(len(each))] if kind is kind.VAR_POSITIONAL else [name]
    return names
