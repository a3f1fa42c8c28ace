"""The third witness: central differences of function values alone, in float64.

The values come from the forward functions of `handgrad`, so that no derivative of either side has a part
in them. (Whether those values are right is what the comparison of the forward quantities says.)
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.bounds import unit_roundoff
from handgrad.activations import ACTIVATIONS, ActivationName
from handgrad.layers import affine_forward, l2_penalty_forward, softmax_cross_entropy_forward

__all__ = ["FiniteDifference", "central_difference", "loss_difference", "stage_difference"]

# Near the cube root of the unit roundoff, where truncation and rounding of a central difference balance
# (Press et al., Numerical Recipes, 3rd ed., §5.7); a power of two, so that a sum with a number near 1 is
# exact.
STEP = 2.0**-17

Values = Mapping[str, Any]


class FiniteDifference(NamedTuple):
    """A central difference and how far it may be off.

    Attributes:
        value: (f(x + h) − f(x − h)) / 2h.
        error: its distance from the same with 2h, plus the rounding of the function values over h.
    """

    value: float
    error: float


def central_difference(
    function: Callable[[np.ndarray], Any], at: np.ndarray, index: tuple[int, ...]
) -> FiniteDifference:
    """The derivative of a scalar function by one entry of its argument.

    Args:
        function: takes an array like ``at``.
        at: where to differentiate; float64.
        index: of the entry.

    Returns:
        The difference and its error.
    """
    x = float(at[index])
    h = STEP * max(1.0, abs(x))
    shifted = at.copy()
    values = []
    for shift in (h, -h, 2 * h, -2 * h):
        shifted[index] = x + shift
        values.append(float(function(shifted)))
    f = np.array(values)
    near, far = (f[0] - f[1]) / (2 * h), (f[2] - f[3]) / (4 * h)
    rounding = 8 * unit_roundoff(np.float64) * (np.abs(f).max() + abs(near * x)) / h
    return FiniteDifference(float(near), float(abs(near - far) + rounding))


def loss_difference(
    name: str,
    index: tuple[int, ...],
    values: Values,
    reg: float,
    coefficients: Mapping[str, float],
    activation: ActivationName = "relu",
) -> FiniteDifference | None:
    """The derivative of the whole loss by one entry of one parameter.

    Args:
        name: the gradient: dW1, db1, dW2 or db2; what is not one, the loss, has no derivative to offer.
        index: of the entry.
        values: X, y and the parameters.
        reg: strength of the penalty.
        coefficients: the c of each penalised parameter's c·reg·‖q‖².
        activation: of the hidden layer.

    Returns:
        The difference and its error, or None for the loss.
    """
    if name[1:] not in values:
        return None
    exact = _in_float64(values, ("X", "W1", "b1", "W2", "b2"))
    q = name[1:]

    # The other parameters' penalties are constants, which a difference does without.
    return central_difference(
        lambda shifted: (
            _data_loss({**exact, q: shifted}, values["y"], activation)
            + l2_penalty_forward(shifted, reg, coefficients.get(q, 0.0))
        ),
        exact[q],
        index,
    )


def _data_loss(v: Values, y: np.ndarray, activation: ActivationName) -> float:
    h1 = ACTIVATIONS[activation].forward(affine_forward(v["X"], v["W1"], v["b1"]))
    data_loss, _ = softmax_cross_entropy_forward(affine_forward(h1, v["W2"], v["b2"]), y)
    return float(data_loss)


def stage_difference(
    name: str,
    index: tuple[int, ...],
    values: Values,
    reg: float,
    coefficients: Mapping[str, float],
    activation: ActivationName = "relu",
) -> FiniteDifference | None:
    """The derivative of one stage alone by one entry of its input, weighted with the adjoint it was given.

    Args:
        name: an adjoint, ``dq``; what is not one has no derivative to offer.
        index: of the entry.
        values: X, y, the parameters and every quantity of a trace.
        reg: strength of the penalty.
        coefficients: the c of each penalised parameter's c·reg·‖q‖².
        activation: of the hidden layer.

    Returns:
        The difference and its error, or None for a quantity of the forward pass.
    """
    stages: dict[str, tuple[Callable[[Values], Any], str]] = {
        "dscores": (lambda v: softmax_cross_entropy_forward(v["scores"], values["y"])[0], ""),
        "dh1": (lambda v: affine_forward(v["h1"], v["W2"], v["b2"]), "dscores"),
        "dz1": (lambda v: ACTIVATIONS[activation].forward(v["z1"]), "dh1"),
        "dW1": (lambda v: affine_forward(v["X"], v["W1"], v["b1"]), "dz1"),
    }
    stages |= {"dW2": stages["dh1"], "db2": stages["dh1"], "db1": stages["dW1"]}
    if name not in stages:
        return None
    forward, arriving = stages[name]
    exact = _in_float64(values, [key for key in values if key != "y"])
    adjoint = exact[arriving] if arriving else 1.0
    q = name[1:]

    return central_difference(
        lambda shifted: (
            float(np.sum(adjoint * forward({**exact, q: shifted})))
            + l2_penalty_forward(shifted, reg, coefficients.get(q, 0.0))
        ),
        exact[q],
        index,
    )


def _in_float64(values: Values, names: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(values[name], np.float64) for name in names}
