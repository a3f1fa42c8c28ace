"""Training in JAX: the step, and a whole epoch of steps in one compiled scan."""

from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import Array, ArrayLike, Float, Integer, Shaped

from autograd_ref.two_layer_net import loss
from handgrad.objective import Objective

__all__ = ["epoch", "jitted_epoch", "step"]

Params = Mapping[str, Any]


def step(
    params: Params,
    velocity: Params,
    X: Float[Array, "N D"],
    y: Integer[Array, " N"],
    learning_rate: Float[ArrayLike, ""],
    objective: Objective,
    momentum: Float[ArrayLike, ""] = 0.0,
    nesterov: bool = False,
    mask: Float[Array, "N H"] | None = None,
) -> tuple[dict[str, Array], dict[str, Array], Float[Array, ""]]:
    """Take one step of gradient descent, as defined in the docstring of `handgrad.fused.sgd`.

    Args:
        params: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,).
        velocity: arrays with the same names and shapes; an empty mapping for no momentum.
        X: a minibatch.
        y: its labels in [0, C).
        learning_rate: the learning rate.
        objective: the penalty and the activation.
        momentum: the velocity's factor; unused without velocity.
        nesterov: take Nesterov's momentum instead of the classical one.
        mask: dropout's factors on h1; None for no dropout.

    Returns:
        ``(params, velocity, loss)``; the loss is the one before the step.
    """
    value, grads = jax.value_and_grad(loss)(params, X, y, objective, mask=mask)
    if not velocity:
        return {name: q - learning_rate * grads[name] for name, q in params.items()}, {}, value
    new = {name: momentum * v - learning_rate * grads[name] for name, v in velocity.items()}
    if nesterov:
        moves = {name: (1 + momentum) * new[name] - momentum * v for name, v in velocity.items()}
    else:
        moves = new
    return {name: q + moves[name] for name, q in params.items()}, new, value


def epoch(
    params: Params,
    velocity: Params,
    X: Shaped[Array, "rows D"],
    y: Integer[Array, " rows"],
    batches: Integer[Array, "steps N"],
    learning_rates: Float[Array, " steps"],
    objective: Objective,
    momentum: Float[ArrayLike, ""] = 0.0,
    nesterov: bool = False,
) -> tuple[dict[str, Array], dict[str, Array], Float[Array, " steps"]]:
    """Take a `step` for each minibatch, given by its rows, which are gathered on the device of the data.

    X may hold integers, which are converted batch by batch; each step has its own learning rate.

    Returns:
        ``(params, velocity, losses)``; each loss is the one before its step.
    """

    def body(state: tuple[Any, Any], inputs: tuple[Array, Array]) -> tuple[tuple[Any, Any], Array]:
        batch, learning_rate = inputs
        X_batch = X[batch].astype(learning_rate.dtype)
        new, moved, value = step(*state, X_batch, y[batch], learning_rate, objective, momentum, nesterov)
        return (new, moved), value

    (last, moved), losses = jax.lax.scan(body, (dict(params), dict(velocity)), (batches, learning_rates))
    return last, moved, losses


# The new parameters reuse the memory of the old ones, so a caller must not use the arrays it passed in.
jitted_epoch = jax.jit(epoch, static_argnames="nesterov", donate_argnames=("params", "velocity"))
