"""The same loss in JAX, its gradient by `jax.grad`, and the adjoint of everything in between.

Read `loss` beside `handgrad.two_layer_net.trace_gradients`: the forward pass stands there line by
line, and the backward pass, which takes up most of the other file, is missing here.
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

from handgrad.activations import ActivationName

__all__ = [
    "ACTIVATIONS",
    "PENALTY",
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

# What is computed, in the order in which it is computed.
QUANTITIES = ("z1", "h1", "scores", "probs", "loss", "dscores", "dW2", "db2", "dh1", "dz1", "dW1", "db1")

# The coefficient c of each parameter's penalty c·reg·‖q‖². The biases carry none.
PENALTY = {"W1": 2.0, "W2": 2.0}

# The hidden layer's functions by name; `handgrad.activations` has a table of their slopes at 0.
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


def affine(x: Float[Array, "N I"], W: Float[Array, "I O"], b: Float[Array, " O"]) -> Float[Array, "N O"]:
    """An affine layer."""
    return x @ W + b[None, :]


def softmax(scores: Float[Array, "N C"]) -> Float[Array, "N C"]:
    """The probabilities of the classes."""
    return jax.nn.softmax(scores, axis=1)


def cross_entropy(
    scores: Float[Array, "N C"], y: Integer[Array, " N"], weights: Float[Array, " N"] | None = None
) -> Float[Array, ""]:
    """The mean over the batch of −log softmax(scores)[n, y_n], by way of log-sum-exp; or its weighted sum."""
    log_probs = jax.nn.log_softmax(scores, axis=1)
    of_labels = jnp.take_along_axis(log_probs, y[:, None], axis=1)
    return -jnp.mean(of_labels) if weights is None else -jnp.sum(weights * of_labels[:, 0])


def penalty(
    W: Float[Array, "*shape"], reg: Float[ArrayLike, ""], c: Float[ArrayLike, ""] = 2.0
) -> Float[Array, ""]:
    """The L2 penalty of one parameter, c·reg·‖W‖²."""
    return jnp.asarray(c * reg * jnp.sum(W * W))


def loss(
    params: Params,
    X: Float[Array, "N D"],
    y: Integer[Array, " N"],
    reg: Float[ArrayLike, ""],
    taps: Params | None = None,
    coefficients: Mapping[str, Any] = PENALTY,
    mask: Float[Array, "N H"] | None = None,
    activation: ActivationName = "relu",
    weights: Float[Array, " N"] | None = None,
) -> Float[Array, ""]:
    """The loss of the two-layer network.

    Args:
        params: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,).
        X: inputs, in the dtype of the parameters.
        y: integer labels in [0, C).
        reg: strength of the penalty.
        taps: for z1, h1 and scores, something to add to it; None adds nothing. The gradient with
            respect to a tap of zeros is the adjoint of what it taps.
        coefficients: for each parameter q that is penalised, the c of its penalty c·reg·‖q‖².
        mask: dropout's factors on h1; None for no dropout.
        activation: of the hidden layer, a name in `ACTIVATIONS`.
        weights: each sample's share of the loss, 0 for a row that only fills up a shard; None for 1/N each.

    Returns:
        A scalar in the dtype of the parameters.
    """

    def tap(name: str, value: Array) -> Array:
        return value if taps is None else value + taps[name]

    z1 = tap("z1", affine(X, params["W1"], params["b1"]))
    h1 = tap("h1", ACTIVATIONS[activation](z1))
    if mask is not None:
        h1 = h1 * mask
    scores = tap("scores", affine(h1, params["W2"], params["b2"]))
    penalties = (penalty(params[name], reg, c) for name, c in coefficients.items())
    return cross_entropy(scores, y, weights) + sum(penalties)


def matmul_precision() -> str:
    """The precision that matrix products are asked for: the highest, unless JAX was configured to another.

    On GPUs JAX's own default rounds the factors of float32 products to TensorFloat-32, to 10 of 23 bits
    (https://docs.jax.dev/en/latest/_autosummary/jax.default_matmul_precision.html).
    """
    configured = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    return str(configured or "highest")


@contextmanager
def precision(dtype: Any) -> Iterator[None]:
    """A context in which JAX computes in this dtype and in `matmul_precision`; no global switch."""
    with (
        jax.enable_x64(np.dtype(dtype) == np.float64),
        jax.default_matmul_precision(matmul_precision()),
    ):
        yield


def value_and_grad(
    params: Params, X: Any, y: Any, reg: float, activation: ActivationName = "relu"
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The loss and its gradient, compiled once for every combination of shapes and dtype.

    Args:
        params: W1, b1, W2, b2; the dtype of W1 is the dtype of the computation.
        X: inputs (N, D).
        y: integer labels (N,) in [0, C).
        reg: strength of the penalty.
        activation: of the hidden layer.

    Returns:
        ``(loss, grads)`` as NumPy arrays; ``grads`` has the keys of ``params``.
    """
    value, grads = _call(_value_and_grad, params, X, y, reg, PENALTY, activation)
    return value, grads


def adjoints(
    params: Params,
    X: Any,
    y: Any,
    reg: float,
    coefficients: Mapping[str, float] = PENALTY,
    activation: ActivationName = "relu",
) -> dict[str, np.ndarray]:
    """Every quantity and every adjoint under the names of `TwoLayerNet.trace`, in its order.

    Args:
        params: W1, b1, W2, b2; the dtype of W1 is the dtype of the computation.
        X: inputs (N, D).
        y: integer labels (N,) in [0, C).
        reg: strength of the penalty.
        coefficients: for each parameter q that is penalised, the c of its penalty c·reg·‖q‖².
        activation: of the hidden layer.

    Returns:
        z1, h1, scores, probs, loss, dscores, dW2, db2, dh1, dz1, dW1, db1 as NumPy arrays.
    """
    result: dict[str, np.ndarray] = _call(_adjoints, params, X, y, reg, coefficients, activation)
    return {name: result[name] for name in QUANTITIES}


class Stage(NamedTuple):
    """One step of the forward pass, with the names of what goes in and what comes out."""

    forward: Callable[..., Array]
    inputs: tuple[str, ...]
    output: str


CROSS_ENTROPY = Stage(cross_entropy, ("scores", "y"), "loss")


def stages(activation: ActivationName) -> tuple[Stage, ...]:
    """The forward pass, stage by stage, in the order of computation."""
    return (
        Stage(affine, ("X", "W1", "b1"), "z1"),
        Stage(ACTIVATIONS[activation], ("z1",), "h1"),
        Stage(affine, ("h1", "W2", "b2"), "scores"),
        CROSS_ENTROPY,
    )


def stage_vjp(stage: Stage, inputs: Mapping[str, Any], adjoint: Any) -> dict[str, Array]:
    """One stage alone: the adjoints of its inputs, given the adjoint that arrives at its output.

    Args:
        stage: one of `stages`.
        inputs: the values of the stage's inputs, by name.
        adjoint: the adjoint of the stage's output, in its shape.

    Returns:
        The adjoint ``dq`` of every floating-point input ``q`` of the stage.
    """
    values = {name: jnp.asarray(inputs[name]) for name in stage.inputs}
    smooth = {name: v for name, v in values.items() if jnp.issubdtype(v.dtype, jnp.floating)}

    def forward(smooth: dict[str, Array]) -> Array:
        return stage.forward(*(smooth.get(name, values[name]) for name in stage.inputs))

    _, vjp = jax.vjp(forward, smooth)
    (result,) = vjp(jnp.asarray(adjoint))
    return {f"d{name}": value for name, value in result.items()}


def stagewise(
    trace: Mapping[str, Any],
    reg: float,
    coefficients: Mapping[str, float] = PENALTY,
    activation: ActivationName = "relu",
) -> dict[str, np.ndarray]:
    """What each stage should have made of the values that someone's trace fed into it.

    A stage is judged on its own input, right or wrong, so that an error shows where it was made and
    nowhere after.

    Args:
        trace: X, y, the parameters, and everything in `QUANTITIES`, as `TwoLayerNet.trace` gives them.
        reg: strength of the penalty.
        coefficients: for each parameter q that is penalised, the c of its penalty c·reg·‖q‖².
        activation: of the hidden layer.

    Returns:
        Everything in `QUANTITIES`, in float64, each computed from the trace's own values before it.
    """
    values = {name: _in_dtype(value, np.float64) for name, value in trace.items() if name != "y"}
    values["y"] = _in_dtype(trace["y"], np.int32)
    penalties = {name: np.float64(c) for name, c in coefficients.items()}
    with precision(np.float64):
        result = _stagewise(values, np.float64(reg), penalties, activation)
        return {name: np.asarray(result[name]) for name in QUANTITIES}


def _call(
    function: Callable[..., Any],
    params: Params,
    X: Any,
    y: Any,
    reg: float,
    coefficients: Mapping[str, float],
    activation: ActivationName,
) -> Any:
    dtype = np.asarray(params["W1"]).dtype
    arrays = {name: _in_dtype(value, dtype) for name, value in params.items()}
    penalties = {name: dtype.type(c) for name, c in coefficients.items()}
    with precision(dtype):
        # JAX may use the memory of these arrays as it is: the results are waited for before anybody can
        # write to them again.
        result = function(
            *(arrays, _in_dtype(X, dtype), _in_dtype(y, np.int32), dtype.type(reg)),
            coefficients=penalties,
            activation=activation,
        )
        return jax.tree.map(np.asarray, result)


def _in_dtype(value: Any, dtype: DTypeLike) -> np.ndarray:
    return np.asarray(value).astype(dtype, copy=False)


_value_and_grad = jax.jit(jax.value_and_grad(loss), static_argnames="activation")


@partial(jax.jit, static_argnames="activation")
def _stagewise(
    values: Params, reg: Array, coefficients: Params, activation: ActivationName
) -> dict[str, Array]:
    in_order = stages(activation)
    forward = {stage.output: stage.forward(*(values[name] for name in stage.inputs)) for stage in in_order}
    backward: dict[str, Array] = {}
    for stage in in_order:
        adjoint = jnp.ones_like(values["loss"]) if stage is CROSS_ENTROPY else values[f"d{stage.output}"]
        backward |= stage_vjp(stage, values, adjoint)
    for name, c in coefficients.items():
        value, slope = jax.value_and_grad(penalty)(values[name], reg, c)
        forward["loss"] += value
        backward[f"d{name}"] += slope
    return {**forward, "probs": softmax(values["scores"]), **backward}


@partial(jax.jit, static_argnames="activation")
def _adjoints(
    params: Params, X: Array, y: Array, reg: Array, coefficients: Params, activation: ActivationName
) -> dict[str, Array]:
    z1 = affine(X, params["W1"], params["b1"])
    h1 = ACTIVATIONS[activation](z1)
    scores = affine(h1, params["W2"], params["b2"])
    values = {"z1": z1, "h1": h1, "scores": scores, "probs": softmax(scores)}
    taps = {name: jnp.zeros_like(values[name]) for name in ("z1", "h1", "scores")}
    gradient = jax.value_and_grad(partial(loss, activation=activation), argnums=(0, 4))
    value, (grads, tapped) = gradient(params, X, y, reg, taps, coefficients)
    gradients = {f"d{name}": value for name, value in {**grads, **tapped}.items()}
    return {**values, "loss": value, **gradients}
