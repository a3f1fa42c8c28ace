"""Training in JAX: the jitted step, and a whole epoch of steps in one compiled scan."""

from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import Array, ArrayLike, Float, Integer, Shaped

from autograd_ref.two_layer_net import loss
from handgrad.activations import ActivationName

__all__ = ["epoch", "jitted_epoch", "jitted_step", "step"]

Params = Mapping[str, Any]


def step(
    params: Params,
    velocity: Params,
    X: Float[Array, "N D"],
    y: Integer[Array, " N"],
    learning_rate: Float[ArrayLike, ""],
    reg: Float[ArrayLike, ""],
    momentum: Float[ArrayLike, ""] = 0.0,
    nesterov: bool = False,
    mask: Float[Array, "N H"] | None = None,
    activation: ActivationName = "relu",
    weights: Float[Array, " N"] | None = None,
) -> tuple[dict[str, Array], dict[str, Array], Float[Array, ""]]:
    """One step of gradient descent, as the head of `handgrad.fused.sgd` defines it.

    Args:
        params: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,).
        velocity: arrays of the same names and shapes; an empty mapping for no momentum.
        X: a minibatch.
        y: its labels in [0, C).
        learning_rate: the step's length.
        reg: strength of the penalty.
        momentum: the velocity's factor; unused where there is no velocity.
        nesterov: take Nesterov's momentum instead of the classical one.
        mask: dropout's factors on h1; None for no dropout.
        activation: of the hidden layer.
        weights: each sample's share of the loss; None for 1/N each.

    Returns:
        ``(params, velocity, loss)``, the loss being that before the step.
    """
    gradient = jax.value_and_grad(loss)
    value, grads = gradient(params, X, y, reg, mask=mask, activation=activation, weights=weights)
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
    reg: Float[ArrayLike, ""],
    momentum: Float[ArrayLike, ""] = 0.0,
    nesterov: bool = False,
    activation: ActivationName = "relu",
) -> tuple[dict[str, Array], dict[str, Array], Float[Array, " steps"]]:
    """As many steps as there are batches, each gathered from the data where it is.

    Args:
        params: W1, b1, W2, b2.
        velocity: arrays of the same names and shapes; an empty mapping for no momentum.
        X: all inputs; integers are converted batch by batch.
        y: all labels.
        batches: the rows of each minibatch.
        learning_rates: that of each step.
        reg: strength of the penalty.
        momentum: the velocity's factor.
        nesterov: take Nesterov's momentum instead of the classical one.
        activation: of the hidden layer.

    Returns:
        ``(params, velocity, losses)``, each loss being that before its step.
    """

    def body(state: tuple[Any, Any], inputs: tuple[Array, Array]) -> tuple[tuple[Any, Any], Array]:
        batch, learning_rate = inputs
        X_batch = X[batch].astype(learning_rate.dtype)
        new, moved, value = step(
            *(*state, X_batch, y[batch], learning_rate, reg, momentum, nesterov), activation=activation
        )
        return (new, moved), value

    (last, moved), losses = jax.lax.scan(body, (dict(params), dict(velocity)), (batches, learning_rates))
    return last, moved, losses


# The old parameters' memory becomes the new ones': a caller must not look at what it passed in.
OPTIONS, STATE = ("nesterov", "activation"), ("params", "velocity")
jitted_step = jax.jit(step, static_argnames=OPTIONS, donate_argnames=STATE)
jitted_epoch = jax.jit(epoch, static_argnames=OPTIONS, donate_argnames=STATE)
