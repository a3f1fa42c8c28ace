"""Central differences of the network's values, in float64.

The values come from the forward functions of `handgrad`, so they do not use a derivative of either side. (The
comparison of the forward quantities shows whether these values are right.)
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
    """Differentiate a value by one entry of one quantity.

    Args:
        adjoint: name of the quantity's adjoint; other names, such as the loss, have no derivative.
        index: index of the entry.
        values: the inputs of the forward function.
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

    # The other parameters' penalties are constants, which cancel in a difference.
    return central_difference(
        lambda shifted: (
            forward(q, {**exact, q: shifted}, objective.activation)
            + l2_penalty_forward(shifted, objective.reg, c)
        ),
        exact[q],
        index,
    )


def whole_loss(_: str, v: Values, activation: ActivationName) -> float:
    """Return the mean cross-entropy, from X, y and the parameters."""
    h1 = ACTIVATIONS[activation].forward(affine_forward(v["X"], v["W1"], v["b1"]))
    loss, _probs = softmax_cross_entropy_forward(affine_forward(h1, v["W2"], v["b2"]), v["y"])
    return float(loss)


def one_stage(q: str, v: Values, activation: ActivationName) -> float:
    """Return the output of the stage that takes q, weighted with its adjoint in the trace."""
    match q:
        case "scores":
            return float(softmax_cross_entropy_forward(v["scores"], v["y"])[0])
        case "h1" | "W2" | "b2":
            return float(np.sum(v["dscores"] * affine_forward(v["h1"], v["W2"], v["b2"])))
        case "z1":
            return float(np.sum(v["dh1"] * ACTIVATIONS[activation].forward(v["z1"])))
        case _:
            return float(np.sum(v["dz1"] * affine_forward(v["X"], v["W1"], v["b1"])))
