"""Central differences of function values, in float64."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.arithmetic.rounding import unit_roundoff

__all__ = ["FiniteDifference", "central_difference"]

# Near the cube root of the unit roundoff, where truncation and rounding of a central difference balance
# (Press et al., Numerical Recipes, 3rd ed., §5.7); a power of two, so that a sum with a number near 1 is
# exact.
STEP = 2.0**-17


class FiniteDifference(NamedTuple):
    """A central difference and how far it may be off.

    Attributes:
        value: (f(x + h) − f(x − h)) / 2h.
        error: its distance from the same with 2h, plus the rounding of the function values over h.
    """

    value: float
    error: float


def central_difference(
    function: Callable[[np.ndarray], Any], at: np.ndarray, index: tuple[int, ...]
) -> FiniteDifference:
    """The derivative of a scalar function by one entry of its argument.

    Args:
        function: takes an array like ``at``.
        at: where to differentiate; float64.
        index: of the entry.

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
