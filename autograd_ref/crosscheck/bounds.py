r"""How far two correct computations of the same quantity may lie apart: the bound, derived.

The model is the standard one of rounding, $fl(a \circ b) = (a \circ b)(1 + \delta)$, $|\delta| \le u$
(Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., §2.2), and from it:

- A sum of $k$ products, in any order, is off by at most $\gamma_k |A||B|$ entry by entry, where
  $\gamma_k = ku/(1 - ku)$ (§3.1 and §3.5). That is the worst case; over long sums the roundings cancel,
  and $\lambda\sqrt{k}$ takes the place of $k$, except with a probability of at most
  $2\exp(-\lambda^2/2)$ for each sum (Higham & Mary, "A new approach to probabilistic rounding error
  analysis", SIAM J. Sci. Comput. 41, 2019, Theorem 2.4). Here $k$ counts in full up to 256 terms; beyond,
  as $5\sqrt{k}$ and at least as 256.
- An error $E_A$, $E_B$ in the factors is carried into a product as $E_A|B| + |A|E_B + E_A E_B$.
- Softmax: with $M$ the largest |score| in a row and any shift of the row by something no larger, each
  exponent is off by at most $2Mu$, each exponential by $4u$ more, their sum by $Cu$ more, the quotient by
  $u$: $p$ is off by a factor of at most $e^r$, $r = (4M + C + 16)u$, and $-\log p$ by $r + 3u|\log p|$
  (cf. Blanchard, Higham & Higham, IMA J. Numer. Anal. 41, 2021, §§3-4). Errors $E$ in the scores add
  $E_i + \max_j E_j$ to $r$.
- ReLU is off by $2u$ at most, for those who write it as $(z + |z|)/2$, and leaky ReLU by $3u|z|$. Their slope
  is exact, except where $z$ lies within its own error of the kink at 0: there any slope from that of the left
  to 1 is right, and what depends on the unit is judged by that interval.
- A smooth activation $f$ of $z \pm E$ is off by $|f'(z)|E + KE^2/2$ at most and its slope by $KE$, where
  $K$ is the largest $|f''|$. The formulas in use pass through a few exponentials, differences from 1 and
  products with $z$, which leave $u|z|$ until the exponential is below $u$: $16u(1 + \min(|z|, 8))$ is
  granted to the slope, and $16u|f|$ more to $f$; in the GELU's approximation the product is with $z + 3
  \cdot 0.044715\,z^3$. That is absolute and not relative, for those who write $1 - h^2$, and because
  `jax.nn` itself loses slopes far below 1.

$u$ is the unit roundoff of the checked dtype plus that of float64, in which the reference is computed.
Every bound has a floor for underflow, a few times the smallest normal number of the dtype: XLA flushes
subnormal numbers to zero on the CPU, so nothing below that is compared. It flushes what it reads, too: an
entry of a factor may count as 0, which changes it by less than the smallest normal number and the product by
that times the other factor, however large; 1e3 times a subnormal is an ordinary number.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.rounding import Bound, unit_roundoff
from handgrad.activations import ACTIVATIONS, GELU_CUBIC, LEAK, ActivationName
from handgrad.two_layer_net import PARAMETERS

__all__ = ["Bounds", "chained_bounds", "stagewise_bounds"]

LONG_SUM = 256
LAMBDA = 5.0

# The slopes from the left of the activations with a kink at 0.
LEFT_SLOPE = {"relu": 0.0, "leaky_relu": LEAK}
# The largest |f″| of the others, rounded up; the largest |f′| of all; and what is granted in 1 + |z|.
CURVATURE = {
    "sigmoid": 0.1, "tanh": 0.77, "elu": 1.0, "gelu": 0.8, "gelu_tanh": 0.8, "silu": 0.5, "softplus": 0.25,
}  # fmt: skip
STEEPEST = 1.13
ROUNDINGS, SATURATED = 16, 8.0

Matrix = Float[np.ndarray, "..."]


@dataclass(frozen=True)
class Bounds:
    """What is allowed, by the names of the quantities.

    Attributes:
        radius: the largest rounding error allowed in each entry.
        centre: the middle of the interval that kinks leave open, for what depends on the activation's slope.
        slack: half the width of that interval; the error counts from its end.
        kinks: (sample, unit) of every pre-activation within its own error of 0.
    """

    radius: dict[str, Matrix]
    centre: dict[str, Matrix]
    slack: dict[str, Matrix]
    kinks: list[tuple[int, int]]

    def of(self, name: str, right: np.ndarray) -> Bound:
        """What is allowed of one quantity, given its right value."""
        return Bound(self.radius[name], self.centre.get(name, right), self.slack.get(name, np.zeros(())))


def stagewise_bounds(
    trace: Mapping[str, np.ndarray],
    dtype: DTypeLike,
    reg: float,
    coefficients: Mapping[str, float],
    activation: ActivationName = "relu",
) -> Bounds:
    """The bounds of each stage alone, whose inputs are exactly those in the trace.

    Args:
        trace: X, y, the parameters and every quantity, as `TwoLayerNet.trace` gives them.
        dtype: of the checked computation.
        reg: strength of the penalty.
        coefficients: the c of each penalised parameter's c·reg·‖q‖².
        activation: of the hidden layer.

    Returns:
        Bounds by quantity.
    """
    return _bounds(trace, dtype, reg, coefficients, {}, activation, chained=False)


def chained_bounds(
    values: Mapping[str, np.ndarray],
    dtype: DTypeLike,
    reg: float,
    coefficients: Mapping[str, float],
    uncertainty: Mapping[str, float],
    activation: ActivationName = "relu",
) -> Bounds:
    """The bounds from end to end: the error of every stage is carried through all that follow.

    Args:
        values: X, y, the parameters and every quantity, computed by the reference.
        dtype: of the checked computation.
        reg: strength of the penalty.
        coefficients: the c of each penalised parameter's c·reg·‖q‖².
        uncertainty: how far each c may be off, where it was measured.
        activation: of the hidden layer.

    Returns:
        Bounds by quantity.
    """
    return _bounds(values, dtype, reg, coefficients, uncertainty, activation, chained=True)


def _gamma(k: int, u: float) -> float:
    terms = k if k <= LONG_SUM else max(LONG_SUM, LAMBDA * np.sqrt(k))
    return float(terms * u / (1 - terms * u))


class _Rounding:
    """Error bounds of single operations, in one dtype."""

    def __init__(self, dtype: DTypeLike) -> None:
        self.u = unit_roundoff(dtype) + unit_roundoff(np.float64)
        self.tiny = float(np.finfo(np.dtype(dtype)).tiny)

    def product(self, A: Matrix, B: Matrix, E_A: Matrix | None, E_B: Matrix | None, extra: int = 0) -> Matrix:
        """|A||B| off by the roundings of its sums and by what its factors bring along."""
        k = A.shape[1]
        error: np.ndarray = _gamma(k + extra, self.u) * (A @ B) + (k + 2) * self.tiny
        error += self.tiny * (A.sum(axis=1, keepdims=True) + B.sum(axis=0))
        if E_A is not None:
            error += E_A @ B
        if E_B is not None:
            error += A @ E_B
        if E_A is not None and E_B is not None:
            error += E_A @ E_B
        return error

    def total(self, A: Matrix, E: Matrix | None) -> Matrix:
        """The sum of |A| over the batch."""
        error: np.ndarray = _gamma(len(A), self.u) * A.sum(axis=0) + len(A) * self.tiny
        return error if E is None else error + E.sum(axis=0)


def _bounds(
    values: Mapping[str, np.ndarray],
    dtype: DTypeLike,
    reg: float,
    coefficients: Mapping[str, float],
    uncertainty: Mapping[str, float],
    activation: ActivationName,
    *,
    chained: bool,
) -> Bounds:
    rounding = _Rounding(dtype)
    u, tiny = rounding.u, rounding.tiny
    v = {name: np.abs(np.asarray(value, np.float64)) for name, value in values.items() if name != "y"}
    y = np.asarray(values["y"])
    N, C = v["scores"].shape
    E: dict[str, np.ndarray] = {}

    carried = E if chained else {}  # what errors each quantity brings along: none, where it is given

    # Forward.
    E["z1"] = rounding.product(v["X"], v["W1"], None, None, extra=1) + _gamma(len(v["W1"]) + 1, u) * v["b1"]
    E_z1 = carried.get("z1", np.zeros_like(v["z1"]))
    z1 = np.asarray(values["z1"], np.float64)
    E["h1"] = _activation_error(activation, z1, v["h1"], E_z1, u) + tiny
    E["scores"] = rounding.product(v["h1"], v["W2"], carried.get("h1"), None, extra=1)
    E["scores"] += _gamma(len(v["W2"]) + 1, u) * v["b2"]

    E_scores = carried.get("scores", np.zeros_like(v["scores"]))
    row_max = (v["scores"] + E_scores).max(axis=1, keepdims=True)
    relative = (4 * row_max + C + 16) * u + E_scores + E_scores.max(axis=1, keepdims=True)
    E_softmax = np.minimum(1.0, _softmax(values["scores"]) * np.expm1(np.minimum(relative, 700))) + tiny
    E["probs"] = E_softmax
    of_label = relative[np.arange(N), y]
    E["loss"] = np.asarray(_loss_error(values, v, of_label, reg, coefficients, uncertainty, u))

    # Backward.
    E["dscores"] = E_softmax / N + 4 * u * v["dscores"] + tiny
    E["dW2"] = rounding.product(v["h1"].T, v["dscores"], _T(carried.get("h1")), carried.get("dscores"))
    E["db2"] = rounding.total(v["dscores"], carried.get("dscores"))
    E["dh1"] = rounding.product(v["dscores"], v["W2"].T, carried.get("dscores"), None)

    E_dh1 = carried.get("dh1", np.zeros_like(v["dh1"]))
    centre: dict[str, np.ndarray] = {}
    slack: dict[str, np.ndarray] = {}
    kinks: list[tuple[int, int]] = []
    if activation in LEFT_SLOPE:
        left = LEFT_SLOPE[activation]
        slope, within = np.where(z1 > 0, 1.0, left), v["z1"] <= E_z1
        centre["dz1"] = np.where(within, (1 + left) / 2, slope) * np.asarray(values["dh1"], np.float64)
        slack["dz1"] = within * v["dh1"] * (1 - left) / 2
        E["dz1"] = np.where(within, 1, slope) * E_dh1 + u * v["dh1"] + tiny
        kinks = [(int(n), int(h)) for n, h in np.argwhere(within & ((v["dh1"] > 0) | (E_dh1 > 0)))]
    else:
        slope = ACTIVATIONS[activation].derivative(z1)
        E_slope = np.minimum(CURVATURE[activation] * E_z1, 2) + _granted(activation, z1, u)
        E["dz1"] = np.abs(slope) * E_dh1 + (v["dh1"] + E_dh1) * E_slope + u * v["dz1"] + tiny
    dz1 = np.abs(centre["dz1"]) if chained and centre else v["dz1"]
    E["dW1"] = rounding.product(v["X"].T, dz1, None, carried.get("dz1"))
    E["db1"] = rounding.total(dz1, carried.get("dz1"))
    if chained and centre:
        centre["dW1"] = np.asarray(values["X"], np.float64).T @ centre["dz1"]
        centre["db1"] = centre["dz1"].sum(axis=0)
        slack |= {"dW1": v["X"].T @ slack["dz1"], "db1": slack["dz1"].sum(axis=0)}

    for name in PARAMETERS:
        c, delta = coefficients.get(name, 0.0), uncertainty.get(name, 0.0)
        E[f"d{name}"] += 2 * reg * (5 * u * abs(c) + delta) * v[name] + 2 * u * v[f"d{name}"]
        E[f"d{name}"] += 2 * reg * abs(c) * tiny
        if f"d{name}" in centre:
            centre[f"d{name}"] += 2 * reg * c * np.asarray(values[name], np.float64)
    return Bounds(E, centre, slack, kinks)


def _activation_error(activation: ActivationName, z1: Matrix, size: Matrix, E: Matrix, u: float) -> Matrix:
    """How far h1, of this size, may be off, given how far z1 may be."""
    if activation in LEFT_SLOPE:
        error: np.ndarray = E + (2 * u * size if activation == "relu" else 3 * u * np.abs(z1))
    else:
        slope = np.abs(ACTIVATIONS[activation].derivative(z1))
        carried = np.minimum(STEEPEST * E, slope * E + CURVATURE[activation] * E * E / 2)
        error = carried + _granted(activation, z1, u) + ROUNDINGS * u * size
    return error


def _granted(activation: ActivationName, z1: Matrix, u: float) -> Matrix:
    """The rounding of a smooth activation's slope, and of itself but for a part of its own size."""
    factor = np.minimum(np.abs(z1), SATURATED)
    if activation == "gelu_tanh":
        factor *= 1 + 3 * GELU_CUBIC * factor**2
    granted: np.ndarray = ROUNDINGS * u * (1 + factor)
    return granted


def _loss_error(
    values: Mapping[str, np.ndarray],
    v: Mapping[str, np.ndarray],
    relative: Matrix,
    reg: float,
    coefficients: Mapping[str, float],
    uncertainty: Mapping[str, float],
    u: float,
) -> float:
    """The error of the mean of −log p, plus that of the penalties' sums of squares."""
    scores, y = np.asarray(values["scores"], np.float64), np.asarray(values["y"])
    shifted = scores - scores.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(y)), y]
    error = np.mean(relative + 3 * u * losses) + _gamma(len(y), u) * np.mean(losses)
    for name in PARAMETERS:
        c, delta = coefficients.get(name, 0.0), uncertainty.get(name, 0.0)
        square = reg * np.vdot(v[name], v[name])
        error += (_gamma(v[name].size + 4, u) * abs(c) + delta) * square
    return float(error + 4 * u * v["loss"])


def _softmax(scores: Matrix) -> Matrix:
    exp = np.exp(np.asarray(scores, np.float64) - np.max(scores, axis=1, keepdims=True))
    p: np.ndarray = exp / exp.sum(axis=1, keepdims=True)
    return p


def _T(E: np.ndarray | None) -> np.ndarray | None:  # noqa: N802
    return None if E is None else E.T
