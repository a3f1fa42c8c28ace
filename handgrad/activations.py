r"""Activation functions and their derivatives, each by hand.

Every function takes pre-activations of any shape, in float32 or float64, and returns a new array of the
same shape and dtype, entry by entry; it is finite for every finite input. A derivative takes the
pre-activation, not the output. So it stays accurate where the output no longer changes
($\tanh'(20) \approx 1.7 \cdot 10^{-17}$, where $1 - \tanh(20)^2$ computes to 0). To achieve this, no number
near 1 is subtracted from 1: with $e = \exp(-|z|) \le 1$, sigmoid and tanh are quotients of $e$ and of sums of
positive numbers.

The value used for the derivative at 0, where some functions have a kink:

| | from the left | from the right | here | JAX |
|---|---|---|---|---|
| `relu` | 0 | 1 | 0 | 0 (`jnp.maximum(z, 0)`: 0.5) |
| `leaky_relu` | 0.01 | 1 | 0.01 | 1 |
| `elu` | 1 | 1 | 1 | 1 |
| all others | the same | the same | the derivative | the derivative |

The derivatives are in [0, 1], with these exceptions: [0, ¼] for sigmoid, and, because these functions fall
somewhere, [−0.13, 1.13] for both GELUs and [−0.1, 1.1] for `silu`.

The rule here is that 0 counts as inactive, ``z > 0``. The exponential linear unit has no kink with the usual
α = 1: only its second derivative jumps.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

__all__ = [
    "ACTIVATIONS",
    "FAR",
    "GELU_CUBIC",
    "LEAK",
    "Activation",
    "ActivationName",
    "elu",
    "elu_derivative",
    "gelu",
    "gelu_derivative",
    "gelu_tanh",
    "gelu_tanh_derivative",
    "leaky_relu",
    "leaky_relu_derivative",
    "relu",
    "relu_derivative",
    "sigmoid",
    "sigmoid_derivative",
    "silu",
    "silu_derivative",
    "softplus",
    "softplus_derivative",
    "tanh",
    "tanh_derivative",
]

Array = Float[np.ndarray, "*shape"]

LEAK = 0.01  # slope of the leaky ReLU below 0
GELU_CUBIC = 0.044715  # the cubic term's coefficient in the GELU's approximation
# exp(-FAR²/2) is 0 in both dtypes: beyond FAR, functions of a Gaussian are constant. No square overflows.
FAR = 40.0


def relu(z: Array) -> Array:
    r"""The rectified linear unit, $h = \max(z, 0)$."""
    return np.maximum(z, 0)


def relu_derivative(z: Array) -> Array:
    r"""The slope of the ReLU at the pre-activation.

    $h = \max(z, 0)$: for $z > 0$ the output moves with the input, slope 1; for $z < 0$ it stays at 0,
    slope 0. So $dz_{nj} = dh_{nj}\,[z_{nj} > 0]$, and as matrices $dz = dh \odot [z > 0]$.

    At $z = 0$ there is no derivative: the slope from the left is 0, from the right 1. The convention
    here and in ``jax.nn.relu`` is 0; ``jnp.maximum(z, 0)`` takes 0.5.
    """
    return (z > 0).astype(z.dtype)


def leaky_relu(z: Array) -> Array:
    r"""The leaky ReLU, $h = \max(z, 0.01\,z)$ (Maas, Hannun & Ng, ICML workshop 2013, §2)."""
    return np.maximum(z, LEAK * z)


def leaky_relu_derivative(z: Array) -> Array:
    r"""The slope of the leaky ReLU at the pre-activation.

    $h = z$ for $z > 0$ and $h = 0.01\,z$ for $z < 0$, so $dz_{nj} = dh_{nj}$ or $0.01\,dh_{nj}$; as matrices
    $dz = dh \odot ([z > 0] + 0.01\,[z \le 0])$. At 0 the slope is taken from the left, as for the ReLU.
    """
    return np.where(z > 0, z.dtype.type(1), z.dtype.type(LEAK))


def sigmoid(z: Array) -> Array:
    r"""The logistic function, $h = \sigma(z) = 1/(1 + e^{-z})$, in (0, 1).

    For $z < 0$ the fraction is expanded by $e^z$, $\sigma(z) = e^z/(1 + e^z)$, so that nothing overflows.
    """
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def sigmoid_derivative(z: Array) -> Array:
    r"""The slope of the logistic function at the pre-activation.

    $h = (1 + e^{-z})^{-1}$, so $\sigma'(z) = e^{-z}/(1 + e^{-z})^2 = \sigma(z)\,\sigma(-z)
    = \sigma(z)(1 - \sigma(z))$: at most ¼, at 0, and the same at $-z$. So
    $dz_{nj} = dh_{nj}\,\sigma(z_{nj})(1 - \sigma(z_{nj}))$, as matrices $dz = dh \odot \sigma'(z)$.
    With $e = \exp(-|z|)$ it is $e/(1 + e)^2$ on both sides.
    """
    e = np.exp(-np.abs(z))
    return e / (1 + e) ** 2


def tanh(z: Array) -> Array:
    r"""The hyperbolic tangent, $h = (e^z - e^{-z})/(e^z + e^{-z}) = 2\sigma(2z) - 1$, in (−1, 1)."""
    return np.tanh(z)


def tanh_derivative(z: Array) -> Array:
    r"""The slope of the hyperbolic tangent at the pre-activation.

    $h = \sinh z/\cosh z$, so by the quotient rule $\tanh'(z) = (\cosh^2 z - \sinh^2 z)/\cosh^2 z
    = 1/\cosh^2 z$, which is also $1 - h^2$. So $dz_{nj} = dh_{nj}/\cosh^2 z_{nj}$, as matrices
    $dz = dh \odot (1 - h \odot h)$. With $e = \exp(-|z|)$, $\cosh z = (1 + e^2)/2e$, and the slope is
    $4e^2/(1 + e^2)^2$.
    """
    square = np.exp(-np.abs(z)) ** 2
    return 4 * square / (1 + square) ** 2


def elu(z: Array) -> Array:
    r"""The exponential linear unit, $h = z$ for $z > 0$, else $e^z - 1$ (Clevert et al., ICLR 2016, §3)."""
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


def elu_derivative(z: Array) -> Array:
    r"""The slope of the exponential linear unit at the pre-activation.

    $h = z$ has slope 1 and $h = e^z - 1$ has slope $e^z$, which is 1 at 0, too: so
    $dz_{nj} = dh_{nj}\,e^{\min(z_{nj}, 0)}$, as matrices $dz = dh \odot \exp(\min(z, 0))$.
    """
    return np.exp(np.minimum(z, 0))


def gelu(z: Array) -> Array:
    r"""The Gaussian error linear unit, $h = z\,\Phi(z)$, exact (Hendrycks & Gimpel, 2016, §2).

    $\Phi(z) = \frac12\left(1 + \mathrm{erf}(z/\sqrt2)\right)$ is the normal distribution function.
    """
    return z * _normal_distribution(np.clip(z, -FAR, FAR))


def gelu_derivative(z: Array) -> Array:
    r"""The slope of the GELU at the pre-activation.

    $h = z\,\Phi(z)$ with $\Phi' = \varphi$, $\varphi(z) = e^{-z^2/2}/\sqrt{2\pi}$: by the product rule
    $h' = \Phi(z) + z\,\varphi(z)$. So $dz_{nj} = dh_{nj}\,(\Phi(z_{nj}) + z_{nj}\varphi(z_{nj}))$, as
    matrices $dz = dh \odot (\Phi(z) + z \odot \varphi(z))$.

    The two terms cancel at $z \approx -0.75$, where the function is lowest. Near there the slope is taken as
    $\int h''$ from that place, with $h'' = 2\varphi + z\varphi' = \varphi(z)(2 - z^2)$.
    """
    near = np.clip(z, -FAR, FAR)
    slope = _normal_distribution(near) + near * _normal_density(near)
    return _from_root(z, slope, (-0.7517915246935645, 1.4956759177009883e-17), _gelu_second_derivative)


def _normal_distribution(z: Array) -> Array:
    from scipy.special import ndtr  # takes as long to load as everything else together

    return ndtr(z)


def _normal_density(z: Array) -> Array:
    return np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _gelu_second_derivative(z: Array) -> Array:
    return _normal_density(z) * (2 - z * z)


def _from_root(z: Array, slope: Array, root: tuple[float, float], second: Callable[[Array], Array]) -> Array:
    """Replace the slope near its root by the integral of the second derivative from the root.

    Where the second derivative has one sign, sums of its values do not cancel. At this distance the error of
    Gauss's rule with six nodes is far below rounding.

    Args:
        z: pre-activations.
        slope: the slope at z; overwritten near the root.
        root: the root as two numbers: the nearest float64 and the rest.
        second: the second derivative.

    Returns:
        ``slope``.
    """
    near = np.abs(z - root[0]) < 0.125
    if near.any():
        nearest = z.dtype.type(root[0])
        rest = z.dtype.type((root[0] - float(nearest)) + root[1])
        distance = (z[near] - nearest) - rest
        nodes, weights = np.polynomial.legendre.leggauss(6)
        parts = [
            float(weight) / 2 * second(nearest + distance * (float(node) + 1) / 2)
            for node, weight in zip(nodes, weights, strict=True)
        ]
        slope[near] = distance * sum(parts)
    return slope


def gelu_tanh(z: Array) -> Array:
    r"""The GELU's usual approximation, $h = \frac z2 (1 + \tanh u)$ (Hendrycks & Gimpel, 2016, §2).

    $u = \sqrt{2/\pi}\,(z + 0.044715\,z^3)$. As $\frac12(1 + \tanh u) = \sigma(2u)$, that is
    $h = z\,\sigma(2u)$.
    """
    return z * sigmoid(_gelu_exponent(np.clip(z, -FAR, FAR))[0])


def gelu_tanh_derivative(z: Array) -> Array:
    r"""The slope of the GELU's approximation at the pre-activation.

    $h = z\,\sigma(v)$, $v = 2u = \sqrt{8/\pi}\,(z + 0.044715\,z^3)$, so by the product and the chain rule
    $h' = \sigma(v) + z\,\sigma'(v)\,v'$ with $v' = \sqrt{8/\pi}\,(1 + 3 \cdot 0.044715\,z^2)$. So
    $dz_{nj} = dh_{nj}\,h'(z_{nj})$, as matrices $dz = dh \odot h'(z)$.

    Near its root the slope is the integral of $h'' = 2\sigma' v' + z(\sigma'' v'^2 + \sigma' v'')$, where
    $\sigma'' = \sigma'(1 - 2\sigma)$; see `gelu_derivative`.
    """
    near = np.clip(z, -FAR, FAR)
    v, dv, _ = _gelu_exponent(near)
    slope = sigmoid(v) + near * sigmoid_derivative(v) * dv
    return _from_root(z, slope, (-0.7524614220710163, 3.635560509207687e-17), _gelu_tanh_second_derivative)


def _gelu_exponent(z: Array) -> tuple[Array, Array, Array]:
    """Return v, v′ and v″ of `gelu_tanh_derivative`."""
    c = math.sqrt(8 / math.pi)
    square = GELU_CUBIC * z * z
    return c * z * (1 + square), c * (1 + 3 * square), 6 * c * GELU_CUBIC * z


def _gelu_tanh_second_derivative(z: Array) -> Array:
    v, dv, ddv = _gelu_exponent(z)
    return sigmoid_derivative(v) * (2 * dv + z * ((1 - 2 * sigmoid(v)) * dv * dv + ddv))


def silu(z: Array) -> Array:
    r"""The sigmoid-weighted linear unit or swish, $h = z\,\sigma(z)$ (Elfwing et al., 2018, §2.1)."""
    return z * sigmoid(z)


def silu_derivative(z: Array) -> Array:
    r"""The slope of the sigmoid-weighted linear unit at the pre-activation.

    $h = z\,\sigma(z)$: by the product rule $h' = \sigma(z) + z\,\sigma(z)\sigma(-z)
    = \sigma(z)\,(1 + z\,\sigma(-z))$. So $dz_{nj} = dh_{nj}\,h'(z_{nj})$, as matrices $dz = dh \odot h'(z)$.

    For $z < 0$ the second factor cancels. It is $(1 + z + e^z)\,\sigma(-z)$, whose first factor is 0 at
    $r \approx -1.28$; taking that 0 away, it is $(z - r) + e^r(e^{z - r} - 1)$, two terms of one sign.
    """
    root, rest, exp_root = -1.2784645427610737, -1.0946994183093437e-16, 0.2784645427610738
    nearest = z.dtype.type(root)
    below = np.minimum(z, 0)
    distance = (below - nearest) - z.dtype.type((root - float(nearest)) + rest)
    falling = (distance + exp_root * np.expm1(distance)) * sigmoid_derivative(below)
    above = np.maximum(z, 0)
    rising = sigmoid(above) + above * sigmoid_derivative(above)
    return np.where(z > 0, rising, falling)


def softplus(z: Array) -> Array:
    r"""The smooth ReLU, $h = \log(1 + e^z)$ (Dugas et al., NIPS 2000, §3).

    $\log(1 + e^z) = \max(z, 0) + \log(1 + e^{-|z|})$, where nothing overflows.
    """
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def softplus_derivative(z: Array) -> Array:
    r"""The slope of the softplus at the pre-activation.

    $h = \log(1 + e^z)$, so $h' = e^z/(1 + e^z) = \sigma(z)$, and $dz_{nj} = dh_{nj}\,\sigma(z_{nj})$, as
    matrices $dz = dh \odot \sigma(z)$.
    """
    return sigmoid(z)


class Activation(NamedTuple):
    """An activation function.

    Attributes:
        forward: the function.
        derivative: its derivative at the pre-activation.
    """

    forward: Callable[[np.ndarray], np.ndarray]
    derivative: Callable[[np.ndarray], np.ndarray]


ActivationName = Literal[
    "relu", "leaky_relu", "sigmoid", "tanh", "elu", "gelu", "gelu_tanh", "silu", "softplus"
]

ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(relu, relu_derivative),
    "leaky_relu": Activation(leaky_relu, leaky_relu_derivative),
    "sigmoid": Activation(sigmoid, sigmoid_derivative),
    "tanh": Activation(tanh, tanh_derivative),
    "elu": Activation(elu, elu_derivative),
    "gelu": Activation(gelu, gelu_derivative),
    "gelu_tanh": Activation(gelu_tanh, gelu_tanh_derivative),
    "silu": Activation(silu, silu_derivative),
    "softplus": Activation(softplus, softplus_derivative),
}
