"""Repeat a call with arrays of other sizes: a batch of one, and sizes with an incomplete last block."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["resized_calls"]

# Larger arrays are not changed.
MOST = 2**20


def resized_calls(
    arrays: Sequence[np.ndarray], fixed: Sequence[Any]
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yield arrays of other sizes; a size that occurs in several arrays is changed in all.

    Args:
        arrays: the arrays of numbers in the call.
        fixed: the other arguments of the call; a size that equals a number there is kept.

    Yields:
        The condition of the call, and the arrays, in which the old entries are repeated if there is more
        room.
    """
    kept = {each for each in fixed if isinstance(each, int) and not isinstance(each, bool)}
    sizes: list[int] = []
    for each in arrays:
        sizes += [size for size in each.shape if size > 1 and size not in kept and size not in sizes]
    if not sizes or max(each.size for each in arrays) > MOST:
        return
    leading = next((each.shape[0] for each in arrays if each.ndim > 1 and each.shape[0] in sizes), None)
    if leading is not None and not any(_may_be_index(each, leading) for each in arrays):
        yield f"at batch 1 ({leading} in the call)", [_resized(each, {leading: 1}) for each in arrays]
    ordered = {size for each in arrays if _is_ordered(each) for size in each.shape}
    for size in (each for each in sizes if each not in ordered):
        larger = size + 1 + size % 2  # odd
        yield f"at size {larger} ({size} in the call)", [_resized(each, {size: larger}) for each in arrays]


def _may_be_index(array: np.ndarray, size: int) -> bool:
    """Whether integers, other than labels of a batch's samples, may be indices into a shrinking axis."""
    integers = array.dtype.kind in "iu" and array.size > 0
    return bool(integers and size not in array.shape and array.max() >= 1)


def _is_ordered(array: np.ndarray) -> bool:
    """Whether integers are all different or sorted, as indices and segments are, so that none is repeated."""
    if array.dtype.kind not in "iu" or array.size < 2:
        return False
    return len(np.unique(array)) == array.size or bool(np.all(np.diff(array, axis=-1) >= 0))


def _resized(array: np.ndarray, sizes: Mapping[int, int]) -> np.ndarray:
    for axis, size in enumerate(array.shape):
        if size in sizes:
            array = np.take(array, np.arange(sizes[size]) % size, axis=axis)
    return array
