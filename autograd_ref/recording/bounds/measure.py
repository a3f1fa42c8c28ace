r"""The bound on each entry of a gradient, measured on the tape.

The adjoints are drawn again and again, with random rounding errors in every operation (see `draws`). To first
order the error of a computed gradient is a sum of local errors times derivatives, so its size is the root
mean square over the draws; `rounding_bounds.granted` makes the bound of it, as for a written reference.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.arithmetic.rounding_bounds import STEP, granted
from autograd_ref.recording import kinks
from autograd_ref.recording.adjoints import Adjoint, Adjoints, adjoints
from autograd_ref.recording.bounds.disturbed import Errors
from autograd_ref.recording.bounds.draws import Sizes, draw, precision_of, roundoff
from autograd_ref.recording.call.given import Leaf
from autograd_ref.recording.place import Place
from autograd_ref.recording.record import Recording
from autograd_ref.recording.tape import Value

__all__ = ["Bounds", "LeafBound", "measure"]

DRAWS = 16

# The draws may take so many bytes, or as many as the recording itself.
MEMORY = 2**26

# A line is named where it makes this part of an entry's bound.
PART = 0.01


class LeafBound(NamedTuple):
    """The right gradient by one leaf and what rounding may do to it.

    Attributes:
        right: the gradient, in float64.
        bound: how far each entry of an honest computation may lie outside of ``right``, in the leaf's shape;
            infinite where the draws were not finite.
        lines: where a lower dtype than the leaf's was computed in, if that widens the bound.
        cancels: whether terms flow into the gradient and leave nothing but rounding: its right value is 0.
    """

    right: Adjoint
    bound: np.ndarray
    lines: list[Place]
    cancels: bool


class Bounds(NamedTuple):
    """The bounds on all gradients of one loss.

    Attributes:
        of: by the leaf's path.
        found: the exact adjoints.
    """

    of: dict[str, LeafBound]
    found: Adjoints


def measure(
    recording: Recording,
    loss: Value,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    leaves: Collection[str] | None = None,
    found: Adjoints | None = None,
) -> Bounds:
    """Measure how far rounding may move each entry of each gradient.

    Args:
        recording: of any call.
        loss: the value on its tape that the gradients are of.
        draws: how often to draw; with fewer than 16 the bounds are wider.
        seed: of the random errors.
        leaves: the paths of the leaves whose gradients are asked for; all unless told.
        found: the loss's adjoints, if they were computed already.

    Returns:
        A bound for each leaf. A leaf that the loss does not depend on has the gradient 0.

    Raises:
        ValueError: the loss has more than one entry or is not floating.
    """
    exact = adjoints(recording, loss) if found is None else found
    asked = [each for each in recording.leaves if leaves is None or each.path in leaves]
    measuring = _Measuring(recording, exact, [each.value for each in asked if each.value in exact.of], seed)
    response = measuring.response(draws)
    return Bounds({leaf.path: measuring.bound(leaf, response, draws) for leaf in asked}, exact)


class _Measuring:
    """One loss of one recording."""

    def __init__(self, recording: Recording, found: Adjoints, wanted: list[Value], seed: int):
        self.tape, self.found, self.wanted = recording.tape, found, wanted
        self.rng = np.random.default_rng(seed)
        self.forward = [each for each in self.tape.values if each.is_floating and each in found.forward]
        active = {each for each in found.of if each.is_floating}
        self.flags = kinks.undecided(self.tape, found.arrays, active) if found.ties else {}
        self._in_double: dict[Value, np.ndarray] | None = None

    def response(self, draws: int, sizes: Sizes | None = None) -> dict[Value, np.ndarray]:
        """How far honest errors move each adjoint: the root mean square over some draws."""
        together = self._together(draws)
        squares = {each: np.zeros(each.shape) for each in self.wanted}
        every = np.full(together, STEP)
        for _ in range(draws // together):
            for value, moved in self._moved(together, sizes or (lambda _: every)).items():
                squares[value] += np.sum(moved**2, axis=0)
        return {value: np.sqrt(each / draws) / STEP for value, each in squares.items()}

    def _moved(self, draws: int, sizes: Sizes) -> dict[Value, np.ndarray]:
        """How far each adjoint was moved in each draw."""
        errors = Errors(draws, self.rng)
        drawn = draw(self.tape, self.found, errors, sizes, self.wanted, self.flags)
        return {
            value: np.abs(stack - self.found.of[value].centre)
            for value, stack in drawn.items()
            if value in self.found.of and value in self.wanted
        }

    def _together(self, draws: int) -> int:
        """How many draws are made side by side."""
        size = sum(8 * int(np.prod(each.shape)) for each in self.forward)
        most = max(MEMORY // max(size, 1), 1)
        return max(each for each in range(1, draws + 1) if draws % each == 0 and each <= most)

    def bound(self, leaf: Leaf, response: dict[Value, np.ndarray], draws: int) -> LeafBound:
        """The bound on the gradient by one leaf."""
        value, dtype = leaf.value, precision_of(leaf.value)
        if value not in self.found.of:
            nothing = np.zeros(value.shape)
            return LeafBound(Adjoint(nothing, None), granted(nothing, nothing, draws, dtype), [], False)
        right = self.found.of[value]
        size = np.maximum(np.abs(right.low), np.abs(right.high))
        bound = granted(response[value], size, draws, dtype)
        bound = np.where(np.isfinite(bound), bound, np.inf)
        return LeafBound(right, bound, self._lines(value, bound), self._cancels(value, bound, draws))

    def _lines(self, value: Value, bound: np.ndarray) -> list[Place]:
        """Where a lower dtype than the leaf's was computed in, if that widens the bound."""
        suspects = [each for each in self.forward if _is_lower(each, value) and each.place is not None]
        places = list(dict.fromkeys(each.place for each in suspects))
        lines = []
        draws = self._together(DRAWS)
        for first in range(0, len(places), draws):
            some = places[first : first + draws]
            own = {
                place: np.where(np.arange(draws) == i, STEP, 0.0)
                for i, place in enumerate(some)
                if place is not None
            }
            none = np.zeros(draws)
            lower = set(suspects)
            moved = self._moved(
                draws,
                lambda each: own.get(each.place, none) if each in lower and each.place is not None else none,  # noqa: B023
            ).get(value)
            if moved is not None:
                lines += [
                    place
                    for place, each in zip(some, moved, strict=False)
                    if place is not None and (each > PART * bound / 4).any()
                ]
        return lines

    def _cancels(self, value: Value, bound: np.ndarray, draws: int) -> bool:
        """Whether nothing but float64's rounding is left of what flows in."""
        size = np.abs(self.found.of[value].centre)
        if self.found.of[value].slack is not None or not size.size or (size > bound).any():
            return False
        if self._in_double is None:
            double = 2 * unit_roundoff(np.float64)
            together = self._together(draws)
            self._in_double = self.response(
                draws, lambda each: np.full(together, STEP * double / roundoff(precision_of(each)))
            )
        fine = self._in_double[value]
        return bool(fine.any() and (size <= granted(fine, size, draws, np.dtype(np.float64))).all())


def _is_lower(value: Value, than: Value) -> bool:
    return bool(np.finfo(value.dtype).eps > np.finfo(than.dtype).eps)
