"""One network on one problem: each quantity by hand compared with the automatic one, within its bound."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from autograd_ref.arithmetic.rounding import Bound
from autograd_ref.crosscheck.bounds import stagewise_bounds
from autograd_ref.crosscheck.finite_differences import difference, one_stage, whole_loss
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.quantity import Quantity, judge, seen_entries
from autograd_ref.crosscheck.reference import Reference, reference_of
from autograd_ref.two_layer_net import QUANTITIES, stagewise
from handgrad.trace import quantity_of

__all__ = ["GRADIENTS", "TENSORS", "Comparison", "compare_gradients", "compare_trace"]

# The order of judging a gradient without a trace.
TENSORS = ("dW2", "db2", "dW1", "db1")
GRADIENTS = ("loss", *TENSORS)


@dataclass(frozen=True)
class Comparison:
    """Every quantity of one problem.

    Attributes:
        name: name of the problem.
        dtype: the checked dtype.
        quantities: the quantities in the order of computation.
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
        problem: the problem of the trace.
        trace: everything in `QUANTITIES`, by hand.

    Returns:
        A verdict for each quantity.
    """
    values = {"X": problem.X, "y": problem.y, **problem.params}
    values |= {name: np.asarray(trace[name], np.float64) for name in QUANTITIES}
    automatic = stagewise(values, problem.objective)
    wrong_shape = [name for name in QUANTITIES if values[name].shape != automatic[name].shape]
    if wrong_shape:
        raise ValueError(f"trace[{wrong_shape[0]!r}] has shape {values[wrong_shape[0]].shape}")
    bounds = stagewise_bounds(values, problem.dtype, problem.objective)
    witness = partial(difference, values=values, objective=problem.objective, forward=one_stage)
    quantities = tuple(
        judge(name, values[name], automatic[name], bounds.of(name, automatic[name]), witness)
        for name in QUANTITIES
    )
    return Comparison(problem.name, problem.dtype.name, quantities, bounds.kinks)


def compare_gradients(
    problem: Problem,
    loss: Any,
    grads: Mapping[str, Any],
    reference: Reference | None = None,
    *,
    tolerance: float = 0.0,
    bounds: Mapping[str, Bound] | None = None,
) -> Comparison:
    """Judge a loss and its gradient from end to end.

    Args:
        problem: the problem on which they were computed.
        loss: the loss by hand.
        grads: W1, b1, W2, b2, by hand.
        reference: the problem's reference, if it is known already.
        tolerance: widen each bound to this part of the larger of the entry and its array's root mean square.
        bounds: bounds that replace the derived ones, by quantity.

    Returns:
        The verdicts on `GRADIENTS`.
    """
    right = reference or reference_of(problem)
    witness = partial(difference, values=right.trace, objective=problem.objective, forward=whole_loss)
    quantities = []
    for name in GRADIENTS:
        hand, automatic = loss if name == "loss" else grads[quantity_of(name)], np.asarray(right.trace[name])
        bound = (bounds or {}).get(name) or right.bounds.of(name, automatic)
        judged = judge(name, hand, automatic, _widened(bound, automatic, tolerance), witness)
        if tolerance and judged.mismatch is None:
            seen = seen_entries(automatic, np.broadcast_to(bound.radius, automatic.shape))
            judged = replace(judged, seen=float(seen.mean()))
        quantities.append(judged)
    return Comparison(problem.name, problem.dtype.name, tuple(quantities), right.bounds.kinks)


def _widened(bound: Bound, right: np.ndarray, tolerance: float) -> Bound:
    if not tolerance:
        return bound
    size = np.maximum(np.abs(right), np.sqrt(np.mean(right**2)))
    return bound._replace(radius=np.maximum(bound.radius, tolerance * size))
