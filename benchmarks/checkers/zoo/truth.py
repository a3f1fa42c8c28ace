"""The right gradient in high precision, confirmed by difference quotients of the loss.

The right gradient is computed in one right way in NumPy's longdouble (64 bits of mantissa on x86), at
exactly the numbers of the checked dtype. An entry counts only if a difference quotient of the *loss* in
longdouble agrees with it. Neither uses the checker.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np

from benchmarks.checkers.zoo.entry import Entry, Hand

SEEN = 0.01  # in scales: an entry on which right ways differ by more shows nothing
PLANTED = 0.03  # in scales: the error of a wrong gradient
BELIEVED = 2e-3  # in scales: the largest distance of the difference quotient from the right value
RESOLVED = 2e-4  # in scales: the largest change of this quotient by rounding, or by another step
FINER = 0.95  # the part of a planted error that must remain after the rounding of a right way

Index = tuple[int, ...]


def cast(tree: Any, dtype: Any) -> Any:
    """Copy a tree with its arrays, the floating ones in a dtype; views stay views."""

    def one(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        to = dtype if np.issubdtype(value.dtype, np.floating) else value.dtype
        root = value.base
        if value.flags.c_contiguous or not isinstance(root, np.ndarray) or not root.flags.c_contiguous:
            return value.astype(to)
        start, longer = (
            value.__array_interface__["data"][0] - root.__array_interface__["data"][0],
            value.itemsize,
        )
        strides, offset = (
            [each // longer * np.dtype(to).itemsize for each in given] for given in (value.strides, [start])
        )
        return np.ndarray(value.shape, to, root.astype(to), offset[0], strides)

    return jax.tree.map(one, tree)


def in_mpmath(tree: Any) -> Any:
    """Return a tree with its floating arrays as object arrays of mpmath numbers."""
    from mpmath import mpf

    def one(value: Any) -> Any:
        if not isinstance(value, np.ndarray) or not np.issubdtype(value.dtype, np.floating):
            return value
        found = np.empty(value.shape, object)
        for index in np.ndindex(value.shape):
            found[index] = mpf(float(value[index]))
        return found

    return jax.tree.map(one, tree)


def leaves(tree: Any) -> list[np.ndarray]:
    """Return the arrays of a tree, in JAX's order."""
    return [np.asarray(each) for each in jax.tree.leaves(tree)]


def root_mean_square(array: np.ndarray) -> Any:
    """Return the root mean square of all entries, in longdouble."""
    exact = array.astype(np.longdouble)
    return np.sqrt(np.mean(exact * exact)) if exact.size else np.longdouble(0)


@dataclass
class Truth:
    """The right results of a function at one point in one dtype.

    Attributes:
        entry: the function.
        dtype: float32 or float64.
        point: (params, *args) in that dtype.
    """

    entry: Entry
    dtype: str
    point: tuple[Any, ...]

    @classmethod
    def at_example(cls, entry: Entry, dtype: str) -> "Truth":
        """Return the truth at the example."""
        return cls(entry, dtype, tuple(cast(entry.example(np.random.default_rng(0)), dtype)))

    def answer(self, hand: Hand) -> list[np.ndarray]:
        """Return a hand's gradients in the checked dtype."""
        with np.errstate(all="ignore"), jax.enable_x64(self.dtype == "float64"):
            return leaves(hand(*cast(self.point, self.dtype))[1])

    @cached_property
    def gradients(self) -> list[np.ndarray]:
        """The right gradients, in longdouble."""
        with np.errstate(all="ignore"):
            found = leaves(self.entry.right[self.entry.precise](*cast(self.point, np.longdouble))[1])
        return [each.astype(np.longdouble) for each in found]

    @cached_property
    def bounds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The limits between which each entry is right; they are equal except at ties."""
        if self.entry.interval is None:
            return [(each, each) for each in self.gradients]
        low, high = self.entry.interval(*cast(self.point, np.longdouble))
        pairs = zip(leaves(low), leaves(high), strict=True)
        return [(a.astype(np.longdouble), b.astype(np.longdouble)) for a, b in pairs]

    @cached_property
    def free(self) -> list[np.ndarray]:
        """The entries that are not on a tie."""
        return [low == high for low, high in self.bounds]

    @cached_property
    def zero(self) -> list[bool]:
        """Whether each gradient is entirely 0, because its terms cancel or nothing flows into it."""
        whole = root_mean_square(np.concatenate([each.ravel() for each in self.gradients]))
        return [bool(root_mean_square(each) <= 1e-12 * whole) for each in self.gradients]

    @cached_property
    def scales(self) -> list[np.ndarray]:
        """The larger of each entry and its gradient's root mean square, or all gradients' if that is 0."""
        whole = root_mean_square(np.concatenate([each.ravel() for each in self.gradients])) or 1.0
        return [
            np.maximum(np.abs(each), whole if zero else root_mean_square(each))
            for each, zero in zip(self.gradients, self.zero, strict=True)
        ]

    @cached_property
    def ways(self) -> list[list[np.ndarray]]:
        """The gradients of every right way, in the checked dtype."""
        return [self.answer(hand) for hand in self.entry.right]

    @cached_property
    def spread(self) -> float:
        """The largest difference of two right ways, in root mean squares, except at ties."""
        largest = 0.0
        for k, free in enumerate(self.free):
            ways = np.stack([each[k].astype(np.longdouble) for each in self.ways])
            apart = np.where(free, ways.max(axis=0) - ways.min(axis=0), 0) / self.scales[k].min()
            largest = max(largest, float(np.max(apart, initial=0)))
        return largest

    @cached_property
    def seen(self) -> list[np.ndarray]:
        """The entries of each gradient that every right way computes to 1 % of their scale."""
        off = [[self._outside(k, each) for k, each in enumerate(way)] for way in self.ways]
        return [np.max(ways, axis=0) <= SEEN * scale for *ways, scale in zip(*off, self.scales, strict=True)]

    def _outside(self, k: int, value: np.ndarray) -> np.ndarray:
        low, high = self.bounds[k]
        off = np.maximum(np.maximum(low - value, value - high), 0)
        return np.where(np.isfinite(value), off, np.inf)

    def error(self, found: Sequence[np.ndarray]) -> float:
        """Return the largest error of some gradients, in scales."""
        return max(
            float(np.max(self._outside(k, each) / self.scales[k], initial=0)) for k, each in enumerate(found)
        )

    def shown_wrong(self, found: Sequence[np.ndarray]) -> str | None:
        """Find an entry that is seen, confirmed by a difference, and wrong by 3 % in some gradients.

        Returns:
            The entry and both values, or None if there is no such entry.
        """
        for k, each in enumerate(found):
            off = np.where(self.seen[k], self._outside(k, each) / self.scales[k], 0)
            if off.size and off.max() >= PLANTED * FINER:
                index = tuple(int(i) for i in np.unravel_index(off.argmax(), off.shape))
                if self.backed(k, index):
                    right = float(self.gradients[k][index])
                    return f"[{k}]{list(index)}: {float(each[index]):.9g} for {right:.9g}"
        for k, mask, total in self.entry.shares(*self.point) if self.entry.shares else ():
            given = float(found[k].astype(np.longdouble)[mask].sum())
            if abs(given - total) >= PLANTED * FINER * abs(total):
                return f"[{k}]: the tied entries sum to {given:.9g}, not {total:.9g}"
        return None

    def backed(self, k: int, index: Index) -> bool:
        """Whether differences of the loss agree with the right gradient at an entry."""
        low, high = (each[index] for each in self.bounds[k])
        allowed = BELIEVED * self.scales[k][index]
        sides = [self.quotient(k, index, side) for side in ((0,) if low == high else (-1, 1))]
        return all(low - allowed <= each <= high + allowed for each in sides)

    def quotient(self, k: int, index: Index, side: int) -> Any:
        """Return a difference quotient of the loss: central, or one-sided at a tie."""
        key = k, index, side
        if key not in self._quotients:
            self._quotients[key] = (self._in_longdouble if self.entry.value is None else self._in_mpmath)(
                *key
            )
        return self._quotients[key]

    def _in_longdouble(self, k: int, index: Index, side: int) -> Any:
        params, *args = cast(self.point, np.longdouble)
        values, structure = jax.tree.flatten(params)
        array = np.asarray(values[k])
        size = abs(array[index]) or root_mean_square(array) or np.longdouble(1)

        def loss(shift: Any) -> Any:
            moved = array.copy()
            moved[index] += shift
            tree = jax.tree.unflatten(structure, [*values[:k], moved, *values[k + 1 :]])
            with np.errstate(all="ignore"):
                value = self.entry.right[self.entry.precise](tree, *cast(tuple(args), np.longdouble))[0]
            return np.asarray(value, np.longdouble).reshape(())[()]

        return _most_stable(loss, size, side, self.scales[k][index])

    def _in_mpmath(self, k: int, index: Index, side: int) -> Any:
        """Return the quotient with 150 digits, for which one small step of a central difference is enough."""
        import mpmath

        assert self.entry.value is not None
        with mpmath.workdps(150):
            params, *args = in_mpmath(self.point)
            if self.entry.stopped:
                args.append(in_mpmath(self.point[0]))
            values, structure = jax.tree.flatten(params)
            h = mpmath.mpf(10) ** -40 * (max(abs(each) for each in values[k].ravel()) or 1)
            ends = []
            for shift in (h, -h):
                moved = values[k].copy()
                moved[index] += shift
                tree = jax.tree.unflatten(structure, [*values[:k], moved, *values[k + 1 :]])
                ends.append(self.entry.value(tree, *args))
            return np.longdouble(mpmath.nstr((ends[0] - ends[1]) / (2 * h), 30))

    @cached_property
    def _quotients(self) -> dict[tuple[int, Index, int], Any]:
        return {}


def _most_stable(loss: Callable[[Any], Any], size: Any, side: int, scale: Any) -> Any:
    """Return the quotient of the smallest step that resolves the scale and that the next confirms, or NaN."""
    middle, before = loss(np.longdouble(0)), None
    for power in range(16, 1, -1):
        h = size * np.longdouble(10) ** -power
        if np.finfo(np.longdouble).eps * abs(middle) > RESOLVED * scale * h:
            continue
        if side:
            quotient = side * (4 * loss(side * h) - loss(2 * side * h) - 3 * middle) / (2 * h)
        else:
            quotient = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
        if before is not None and abs(quotient - before) <= RESOLVED * scale:
            return quotient
        before = quotient
    return np.longdouble("nan")
