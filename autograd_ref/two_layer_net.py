"""The same loss in JAX, its gradient by `jax.grad`, and the adjoints of all quantities in between.

Read `loss` beside `handgrad.two_layer_net.trace_gradients`: it is the same forward pass line by line, without
the backward pass, which takes up most of the other file.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Integer
from numpy.typing import DTypeLike

from autograd_ref.compiling.options import jit_quickly
from handgrad.activations import ActivationName
from handgrad.objective import Objective
from handgrad.trace import Trace, adjoint_of

__all__ = [
    "ACTIVATIONS",
    "QUANTITIES",
    "Stage",
    "adjoints",
    "loss",
    "matmul_precision",
    "precision",
    "stage_vjp",
    "stages",
    "stagewise",
    "value_and_grad",
]

Params = Mapping[str, Any]

# All quantities, in the order of computation.
QUANTITIES = ("z1", "h1", "scores", "probs", "loss", "dscores", "dW2", "db2", "dh1", "dz1", "dW1", "db1")
TAPPED = ("z1", "h1", "scores")

# The activation functions by name; `handgrad.activations` has a table of their slopes at 0.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "elu": jax.nn.elu,
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": partial(jax.nn.gelu, approximate=True),
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
}


def loss(
    params: Params,
    X: Float[Array, "N D"],
    y: Integer[Array, " N"],
    objective: Objective,
    *,
    mask: Float[Array, "N H"] | None = None,
    weights: Float[Array, " N"] | None = None,
) -> Float[Array, ""]:
    """The loss of the two-layer network.

    Args:
        params: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,).
        X: inputs, in the dtype of the parameters.
        y: integer labels in [0, C).
        objective: the penalty and the hidden layer's activation, a name in `ACTIVATIONS`.
        mask: dropout's factors on h1; None for no dropout.
        weights: each sample's share of the loss, 0 for a row that only pads a shard; None for 1/N each.

    Returns:
        A scalar in the dtype of the parameters.
    """
    z1 = affine(X, params["W1"], params["b1"])
    h1 = ACTIVATIONS[objective.activation](z1)
    if mask is not None:
        h1 = h1 * mask
    scores = affine(h1, params["W2"], params["b2"])
    return cross_entropy(scores, y, weights) + penalties(params, objective)


def affine(x: Float[Array, "N I"], W: Float[Array, "I O"], b: Float[Array, " O"]) -> Float[Array, "N O"]:
    """An affine layer."""
    return x @ W + b[None, :]


def softmax(scores: Float[Array, "N C"]) -> Float[Array, "N C"]:
    """The probabilities of the classes."""
    return jax.nn.softmax(scores, axis=1)


def cross_entropy(
    scores: Float[Array, "N C"], y: Integer[Array, " N"], weights: Float[Array, " N"] | None = None
) -> Float[Array, ""]:
    """The mean over the batch, or the weighted sum, of −log softmax(scores)[n, y_n], by log-sum-exp."""
    log_probs = jax.nn.log_softmax(scores, axis=1)
    of_labels = jnp.take_along_axis(log_probs, y[:, None], axis=1)
    return -jnp.mean(of_labels) if weights is None else -jnp.sum(weights * of_labels[:, 0])


def penalty(
    W: Float[Array, "*shape"], reg: Float[ArrayLike, ""], c: Float[ArrayLike, ""] = 2.0
) -> Float[Array, ""]:
    """The L2 penalty of one parameter, c·reg·‖W‖²."""
    return jnp.asarray(c * reg * jnp.sum(W * W))


def penalties(params: Params, objective: Objective) -> Float[Array, ""]:
    """The penalty of all parameters."""
    terms = (penalty(params[name], objective.reg, c) for name, c in objective.penalty.items())
    return jnp.asarray(sum(terms, start=0.0))


def matmul_precision() -> str:
    """Return the precision of matrix products: the highest, unless JAX was configured otherwise.

    On GPUs JAX's default rounds the factors of float32 products to TensorFloat-32, to 10 of 23 bits
    (https://docs.jax.dev/en/latest/_autosummary/jax.default_matmul_precision.html).
    """
    configured = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    return str(configured or "highest")


@contextmanager
def precision(dtype: Any) -> Iterator[None]:
    """Let JAX compute in this dtype and in `matmul_precision` inside the context, without a global switch."""
    with (
        jax.enable_x64(np.dtype(dtype) == np.float64),
        jax.default_matmul_precision(matmul_precision()),
    ):
        yield


def value_and_grad(
    params: Params, X: Any, y: Any, objective: Objective
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the loss and its gradient, compiled once for every combination of shapes, dtype and activation.

    Args:
        params: W1, b1, W2, b2; the dtype of W1 is the dtype of the computation.
        X: inputs (N, D).
        y: integer labels (N,) in [0, C).
        objective: the penalty and the activation.

    Returns:
        ``(loss, grads)`` as NumPy arrays; ``grads`` has the keys of ``params``.
    """
    arrays, X, y = _inputs(params, X, y)
    return _call(_value_and_grad, X.dtype, arrays, X, y, objective)


def adjoints(params: Params, X: Any, y: Any, objective: Objective) -> Trace:
    """Return every quantity and every adjoint, like `TwoLayerNet.trace`; arguments: see `value_and_grad`."""
    arrays, X, y = _inputs(params, X, y)
    computed: dict[str, Any] = _call(_adjoints, X.dtype, arrays, X, y, objective)
    return Trace(**{"X": X, "y": y, **arrays, **computed, "loss": computed["loss"][()]})


class Stage(NamedTuple):
    """One step of the forward pass, with the names of its inputs and its output."""

    forward: Callable[..., Array]
    inputs: tuple[str, ...]
    output: str


CROSS_ENTROPY = Stage(cross_entropy, ("scores", "y"), "loss")


def stages(activation: ActivationName) -> tuple[Stage, ...]:
    """Return the stages of the forward pass, in the order of computation."""
    return (
        Stage(affine, ("X", "W1", "b1"), "z1"),
        Stage(ACTIVATIONS[activation], ("z1",), "h1"),
        Stage(affine, ("h1", "W2", "b2"), "scores"),
        CROSS_ENTROPY,
    )


def stage_vjp(stage: Stage, inputs: Mapping[str, Any], adjoint: Any) -> dict[str, Array]:
    """Return the adjoint ``dq`` of every floating-point input ``q`` of one of `stages`.

    Args:
        stage: the stage.
        inputs: the values of its inputs, by name.
        adjoint: the adjoint of its output, in the output's shape.
    """
    values = {name: jnp.asarray(inputs[name]) for name in stage.inputs}
    smooth = {name: v for name, v in values.items() if jnp.issubdtype(v.dtype, jnp.floating)}

    def forward(smooth: dict[str, Array]) -> Array:
        return stage.forward(*(smooth.get(name, values[name]) for name in stage.inputs))

    _, vjp = jax.vjp(forward, smooth)
    (result,) = vjp(jnp.asarray(adjoint))
    return {adjoint_of(name): value for name, value in result.items()}


def stagewise(trace: Mapping[str, Any], objective: Objective) -> dict[str, np.ndarray]:
    """Return the right result of each stage for the values that a trace put into it.

    A stage is judged on its own input, right or wrong, so that an error shows only where it was made.

    Args:
        trace: X, y, the parameters, and everything in `QUANTITIES`, as in `TwoLayerNet.trace`.
        objective: the penalty and the activation.

    Returns:
        Everything in `QUANTITIES`, in float64, each computed from the trace's own values before it.
    """
    values = {name: _in_dtype(value, np.float64) for name, value in trace.items() if name != "y"}
    values["y"] = _in_dtype(trace["y"], np.int32)
    result = _call(_stagewise, np.dtype(np.float64), values, objective)
    return {name: result[name] for name in QUANTITIES}


def _inputs(params: Params, X: Any, y: Any) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return parameters and X in the dtype of the computation, and the labels in JAX's integers."""
    dtype = np.asarray(params["W1"]).dtype
    arrays = {name: _in_dtype(value, dtype) for name, value in params.items()}
    return arrays, _in_dtype(X, dtype), _in_dtype(y, np.int32)


def _call(function: Callable[..., Any], dtype: DTypeLike, *inputs: Any) -> Any:
    with precision(dtype):
        # JAX may use the memory of these arrays directly, so wait for the results before the caller can
        # write to them again.
        return jax.tree.map(np.asarray, function(*inputs))


def _in_dtype(value: Any, dtype: DTypeLike) -> np.ndarray:
    return np.asarray(value).astype(dtype, copy=False)


def _flatten(objective: Objective) -> tuple[tuple[Any, dict[str, Any]], ActivationName]:
    return (objective.reg, dict(objective.penalty)), objective.activation


def _unflatten(activation: ActivationName, numbers: tuple[Any, dict[str, Any]]) -> Objective:
    objective = object.__new__(Objective)  # JAX replaces the numbers by tracers and other objects
    for name, value in zip(("reg", "penalty", "activation"), (*numbers, activation), strict=True):
        object.__setattr__(objective, name, value)
    return objective


# The numbers are traced, so that another penalty needs no new compilation.
jax.tree_util.register_pytree_node(Objective, _flatten, _unflatten)

_value_and_grad = jax.jit(jax.value_and_grad(loss))


@jit_quickly
def _stagewise(values: Params, objective: Objective) -> dict[str, Array]:
    in_order = stages(objective.activation)
    forward = {stage.output: stage.forward(*(values[name] for name in stage.inputs)) for stage in in_order}
    backward: dict[str, Array] = {}
    for stage in in_order:
        adjoint = (
            jnp.ones_like(values["loss"]) if stage is CROSS_ENTROPY else values[adjoint_of(stage.output)]
        )
        backward |= stage_vjp(stage, values, adjoint)
    for name, c in objective.penalty.items():
        value, slope = jax.value_and_grad(penalty)(values[name], objective.reg, c)
        forward["loss"] += value
        backward[adjoint_of(name)] += slope
    return {**forward, "probs": softmax(values["scores"]), **backward}


@jit_quickly
def _adjoints(params: Params, X: Array, y: Array, objective: Objective) -> dict[str, Array]:
    z1 = affine(X, params["W1"], params["b1"])
    h1 = ACTIVATIONS[objective.activation](z1)
    scores = affine(h1, params["W2"], params["b2"])
    taps = dict(zip(TAPPED, map(jnp.zeros_like, (z1, h1, scores)), strict=True))
    value, gradients = jax.value_and_grad(_tapped_loss, argnums=(0, 1))(params, taps, X, y, objective)
    by_name = {adjoint_of(name): value for gradient in gradients for name, value in gradient.items()}
    return {"z1": z1, "h1": h1, "scores": scores, "probs": softmax(scores), "loss": value, **by_name}


def _tapped_loss(params: Params, taps: Params, X: Array, y: Array, objective: Objective) -> Array:
    """The `loss` with a tap added to each quantity: its gradient by a zero tap is the quantity's adjoint."""
    z1 = affine(X, params["W1"], params["b1"]) + taps["z1"]
    h1 = ACTIVATIONS[objective.activation](z1) + taps["h1"]
    scores = affine(h1, params["W2"], params["b2"]) + taps["scores"]
    return cross_entropy(scores, y) + penalties(params, objective)
