"""Differences of the reference's values, which use no derivative: a third opinion on every gradient."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from autograd_ref.arithmetic.finite_differences import FiniteDifference, line_difference
from autograd_ref.arithmetic.rounding import Bound, unit_roundoff
from autograd_ref.arithmetic.rounding_model import float_epsilon
from autograd_ref.crosscheck.function.reference import Traced
from autograd_ref.two_layer_net import precision

__all__ = ["Witness"]

# A difference contradicts a derivative if it is this many times its own error away.
SURELY, RELATIVE = 8.0, 1e-5
# If a whole array is contradicted, at most this number of entries is searched for one to show.
MOST_SHOWN = 12


class Witness:
    """Differences of the reference's value at one point."""

    def __init__(self, traced: Traced, inputs: Sequence[Array], rng: np.random.Generator) -> None:
        self.traced, self.inputs, self.rng = traced, inputs, rng
        self.roundoff = max(float_epsilon(traced.lowest) / 2, unit_roundoff(np.float64))
        self.params = [np.asarray(x) for x in inputs[: traced.params]]

    def by_entry(self, i: int, index: tuple[int, ...]) -> FiniteDifference | None:
        """Return the derivative with respect to one entry; None if the values do not show it."""
        direction = np.zeros(self.params[i].shape)
        direction[index] = 1.0
        at = abs(float(self.params[i][index]))
        return self._along([(i, direction)], max(at, _usual(self.params[i])))

    def contradiction(self, bounds: Sequence[Bound], numbers: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """Find the automatic gradients that the values contradict, with an entry of each that shows it.

        Args:
            bounds: bounds of the gradients.
            numbers: numbers of the parameters to test.

        Returns:
            The index of an entry by the number of the parameter.
        """
        with np.errstate(invalid="ignore"):
            if not numbers or not any(self._contradicts(bounds, list(numbers)) for _ in range(2)):
                return {}
            found = {}
            for i in numbers:
                if self._contradicts(bounds, [i]):
                    found[i] = self._shown(i, bounds[i])
        return {i: index for i, index in found.items() if index is not None}

    def contradicts_entry(self, i: int, index: tuple[int, ...], bound: Bound) -> bool:
        """Whether the values contradict the automatic derivative with respect to one entry."""
        found = self.by_entry(i, index)
        if found is None:
            return False
        here = Bound(*(np.broadcast_to(each, self.params[i].shape)[index] for each in bound))
        return _contradicts(found, here)

    def explained_by_stops(self, i: int, index: tuple[int, ...], bound: Bound) -> bool:
        """Whether the derivative without the reference's `stop_gradient` agrees with the values."""
        return self.traced.stops and self._explained(i, index, bound, self.unstopped)

    def explained_by_swallowing(self, i: int, index: tuple[int, ...], bound: Bound) -> bool:
        """Whether the derivative without the terms that sums swallow agrees with the values."""
        return self._explained(i, index, bound, self.unswallowed)

    def _explained(
        self, i: int, index: tuple[int, ...], bound: Bound, gradients: Sequence[np.ndarray]
    ) -> bool:
        found = self.by_entry(i, index)
        if found is None:
            return False
        value = gradients[i][index]
        radius = np.broadcast_to(bound.radius, self.params[i].shape)[index]
        return not _contradicts(found, Bound(radius, value, np.zeros(())))

    @cached_property
    def unstopped(self) -> list[np.ndarray]:
        """The gradients without any `stop_gradient`."""
        with precision(np.float64):
            return [np.asarray(each) for each in self.traced.unstopped(*self.inputs)]

    @cached_property
    def unswallowed(self) -> list[np.ndarray]:
        """The gradients without terms that sums swallow."""
        with precision(np.float64):
            return [np.asarray(each) for each in self.traced.unswallowed(*self.inputs)]

    def _contradicts(self, bounds: Sequence[Bound], numbers: Sequence[int]) -> bool:
        moves = [
            (i, np.asarray(_usual(self.params[i]) * self.rng.standard_normal(self.params[i].shape)))
            for i in numbers
        ]
        found = self._along(moves, 1.0)
        if found is None:
            return False
        along = [(bounds[i], move) for i, move in moves]
        radius = sum(np.sum(bound.radius * np.abs(move)) for bound, move in along)
        slack = sum(np.sum(bound.slack * np.abs(move)) for bound, move in along)
        centre = sum(np.sum(bound.centre * move) for bound, move in along)
        return bool(np.isfinite(radius)) and _contradicts(
            found, Bound(*map(np.asarray, (radius, centre, slack)))
        )

    def _shown(self, i: int, bound: Bound) -> tuple[int, ...] | None:
        shape = self.params[i].shape
        size = np.abs(np.broadcast_to(bound.centre, shape)).ravel()
        some = self.rng.permutation(size.size)[: MOST_SHOWN // 2]
        for flat in [*np.argsort(size)[::-1][: MOST_SHOWN // 2], *some]:
            index = tuple(int(k) for k in np.unravel_index(flat, shape))
            if self.contradicts_entry(i, index, bound):
                return index
        return None

    def _along(self, moves: Sequence[tuple[int, np.ndarray]], scale: float) -> FiniteDifference | None:
        def at(t: float) -> float:
            shifted: list[Any] = list(self.inputs)
            for i, move in moves:
                shifted[i] = jnp.asarray(self.params[i] + t * move)
            return self.traced.value(*shifted)

        with precision(np.float64):
            return line_difference(at, scale, self.roundoff)


def _usual(array: Any) -> float:
    """Return the root mean square of an array, or 1 if it is 0."""
    largest = float(np.max(np.abs(array), initial=0.0))
    return largest * float(np.sqrt(np.mean((array / largest) ** 2))) if largest else 1.0


def _contradicts(found: FiniteDifference, bound: Bound) -> bool:
    size = max(abs(found.value), float(np.abs(bound.centre)))
    allowed = SURELY * found.error + float(bound.radius) + RELATIVE * size
    return bool(bound.excess(np.asarray(found.value)) > allowed)
