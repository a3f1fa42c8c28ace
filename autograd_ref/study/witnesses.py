"""Three ways to one gradient: by hand, automatic, and finite differences of many step sizes."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import DTypeLike

from autograd_ref.crosscheck.problems import Problem, random_problem
from autograd_ref.two_layer_net import value_and_grad
from handgrad.two_layer_net import PARAMETERS, trace_gradients

__all__ = ["Witnesses", "measure_witnesses"]

# The true gradient is a difference quotient with 60 digits; its error of 1e-36 is negligible.
DIGITS = 60
STEP = Decimal("1e-18")


@dataclass(frozen=True)
class Witnesses:
    """The error of each witness, ‖g − true‖ / ‖true‖ over all parameters.

    Attributes:
        dtype: the dtype of all computations but the true gradient's.
        steps: the step sizes h.
        differences: the error of (f(x + h) − f(x − h)) / 2h for each step size.
        hand: the error of the hand-derived gradient.
        automatic: the error of JAX's gradient.
    """

    dtype: str
    steps: Float[np.ndarray, " steps"]
    differences: Float[np.ndarray, " steps"]
    hand: float
    automatic: float

    @property
    def best(self) -> int:
        """The index of the best step size."""
        return int(self.differences.argmin())


def measure_witnesses(dtype: DTypeLike) -> Witnesses:
    """Measure all three errors in this dtype, on an ordinary random problem."""
    problem = random_problem(np.random.default_rng(0), (6, 5, 7, 4), reg=0.1, dtype=dtype)
    trace = trace_gradients(problem.params, problem.X, problem.y, problem.reg)
    _, automatic = value_and_grad(problem.params, problem.X, problem.y, problem.objective)
    true = _true_gradient(problem)
    steps = 10.0 ** np.arange(-12 if problem.dtype == np.float64 else -7, 0.01, 0.5)
    return Witnesses(
        dtype=problem.dtype.name,
        steps=steps,
        differences=np.array([_distance(_differences(problem, h), true) for h in steps]),
        hand=_distance(_flat({q: trace[f"d{q}"] for q in PARAMETERS}), true),
        automatic=_distance(_flat(automatic), true),
    )


def _flat(grads: Mapping[str, np.ndarray]) -> Float[np.ndarray, " parameters"]:
    return np.concatenate([np.asarray(grads[q], np.float64).ravel() for q in PARAMETERS])


def _distance(gradient: np.ndarray, true: np.ndarray) -> float:
    return float(np.linalg.norm(gradient - true) / np.linalg.norm(true))


def _differences(problem: Problem, h: float) -> Float[np.ndarray, " parameters"]:
    """Return central differences of the loss, computed entirely in the problem's dtype."""
    params = {q: value.copy() for q, value in problem.params.items()}
    step = problem.dtype.type(h)
    grads = {}
    for q, value in params.items():
        grads[q] = np.empty_like(value)
        for index, x in np.ndenumerate(value.copy()):
            losses = []
            for shifted in (x + step, x - step):
                value[index] = shifted
                losses.append(trace_gradients(params, problem.X, problem.y, problem.reg)["loss"])
            value[index] = x
            grads[q][index] = (losses[0] - losses[1]) / (2 * step)
    return _flat(grads)


def _true_gradient(problem: Problem) -> Float[np.ndarray, " parameters"]:
    """Return the gradient with far more digits than either dtype has, computed from the loss alone."""
    with localcontext() as context:
        context.prec = DIGITS
        params = {q: _decimals(value) for q, value in problem.params.items()}
        X, reg = _decimals(problem.X), Decimal(problem.reg)
        grads = {}
        for q, value in params.items():
            grads[q] = np.empty(value.shape)
            for index, x in np.ndenumerate(value.copy()):
                value[index] = x + STEP
                above = _loss(params, X, problem.y, reg)
                value[index] = x - STEP
                grads[q][index] = float((above - _loss(params, X, problem.y, reg)) / (2 * STEP))
                value[index] = x
        return _flat(grads)


def _decimals(values: np.ndarray) -> Any:
    return np.vectorize(lambda x: Decimal(float(x)), otypes=[object])(values)


def _loss(params: Mapping[str, Any], X: Any, y: np.ndarray, reg: Decimal) -> Decimal:
    z1 = X.dot(params["W1"]) + params["b1"]
    h1 = z1 * (z1 > 0)
    scores = h1.dot(params["W2"]) + params["b2"]
    losses = [sum(s.exp() for s in row).ln() - row[label] for row, label in zip(scores, y, strict=True)]
    squares = (params[q] * params[q] for q in ("W1", "W2"))
    loss: Decimal = sum(losses) / len(y) + 2 * reg * sum(square.sum() for square in squares)
    return loss
