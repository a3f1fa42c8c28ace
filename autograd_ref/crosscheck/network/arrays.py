"""Arrays from the results and arguments of user code."""

from typing import Any

import numpy as np

from autograd_ref.crosscheck.reports.report import NotJudged

__all__ = ["real_array"]


def real_array(name: str, value: Any) -> np.ndarray:
    """Copy an array of real numbers to float64.

    Args:
        name: its name in error messages.
        value: the value.

    Raises:
        NotJudged: the value is not an array of real numbers.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O" and any(entry is None for entry in array.ravel()):
            raise TypeError("it is None")
        if array.dtype.kind == "c":
            raise TypeError("it is complex")
        return np.array(array, np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise NotJudged(f"{name} must hold real numbers: {error}") from None
