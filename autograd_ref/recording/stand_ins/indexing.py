"""Reads and writes by index: views, single entries, copies."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_ref.recording.memory import owner_of
from autograd_ref.recording.stand_ins.objects import (
    arrays_in,
    freeze,
    from_nested,
    is_recorded,
    plain,
    plain_all,
    value_of,
    wrap_new,
    wrap_number,
    wrap_result,
    wrap_view,
)
from autograd_ref.recording.tape import Move, Read, current

__all__ = ["few_parts", "flat_iterator", "index_read", "index_write", "rows_of"]

# Indices that record nothing and contain nothing.
_SIMPLE = {int, type(None), type(Ellipsis)}
# The entries of an array that are copied in about the time that it takes to record one part of it.
_A_PART = 2**10


def index_read(array: Any, key: Any) -> Any:
    """``array[key]``."""
    twin = plain(array)
    plain_key = key if _is_simple(key) else plain_all(key)
    result = twin[plain_key]
    tape = current.tape
    if tape is None:
        return result
    if type(result) is np.ndarray and owner_of(result) is owner_of(twin):
        return wrap_view(result, array._memory or current.memories.adopt(twin))
    index = None if isinstance(result, np.ndarray) else _integers(plain_key)
    if index is not None:  # no need to read the whole memory
        if plain_key is not key:
            _key_template(key, [])
        memory = array._memory
        if memory is None or memory.foreign:
            memory = current.memories.adopt(twin)
        read = Read(memory.root, memory.entry(twin, index))
        return wrap_number(result, tape.add(read, (memory.version,), np.asarray(result)))
    inputs: list[Any] = [array]
    template = _key_template(key, inputs)
    parts = few_parts(twin, _places(key, plain_key))
    if parts:
        return wrap_new(result, _gathered([wrap_view(twin[part], array._memory) for part in parts], result))
    values = tuple([value_of(each) for each in inputs])
    return wrap_result(result, tape.add(Move("getitem", template, None), values, _as_array(result)))


def index_write(array: Any, key: Any, source: Any) -> None:
    """Record ``array[key] = source``."""
    twin = plain(array)
    if current.tape is None:
        twin[plain_all(key)] = plain_all(source)
        return
    if arrays_in(source) and not is_recorded(source):
        source = from_nested(source, None)
    memories, tape = current.memories, current.tape
    memory = array._memory or memories.adopt(twin)
    inputs: list[Any] = [array]
    plain_key, template = key, None
    if not _is_simple(key):
        plain_key, template = plain_all(key), _key_template(key, inputs)
    is_basic = template is None or _is_basic(plain_key)
    target = twin[plain_key] if is_basic else None
    # NumPy reads the right-hand side before it writes, even if the two overlap.
    if not is_recorded(source):
        source = _assignable(twin, plain_key, source)
    new = value_of(source)
    if is_basic:
        if not isinstance(target, np.ndarray):
            target = _entry(twin, plain_key)
        memory.keep()
        twin[plain_key] = plain_all(source)
        memories.write(target, memory, new)
        return
    parts = few_parts(twin, _places(key, plain_key))
    if parts and not np.may_share_memory(twin, plain(source)):
        memory.keep()
        twin[plain_key] = plain(source)
        for part, each in zip(parts, rows_of(source, twin, parts), strict=True):
            memories.write(twin[part], memory, value_of(each))
        return
    values = (value_of(array), *[value_of(each) for each in inputs[1:]], new)
    memory.keep()
    twin[plain_key] = plain_all(source)
    if values[0].array is twin:
        raise AssertionError("a value shares memory that was written")
    changed = tape.add(Move("setitem", template, None), values, memory.content(twin))
    memories.write(twin, memory, changed)


def few_parts(twin: np.ndarray, key: Any) -> list[tuple[Any, ...]]:
    """Return the indices of the parts that arrays of integers pick from a large array, if they are few.

    They are read and written one by one, like slices: with a version of the whole array for every write, a
    loop would need memory and time proportional to the square of what it writes.
    """
    if twin.size < _A_PART:
        return []
    places = [np.asarray(each) for each in (key if isinstance(key, tuple) else (key,))]
    if len(places) > twin.ndim or any(each.dtype.kind not in "iu" for each in places):
        return []
    places = list(np.broadcast_arrays(*places))
    if places[0].ndim != 1 or twin.size < _A_PART * len(places[0]):
        return []
    return [(*index, ...) for index in zip(*[each.tolist() for each in places], strict=True)]


def _places(key: Any, plain_key: Any) -> Any:
    """Return the places that a mask picks, if they are few and the same wherever the leaves are moved."""
    is_mask = is_recorded(key) and isinstance(plain_key, np.ndarray) and plain_key.dtype == np.bool_
    if not is_mask or plain_key.size < _A_PART * np.count_nonzero(plain_key):
        return plain_key
    return plain_key if current.tape.depends(value_of(key)) else np.nonzero(plain_key)  # type: ignore[union-attr]


def rows_of(source: Any, twin: np.ndarray, parts: list[tuple[Any, ...]]) -> Any:
    """Return what is written to each part of an array, which ``source`` may broadcast to."""
    source = source if is_recorded(source) else wrap_view(np.asarray(source))
    return np.broadcast_to(source, (len(parts), *twin[parts[0]].shape))


def _gathered(rows: list[Any], result: np.ndarray) -> Any:
    inputs: list[Any] = []
    template = freeze(rows, inputs)
    values = tuple([value_of(each) for each in inputs])
    return current.tape.add(Move("array", template, None), values, result)  # type: ignore[union-attr]


def _assignable(twin: np.ndarray, key: Any, source: Any) -> Any:
    """Return the assigned value as numbers, or raise NumPy's own error."""
    found = np.asarray(source)
    if found.dtype.kind in "fiub":
        return found if isinstance(source, (list, tuple)) else source
    twin.copy()[key] = source
    return found.astype(twin.dtype)


def _key_template(key: Any, inputs: list[Any]) -> Any:
    start = len(inputs)
    template = freeze(key, inputs)
    for each in inputs[start:]:
        if is_recorded(each):
            current.tape.control(value_of(each), "index")  # type: ignore[union-attr]
    return template


def _is_simple(key: Any) -> bool:
    """Whether a key contains nothing that records, and picks a view or a single entry."""
    kind = type(key)
    return kind in _SIMPLE or (kind is tuple and _SIMPLE.issuperset(map(type, key)))


def _integers(key: Any) -> tuple[int, ...] | None:
    """Return the integers of a key that picks a single entry; None if it has others, as a 0-d array is."""
    parts = key if isinstance(key, tuple) else (key,)
    if _SIMPLE.issuperset(map(type, parts)):  # all integers, or the result would not be a single entry
        return parts
    known = all(isinstance(part, (int, np.integer)) and not isinstance(part, bool) for part in parts)
    return tuple(map(int, parts)) if known else None


def _is_basic(key: Any) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    return all(
        part is None
        or part is Ellipsis
        or (isinstance(part, (slice, int, np.integer)) and not isinstance(part, bool))
        for part in parts
    )


def _entry(twin: np.ndarray, key: Any) -> np.ndarray:
    """Return a 0-d view of the single entry that a key of integers picks."""
    parts = key if isinstance(key, tuple) else (key,)
    return twin[(*parts, ...)]


def _as_array(result: Any) -> np.ndarray:
    return result if isinstance(result, np.ndarray) else np.asarray(result)


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
        places = [each.copy() for each in np.unravel_index(where, self._array.shape)]  # they share memory
        self._array[tuple(places)] = source

    def copy(self) -> Any:
        """Return a flat copy of the array."""
        return self._array.flatten()
