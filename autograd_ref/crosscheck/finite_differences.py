"""The third witness of the network: central differences of its values alone, in float64.

The values come from the forward functions of `handgrad`, so that no derivative of either side has a part
in them. (Whether those values are right is what the comparison of the forward quantities says.)
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograd_ref.arithmetic.finite_differences import FiniteDifference, central_difference
from handgrad.activations import ACTIVATIONS, ActivationName
from handgrad.layers import affine_forward, l2_penalty_forward, softmax_cross_entropy_forward

__all__ = ["loss_difference", "stage_difference"]

Values = Mapping[str, Any]


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
