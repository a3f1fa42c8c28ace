"""The third witness of the network: central differences of its values alone, in float64.

The values come from the forward functions of `handgrad`, so that no derivative of either side has a part
in them. (Whether those values are right is what the comparison of the forward quantities says.)
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograd_ref.arithmetic.finite_differences import FiniteDifference, central_difference
from autograd_ref.two_layer_net import QUANTITIES
from handgrad.activations import ACTIVATIONS, ActivationName
from handgrad.layers import affine_forward, l2_penalty_forward, softmax_cross_entropy_forward
from handgrad.objective import Objective
from handgrad.trace import quantity_of

__all__ = ["difference", "one_stage", "whole_loss"]

Values = Mapping[str, Any]
ADJOINTS = QUANTITIES[QUANTITIES.index("dscores") :]


def difference(
    adjoint: str,
    index: tuple[int, ...],
    values: Values,
    objective: Objective,
    forward: Callable[[str, Values, ActivationName], float],
) -> FiniteDifference | None:
    """The derivative of a value by one entry of one quantity.

    Args:
        adjoint: names the quantity; what is not an adjoint, such as the loss, has no derivative to offer.
        index: of the entry.
        values: what the forward function needs.
        objective: the penalty and the activation.
        forward: the value without its penalty: `whole_loss` or `one_stage`.

    Returns:
        The difference and its error, or None for a quantity of the forward pass.
    """
    if adjoint not in ADJOINTS:
        return None
    q = quantity_of(adjoint)
    exact = {name: value if name == "y" else np.asarray(value, np.float64) for name, value in values.items()}
    c = objective.coefficient(q)

    # The other parameters' penalties are constants, which a difference does without.
    return central_difference(
        lambda shifted: (
            forward(q, {**exact, q: shifted}, objective.activation)
            + l2_penalty_forward(shifted, objective.reg, c)
        ),
        exact[q],
        index,
    )


def whole_loss(_: str, v: Values, activation: ActivationName) -> float:
    """The mean cross-entropy, from X, y and the parameters."""
    h1 = ACTIVATIONS[activation].forward(affine_forward(v["X"], v["W1"], v["b1"]))
    loss, _probs = softmax_cross_entropy_forward(affine_forward(h1, v["W2"], v["b2"]), v["y"])
    return float(loss)


def one_stage(q: str, v: Values, activation: ActivationName) -> float:
    """The output of the stage that takes q alone, weighted with the adjoint that a trace has for it."""
    match q:
        case "scores":
            return float(softmax_cross_entropy_forward(v["scores"], v["y"])[0])
        case "h1" | "W2" | "b2":
            return float(np.sum(v["dscores"] * affine_forward(v["h1"], v["W2"], v["b2"])))
        case "z1":
            return float(np.sum(v["dh1"] * ACTIVATIONS[activation].forward(v["z1"])))
        case _:
            return float(np.sum(v["dz1"] * affine_forward(v["X"], v["W1"], v["b1"])))
