r"""The activation functions for the fused step: function and slope at once, in place.

Each function takes three arrays of the same shape and dtype: ``z``, whose pre-activations are replaced by the
outputs; ``slope``, which is filled; and ``scratch``, whose contents are lost. Nothing is allocated.

The mathematics is the same as in `handgrad.activations`, and so is the slope at 0. Only the slopes of
sigmoid, tanh and silu differ: they are computed from numbers that exist already, as $h(1 - h)$, $1 - h^2$
and $\sigma + h(1 - \sigma)$. This loses relative but not absolute accuracy. The error stays within a few unit
roundoffs, but a slope smaller than that is lost entirely: tanh passes nothing back from |z| = 10 on in
float32 and 19 in float64, sigmoid from z = 17 and 37 on, where the true slope is below 6e-8 and 2e-16. The
GELUs' slopes lose digits near their roots in the same way.
"""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from handgrad.activations import FAR, GELU_CUBIC, LEAK

__all__ = ["FUSED_ACTIVATIONS"]

Array = Float[np.ndarray, "*shape"]


def _relu(z: Array, slope: Array, scratch: Array) -> None:
    # Half the time of np.maximum(z, 0) and np.sign: NumPy has vector instructions only between two arrays.
    scratch.fill(0)
    np.maximum(z, scratch, out=z)
    scratch.fill(1)
    np.minimum(z, scratch, out=slope)
    np.ceil(slope, out=slope)


def _leaky_relu(z: Array, slope: Array, scratch: Array) -> None:
    np.sign(z, out=slope)
    np.maximum(slope, LEAK, out=slope)
    np.multiply(z, slope, out=z)


def _sigmoid(z: Array, slope: Array, scratch: Array) -> None:
    _logistic(z)
    np.subtract(1, z, out=slope)
    np.multiply(slope, z, out=slope)


def _tanh(z: Array, slope: Array, scratch: Array) -> None:
    np.tanh(z, out=z)
    np.multiply(z, z, out=slope)
    np.subtract(1, slope, out=slope)


def _elu(z: Array, slope: Array, scratch: Array) -> None:
    np.minimum(z, 0, out=slope)
    np.expm1(slope, out=slope)
    np.maximum(z, 0, out=z)
    np.add(z, slope, out=z)
    np.add(slope, 1, out=slope)


def _gelu(z: Array, slope: Array, scratch: Array) -> None:
    from scipy.special import ndtr  # loads slowly

    ndtr(z, out=slope)
    np.multiply(z, z, out=scratch)
    np.multiply(scratch, -0.5, out=scratch)
    np.exp(scratch, out=scratch)
    np.multiply(scratch, 1 / math.sqrt(2 * math.pi), out=scratch)
    np.multiply(scratch, z, out=scratch)
    np.multiply(z, slope, out=z)
    np.add(slope, scratch, out=slope)


def _gelu_tanh(z: Array, slope: Array, scratch: Array) -> None:
    c = math.sqrt(8 / math.pi)
    np.clip(z, -FAR, FAR, out=scratch)
    np.multiply(scratch, scratch, out=slope)
    np.multiply(slope, c * GELU_CUBIC, out=slope)
    np.add(slope, c, out=slope)
    np.multiply(slope, scratch, out=slope)  # v
    np.multiply(scratch, -2 / 3 * c, out=scratch)
    np.add(scratch, slope, out=scratch)
    np.multiply(scratch, 3, out=scratch)  # z·v′ = 3v - 2cz
    _logistic(slope)
    np.multiply(z, slope, out=z)
    np.multiply(scratch, slope, out=scratch)
    _join_product_rule(slope, scratch)


def _silu(z: Array, slope: Array, scratch: Array) -> None:
    np.copyto(slope, z)
    _logistic(slope)
    np.multiply(z, slope, out=z)
    np.copyto(scratch, z)
    _join_product_rule(slope, scratch)


def _softplus(z: Array, slope: Array, scratch: Array) -> None:
    np.copyto(slope, z)
    _logistic(slope)
    np.abs(z, out=scratch)
    np.negative(scratch, out=scratch)
    np.exp(scratch, out=scratch)
    np.log1p(scratch, out=scratch)
    np.maximum(z, 0, out=z)
    np.add(z, scratch, out=z)


def _logistic(z: Array) -> None:
    """Compute ``z ← σ(z)``; where the exponential overflows to infinity, the result is 0, as it must be."""
    np.negative(z, out=z)
    with np.errstate(over="ignore"):
        np.exp(z, out=z)
    np.add(z, 1, out=z)
    np.reciprocal(z, out=z)


def _join_product_rule(sigma: Array, p: Array) -> None:
    """Compute ``sigma ← σ + p(1 - σ)``, which is 1 - (1 - σ)(1 - p); p is overwritten."""
    np.subtract(1, sigma, out=sigma)
    np.subtract(1, p, out=p)
    np.multiply(sigma, p, out=sigma)
    np.subtract(1, sigma, out=sigma)


FUSED_ACTIVATIONS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], None]] = {
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "elu": _elu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": _silu,
    "softplus": _softplus,
}
