r"""The bound on each entry of a gradient, measured on the tape.

The adjoints are drawn again and again, with random rounding errors in every operation (see `draws`). To first
order the error of a computed gradient is a sum of local errors times derivatives, so its size is the root
mean square over the draws; `rounding_bounds.granted` makes the bound of it, as for a written reference.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.arithmetic.rounding_bounds import STEP, granted
from autograd_ref.recording.adjoints import Adjoint, Adjoints, adjoints
from autograd_ref.recording.bounds.disturbed import Errors
from autograd_ref.recording.bounds.draws import draw, plan
from autograd_ref.recording.bounds.forward import Sizes, is_finer, precision_of, roundoff
from autograd_ref.recording.bounds.memories import Version
from autograd_ref.recording.place import Place
from autograd_ref.recording.record import Recording
from autograd_ref.recording.tape import Read, Value

__all__ = ["Bounds", "LeafBound", "measure"]

DRAWS = 16

# The largest memory, in bytes, of all draws of all values and of the largest; otherwise draws are made
# singly.
MEMORY, LARGEST = 2**26, 2**21

# If terms cancel, the rest in float32 is at least this many times the rest in float64: 2²⁹ times, or less by
# chance.
PROPORTIONAL = 2.0**22

# A line is named if it causes this part of an entry's bound.
PART = 0.01


class LeafBound(NamedTuple):
    """The right gradient for one leaf, and its bound.

    Attributes:
        right: the gradient, in float64.
        bound: the largest distance of each entry of a correct computation from ``right``, in the leaf's
            shape; infinite if the draws were not finite.
        lines: the lines that compute in a lower dtype than the leaf's, if this widens the bound.
        cancels: whether the terms of the gradient cancel except for rounding, so that its right value is 0.
    """

    right: Adjoint
    bound: np.ndarray
    lines: list[Place]
    cancels: bool


class Bounds(NamedTuple):
    """The bounds on all gradients of one loss.

    Attributes:
        of: the bounds by the leaf's path.
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
    by_hand: Mapping[str, Value] | None = None,
    found: Adjoints | None = None,
) -> Bounds:
    """Measure how far rounding may move each entry of each gradient.

    Args:
        recording: the recording of any call.
        loss: the loss, a value on its tape.
        draws: number of draws; with fewer than 16 the bounds are wider.
        seed: seed of the random errors.
        leaves: the paths of the leaves whose gradients are needed; by default all.
        by_hand: for the paths of some leaves, the value that the program computed as the gradient: rounding
            in the program's own computation of it is granted as well.
        found: the loss's adjoints, if there are some already.

    Returns:
        A bound for each leaf. The gradient for a leaf that the loss does not depend on is 0.

    Raises:
        ValueError: the loss has more than one entry or is not floating, or a gradient by hand has another
            shape than its leaf.
    """
    exact = adjoints(recording, loss) if found is None else found
    asked = [each for each in recording.leaves if leaves is None or each.path in leaves]
    hands = {leaf.value: by_hand[leaf.path] for leaf in asked if by_hand and leaf.path in by_hand}
    for leaf in asked:
        hand = hands.get(leaf.value)
        if hand is not None and hand.shape != leaf.value.shape:
            raise ValueError(f"the gradient for {leaf.path} has shape {hand.shape}, not {leaf.value.shape}")
    measuring = _Measuring(recording, exact, [leaf.value for leaf in asked], hands, draws, seed)
    bounds = measuring.bounds()
    return Bounds({leaf.path: bounds[leaf.value] for leaf in asked}, exact)


class _Measuring:
    """One loss of one recording."""

    def __init__(
        self,
        recording: Recording,
        found: Adjoints,
        asked: list[Value],
        hands: dict[Value, Value],
        draws: int,
        seed: int,
    ):
        self.found, self.asked, self.hands, self.draws = found, asked, hands, draws
        self.plan = plan(recording.tape, found, map(_memory, asked), hands.values())
        sizes = [8 * math.prod(each.shape) for each in self.plan.needed] or [1]
        most = max(min(MEMORY // max(sum(sizes), 1), LARGEST // max(max(sizes), 1)), 1)
        self.together = max(each for each in range(1, draws + 1) if draws % each == 0 and each <= most)
        self.rng = np.random.default_rng(seed)

    def bounds(self) -> dict[Value, LeafBound]:
        """Return the bounds on the gradients for all leaves."""
        found = {}
        for leaf in self.asked:
            right = self._right(leaf)
            size = np.asarray(np.abs(right.centre) + (0.0 if right.slack is None else right.slack))
            bound = self._granted(self._response[leaf], size, precision_of(leaf))
            found[leaf] = LeafBound(right, bound, [], self._cancels(leaf, right, bound))
        for dtype in {leaf.dtype for leaf in self.asked}:
            same = {leaf: each.bound for leaf, each in found.items() if leaf.dtype == dtype}
            for leaf, lines in self._lines(dtype, same).items():
                found[leaf] = found[leaf]._replace(lines=lines)
        return found

    def _right(self, leaf: Value) -> Adjoint:
        """Return the exact adjoint of a leaf."""
        memory = _memory(leaf)
        if memory not in self.found.of:
            return Adjoint(np.zeros(leaf.shape), None)
        centre, slack = self.found.of[memory]
        own = np.asarray(_part(leaf, centre[None])[0])
        return Adjoint(own, None if slack is None else np.asarray(_part(leaf, slack[None])[0]))

    def _granted(self, response: np.ndarray, size: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        bound = granted(response, size, self.draws, dtype)
        return np.where(np.isfinite(bound), bound, np.inf)

    @cached_property
    def _response(self) -> dict[Value, np.ndarray]:
        """Return how far rounding errors move each gradient."""
        every = np.full(self.together, STEP)
        return self._root_mean_square(dict.fromkeys(self.plan.needed, every))

    @cached_property
    def _responses_in_one(self) -> list[dict[Value, np.ndarray]]:
        """Return the same for a computation entirely in float64, and entirely in float32."""
        every = np.full(self.together, STEP)
        return [
            self._root_mean_square(
                {each: every * (unit / roundoff(precision_of(each))) for each in self.plan.needed}
            )
            for unit in (roundoff(np.dtype(np.float64)), roundoff(np.dtype(np.float32)))
        ]

    def _root_mean_square(self, sizes: Sizes) -> dict[Value, np.ndarray]:
        squares = {leaf: np.zeros(leaf.shape) for leaf in self.asked}
        for _ in range(self.draws // self.together):
            for leaf, moved in self._moved(sizes, self.together):
                squares[leaf] += np.sum(np.multiply(moved, moved, out=moved), axis=0)
        for each in squares.values():
            each /= self.draws
            np.sqrt(each, out=each)
            each /= STEP
        return squares

    def _moved(self, sizes: Sizes, draws: int) -> Iterator[tuple[Value, np.ndarray]]:
        """Yield how far each adjoint, and each gradient by hand, was moved in each draw."""
        adjoint, value = draw(self.plan, Errors(draws, self.rng), sizes)
        for leaf in self.asked:
            stack = adjoint.get(_memory(leaf))
            if stack is not None:
                exact = self.found.of[_memory(leaf)].centre
                yield leaf, _part(leaf, np.abs(np.asarray(stack) - exact))
        for leaf, hand in self.hands.items():
            if hand in value:
                yield leaf, np.abs(np.asarray(value[hand]) - self.found.arrays[hand.number])

    def _lines(self, dtype: np.dtype[Any], bounds: dict[Value, np.ndarray]) -> dict[Value, list[Place]]:
        """Return the places that compute in a lower dtype than the leaves', if this widens their bounds."""
        at: dict[Place, list[Value]] = {}
        for each in self.plan.needed:
            if is_finer(dtype, each.dtype) and each.place is not None:
                at.setdefault(each.place, []).append(each)
        places = list(at)
        found: dict[Value, dict[Place, None]] = {leaf: {} for leaf in bounds}
        draws = max(self.together, 2)
        for first in range(0, len(places), draws - 1):
            # Each draw has the errors of only one place; the last has none.
            sizes = dict.fromkeys(self.plan.needed, np.zeros(draws))
            some = places[first : first + draws - 1]
            for place, alone in zip(some, STEP * np.eye(draws), strict=False):
                sizes |= dict.fromkeys(at[place], alone)
            for leaf, moved in self._moved(sizes, draws):
                if leaf in bounds:
                    widens = (moved - moved[-1] > PART * bounds[leaf]).reshape(draws, -1).any(axis=1)
                    found[leaf] |= {some[i]: None for i in np.flatnonzero(widens)}
        return {leaf: list(lines) for leaf, lines in found.items()}

    def _cancels(self, leaf: Value, right: Adjoint, bound: np.ndarray) -> bool:
        """Whether the terms of a gradient cancel except for float64's rounding."""
        size = np.asarray(np.abs(right.centre))
        if right.slack is not None or not size.size or (size > bound).any():
            return False
        fine, coarse = (response[leaf] for response in self._responses_in_one)
        if not fine.any() or (size > self._granted(fine, size, np.dtype(np.float64))).any():
            return False
        # A gradient that is lost in rounding without cancelling is equally large in float32.
        return bool(coarse.max() > PROPORTIONAL * max(fine.max(), size.max()))


def _memory(leaf: Value) -> Value:
    """Return the value whose adjoint contains the leaf's: arrays that share memory are parts of it."""
    return leaf.inputs[0] if isinstance(leaf.operation, Read) else leaf


def _part(leaf: Value, stack: np.ndarray) -> np.ndarray:
    """Return the leaf's part of its memory, in every draw."""
    operation = leaf.operation
    return Version(stack, operation.root).read(operation.at) if isinstance(operation, Read) else stack
