"""One network on one problem: each quantity by hand beside the automatic one, judged by its bound."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from autograd_ref.arithmetic.finite_differences import FiniteDifference
from autograd_ref.crosscheck.bounds import Bounds, stagewise_bounds
from autograd_ref.crosscheck.finite_differences import difference, one_stage, whole_loss
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.reference import Reference, reference_of
from autograd_ref.two_layer_net import QUANTITIES, stagewise
from handgrad.trace import quantity_of

__all__ = ["GRADIENTS", "TENSORS", "Comparison", "Quantity", "compare_gradients", "compare_trace", "judge"]

# The median entry is looked for among at most this many, evenly spread.
MOST_FOR_MEDIAN = 100_000

# The order in which a gradient without a trace is judged.
TENSORS = ("dW2", "db2", "dW1", "db1")
GRADIENTS = ("loss", *TENSORS)


@dataclass(frozen=True)
class Quantity:
    """One quantity by hand and automatically.

    Attributes:
        name: as in `QUANTITIES`.
        shape: its right shape.
        ok: whether every entry is within its bound.
        max_abs: the largest error.
        max_rel: the largest error over the largest automatic entry.
        bound_units: the largest ratio of an entry's error to the bound of that entry; right up to 1.
        resolution: the smallest relative error in an entry of median size that would have been caught.
        index: the entry with the largest ratio.
        hand: what was computed by hand there.
        automatic: what automatic differentiation gives there.
        finite_difference: what a central difference gives there; None where there is none.
        odd_one_out: "hand" or "automatic", where they differ and the finite difference backs the other.
        mismatch: a sentence, where the quantity could not be compared entry by entry.
    """

    name: str
    shape: tuple[int, ...]
    ok: bool
    max_abs: float
    max_rel: float
    bound_units: float
    resolution: float
    index: tuple[int, ...]
    hand: float
    automatic: float
    finite_difference: float | None = None
    odd_one_out: str | None = None
    mismatch: str | None = None

    def __str__(self) -> str:
        """One line that says what is wrong, or that nothing is."""
        if self.ok:
            return f"{self.name} is right."
        if self.mismatch is not None:
            return f"{self.name} {self.mismatch}"
        witness = (
            "" if self.finite_difference is None else f", finite difference {self.finite_difference:.9g}"
        )
        return (
            f"{self.name}[{', '.join(map(str, self.index))}]: by hand {self.hand:.9g}, automatic "
            f"{self.automatic:.9g}{witness}: {self.bound_units:.3g} times what rounding allows"
        )


@dataclass(frozen=True)
class Comparison:
    """Every quantity of one problem.

    Attributes:
        name: of the problem.
        dtype: the dtype that was checked.
        quantities: in the order of computation.
        kinks: (sample, unit) of each pre-activation within rounding of the kink.
    """

    name: str
    dtype: str
    quantities: tuple[Quantity, ...]
    kinks: list[tuple[int, int]]

    @property
    def ok(self) -> bool:
        """Whether every quantity is within its bound."""
        return self.first_wrong is None

    @property
    def first_wrong(self) -> str | None:
        """The earliest wrong quantity in the order of computation."""
        return next((quantity.name for quantity in self.quantities if not quantity.ok), None)


def compare_trace(problem: Problem, trace: Mapping[str, Any]) -> Comparison:
    """Judge every stage of a trace on the trace's own upstream values.

    Args:
        problem: where the trace was taken.
        trace: everything in `QUANTITIES`, by hand.

    Returns:
        One judgement for each quantity.
    """
    values = {"X": problem.X, "y": problem.y, **problem.params}
    values |= {name: np.asarray(trace[name], np.float64) for name in QUANTITIES}
    automatic = stagewise(values, problem.objective)
    wrong_shape = [name for name in QUANTITIES if values[name].shape != automatic[name].shape]
    if wrong_shape:
        raise ValueError(f"trace[{wrong_shape[0]!r}] has shape {values[wrong_shape[0]].shape}")
    bounds = stagewise_bounds(values, problem.dtype, problem.objective)
    witness = partial(difference, values=values, objective=problem.objective, forward=one_stage)
    quantities = tuple(judge(name, values[name], automatic[name], bounds, witness) for name in QUANTITIES)
    return Comparison(problem.name, problem.dtype.name, quantities, bounds.kinks)


def compare_gradients(
    problem: Problem, loss: Any, grads: Mapping[str, Any], reference: Reference | None = None
) -> Comparison:
    """Judge a loss and its gradient from end to end.

    Args:
        problem: where they were computed.
        loss: by hand.
        grads: W1, b1, W2, b2, by hand.
        reference: of the problem, where it is known already.

    Returns:
        The judgements of `GRADIENTS`.
    """
    right = reference or reference_of(problem)
    hand = {name: loss if name == "loss" else grads[quantity_of(name)] for name in GRADIENTS}
    witness = partial(difference, values=right.trace, objective=problem.objective, forward=whole_loss)
    quantities = tuple(
        judge(name, hand[name], np.asarray(right.trace[name]), right.bounds, witness) for name in GRADIENTS
    )
    return Comparison(problem.name, problem.dtype.name, quantities, right.bounds.kinks)


def judge(
    name: str,
    hand: Any,
    automatic: np.ndarray,
    bounds: Bounds,
    difference: Callable[[str, tuple[int, ...]], FiniteDifference | None],
) -> Quantity:
    """Judge one quantity, entry by entry.

    Args:
        name: of the quantity.
        hand: by hand.
        automatic: by automatic differentiation, float64.
        bounds: what is allowed.
        difference: gives a central difference at an index.

    Returns:
        The judgement. An entry that is NaN on both sides is the consequence of an earlier one, and right.
    """
    hand = np.asarray(hand, np.float64)
    if hand.shape != automatic.shape:
        message = f"must have shape {automatic.shape}, not {hand.shape}"
        nan = float("nan")
        return Quantity(name, automatic.shape, False, nan, nan, nan, nan, (), nan, nan, mismatch=message)
    radius = np.broadcast_to(bounds.radius[name], hand.shape)
    with np.errstate(invalid="ignore"):
        error = np.abs(hand - bounds.centre.get(name, automatic))
        error = np.maximum(error - bounds.slack.get(name, 0.0), 0)
        both_nan = np.isnan(hand) & np.isnan(automatic)
        units = np.where(both_nan, 0, error / radius)
    units = np.where(np.isnan(units), np.inf, units)
    index = tuple(int(i) for i in np.unravel_index(units.argmax(), units.shape))
    worst = float(units[index])
    finite = error[np.isfinite(error)]
    largest = float(finite.max()) if finite.size == error.size else float("inf")
    scale = float(np.max(np.abs(automatic), initial=0.0))
    witness = difference(name, index)
    ok = worst <= 1
    at_fault = None if ok or witness is None else _odd_one_out(hand[index], automatic[index], witness)
    return Quantity(
        name=name,
        shape=hand.shape,
        ok=ok,
        max_abs=largest,
        max_rel=largest / scale if scale else (0.0 if largest == 0 else float("inf")),
        bound_units=worst,
        resolution=_resolution(automatic, radius),
        index=index,
        hand=float(hand[index]),
        automatic=float(automatic[index]),
        finite_difference=None if witness is None else witness.value,
        odd_one_out=at_fault,
    )


def _resolution(automatic: np.ndarray, radius: np.ndarray) -> float:
    """The relative size of the bound at the entry of median size, among those that are not 0."""
    step = max(1, automatic.size // MOST_FOR_MEDIAN)
    size = np.abs(automatic.ravel()[::step])
    nonzero = np.flatnonzero(size)
    if not nonzero.size:
        return float("inf")
    middle = nonzero.size // 2
    median = nonzero[np.argpartition(size[nonzero], middle)[middle]]
    return float(radius.ravel()[::step][median] / size[median])


def _odd_one_out(hand: float, automatic: float, witness: FiniteDifference) -> str | None:
    backs_hand = abs(hand - witness.value) <= witness.error
    backs_automatic = abs(automatic - witness.value) <= witness.error
    if backs_hand == backs_automatic:
        return None  # too coarse to tell, or at odds with both
    return "automatic" if backs_hand else "hand"
