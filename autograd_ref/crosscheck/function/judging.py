"""Verdicts from the results at each point: right, wrong, or not judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from autograd_ref.arithmetic.finite_differences import FiniteDifference
from autograd_ref.arithmetic.rounding import Bound
from autograd_ref.arithmetic.rounding_bounds import Measured
from autograd_ref.arithmetic.ties import Ties
from autograd_ref.crosscheck.function.cancelling import LOST, widened
from autograd_ref.crosscheck.function.hand import Answer
from autograd_ref.crosscheck.function.known_points import KnownPoint
from autograd_ref.crosscheck.function.points import Point
from autograd_ref.crosscheck.function.reference import Traced
from autograd_ref.crosscheck.function.witnesses import Witness
from autograd_ref.crosscheck.quantity import (
    SEEN_SHARE,
    Quantity,
    judge,
    root_mean_square,
    seen_entries,
)

__all__ = [
    "NONLINEAR",
    "AtPoint",
    "Judged",
    "is_near",
    "joint_units",
    "judge_gradient",
    "judge_loss",
    "sizes",
]

# A value that cancels is at most this part of its rounding error in float32, and at most this number of
# roundings in float64.
CANCELS, ROUNDINGS = 2.0**-14, 64.0

# If a bound is larger than this part of the value, it is widened by this factor.
NONLINEAR, ROOM = 0.1, 30.0


@dataclass
class AtPoint:
    """The results of hand and reference at one point.

    Attributes:
        point: the point.
        number: the number of the point.
        dtype: the checked dtype.
        answer: the results by hand.
        finer: returns the same call's results in the next finer precision; None if that fails.
        known: the reference at this point.
        loss: the reference's loss, with the bound by which hand is judged.
        gradients: the reference's gradients with bounds, in the order of the parameters.
    """

    point: Point
    number: int
    dtype: np.dtype[Any]
    answer: Answer
    finer: Callable[[], Answer | None]
    known: KnownPoint
    loss: Measured
    gradients: list[Measured]

    @property
    def traced(self) -> Traced:
        """The reference."""
        return self.known.traced

    @property
    def witness(self) -> Witness:
        """Differences of the reference's values at this point."""
        return self.known.witness

    @property
    def place(self) -> tuple[str, bool]:
        """The name of the point, and whether it was moved from the given one."""
        return self.point.name, self.point.moved

    @property
    def by_hand(self) -> list[np.ndarray]:
        """The gradients by hand."""
        return self.answer.grads

    @property
    def lowest(self) -> np.dtype[Any]:
        """The lowest precision in which the reference computes."""
        return self.traced.lowest

    def noise(self, i: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return how far rounding in float32 and in float64 moves a right gradient."""
        coarse, fine = self.known.noise
        return coarse[i], fine[i]

    def is_used(self, i: int) -> bool:
        """Whether the loss depends on a parameter."""
        return self.traced.first_uses[i] is not None

    def difference(self, i: int, index: tuple[int, ...]) -> FiniteDifference | None:
        """The derivative with respect to one entry of one parameter, from the reference's values."""
        return self.witness.by_entry(i, index)

    def finer_by_hand(self, i: int) -> np.ndarray | None:
        """A gradient by hand from a call in a finer dtype."""
        again = self.finer()
        return None if again is None else again.grads[i]


@runtime_checkable
class Judged(Protocol):
    """The data by which a gradient is judged at one point, whatever its origin; see `AtPoint`."""

    number: int
    gradients: list[Measured]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype that is checked."""
        ...

    @property
    def place(self) -> tuple[str, bool]:
        """The name of the point, and whether it is another than the user's."""
        ...

    @property
    def by_hand(self) -> list[np.ndarray]:
        """The gradients by hand."""
        ...

    @property
    def lowest(self) -> np.dtype[Any]:
        """The lowest precision in which the reference computes."""
        ...

    def noise(self, i: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return how far rounding in float32 and in float64 moves a right gradient, where that is known."""
        ...

    def is_used(self, i: int) -> bool:
        """Whether the loss depends on a parameter."""
        ...

    def difference(self, i: int, index: tuple[int, ...]) -> FiniteDifference | None:
        """The derivative with respect to one entry of one parameter, from values alone."""
        ...

    def finer_by_hand(self, i: int) -> np.ndarray | None:
        """A gradient by hand from a call in a finer dtype."""
        ...


def judge_loss(found: Sequence[AtPoint], tolerance: float, dtype: str) -> Quantity | None:
    """Return the verdict on the loss; None if hand does not compute one.

    If rounding may change the loss by more than 1 %, it is not judged, with a reason.
    """
    judged = []
    for each in found:
        if each.answer.loss is not None:
            judged.append(_at(each, "loss", each.answer.loss, each.loss, tolerance))
    if not judged:
        return None
    worst = _worst(judged)
    seen = max(each.seen for each in judged)
    flat = all(each.loss.value == 0 for each in found)
    if worst.ok and not seen and not flat:
        size = min(
            float(each.loss.bound.radius / np.abs(each.loss.value)) for each in found if each.loss.value
        )
        moved = f"move it by {_percent(size)}" if np.isfinite(size) else "turn it into any value"
        reason = f"rounding in {dtype} alone may {moved}"
        return replace(worst, ok=None, seen=0.0, reason=reason)
    return replace(worst, seen=1.0 if flat else seen)


def judge_gradient(
    found: Sequence[Judged], i: int, name: str, tolerance: float, dtype: str
) -> tuple[Quantity, bool]:
    """Return the verdict on the gradient for one parameter, over all points.

    Args:
        found: the results at every point.
        i: the number of the parameter.
        name: name of the gradient.
        tolerance: relative size to which a bound is widened.
        dtype: the dtype of the computation, for the message.

    Returns:
        The verdict, and whether the gradient is right at the first point.
    """
    judged = [_at(each, name, each.by_hand[i], each.gradients[i], tolerance, i) for each in found]
    worst = _worst(judged)
    first = bool(judged[0].ok) and judged[0].seen >= SEEN_SHARE
    if not worst.ok:
        return worst, first
    seen = max(each.seen for each in judged)
    values = [each.gradients[i].value for each in found]
    if not values[0].size or not found[0].is_used(i) or _cancels(found, i):
        return replace(worst, seen=1.0), True
    shares = [
        (max(_covered(found, each, i), quantity.seen), each)
        for each, quantity in zip(found, judged, strict=True)
        if not each.place[1]
    ]
    covered, at = min(shares, key=lambda share: share[0])
    if min(seen, covered) >= SEEN_SHARE:
        return replace(worst, seen=seen), first
    if seen >= SEEN_SHARE:
        reason = (
            f"at {at.place[0]} rounding in {dtype} hides {_percent(1 - covered)} of its entries, and other "
            "points cannot decide them"
        )
        return replace(worst, ok=None, seen=covered, reason=reason), False
    reason = _reason(found, i, seen, dtype)
    return replace(worst, ok=None, seen=seen, reason=reason), False


def _at(
    each: Judged, name: str, hand: np.ndarray, right: Measured, tolerance: float, i: int | None = None
) -> Quantity:
    """Judge the loss or gradient i at one point: exactly, or with what sums swallow in the checked dtype."""
    exact = _at_value(each, name, hand, right, tolerance, i)
    if right.swallowed is None or exact.ok is False or is_near(hand, right.value):
        return exact
    computed = _at_value(each, name, hand, right.swallowed, tolerance, i)
    return computed if computed.ok or computed.seen >= SEEN_SHARE else exact


def is_near(hand: np.ndarray, value: np.ndarray) -> bool:
    """Whether the error of every finite entry is below half of what may be hidden."""
    finite = np.isfinite(value)
    return bool(np.all(np.abs(hand - value)[finite] <= LOST * sizes(value)[finite]))


def _at_value(
    each: Judged, name: str, hand: np.ndarray, right: Measured, tolerance: float, i: int | None
) -> Quantity:
    """Judge against one value; where the reference is not finite, hand may have any value."""

    def difference(_: str, index: tuple[int, ...]) -> FiniteDifference | None:
        return None if i is None else each.difference(i, index)

    def finer() -> np.ndarray | None:
        return None if i is None else each.finer_by_hand(i)

    value, bound = right.value, right.bound
    joint = None
    if hand.shape == value.shape:
        hand = np.where(np.isfinite(value), hand, np.nan)
        joint = joint_units(hand, value, bound, right.ties)
    size = sizes(value)
    # Bounds are first-order: if a bound is as large as the value, exceeding it does not prove a mistake.
    radius = (
        np.where(bound.radius > NONLINEAR * size, ROOM * bound.radius, bound.radius)
        if size.any()
        else bound.radius
    )
    if tolerance:
        radius, joint = np.maximum(radius, tolerance * size), None
    if i is not None and hand.shape == value.shape:
        radius = widened(radius, hand, value, bound, each.dtype, finer)
    wide = bound._replace(radius=radius)
    quantity = judge(name, hand, value, wide, difference, joint)
    seen = (
        float(np.mean(seen_entries(value, np.broadcast_to(bound.radius, value.shape)))) if value.size else 1.0
    )
    return replace(quantity, seen=0.0 if quantity.mismatch else seen, point=each.number)


def sizes(value: np.ndarray) -> np.ndarray:
    """Return the larger of each entry and the root mean square of all."""
    return np.asarray(np.maximum(np.where(np.isfinite(value), np.abs(value), 0.0), root_mean_square(value)))


def joint_units(hand: np.ndarray, value: np.ndarray, bound: Bound, ties: Ties | None) -> np.ndarray | None:
    """Return how far the entries together are outside the space of choices at ties, in units of the bound.

    For any choice at the ties, the error is in their span; the rest is rounding.
    """
    if ties is None or ties.span is None or len(ties.span) >= len(ties.entries):
        return None
    error = (hand - value).ravel()[ties.entries]
    radius = np.broadcast_to(bound.radius, value.shape).ravel()[ties.entries]
    if not np.all(np.isfinite(error) & np.isfinite(radius)):
        return None
    beside = np.eye(len(ties.entries)) - ties.span.T @ ties.span
    units = np.zeros(value.size)
    # The projection itself has an error of a few roundings in float64.
    slip = 1e-12 * np.abs(error).max(initial=0.0)
    units[ties.entries] = np.abs(beside @ error) / (np.abs(beside) @ radius + slip + np.finfo(float).tiny)
    return units.reshape(value.shape)


def _covered(found: Sequence[Judged], each: Judged, i: int) -> float:
    """Return the share of entries that rounding at a point does not hide, by the gradient's size anywhere.

    If rounding hides the user's own point, other points may be on another branch of the function: beside a
    tie at 1e30 a softmax is 0 or 1. But if a gradient is only near 0, at an optimum, other points count for
    it.
    """
    right = each.gradients[i]
    finite = np.isfinite(right.value)
    if not finite.any() or not right.value.any():
        return 1.0
    usual = max(root_mean_square(other.gradients[i].value) for other in found)
    radius = np.broadcast_to(right.bound.radius, right.value.shape)[finite]
    return float(np.mean(radius < NONLINEAR * np.maximum(np.abs(right.value[finite]), usual)))


def _worst(judged: Sequence[Quantity]) -> Quantity:
    """Return the first wrong quantity, or else the one whose error is the largest part of its bound."""
    wrong = [each for each in judged if not each.ok]
    return wrong[0] if wrong else max(judged, key=lambda each: each.bound_units)


def _cancels(found: Sequence[Judged], i: int) -> bool:
    """Whether the terms of a gradient cancel at every point, so that its right value is 0."""
    for each in found:
        noise = each.noise(i) if each.lowest == np.float64 else None
        if noise is None:
            return False
        size = np.abs(each.gradients[i].value).max(initial=0.0)
        coarse, fine = (np.max(part, initial=0.0) for part in noise)
        if not (coarse > 0 and size <= CANCELS * coarse and size <= ROUNDINGS * fine):
            return False
    return True


def _reason(found: Sequence[Judged], i: int, seen: float, dtype: str) -> str:
    values = [each.gradients[i].value for each in found]
    tried = "at the one point tried" if len(found) == 1 else f"at any of the {len(found)} points tried"
    if not any(np.isfinite(value).all() for value in values):
        return f"the reference's gradient is not finite {tried}"
    if not any(value.any() for value in values):
        return (
            f"nothing flows into it {tried}: its right value is 0 everywhere there, so 0 by hand proves "
            "nothing"
        )
    lowest = found[0].lowest.name
    cause = (
        f"in {dtype}"
        if lowest in (dtype, "float64")
        else f"in {dtype}, of which the reference computes a part in {lowest},"
    )
    allowed = [_relative(each.gradients[i]) for each in found]
    least = min(allowed)
    may = "" if least == np.inf else f": rounding {cause} may move the median entry by {_percent(least)}"
    return f"only {_percent(seen)} of its entries are determined to 1 % {tried}{may}"


def _relative(right: Measured) -> float:
    with np.errstate(all="ignore"):
        ratios = np.asarray(right.bound.radius / np.abs(right.value))
    finite = ratios[np.isfinite(ratios)]
    return float(np.median(finite)) if finite.size else float("inf")


def _percent(part: float) -> str:
    return f"{100 * part:.3g} %" if part < 10 else f"{part:.2g} times itself"
