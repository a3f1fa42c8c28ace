r"""Derived bounds on the difference of two correct computations of the same quantity.

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
  is exact, except where $z$ is within its own error of the kink at 0: there any slope from the left one to 1
  is right, and everything that depends on the unit is judged by that interval.
- A smooth activation $f$ of $z \pm E$ is off by $|f'(z)|E + KE^2/2$ at most and its slope by $KE$, where $K$
  is the largest $|f''|$. The formulas in use pass through a few exponentials, differences from 1 and products
  with $z$, which leave $u|z|$ until the exponential is below $u$: $16u(1 + \min(|z|, 8))$ is granted to the
  slope, and $16u|f|$ more to $f$; in the GELU's approximation the product is with $z + 3 \cdot
  0.044715\,z^3$. This is an absolute error, not a relative one, because some people write $1 - h^2$, and
  because `jax.nn` itself loses slopes far below 1.

$u$ is the unit roundoff of the checked dtype plus that of float64, in which the reference is computed.
Every bound has a floor for underflow, a few times the smallest normal number of the dtype: XLA flushes
subnormal numbers to zero on the CPU, so nothing below that is compared. It flushes its operands too: an entry
of a factor may count as 0, which changes it by less than the smallest normal number, but changes the product
by that times the other factor, which may be large; 1e3 times a subnormal is an ordinary number.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.rounding import Bound, unit_roundoff
from handgrad.activations import ACTIVATIONS, GELU_CUBIC, LEAK, ActivationName
from handgrad.objective import Objective
from handgrad.trace import PARAMETERS, adjoint_of

__all__ = ["EXACT", "Bounds", "chained_bounds", "stagewise_bounds"]

LONG_SUM = 256
LAMBDA = 5.0

# The left slopes of the activations with a kink at 0.
LEFT_SLOPE = {"relu": 0.0, "leaky_relu": LEAK}
# The largest |f″| of the others, rounded up; the largest |f′| of all; and 16(1 + min(|z|, 8)).
CURVATURE = {
    "sigmoid": 0.1,
    "tanh": 0.77,
    "elu": 1.0,
    "gelu": 0.8,
    "gelu_tanh": 0.8,
    "silu": 0.5,
    "softplus": 0.25,
}
STEEPEST = 1.13
ROUNDINGS, SATURATED = 16, 8.0

Matrix = Float[np.ndarray, "..."]

# The uncertainty of each c of the penalty, if the penalty is known.
EXACT: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Bounds:
    """The bounds of all quantities, by name.

    Attributes:
        radius: the largest rounding error allowed in each entry.
        centre: the middle of the interval that kinks leave open, for quantities that depend on the
            activation's slope.
        slack: half the width of that interval; the error is measured from its end.
        kinks: (sample, unit) of every pre-activation within its own error of 0.
    """

    radius: dict[str, Matrix] = field(default_factory=dict)
    centre: dict[str, Matrix] = field(default_factory=dict)
    slack: dict[str, Matrix] = field(default_factory=dict)
    kinks: list[tuple[int, int]] = field(default_factory=list)

    def of(self, name: str, right: np.ndarray) -> Bound:
        """Return the bound of one quantity, given its right value."""
        return Bound(self.radius[name], self.centre.get(name, right), self.slack.get(name, np.zeros(())))


def stagewise_bounds(trace: Mapping[str, Any], dtype: DTypeLike, objective: Objective) -> Bounds:
    """Bound the error of each stage alone, with exactly the inputs in the trace.

    Args:
        trace: X, y, the parameters and every quantity, as in `TwoLayerNet.trace`.
        dtype: dtype of the checked computation.
        objective: the penalty and the activation.

    Returns:
        Bounds by quantity.
    """
    return _Derivation(trace, dtype, objective, carried=False).bounds(EXACT)


def chained_bounds(
    trace: Mapping[str, Any],
    dtype: DTypeLike,
    objective: Objective,
    uncertainty: Mapping[str, float] = EXACT,
) -> Bounds:
    """Bound the error from end to end: the error of every stage is carried through all later ones.

    Args:
        trace: X, y, the parameters and every quantity, computed by the reference.
        dtype: dtype of the checked computation.
        objective: the penalty and the activation.
        uncertainty: the possible error in the c of each parameter's penalty, if it was measured.

    Returns:
        Bounds by quantity.
    """
    return _Derivation(trace, dtype, objective, carried=True).bounds(uncertainty)


def _gamma(k: int, u: float) -> float:
    terms = k if k <= LONG_SUM else max(LONG_SUM, LAMBDA * np.sqrt(k))
    return float(terms * u / (1 - terms * u))


class _Rounding:
    """Error bounds of single operations, in one dtype."""

    def __init__(self, dtype: DTypeLike) -> None:
        self.u = unit_roundoff(dtype) + unit_roundoff(np.float64)
        self.tiny = float(np.finfo(np.dtype(dtype)).tiny)

    def product(self, A: Matrix, B: Matrix, E_A: Matrix | None, E_B: Matrix | None, extra: int = 0) -> Matrix:
        """Bound a product's error, from the roundings of its sums and the errors of its factors."""
        k = A.shape[1]
        error = _gamma(k + extra, self.u) * (A @ B) + (k + 2) * self.tiny
        error += self.tiny * (A.sum(axis=1, keepdims=True) + B.sum(axis=0))
        if E_A is not None:
            error += E_A @ B
        if E_B is not None:
            error += A @ E_B
        if E_A is not None and E_B is not None:
            error += E_A @ E_B
        return error

    def affine(self, x: Matrix, W: Matrix, b: Matrix, E_x: Matrix | None) -> Matrix:
        """Bound the error of |x||W| + |b|."""
        return self.product(x, W, E_x, None, extra=1) + _gamma(len(W) + 1, self.u) * b

    def total(self, A: Matrix, E: Matrix | None) -> Matrix:
        """Bound the error of A's sum over the batch."""
        error = _gamma(len(A), self.u) * A.sum(axis=0) + len(A) * self.tiny
        return error if E is None else error + E.sum(axis=0)


class _Derivation:
    """The bounds of one computation, filled in the order of computation."""

    def __init__(
        self, trace: Mapping[str, Any], dtype: DTypeLike, objective: Objective, *, carried: bool
    ) -> None:
        self.rounding, self.objective, self.carried = _Rounding(dtype), objective, carried
        self.y = np.asarray(trace["y"])
        self.exact = {name: np.asarray(value, np.float64) for name, value in trace.items() if name != "y"}
        self.size = {name: np.abs(value) for name, value in self.exact.items()}
        self.result = Bounds()

    def bounds(self, uncertainty: Mapping[str, float]) -> Bounds:
        self._forward()
        self._backward()
        self._penalty(uncertainty)
        return self.result

    def _brought(self, name: str) -> Matrix | None:
        """Return the error of a quantity that another uses; None if it is an exact input."""
        return self.result.radius[name] if self.carried else None

    def _brought_or_zero(self, name: str) -> Matrix:
        error = self._brought(name)
        return np.zeros_like(self.size[name]) if error is None else error

    def _forward(self) -> None:
        rounding, size, E = self.rounding, self.size, self.result.radius
        u, tiny = rounding.u, rounding.tiny
        E["z1"] = rounding.affine(size["X"], size["W1"], size["b1"], None)
        E_z1 = self._brought_or_zero("z1")
        E["h1"] = _activation_error(self.objective.activation, self.exact["z1"], size["h1"], E_z1, u) + tiny
        E["scores"] = rounding.affine(size["h1"], size["W2"], size["b2"], self._brought("h1"))

        N, C = size["scores"].shape
        E_scores = self._brought_or_zero("scores")
        row_max = (size["scores"] + E_scores).max(axis=1, keepdims=True)
        relative = (4 * row_max + C + 16) * u + E_scores + E_scores.max(axis=1, keepdims=True)
        scores = self.exact["scores"]
        log_probs = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
        probs = np.exp(log_probs)
        E["probs"] = np.minimum(1.0, probs * np.expm1(np.minimum(relative, 700))) + tiny
        right = np.arange(N), self.y
        losses = -log_probs[right]
        error = np.mean(relative[right] + 3 * u * losses) + _gamma(N, u) * np.mean(losses)
        E["loss"] = np.asarray(error + 4 * u * size["loss"])

    def _backward(self) -> None:
        rounding, size, E, brought = self.rounding, self.size, self.result.radius, self._brought
        dscores = size["dscores"]
        E["dscores"] = E["probs"] / len(dscores) + 4 * rounding.u * dscores + rounding.tiny
        E_h1 = brought("h1")
        E_left = None if E_h1 is None else E_h1.T
        E["dW2"] = rounding.product(size["h1"].T, dscores, E_left, brought("dscores"))
        E["db2"] = rounding.total(dscores, brought("dscores"))
        E["dh1"] = rounding.product(dscores, size["W2"].T, brought("dscores"), None)
        if self.objective.activation in LEFT_SLOPE:
            self._kinked_slope(LEFT_SLOPE[self.objective.activation])
        else:
            self._smooth_slope()
        centre, slack = self.result.centre, self.result.slack
        carried = self.carried and "dz1" in centre
        dz1 = np.abs(centre["dz1"]) if carried else size["dz1"]
        E["dW1"] = rounding.product(size["X"].T, dz1, None, brought("dz1"))
        E["db1"] = rounding.total(dz1, brought("dz1"))
        if carried:
            centre |= {"dW1": self.exact["X"].T @ centre["dz1"], "db1": centre["dz1"].sum(axis=0)}
            slack |= {"dW1": size["X"].T @ slack["dz1"], "db1": slack["dz1"].sum(axis=0)}

    def _kinked_slope(self, left: float) -> None:
        u, tiny, dh1 = self.rounding.u, self.rounding.tiny, self.size["dh1"]
        E_dh1 = self._brought_or_zero("dh1")
        slope = np.where(self.exact["z1"] > 0, 1.0, left)
        within = self.size["z1"] <= self._brought_or_zero("z1")
        self.result.centre["dz1"] = np.where(within, (1 + left) / 2, slope) * self.exact["dh1"]
        self.result.slack["dz1"] = within * dh1 * (1 - left) / 2
        self.result.radius["dz1"] = np.where(within, 1, slope) * E_dh1 + u * dh1 + tiny
        matter = within & ((dh1 > 0) | (E_dh1 > 0))
        self.result.kinks.extend((int(n), int(h)) for n, h in np.argwhere(matter))

    def _smooth_slope(self) -> None:
        u, activation, z1 = self.rounding.u, self.objective.activation, self.exact["z1"]
        E_dh1 = self._brought_or_zero("dh1")
        slope = ACTIVATIONS[activation].derivative(z1)
        E_slope = np.minimum(CURVATURE[activation] * self._brought_or_zero("z1"), 2)
        E_slope += _granted(activation, z1, u)
        error = np.abs(slope) * E_dh1 + (self.size["dh1"] + E_dh1) * E_slope
        self.result.radius["dz1"] = error + u * self.size["dz1"] + self.rounding.tiny

    def _penalty(self, uncertainty: Mapping[str, float]) -> None:
        """Add the errors of the penalty and of its gradient, and the gradient itself to the centres."""
        u, tiny, reg = self.rounding.u, self.rounding.tiny, self.objective.reg
        E, centre = self.result.radius, self.result.centre
        for name in PARAMETERS:
            c, delta = self.objective.coefficient(name), uncertainty.get(name, 0.0)
            q, adjoint = self.size[name], adjoint_of(name)
            E["loss"] += (_gamma(q.size + 4, u) * abs(c) + delta) * reg * np.vdot(q, q)
            E[adjoint] += 2 * reg * (5 * u * abs(c) + delta) * q + 2 * u * self.size[adjoint]
            E[adjoint] += 2 * reg * abs(c) * tiny
            if adjoint in centre:
                centre[adjoint] += 2 * reg * c * self.exact[name]


def _activation_error(activation: ActivationName, z1: Matrix, size: Matrix, E: Matrix, u: float) -> Matrix:
    """Return the possible error of h1, of this size, given the possible error of z1."""
    if activation in LEFT_SLOPE:
        return E + (2 * u * size if activation == "relu" else 3 * u * np.abs(z1))
    slope = np.abs(ACTIVATIONS[activation].derivative(z1))
    carried = np.minimum(STEEPEST * E, slope * E + CURVATURE[activation] * E * E / 2)
    return carried + _granted(activation, z1, u) + ROUNDINGS * u * size


def _granted(activation: ActivationName, z1: Matrix, u: float) -> Matrix:
    """Return the rounding error of a smooth activation's slope, and the absolute part of its own."""
    factor = np.minimum(np.abs(z1), SATURATED)
    if activation == "gelu_tanh":
        factor *= 1 + 3 * GELU_CUBIC * factor**2
    return ROUNDINGS * u * (1 + factor)
