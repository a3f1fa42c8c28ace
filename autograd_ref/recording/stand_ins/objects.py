"""Conversions between recording objects and plain ones: twins, values, views."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from autograd_ref.recording.tape import Move, NotRecorded, Value, current
from autograd_ref.recording.template import Group, Literal, Slot

__all__ = [
    "arrays_in", "forget_found", "freeze", "from_nested", "is_recorded", "plain", "plain_all",
    "value_of", "wrap_result", "wrap_view",
]  # fmt: skip

# The classes of recording arrays and of each kind of number; the modules that define them enter them here.
ARRAY: list[type] = []
NUMBERS: dict[type, type] = {}
RECORDED: set[type] = set()


def is_recorded(thing: Any) -> bool:
    """Whether an object is a recording array or number."""
    return type(thing) in RECORDED


def plain(thing: Any) -> Any:
    """Return the twin of a recording object, the original of a stand-in, and anything else unchanged."""
    if type(thing) not in RECORDED:
        return ORIGINALS.get(id(thing), thing)
    try:
        return thing._twin
    except AttributeError:
        return _lost(thing)._twin


# The originals of all stand-ins, which are never deleted, by their ids; and the stand-ins for types.
ORIGINALS: dict[int, Any] = {}
SHADOWED: dict[type, type] = {}


def type_of(thing: Any) -> type:
    """Return the type that the program sees: for a recording object its twin's, under the program's name."""
    kind = type(plain(thing))
    return SHADOWED.get(kind, kind) if current.tape is not None else kind


_found: list[Any] = []


def _lost(array: Any) -> Any:
    """Complete a recording array that NumPy's C code created as a view."""
    _found.append(array)
    twin = np.ndarray.view(array, np.ndarray)
    array._twin = twin
    array._version = None
    array._memory = current.memories.adopt(twin) if current.tape is not None else None
    return array


def forget_found() -> None:
    """Separate such arrays from their twins, which keep them alive unseen by the garbage collector."""
    while _found:
        del _found.pop()._twin


def plain_all(thing: Any) -> Any:
    """Replace every recording object by its twin, also in lists, tuples and slices."""
    kind = type(thing)
    if kind in RECORDED:
        return plain(thing)
    if kind is tuple:
        return tuple([plain_all(each) for each in thing])
    if kind is list:
        return [plain_all(each) for each in thing]
    if kind is slice:
        return slice(plain_all(thing.start), plain_all(thing.stop), plain_all(thing.step))
    if kind is dict:
        return {key: plain_all(each) for key, each in thing.items()}
    return plain(thing)


def value_of(thing: Any) -> Value:
    """Return the tape's current value of an array or number."""
    kind = type(thing)
    if kind in RECORDED:
        if kind is not ARRAY[0]:
            return thing._value
        try:
            memory = thing._memory
        except AttributeError:
            memory = _lost(thing)._memory
        if memory is None:
            memory = thing._memory = current.memories.adopt(thing._twin)
        if thing._version is memory.version and not memory.foreign:
            return thing._value
        if memory.foreign:
            memory = current.memories.adopt(thing._twin)
        value: Value = current.memories.read(thing._twin, memory)
        thing._version, thing._value = memory.version, value
        return value
    if isinstance(thing, np.ndarray):
        return current.memories.read(thing, current.memories.adopt(thing))
    return current.tape.number(thing)  # type: ignore[union-attr]


def wrap_new(array: np.ndarray, value: Value) -> Any:
    """Return a recording array for a new result."""
    wrapped = _wrapped(array)
    wrapped._memory = current.memories.new(array, value)
    wrapped._version = wrapped._value = value
    return wrapped


def wrap_view(array: np.ndarray, memory: Any = None) -> Any:
    """Return a recording array for a plain one in known memory, or in memory that becomes known now."""
    wrapped = _wrapped(array)
    wrapped._memory = memory or current.memories.adopt(array)
    wrapped._version = None
    return wrapped


def _wrapped(array: np.ndarray) -> Any:
    wrapped: Any = array.view(ARRAY[0])
    wrapped._twin = array
    return wrapped


def wrapper_of(array: np.ndarray) -> Any:
    """Return the recording array that has an array as its twin; a new one if there is none yet."""
    holders = gc.get_referrers(array)
    known = [each for each in holders if type(each) is ARRAY[0] and plain(each) is array]
    return known[0] if known else wrap_view(array)


def array_of(number: Any) -> Any:
    """Return a recorded number as an array without axes."""
    return wrap_new(np.array(number._twin), number._value)


def wrap_number(number: Any, value: Value) -> Any:
    """A recording number."""
    kind = NUMBERS.get(type(number))
    if kind is None:
        raise NotRecorded(f"a value of type {type(number).__name__} is not recorded", value.place)
    return kind(number, value)


def wrap_result(result: Any, value: Value) -> Any:
    """Return a recording object for an operation's result."""
    return wrap_new(result, value) if isinstance(result, np.ndarray) else wrap_number(result, value)


def is_view_of_known(result: Any) -> Any:
    """Return the memory that a plain result shares, if it is known."""
    return current.memories.find(result) if isinstance(result, np.ndarray) else None


def arrays_in(thing: Any) -> bool:
    """Whether a list or tuple contains a recording object, at any depth."""
    kind = type(thing)
    if kind in RECORDED:
        return True
    return (kind is list or kind is tuple) and any(map(arrays_in, thing))


def freeze(argument: Any, inputs: list[Any]) -> Any:
    """Return the template of an argument, and append the arrays and NumPy numbers in it to ``inputs``."""
    kind = type(argument)
    if kind in _CONSTANTS:
        return _literal(kind, argument)
    if kind in RECORDED:
        inputs.append(argument)
        return _slot(len(inputs) - 1)
    if kind is float:
        return _literal(kind, argument.hex())
    if isinstance(argument, (tuple, list)):
        name = "list" if isinstance(argument, list) else "tuple"
        if RECORDED.issuperset(map(type, argument)):  # the common case
            start = len(inputs)
            inputs.extend(argument)
            return _slots(name, start, len(inputs))
        return Group(name, tuple([freeze(each, inputs) for each in argument]))
    if isinstance(argument, (np.ndarray, np.generic)):
        inputs.append(argument)
        return _slot(len(inputs) - 1)
    if isinstance(argument, slice):
        ends = (argument.start, argument.stop, argument.step)
        return Group("slice", tuple([freeze(each, inputs) for each in ends]))
    if isinstance(argument, dict):
        return Group("dict", tuple([(key, freeze(each, inputs)) for key, each in argument.items()]))
    if isinstance(argument, type):
        argument = plain(argument)
    return Literal(type(argument), argument)


_CONSTANTS = {bool, int, str, type(None)}

# One object for each of the usual ones.
_literal: Callable[..., Literal] = lru_cache(1024)(Literal)
_slot = lru_cache(64)(Slot)


@lru_cache(64)
def _slots(name: str, start: int, end: int) -> Group:
    return Group(name, tuple(map(Slot, range(start, end))))


def from_nested(nested: Any, dtype: Any, **kwargs: Any) -> Any:
    """Return ``np.array(nested)`` for a nested list that contains recorded arrays or numbers."""
    result = np.array(plain_all(nested), dtype=plain(dtype), **kwargs)
    inputs: list[Any] = []
    template = freeze(nested, inputs)
    values = tuple([value_of(each) for each in inputs])
    return wrap_new(result, current.tape.add(Move("array", template, None), values, result))  # type: ignore[union-attr]
