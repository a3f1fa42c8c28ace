"""Steps of the textbook, of JAX and of a network with dropout, and bounds on their rounding."""

from functools import partial

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from autograd_ref import training as reference
from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.crosscheck.bounds import chained_bounds
from autograd_ref.two_layer_net import adjoints, precision
from handgrad.activations import relu, relu_derivative
from handgrad.dropout import dropout_backward, dropout_forward
from handgrad.layers import (
    affine_backward,
    affine_backward_params,
    affine_forward,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from handgrad.objective import Objective
from handgrad.two_layer_net import PARAMETERS, trace_gradients

KINDS = {
    "plain": {},
    "classical": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9, "nesterov": True},
}


DTYPES = [np.float32, np.float64]


def make(N, D, H, C, dtype, seed=0):
    rng = np.random.default_rng(seed)
    params = {
        "W1": rng.standard_normal((D, H)) / np.sqrt(D),
        "b1": rng.standard_normal(H) / 4,
        "W2": rng.standard_normal((H, C)) / np.sqrt(H),
        "b2": rng.standard_normal(C) / 4,
    }
    X, y = rng.standard_normal((N, D)).astype(dtype), rng.integers(0, C, N)
    return {name: q.astype(dtype) for name, q in params.items()}, X, y


jitted_step = jax.jit(reference.step, static_argnames="nesterov")


def plain_step(params, velocity, X, y, lr, reg, momentum=0.0, nesterov=False):
    """The textbook's step on the plain path's gradient; every product in the dtype of the parameters."""
    trace = trace_gradients(params, X, y, reg)
    grads = {name: trace[f"d{name}"] for name in PARAMETERS}
    lr, mu = X.dtype.type(lr), X.dtype.type(momentum)
    if not momentum:
        return {name: q - lr * grads[name] for name, q in params.items()}, {}, trace["loss"]
    new = {name: mu * v - lr * grads[name] for name, v in velocity.items()}
    moves = {name: (1 + mu) * new[name] - mu * v for name, v in velocity.items()} if nesterov else new
    return {name: q + moves[name] for name, q in params.items()}, new, trace["loss"]


def jax_step(params, velocity, X, y, lr, reg, momentum=0.0, nesterov=False, mask=None):
    dtype = params["W1"].dtype
    with precision(dtype):
        arrays = jax.tree.map(jax.numpy.array, (dict(params), dict(velocity), X))
        lr, momentum = (jax.numpy.array(number, dtype) for number in (lr, momentum))
        mask = None if mask is None else jax.numpy.array(mask)
        labels = jax.numpy.array(y, jax.numpy.int32)
        result = jitted_step(*arrays, labels, lr, Objective(reg), momentum, nesterov=nesterov, mask=mask)
        return jax.tree.map(np.asarray, result)


def jax_epoch(params, velocity, X, y, batches, lr, reg, momentum, nesterov):
    dtype = params["W1"].dtype
    with precision(dtype):
        arrays = jax.tree.map(jax.numpy.array, (dict(params), dict(velocity), X))
        integers = [jax.numpy.array(array, jax.numpy.int32) for array in (y, batches)]
        rates, momentum = (jax.numpy.array(number, dtype) for number in ([lr] * len(batches), momentum))
        result = reference.jitted_epoch(
            *arrays, *integers, rates, Objective(reg), momentum, nesterov=nesterov
        )
        return jax.tree.map(np.asarray, result)


def rounding_of_step(state, values, bounds, lr, reg, momentum, dtype):
    """A bound, entry by entry, on the error of one step from a given state in float64.

    The gradient is off by its own bound. Then, with at most 8 operations on any entry (factors rounded to
    the dtype, products, sums), the update adds 8u times the sum of its terms' sizes. Nesterov's parameter
    takes the velocity's error (1 + μ) ≤ 2 times.
    """
    params, velocity = state
    u = 8 * (unit_roundoff(dtype) + unit_roundoff(np.float64))
    still, moved = {}, {}
    for name, q in params.items():
        speed = momentum * np.abs(velocity[name]) if velocity else 0
        size = 3 * (lr * np.abs(values[f"d{name}"]) + speed) + (1 + 4 * lr * reg) * np.abs(q)
        moved[name] = lr * bounds.radius[f"d{name}"] + u * size
        still[name] = 2 * moved[name]
    return still, moved if velocity else {}


def largest_ratio(state, other, bound):
    """The largest difference of two states, in units of the bound."""
    return max(
        float(np.max(np.abs(np.asarray(a, np.float64) - b) / c))
        for a, b, c in zip(*(jax.tree.leaves(each) for each in (state, other, bound)), strict=True)
    )


@partial(jax.jit, static_argnames=("lr", "reg", "momentum", "nesterov"))
def step_and_jacobian(state, inputs, labels, lr, reg, **options):
    """The state after a step of JAX's as a vector, and its derivative with respect to the state before."""
    flat, unravel = ravel_pytree(state)

    def move(flat):
        result = reference.step(*unravel(flat), inputs, labels, lr, Objective(reg), **options)
        return ravel_pytree(result[:2])[0]

    return move(flat), jax.jacfwd(move)(flat)


def deviation_over_steps(sgd, dtype, kind, params, X, y, steps, lr=0.1, reg=0.05):
    """Largest differences after some steps, in units of the bound, of Sgd from the plain path and from JAX.

    JAX goes step by step and in one scan.

    To first order, an error e of the state becomes J·e after a step; J is the step's Jacobian, which
    JAX gives, and each step adds its own rounding δ: |e| ← |J||e| + δ. Two computations may be off by that
    much each, hence twice; that no pre-activation came within its error of the kink is checked.
    """
    options = {"momentum": 0.0, "nesterov": False, **KINDS[kind]}
    momentum = options["momentum"]
    velocity = {name: np.zeros_like(q) for name, q in params.items()} if momentum else {}
    plain = by_jax = (params, velocity)
    exact = jax.tree.map(lambda a: np.asarray(a, np.float64), (params, velocity))
    error = jax.tree.map(np.zeros_like, exact)
    batches = np.random.default_rng(1).integers(0, len(y), (steps, 6))
    for batch in batches:
        X64 = X[batch].astype(np.float64)
        with precision(np.float64):
            inputs, labels = jax.numpy.array(X64), jax.numpy.array(y[batch])
            moved, slopes = step_and_jacobian(exact, inputs, labels, lr=lr, reg=reg, **options)
            jacobian = np.abs(np.asarray(slopes))
            values = adjoints(exact[0], X64, y[batch], Objective(reg))
            bounds = chained_bounds(values, dtype, Objective(reg))
            added = rounding_of_step(exact, values, bounds, lr, reg, momentum, dtype)
            z1_error = bounds.radius["z1"] + np.abs(X64) @ error[0]["W1"] + error[0]["b1"]
            assert (np.abs(values["z1"]) > 2 * z1_error).all(), "too close to a kink to be judged"
            carried = jacobian @ np.asarray(ravel_pytree(error)[0])
            unravel = ravel_pytree(exact)[1]
            error = jax.tree.map(np.asarray, unravel(carried + np.asarray(ravel_pytree(added)[0])))
            exact = jax.tree.map(np.asarray, unravel(moved))
        sgd.step(X[batch], y[batch], lr)
        plain = plain_step(*plain, X[batch], y[batch], lr, reg, **options)[:2]
        by_jax = jax_step(*by_jax, X[batch], y[batch], lr, reg, **options)[:2]
    by_scan = jax_epoch(params, velocity, X, y, batches, lr, reg, **options)[:2]
    twice = jax.tree.map(lambda e: 2 * e, error)
    return [largest_ratio((sgd.params, sgd.velocity), other, twice) for other in (plain, by_jax, by_scan)]


def masked_values(params, X, y, reg, mask):
    """The plain path by its layers, with dropout between the two affine ones, under the ladder's names."""
    z1 = affine_forward(X, params["W1"], params["b1"])
    h1 = dropout_forward(relu(z1), mask)
    scores = affine_forward(h1, params["W2"], params["b2"])
    loss, probs = softmax_cross_entropy_forward(scores, y)
    dscores = softmax_cross_entropy_backward(probs, y)
    dh1, dW2, db2 = affine_backward(dscores, h1, params["W2"])
    dz1 = dropout_backward(dh1, mask) * relu_derivative(z1)
    dW1, db1 = affine_backward_params(dz1, X)
    return {
        "X": X, "y": y, **params, "z1": z1, "h1": h1, "scores": scores, "probs": probs, "loss": loss,
        "dscores": dscores, "dh1": dh1, "dz1": dz1, "dW1": dW1 + 4 * reg * params["W1"], "db1": db1,
        "dW2": dW2 + 4 * reg * params["W2"], "db2": db2,
    }  # fmt: skip
