"""Layouts: where an array's entries are in one-dimensional memory, and that memory's history."""

from __future__ import annotations

import numpy as np

from autograd_ref.recording.tape import Layout

__all__ = ["History", "extent", "is_injective", "lay_out", "positions", "window"]


def lay_out(value: np.ndarray, root: Layout) -> np.ndarray:
    """Return the memory of a value, one-dimensional, in the order of addresses.

    Args:
        value: the value, in the shape of ``root``.
        root: the layout of the memory.

    Returns:
        A view of ``value`` if it is already in this order, or else a new array.
    """
    size = extent(root)
    if size == value.size:
        if root.strides == _c_strides(root.shape):
            return value.reshape(-1)
        transposed = value.T
        if root.strides == _c_strides(root.shape[::-1])[::-1]:
            return transposed.reshape(-1)
    flat = np.zeros(size, value.dtype)
    window(flat, root)[...] = value
    return flat


def window(flat: np.ndarray, at: Layout) -> np.ndarray:
    """Return a view of one-dimensional memory at a layout's positions."""
    if at.halves:
        flat = flat.view(flat.real.dtype) if flat.dtype.kind == "c" else np.repeat(flat, 2)
    size = flat.itemsize
    return np.ndarray(at.shape, flat.dtype, flat, at.offset * size, tuple(s * size for s in at.strides))


def positions(at: Layout) -> np.ndarray:
    """Return the positions of a layout's entries, in its shape."""
    found = np.array(at.offset)
    for axis, (stride, length) in enumerate(zip(at.strides, at.shape, strict=True)):
        along = np.arange(length) * stride
        found = found + along.reshape(-1, *[1] * (len(at.shape) - axis - 1))
    return np.broadcast_to(found, at.shape)


def is_injective(at: Layout) -> bool:
    """Whether all entries of a layout are certainly at different positions."""
    reach = 0
    for stride, length in sorted((abs(s), n) for s, n in zip(at.strides, at.shape, strict=True) if n > 1):
        if stride <= reach:
            return False
        reach += stride * (length - 1)
    return True


def extent(root: Layout) -> int:
    """Return the number of entries from the first position of a memory to its last."""
    if 0 in root.shape:
        return 0
    return 1 + sum(
        abs(stride) * (length - 1) for stride, length in zip(root.strides, root.shape, strict=True)
    )


def _c_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides = []
    step = 1
    for length in reversed(shape):
        strides.append(step if length > 1 else 0)
        step *= length
    return tuple(reversed(strides))


class History:
    """One-dimensional memory with its history.

    It changes in parts, and keeps the entries that each change replaced. A loop that fills an array of n
    entries one by one makes n versions of it; copies of all would have n² entries.

    Args:
        flat: the initial content, which this object takes over.
    """

    def __init__(self, flat: np.ndarray):
        self._flat = flat
        self._changes: list[tuple[Layout, np.ndarray, np.ndarray]] = []
        self._shown = 0

    @property
    def moment(self) -> int:
        """The number of changes so far, which identifies the current moment."""
        return len(self._changes)

    def write(self, at: Layout, new: np.ndarray | float) -> None:
        """Replace the entries at some positions."""
        place = self.window(at)
        old = place.copy()
        place[...] = new
        self._note(at, old, place)

    def add(self, at: Layout, more: np.ndarray) -> None:
        """Add to the entries at some positions; repeated positions are added to repeatedly."""
        place = self.window(at)
        old = place.copy()
        if is_injective(at):
            place += more
        else:
            np.add.at(self._flat, positions(at), more)
        self._note(at, old, place)

    def _note(self, at: Layout, old: np.ndarray, place: np.ndarray) -> None:
        self._changes.append((at, old, place.copy()))
        self._shown += 1

    def window(self, at: Layout, moment: int | None = None) -> np.ndarray:
        """Return the entries at some positions, at a moment or now; valid until the next call."""
        wanted = self.moment if moment is None else moment
        while self._shown > wanted:
            self._shown -= 1
            place, old, _ = self._changes[self._shown]
            window(self._flat, place)[...] = old
        while self._shown < wanted:
            place, _, new = self._changes[self._shown]
            window(self._flat, place)[...] = new
            self._shown += 1
        return window(self._flat, at)
