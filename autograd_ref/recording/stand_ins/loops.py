"""NumPy's own loops over entries, which call the program or give it entries; each is run and recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from autograd_ref.recording.stand_ins.calls import refuse
from autograd_ref.recording.stand_ins.creation import constant
from autograd_ref.recording.stand_ins.objects import (
    arrays_in,
    from_nested,
    is_recorded,
    plain,
    plain_all,
    wrap_view,
)
from autograd_ref.recording.tape import current

__all__ = ["LOOPS", "vectorized"]


def _joined(results: list[Any], shape: tuple[int, ...], dtype: Any) -> Any:
    """Join a function's results for each entry into one array."""
    if arrays_in(results):
        return from_nested(results, dtype).reshape(shape)
    return np.array(results, dtype).reshape(shape)


class _Vectorized(np.vectorize):
    """The stand-in for `np.vectorize`, which calls the function for each entry, with Python numbers."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if current.tape is None or not any(map(arrays_in, (*args, *kwargs.values()))):
            return super().__call__(*plain_all(args), **kwargs)
        if kwargs or self.excluded or self.signature is not None:
            raise refuse("np.vectorize with a signature, excluded or keyword arguments is not recorded")
        arrays = np.broadcast_arrays(*[each if is_recorded(each) else _array(each) for each in args])
        shape = arrays[0].shape
        if 0 in shape:
            return constant(super().__call__(*plain_all(args)))
        types = self.otypes or self._types(arrays)
        results = [self.pyfunc(*[_entry(each, index) for each in arrays]) for index in np.ndindex(shape)]
        several = isinstance(results[0], tuple)
        columns = list(zip(*results, strict=True)) if several else [results]
        joined = [_joined(list(each), shape, kind) for each, kind in zip(columns, types, strict=True)]
        copies = [np.array(plain_all(each)) for each in args]
        laid_out = np.nditer([*copies, None]).operands[-1]  # in the memory order of NumPy's own result
        made = [constant(np.empty_like(laid_out, each.dtype)) for each in joined]
        for array, each in zip(made, joined, strict=True):
            array[...] = each
        return tuple(made) if several else made[0]

    def _types(self, arrays: Any) -> list[str]:
        """Call the function once more with NumPy's numbers, like NumPy, for the dtypes of its results."""
        first = self.pyfunc(*[plain(each).flat[0] for each in arrays])
        several = first if isinstance(first, tuple) else (first,)
        return [np.asarray(plain(each)).dtype.char for each in several]


def vectorized(original: np.vectorize) -> np.vectorize:
    """Return the stand-in for a vectorized function that the program already has."""
    if isinstance(original, _Vectorized):
        return original
    options = (original.otypes, original.__doc__, original.excluded, original.cache, original.signature)
    return _Vectorized(original.pyfunc, *options)


def _array(argument: Any) -> Any:
    return from_nested(argument, None) if arrays_in(argument) else np.asarray(argument)


def _entry(array: Any, index: tuple[int, ...]) -> Any:
    entry = array[index]
    return entry.item() if hasattr(entry, "item") else entry


def _apply_along_axis(function: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    if current.tape is None or not arrays_in(arr):
        return np.apply_along_axis(function, axis, plain_all(arr), *args, **kwargs)
    arr = _array(arr) if not is_recorded(arr) else arr
    axis = normalize_axis_index(axis, arr.ndim)
    rows = np.moveaxis(arr, axis, -1)
    if 0 in rows.shape[:-1]:
        return np.apply_along_axis(function, axis, plain(arr), *args, **kwargs)  # raises NumPy's own error
    results = [function(rows[index], *args, **kwargs) for index in np.ndindex(rows.shape[:-1])]
    first = np.asanyarray(plain_all(results[0]))
    joined = _joined(results, (*rows.shape[:-1], *first.shape), first.dtype)
    order = list(range(joined.ndim))
    outer, inner = order[: arr.ndim - 1], order[arr.ndim - 1 :]
    return np.transpose(joined, (*outer[:axis], *inner, *outer[axis:]))


def _apply_over_axes(function: Callable[..., Any], a: Any, axes: Any) -> Any:
    for axis in np.atleast_1d(axes).tolist():
        result = function(a, axis)
        a = result if result.ndim == a.ndim else np.expand_dims(result, axis)
    return a


def _piecewise(x: Any, conditions: Any, functions: Any, *args: Any, **kwargs: Any) -> Any:
    if current.tape is None or not is_recorded(x):
        return np.piecewise(plain_all(x), plain_all(conditions), functions, *args, **kwargs)
    masks = conditions if isinstance(conditions, (list, tuple)) else [conditions]
    if len(masks) == len(functions) - 1:
        rest = ~np.any(np.stack([np.broadcast_to(each, x.shape) for each in masks]), axis=0)
        masks = [*masks, rest]
    y = np.zeros_like(x)
    for mask, each in zip(masks, functions, strict=True):
        chosen = x[mask]
        if not callable(each):
            y[mask] = each
        elif chosen.size:
            y[mask] = each(chosen, *args, **kwargs)
    return y


def _fromiter(iterable: Any, dtype: Any, count: int = -1, **kwargs: Any) -> Any:
    items = list(iterable) if count < 0 else [each for each, _ in zip(iterable, range(count), strict=False)]
    if current.tape is None or not arrays_in(items):
        return np.fromiter(plain_all(items), plain(dtype), count, **kwargs)
    return from_nested(items, dtype)


def _ndenumerate(array: Any) -> Iterator[Any]:
    for index in np.ndindex(array.shape):
        yield index, array[index]


class _Nditer:
    """The stand-in for `np.nditer`; it iterates over the plain arrays, with views of the recorded ones."""

    def __init__(self, op: Any, flags: Any = (), *args: Any, **kwargs: Any):
        single = not isinstance(op, (list, tuple))
        arrays = [op] if single else list(op)
        if {"buffered", "external_loop"} & set(flags) or any(each is None for each in arrays):
            raise refuse("np.nditer that buffers, gives chunks or allocates is not recorded")
        if len(args) > 4 or kwargs.get("op_axes") is not None:
            raise refuse("np.nditer with axes of its own is not recorded")
        self.operands = tuple([each if is_recorded(each) else wrap_view(np.asarray(each)) for each in arrays])
        walked = [plain(each) for each in self.operands]
        self._single = single
        # An index does not change the order of the walk.
        self._iterator = np.nditer(
            walked[0] if single else walked, [*flags, *({"multi_index"} - set(flags))], *args, **kwargs
        )

    def _at(self, position: int) -> Any:
        array = self.operands[position]
        places = self._iterator.multi_index[-array.ndim :] if array.ndim else ()
        return array[(*(0 if n == 1 else i for i, n in zip(places, array.shape, strict=True)), ...)]

    @property
    def value(self) -> Any:
        """The current entry, or several for several arrays."""
        return self._at(0) if self._single else tuple(map(self._at, range(len(self.operands))))

    def __getitem__(self, position: int) -> Any:
        return self._at(position)

    def __setitem__(self, position: int, source: Any) -> None:
        self._at(position)[...] = source

    def __iter__(self) -> Iterator[Any]:
        for _ in self._iterator:
            yield self.value

    def __next__(self) -> Any:
        next(self._iterator)
        return self.value

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self._iterator.close()

    def __len__(self) -> int:
        return len(self.operands)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._iterator, name)


def _nditer(op: Any, *args: Any, **kwargs: Any) -> Any:
    if current.tape is None or not arrays_in(op):
        return np.nditer(op, *args, **kwargs)
    return _Nditer(op, *args, **kwargs)


class _Broadcast:
    """The stand-in for `np.broadcast`, with the entries of the recorded arrays."""

    def __init__(self, *args: Any):
        self._original = np.broadcast(*plain_all(args))
        self._arrays = np.broadcast_arrays(*args)
        self._indices = np.ndindex(self._original.shape)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        index = next(self._indices)
        return tuple([each[index] for each in self._arrays])

    def reset(self) -> None:
        """Start again."""
        self._indices = np.ndindex(self._original.shape)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def _broadcast(*args: Any) -> Any:
    recorded = current.tape is not None and any(map(arrays_in, args))
    return _Broadcast(*args) if recorded else np.broadcast(*plain_all(args))


def _bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    if current.tape is None or not arrays_in(weights):
        found = np.bincount(x, weights, minlength)
        return found if current.tape is None or is_recorded(found) else constant(found)
    total = constant(np.zeros_like(np.bincount(plain_all(x), plain_all(weights), minlength)))
    np.add.at(total, x, _array(weights))
    return total


LOOPS: dict[Any, Any] = {
    np.bincount: _bincount,
    np.vectorize: _Vectorized,
    np.apply_along_axis: _apply_along_axis,
    np.apply_over_axes: _apply_over_axes,
    np.piecewise: _piecewise,
    np.fromiter: _fromiter,
    np.ndenumerate: _ndenumerate,
    np.nditer: _nditer,
    np.broadcast: _broadcast,
}
