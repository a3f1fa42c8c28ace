"""The points at which a gradient is checked: the given point, and points near it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import DTypeLike

from autograd_ref.crosscheck.function.pytrees import (
    copy_arrays,
    is_floating_array,
    leaves_with_paths,
    parameter_leaves,
)

__all__ = ["NEARER", "Point", "drawn_points", "in_dtype", "move_in_place", "moved_points"]

# An entry is moved by this part of the larger of itself and its array's root mean square.
MOVE = 1e-2
# The parts of a move, tried one after the other until the loss exists at the end.
NEARER = (1.0, 0.1, 0.01, 0.001)


class Point(NamedTuple):
    """Arguments of the checked function.

    Attributes:
        params: the parameters of the gradient; all in the checked dtype.
        args: the function's other arguments; floating arrays are in the checked dtype.
        unmoved: params before they were moved; None if they were not.
        name: name of the point in messages.
    """

    params: Any
    args: tuple[Any, ...]
    unmoved: Any
    name: str

    @property
    def moved(self) -> bool:
        """Whether params were moved from the given values."""
        return self.unmoved is not None

    def inside(self, has_loss: Callable[["Point"], bool]) -> "Point":
        """Return the point, or one closer to the given one if the move left the domain, as of a root."""
        if not self.moved:
            return self
        tried = (self if part == 1 else self._nearer(part) for part in NEARER)
        return next(filter(has_loss, tried), self)

    def _nearer(self, part: float) -> "Point":
        """Return the same point, with params moved only part of the way."""

        def between(start: Any, end: Any) -> Any:
            if not is_floating_array(start):
                return start
            reached = copy_arrays(start, start.dtype)
            reached[...] += (part * (end - start)).astype(start.dtype)
            return reached

        return self._replace(params=jax.tree.map(between, self.unmoved, self.params))


@np.errstate(all="ignore")
def moved_points(params: Any, args: tuple[Any, ...], count: int, dtype: DTypeLike, seed: int) -> list[Point]:
    """Return the given point, and others near it.

    Args:
        params: a pytree of floating arrays.
        args: the function's other arguments; the same at all points.
        count: number of points.
        dtype: the checked dtype.
        seed: seed of the moves.

    Returns:
        The points; the first is the given one.
    """
    given = Point(_in_dtype(params, dtype), _args_in_dtype(args, dtype), None, "the given point")
    rng = np.random.default_rng([seed, 1])
    others = [
        Point(_moved(given.params, rng), given.args, given.params, f"moved point {i}")
        for i in range(1, count)
    ]
    return [given, *others]


@np.errstate(all="ignore")
def drawn_points(examples: Sequence[tuple[Any, ...]], dtype: DTypeLike, seed: int) -> list[Point]:
    """Return a point for each example; parameters that are equal in all are moved in all but the first.

    Args:
        examples: each (params, *args).
        dtype: the checked dtype.
        seed: seed of the moves.

    Returns:
        The points.
    """
    given = [(_in_dtype(params, dtype), _args_in_dtype(tuple(args), dtype)) for params, *args in examples]
    points = [Point(*given[0], None, "the first example")]
    rng = np.random.default_rng([seed, 1])
    flat: list[tuple[list[Any], Any]] = [jax.tree.flatten(params) for params, _ in given]
    alike = all(structure == flat[0][1] for _, structure in flat)
    for number, ((_, args), (leaves, structure)) in enumerate(zip(given[1:], flat[1:], strict=True), 2):
        stays = [alike and _same([each[i] for each, _ in flat]) for i in range(len(leaves))]
        moved = [_move(leaf, rng) if stay else leaf for leaf, stay in zip(leaves, stays, strict=True)]
        name = f"example {number}" + (", moved" if any(stays) else "")
        unmoved = jax.tree.unflatten(structure, leaves) if any(stays) else None
        points.append(Point(jax.tree.unflatten(structure, moved), args, unmoved, name))
    return points


def move_in_place(arrays: Sequence[np.ndarray], part: float, seed: Sequence[int]) -> None:
    """Move arrays in place as for a moved point, by a part of that distance."""
    rng = np.random.default_rng(seed)
    for array in arrays:
        array[...] += (part * _change(array, rng)).astype(array.dtype)


def in_dtype(point: Point, dtype: DTypeLike) -> Point:
    """Return the same point in another dtype."""
    return point._replace(
        params=_in_dtype(point.params, dtype),
        args=_args_in_dtype(tuple(point.args), dtype),
        unmoved=_in_dtype(point.unmoved, dtype) if point.moved else None,
    )


def _in_dtype(params: Any, dtype: DTypeLike) -> Any:
    parameter_leaves(params)
    whole = jax.tree.map(lambda leaf: np.asarray(leaf) if isinstance(leaf, float) else leaf, params)
    return copy_arrays(whole, dtype)


def _args_in_dtype(args: tuple[Any, ...], dtype: DTypeLike) -> tuple[Any, ...]:
    leaves_with_paths(args, "args")
    copied: tuple[Any, ...] = copy_arrays(args, dtype)
    return copied


def _same(leaves: Sequence[np.ndarray]) -> bool:
    return all(leaf.shape == leaves[0].shape and np.array_equal(leaf, leaves[0]) for leaf in leaves)


def _moved(params: Any, rng: np.random.Generator) -> Any:
    return jax.tree.map(lambda leaf: _move(leaf, rng) if is_floating_array(leaf) else leaf, params)


def _move(leaf: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    moved: np.ndarray = copy_arrays(leaf, leaf.dtype)
    moved[...] += _change(leaf, rng)
    return moved


def _change(leaf: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size = np.abs(np.asarray(leaf, np.float64))
    usual = np.sqrt(np.mean(size**2)) if size.any() else 1.0
    change = MOVE * rng.standard_normal(leaf.shape) * np.maximum(size, usual)
    return np.asarray(change, leaf.dtype)
