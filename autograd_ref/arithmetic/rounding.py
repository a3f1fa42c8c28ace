"""The unit of every bound, and what a bound is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

__all__ = ["Bound", "unit_roundoff"]


class Bound(NamedTuple):
    """What is allowed of one quantity, entry by entry.

    Attributes:
        radius: the largest rounding error.
        centre: the middle of the interval between the one-sided derivatives; the right value itself where
            no kink or tie leaves one open.
        slack: half the width of that interval. An error counts from its end.
    """

    radius: np.ndarray
    centre: np.ndarray
    slack: np.ndarray

    def excess(self, given: np.ndarray) -> np.ndarray:
        """How far each entry is outside the interval; NaN where that cannot be told."""
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(np.maximum(np.abs(given - self.centre) - self.slack, 0.0))


def unit_roundoff(dtype: DTypeLike) -> float:
    """Half the distance from 1 to the next larger number: 2⁻²⁴ in float32, 2⁻⁵³ in float64."""
    return float(np.finfo(np.dtype(dtype)).eps) / 2
