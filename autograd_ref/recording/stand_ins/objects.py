"""Between recording objects and plain ones: twins, values, views, indexing."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from autograd_ref.recording.memory import owner_of
from autograd_ref.recording.tape import Move, NotRecorded, Read, Value, current
from autograd_ref.recording.template import freeze

__all__ = [
    "arrays_in", "flat_iterator", "forget_found", "index_read", "index_write", "is_recorded", "plain",
    "plain_all", "value_of", "wrap_result", "wrap_view",
]  # fmt: skip

# Filled by the modules that define them: the class of recording arrays, and that of each kind of number.
ARRAY: list[type] = []
NUMBERS: dict[type, type] = {}
RECORDED: set[type] = set()

# The recording array of each plain one, by the plain one's id, while it lives.
WRAPPED: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def is_recorded(thing: Any) -> bool:
    """Whether it is a recording array or number."""
    return type(thing) in RECORDED


def plain(thing: Any) -> Any:
    """The twin of a recording object; anything else as it is."""
    if type(thing) not in RECORDED:
        return UNSHADOWED.get(id(thing), thing) if isinstance(thing, type) else thing
    try:
        return thing._twin
    except AttributeError:
        return _lost(thing)._twin


# What stand-ins for types stand for, by their ids; and the other way round.
UNSHADOWED: dict[int, type] = {}
SHADOWED: dict[type, type] = {}


def type_of(thing: Any) -> type:
    """The type that the program sees: of a recording object its twin's, by the name that the program has."""
    kind = type(plain(thing))
    return SHADOWED.get(kind, kind) if current.tape is not None else kind


_found: list[Any] = []


def _lost(array: Any) -> Any:
    """Complete an array that NumPy's C code made as a view, without asking us."""
    _found.append(array)
    twin = np.ndarray.view(array, np.ndarray)
    array._twin = twin
    array._version = None
    array._memory = current.memories.adopt(twin) if current.tape is not None else None
    return array


def forget_found() -> None:
    """Part such arrays from their twins, which keep them alive: no garbage collector sees that."""
    while _found:
        del _found.pop()._twin


def plain_all(thing: Any) -> Any:
    """The same with every recording object in it replaced by its twin, through lists, tuples and slices."""
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
    """The tape's value of an array or number as it is now."""
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
    """A recording array for a fresh result."""
    wrapped = _wrapped(array)
    wrapped._memory = current.memories.new(array, value)
    wrapped._version = wrapped._value = value
    return wrapped


def wrap_view(array: np.ndarray, memory: Any = None) -> Any:
    """A recording array for a plain one in memory that is known, or now becomes so."""
    wrapped = _wrapped(array)
    wrapped._memory = memory or current.memories.adopt(array)
    wrapped._version = None
    return wrapped


def _wrapped(array: np.ndarray) -> Any:
    wrapped: Any = np.ndarray.view(array, ARRAY[0])
    wrapped._twin = array
    WRAPPED[id(array)] = wrapped
    return wrapped


def wrap_number(number: Any, value: Value) -> Any:
    """A recording number."""
    kind = NUMBERS.get(type(number))
    if kind is None:
        raise NotRecorded(f"a value of type {type(number).__name__} is not recorded", value.place)
    return kind(number, value)


def wrap_result(result: Any, value: Value) -> Any:
    """A recording object for what an operation gave."""
    return wrap_new(result, value) if isinstance(result, np.ndarray) else wrap_number(result, value)


def is_view_of_known(result: Any) -> Any:
    """The memory that a plain result shares, if it is known."""
    return current.memories.find(result) if isinstance(result, np.ndarray) else None


def arrays_in(thing: Any) -> bool:
    """Whether a list or tuple has something recorded in it, at any depth."""
    kind = type(thing)
    if kind in RECORDED:
        return True
    return (kind is list or kind is tuple) and any(map(arrays_in, thing))


def is_input(thing: Any) -> bool:
    """Whether an argument becomes an input of the operation."""
    return type(thing) in RECORDED or isinstance(thing, (np.ndarray, np.generic))


def index_read(array: Any, key: Any) -> Any:
    """``array[key]``."""
    twin = plain(array)
    result = twin[plain_all(key)]
    if current.tape is None:
        return result
    if type(result) is np.ndarray and owner_of(result) is owner_of(twin):
        value_of_memory = array._memory or current.memories.adopt(twin)
        return wrap_view(result, value_of_memory)
    inputs: list[Any] = [array]
    template = _key_template(key, inputs)
    entry = _entry(twin, plain_all(key)) if not isinstance(result, np.ndarray) else None
    if entry is not None:  # the memory is not read as a whole for it
        memory = array._memory
        if memory is None or memory.foreign:
            memory = current.memories.adopt(twin)
        read = Read(memory.root, memory.layout(entry))
        return wrap_number(result, current.tape.add(read, (memory.version,), np.asarray(result)))
    values = tuple([value_of(each) for each in inputs])
    return wrap_result(result, current.tape.add(Move("getitem", template, None), values, _as_array(result)))


def index_write(array: Any, key: Any, source: Any) -> None:
    """``array[key] = source``."""
    twin = plain(array)
    if current.tape is None:
        twin[plain_all(key)] = plain_all(source)
        return
    if arrays_in(source) and not is_recorded(source):
        source = from_nested(source, None)
    memories, tape = current.memories, current.tape
    memory = array._memory or memories.adopt(twin)
    inputs: list[Any] = [array]
    template = _key_template(key, inputs)
    plain_key = plain_all(key)
    target = twin[plain_key] if _is_basic(plain_key) else None
    # NumPy reads the right-hand side before it writes, also where the two overlap.
    if not is_recorded(source):
        source = _assignable(twin, plain_key, source)
    new = value_of(source)
    if target is None or not isinstance(target, np.ndarray):
        target = _entry(twin, plain_key)
    if target is not None:
        memory.keep()
        twin[plain_key] = plain_all(source)
        memories.write(target, memory, new)
        return
    values = (value_of(array), *[value_of(each) for each in inputs[1:]], new)
    memory.keep()
    twin[plain_key] = plain_all(source)
    if values[0].array is twin:
        raise AssertionError("a value shares memory that was written")
    changed = tape.add(Move("setitem", template, None), values, twin.copy(order="K"))
    memories.write(twin, memory, changed)


def _assignable(twin: np.ndarray, key: Any, source: Any) -> Any:
    """What is assigned, as numbers: NumPy's own error if it cannot be."""
    found = np.asarray(source)
    if found.dtype.kind in "fiub":
        return found if isinstance(source, (list, tuple)) else source
    twin.copy()[key] = source
    return found.astype(twin.dtype)


def _key_template(key: Any, inputs: list[Any]) -> Any:
    start = len(inputs)
    template = freeze(key, is_input, inputs)
    for each in inputs[start:]:
        if is_recorded(each):
            current.tape.control(value_of(each), "index")  # type: ignore[union-attr]
    return template


def _is_basic(key: Any) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    return all(
        part is None
        or part is Ellipsis
        or (isinstance(part, (slice, int, np.integer)) and not isinstance(part, bool))
        for part in parts
    )


def _entry(twin: np.ndarray, key: Any) -> np.ndarray | None:
    """A 0-d view of the single entry that a key of integers picks."""
    if not _is_basic(key):
        return None
    parts = key if isinstance(key, tuple) else (key,)
    return twin[(*parts, ...)]


def _as_array(result: Any) -> np.ndarray:
    return result if isinstance(result, np.ndarray) else np.asarray(result)


def from_nested(nested: Any, dtype: Any, **kwargs: Any) -> Any:
    """``np.array(nested)`` where a nested list has recorded arrays or numbers in it."""
    result = np.array(plain_all(nested), dtype=plain(dtype), **kwargs)
    inputs: list[Any] = []
    template = freeze(nested, is_input, inputs)
    values = tuple([value_of(each) for each in inputs])
    return wrap_new(result, current.tape.add(Move("array", template, None), values, result))  # type: ignore[union-attr]


class flat_iterator:  # noqa: N801 - named as NumPy's own
    """``array.flat``."""

    def __init__(self, array: Any):
        self._array = array
        self._next = 0

    def _view(self) -> Any:
        return self._array.reshape(-1)

    def __len__(self) -> int:
        return int(self._array.size)

    def __iter__(self) -> Any:
        return iter(self._view())

    def __next__(self) -> Any:
        if self._next >= len(self):
            raise StopIteration
        self._next += 1
        return self._view()[self._next - 1]

    def __getitem__(self, key: Any) -> Any:
        found = self._view()[key]
        return found.copy() if isinstance(found, np.ndarray) else found

    def __setitem__(self, key: Any, source: Any) -> None:
        where = np.arange(self._array.size)[plain_all(key)]
        source = source if np.ndim(plain(source)) == 0 else np.resize(source, np.shape(where))
        self._array[np.unravel_index(where, self._array.shape)] = source

    def copy(self) -> Any:
        """A flat copy of the array."""
        return self._array.flatten()
