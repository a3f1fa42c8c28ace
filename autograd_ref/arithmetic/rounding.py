"""Bounds, and their unit."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

__all__ = ["Bound", "unit_roundoff"]


class Bound(NamedTuple):
    """The allowed values of one quantity, entry by entry.

    Attributes:
        radius: the largest rounding error.
        centre: the middle of the interval between the one-sided derivatives; without a kink or tie, the right
            value itself.
        slack: half the width of this interval. An error is measured from its end.
    """

    radius: np.ndarray
    centre: np.ndarray
    slack: np.ndarray

    def excess(self, given: np.ndarray) -> np.ndarray:
        """Return how far each entry is outside the interval; NaN where this is unknown."""
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(np.maximum(np.abs(given - self.centre) - self.slack, 0.0))


def unit_roundoff(dtype: DTypeLike) -> float:
    """Return half the distance from 1 to the next larger number: 2⁻²⁴ in float32, 2⁻⁵³ in float64."""
    return float(np.finfo(np.dtype(dtype)).eps) / 2
