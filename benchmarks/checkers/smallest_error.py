"""Find the smallest error that a checker catches in one entry."""

from collections.abc import Callable
from typing import Any

import numpy as np


def with_error(value: Any, relative: float) -> np.ndarray:
    """Return a float64 copy with a relative error in the entry of median size, among non-zero entries."""
    off = np.array(value, np.float64)
    size = np.abs(off).ravel()
    nonzero = np.flatnonzero(size)
    if nonzero.size:
        order = nonzero[np.argsort(size[nonzero])]
        off.ravel()[order[order.size // 2]] *= 1 + relative
    return off


def smallest_caught(is_caught: Callable[[float], bool], largest: int = 0) -> float | None:
    """Return the smallest relative error that is caught, a power of two, by bisection.

    Args:
        is_caught: returns whether an error of this size is caught.
        largest: exponent of the largest error tried.

    Returns:
        The error; None if not even the largest is caught.
    """
    low, high = -60, largest
    if not is_caught(2.0**high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_caught(2.0**middle) else (middle, high)
    return 2.0**high
