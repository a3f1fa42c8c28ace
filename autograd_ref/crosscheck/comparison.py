"""One network on one problem: each quantity by hand beside the automatic one, judged by its bound."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from autograd_ref.arithmetic.finite_differences import FiniteDifference
from autograd_ref.crosscheck.bounds import Bounds, chained_bounds, stagewise_bounds
from autograd_ref.crosscheck.finite_differences import loss_difference, stage_difference
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.quantity import Quantity, judge
from autograd_ref.two_layer_net import PENALTY, QUANTITIES, adjoints, stagewise
from handgrad.two_layer_net import PARAMETERS

__all__ = ["GRADIENTS", "Comparison", "compare_gradients", "compare_trace"]

# The order in which a gradient without a trace is judged.
GRADIENTS = ("loss", "dW2", "db2", "dW1", "db1")


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


def compare_trace(
    problem: Problem, trace: Mapping[str, Any], coefficients: Mapping[str, float] = PENALTY
) -> Comparison:
    """Judge every stage of a trace on the trace's own upstream values.

    Args:
        problem: where the trace was taken.
        trace: everything in `QUANTITIES`, by hand.
        coefficients: for each penalised parameter q, the c of its penalty c·reg·‖q‖².

    Returns:
        One judgement for each quantity.
    """
    values = {"X": problem.X, "y": problem.y, **problem.params}
    values |= {name: np.asarray(trace[name], np.float64) for name in QUANTITIES}
    automatic = stagewise(values, problem.reg, coefficients, problem.activation)
    wrong_shape = [name for name in QUANTITIES if values[name].shape != automatic[name].shape]
    if wrong_shape:
        raise ValueError(f"trace[{wrong_shape[0]!r}] has shape {values[wrong_shape[0]].shape}")
    bounds = stagewise_bounds(values, problem.dtype, problem.reg, coefficients, problem.activation)

    difference = _difference(stage_difference, problem, values, coefficients)
    quantities = tuple(judge(name, values[name], automatic[name], bounds.of(name, automatic[name]), difference) for name in QUANTITIES)
    return Comparison(problem.name, problem.dtype.name, quantities, bounds.kinks)


def compare_gradients(
    problem: Problem,
    loss: Any,
    grads: Mapping[str, Any],
    coefficients: Mapping[str, float] = PENALTY,
    automatic: Mapping[str, np.ndarray] | None = None,
    bounds: Bounds | None = None,
) -> Comparison:
    """Judge a loss and its gradient from end to end.

    Args:
        problem: where they were computed.
        loss: by hand.
        grads: W1, b1, W2, b2, by hand.
        coefficients: for each penalised parameter q, the c of its penalty c·reg·‖q‖².
        automatic: what the reference gives, where it is known already.
        bounds: the chained bounds, where they are known already.

    Returns:
        The judgements of `GRADIENTS`.
    """
    inputs = {"X": problem.X, "y": problem.y, **problem.params}
    if automatic is None:
        exact = {name: np.asarray(value, np.float64) for name, value in problem.params.items()}
        automatic = adjoints(exact, problem.X, problem.y, problem.reg, coefficients, problem.activation)
    if bounds is None:
        values = {**inputs, **automatic}
        bounds = chained_bounds(values, problem.dtype, problem.reg, coefficients, {}, problem.activation)
    hand = {"loss": loss, **{f"d{name}": grads[name] for name in PARAMETERS}}

    difference = _difference(loss_difference, problem, inputs, coefficients)
    quantities = tuple(judge(name, hand[name], automatic[name], bounds.of(name, automatic[name]), difference) for name in GRADIENTS)
    return Comparison(problem.name, problem.dtype.name, quantities, bounds.kinks)


def _difference(
    function: Callable[..., FiniteDifference | None],
    problem: Problem,
    values: Mapping[str, Any],
    coefficients: Mapping[str, float],
) -> Callable[[str, tuple[int, ...]], FiniteDifference | None]:
    return partial(
        function, values=values, reg=problem.reg, coefficients=coefficients, activation=problem.activation
    )
