"""Measure which parameters a network's loss penalises, and how strongly."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.crosscheck.network.call_forms import NetworkUnderTest
from autograd_ref.crosscheck.problems import Problem
from handgrad.trace import PARAMETERS

__all__ = ["Penalty", "read_penalty"]

# Two measured coefficients are equal if they differ by less than this part.
CLOSE = 1e-4


class Penalty:
    """The coefficient c of each parameter's c·reg·‖q‖², as far as the loss shows them.

    Attributes:
        coefficients: c by parameter; 0 for no penalty.
        uncertainty: the possible error of each c; 0 if it is a number that people write.
        not_a_square: the parameters whose penalty is not proportional to their square.
        instead: what the penalty of these parameters is proportional to, if it is something simple.
    """

    def __init__(self) -> None:
        self.coefficients: dict[str, float] = dict.fromkeys(PARAMETERS, 0.0)
        self.uncertainty: dict[str, float] = dict.fromkeys(PARAMETERS, 0.0)
        self.not_a_square: list[str] = []
        self.instead: dict[str, str] = {}


def read_penalty(network: NetworkUnderTest, problem: Problem) -> Penalty | None:
    """Measure L(reg) − L(0) with one parameter non-zero at a time, at its value and at twice that.

    With only one of the four non-zero, the rest of the loss is the same with and without the penalty.

    Args:
        network: the user's network.
        problem: the problem with the parameters, and with reg above 0.

    Returns:
        The penalty; None if the loss fails or is not finite where it must be measured.
    """
    penalty = Penalty()
    zeros = {name: np.zeros_like(value) for name, value in problem.params.items()}
    for name in PARAMETERS:
        q = problem.params[name]
        once, twice = (_difference(network, problem, {**zeros, name: scale * q}) for scale in (1, 2))
        if once is None or twice is None:
            return None
        square = problem.reg * float(np.vdot(q.astype(np.float64), q.astype(np.float64)))
        roundings = min(q.size, 16 * np.sqrt(q.size) + 64) + 64
        (value, size, u), (value2, size2, _) = once, twice
        error, error2 = roundings * u * size, roundings * u * size2
        # Allow for a loss that is rounded on the way, say to float32: it is still the same function.
        if abs(value2 - 4 * value) > error2 + 4 * error + 1e-5 * size2:
            penalty.not_a_square.append(name)
            kind = _kind(network, problem, zeros, name)
            if kind is not None:
                penalty.instead[name] = kind
        c, delta = value2 / (4 * square), error2 / (4 * square)
        c, delta = _written(c, delta, len(problem.y))
        penalty.coefficients[name], penalty.uncertainty[name] = c, delta
    return penalty


# Other penalties, by their description.
KINDS: dict[str, Callable[[np.ndarray], float]] = {
    "sum({q})": lambda q: float(q.sum()),
    "sum(|{q}|)": lambda q: float(np.abs(q).sum()),
    "‖{q}‖, not its square": lambda q: float(np.sqrt(np.vdot(q, q))),
}


def _kind(network: NetworkUnderTest, problem: Problem, zeros: dict[str, np.ndarray], name: str) -> str | None:
    """Find what a penalty that is not a square is proportional to, at three values of the parameter."""
    q = problem.params[name]
    points = [q, -2 * q, np.abs(q) + q.dtype.type(0.5)]
    read = [_difference(network, problem, {**zeros, name: point}) for point in points]
    values = [each[0] for each in read if each is not None]
    if len(values) < len(points):
        return None
    for text, function in KINDS.items():
        sizes = [function(point.astype(np.float64)) for point in points]
        c = [value / size if size else np.inf for value, size in zip(values, sizes, strict=True)]
        if np.isfinite(c).all() and c[0] and np.ptp(c) <= CLOSE * abs(c[0]):
            return text.format(q=name)
    return None


def _difference(
    network: NetworkUnderTest, problem: Problem, params: dict[str, np.ndarray]
) -> tuple[float, float, float] | None:
    """Return L(reg) − L(0), the size of the subtracted loss, and the unit roundoff of the two losses."""
    losses = []
    for reg in (problem.reg, 0.0):
        result = network.evaluate(replace(problem, params=params, reg=reg))
        if result.error is not None or not np.isfinite(result.loss):
            return None
        losses.append(result.loss)
    # A loss may be rounded to float32 on the way, whatever dtype is checked.
    with np.errstate(over="ignore"):
        rounded = all(loss == float(np.float32(loss)) for loss in losses)
    u = unit_roundoff(np.float32 if rounded else problem.dtype)
    return losses[0] - losses[1], abs(losses[0]) + abs(losses[1]), u


def _written(c: float, delta: float, N: int) -> tuple[float, float]:
    """Return the number that was probably written, if c is near one: of few digits, or divided by N."""
    for candidate in (0.0, *(k / N for k in (0.5, 1.0, 2.0)), *(float(f"{c:.{n}g}") for n in range(1, 7))):
        if abs(c - candidate) <= delta:
            return candidate, 0.0
    return c, delta
