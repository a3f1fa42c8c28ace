"""The unit of every bound: the relative error of one rounding."""

import numpy as np
from numpy.typing import DTypeLike

__all__ = ["unit_roundoff"]


def unit_roundoff(dtype: DTypeLike) -> float:
    """Half the distance from 1 to the next larger number: 2⁻²⁴ in float32, 2⁻⁵³ in float64."""
    return float(np.finfo(np.dtype(dtype)).eps) / 2
