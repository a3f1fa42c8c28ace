r"""Finite differences in float64, and a test of whether they are reliable.

A difference counts only where the function behaves as differentiable along a line: its central differences
for three very different steps agree within their errors, and the forward and the backward difference approach
each other as the step shrinks. At a kink the two stay apart; at a jump they diverge; where the values change
in steps, because they are computed in low precision or rounded, small and large steps disagree.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.arithmetic.rounding import unit_roundoff

__all__ = ["FiniteDifference", "central_difference", "line_difference"]

# Near the cube root of the unit roundoff, where truncation and rounding of a central difference balance
# (Press et al., Numerical Recipes, 3rd ed., §5.7); a power of two, so that a sum with a number near 1 is
# exact.
STEP = 2.0**-17

# The largest of three steps, each a sixteenth of the one before; the first three that agree are used.
LADDERS, RUNG = (2.0**-9, 2.0**-13, 2.0**-6), 16.0
AGREE = 1e-3


class FiniteDifference(NamedTuple):
    """A central difference and an estimate of its error.

    Attributes:
        value: (f(x + h) − f(x − h)) / 2h.
        error: its distance from the difference with another step, plus the rounding of the function values
            divided by h.
    """

    value: float
    error: float


# The result for a constant.
FLAT = FiniteDifference(0.0, 0.0)


def central_difference(
    function: Callable[[np.ndarray], Any], at: np.ndarray, index: tuple[int, ...]
) -> FiniteDifference:
    """Differentiate a scalar function by one entry of its argument.

    Args:
        function: takes an array like ``at``.
        at: the point, in float64.
        index: the index of the entry.

    Returns:
        The difference and its error.
    """
    x = float(at[index])
    h = STEP * max(1.0, abs(x))
    shifted = at.copy()
    values = []
    for shift in (h, -h, 2 * h, -2 * h):
        shifted[index] = x + shift
        values.append(float(function(shifted)))
    f = np.array(values)
    near, far = (f[0] - f[1]) / (2 * h), (f[2] - f[3]) / (4 * h)
    rounding = 8 * unit_roundoff(np.float64) * (np.abs(f).max() + abs(near * x)) / h
    return FiniteDifference(float(near), float(abs(near - far) + rounding))


def line_difference(
    function: Callable[[float], float], scale: float = 1.0, roundoff: float | None = None, terms: float = 0.0
) -> FiniteDifference | None:
    """Differentiate a function of one number at 0, if its values can show the derivative.

    Args:
        function: returns a value in float64.
        scale: the change of the argument over which the function changes considerably.
        roundoff: the unit roundoff of the lowest precision inside the function; by default float64's.
        terms: the size of the terms that the function adds, if they may cancel.

    Returns:
        The difference and its error; None if the values do not show the derivative.
    """
    u = unit_roundoff(np.float64) if roundoff is None else roundoff
    centre = function(0.0)
    if not np.isfinite(centre):
        return None
    coarsest = max(1.0, (u / unit_roundoff(np.float64)) ** (1 / 3) / 8)
    for largest in LADDERS:
        found = _climb(function, centre, min(largest * coarsest, 0.25) * scale, u, terms)
        if found == FLAT and function(LADDERS[-1] * scale) != function(-LADDERS[-1] * scale):
            return None  # one step of a staircase
        if found is not None:
            return found
    return None


def _climb(
    function: Callable[[float], float], centre: float, largest: float, u: float, terms: float
) -> FiniteDifference | None:
    steps = largest / RUNG ** np.arange(3)
    ahead = np.array([function(h) for h in steps])
    behind = np.array([function(-h) for h in steps])
    if np.all(ahead == centre) and np.all(behind == centre):
        return FLAT
    if not (np.isfinite(ahead).all() and np.isfinite(behind).all()):
        return None
    size = max(terms, abs(centre), float(np.abs(ahead).max()), float(np.abs(behind).max()))
    rounding = 16 * u * size / steps
    central = (ahead - behind) / (2 * steps)
    # The truncation error shrinks with the square of the step, the gap between the two sides with the step.
    truncation = np.array([np.inf, *np.abs(np.diff(central)) / (RUNG**2 - 1)])
    gap = np.abs((ahead - 2 * centre + behind) / steps)
    best = int(np.argmin(rounding + np.where(np.isfinite(truncation), truncation, np.inf)))
    value, error = float(central[best]), float(truncation[best] + rounding[best])
    if np.any(
        np.abs(central - value) > 2 * rounding + error + AGREE * np.array([16.0, 1.0, 1.0]) * abs(value)
    ):
        return None
    if np.any(gap[1:] > gap[:-1] / (RUNG / 2) + 4 * rounding[1:]):
        return None
    return FiniteDifference(value, error)
