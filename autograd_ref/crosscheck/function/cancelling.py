r"""Hand-written formulas that cancel in an entry where the reference's formula does not.

$1 + \tanh(x / 2)$ at −20 is 0 in float32, which is right to the rounding of the 1 in it; a sigmoid there has
seven digits. The bound that was measured on the reference does not include that 1. To tell a formula that
cancels from a wrong one, the same formula is computed in a finer precision: there a rounding error shrinks
with the unit roundoff, but a mistake stays as it is.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.rounding import Bound
from autograd_ref.crosscheck.quantity import SEEN, root_mean_square

__all__ = ["LOST", "finer_precision", "widened"]

# An error above this share of the larger of an entry and its array's root mean square always matters: with
# twice as much, the entry would not be seen.
LOST = SEEN / 2
# Errors up to this number of roundings in the finer precision are ignored.
ROUNDINGS = 16.0


def finer_precision(dtype: DTypeLike) -> np.dtype[Any] | None:
    """Return the next finer precision that NumPy has here."""
    finer: np.dtype[Any] = np.dtype(np.float64 if np.dtype(dtype) == np.float32 else np.longdouble)
    return finer if np.finfo(finer).eps < np.finfo(dtype).eps else None


def widened(
    radius: np.ndarray,
    hand: np.ndarray,
    value: np.ndarray,
    bound: Bound,
    dtype: DTypeLike,
    finer: Callable[[], np.ndarray | None],
) -> np.ndarray:
    """Widen the bound of entries in which hand loses digits that a finer precision recovers.

    Args:
        radius: the bound so far.
        hand: the values by hand, in the checked precision.
        value: the right values.
        bound: the interval that ties leave open around them.
        dtype: the checked dtype.
        finer: returns the values by hand in the next finer precision; called only if needed.

    Returns:
        The bound. It is wider, twice hand's error, only where the error in the finer precision is within the
        bound or a few roundings in that precision.
    """
    usual = root_mean_square(value)
    error, most = bound.excess(hand), LOST * np.maximum(np.abs(value), usual)
    lost = (error > radius) & (error <= most)
    if not lost.any() or np.any(error > np.maximum(radius, most)):
        return radius
    precise, again = finer_precision(dtype), finer()
    if precise is None or again is None or again.shape != value.shape:
        return radius
    least = ROUNDINGS * float(np.finfo(precise).eps) / 2 * usual
    return np.where(lost & (bound.excess(again) <= np.maximum(radius, least)), 2 * error, radius)
