"""Checks of arguments: each error names the argument, what it is, and what it must be."""

import math
import numbers
from typing import Any, get_args

import numpy as np
from jaxtyping import Float, Integer
from numpy.typing import ArrayLike, DTypeLike

__all__ = [
    "check_choice",
    "check_dtype",
    "check_fraction",
    "check_function",
    "check_inputs",
    "check_labels",
    "check_matrix",
    "check_natural",
    "check_positive_int",
    "check_real",
]

__tracebackhide__ = True  # pytest shows the call with the wrong argument, not the checks here


def check_choice(name: str, value: Any, choices: Any) -> Any:
    """Return the value, or raise ValueError unless the ``Literal`` of choices lists it."""
    if value not in get_args(choices):
        raise ValueError(f"{name} must be one of {', '.join(get_args(choices))}, not {value!r}")
    return value


def check_dtype(dtype: DTypeLike) -> np.dtype[np.floating]:
    """Return the dtype, or raise TypeError if it is neither float32 nor float64."""
    try:
        given = np.dtype(dtype)
    except TypeError:
        given = None
    for known in (np.dtype(np.float32), np.dtype(np.float64)):
        if given == known:
            return known
    raise TypeError(f"dtype must be float32 or float64, not {dtype!r}")


def check_function(name: str, value: Any) -> None:
    """Raise TypeError unless the value can be called."""
    if callable(value):
        return
    kind = "an array" if hasattr(value, "shape") else f"a value of type {type(value).__name__}"
    told = "its name" if isinstance(value, str) else "its result"
    raise TypeError(f"{name} must be callable, not {kind}: give the function itself, not {told}")


def check_positive_int(name: str, value: Any) -> int:
    """Return the value as an int; raise TypeError unless it is an integer, ValueError if it is below 1."""
    return _check_int(name, value, minimum=1)


def check_natural(name: str, value: Any) -> int:
    """Return the value as an int; raise TypeError unless it is an integer, ValueError if it is below 0."""
    return _check_int(name, value, minimum=0)


def _check_int(name: str, value: Any, *, minimum: int) -> int:
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, not {value}")
    return int(value)


def check_real(name: str, value: Any, *, minimum: float = -math.inf) -> float:
    """Return the value as a float.

    Raises:
        TypeError: it is not a real number.
        ValueError: it is infinite, NaN or below ``minimum``.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a real number, not {value!r}")
    if not math.isfinite(value) or value < minimum:
        bound = "" if minimum == -math.inf else f" and at least {minimum:g}"
        raise ValueError(f"{name} must be finite{bound}, not {value}")
    return float(value)


def check_fraction(name: str, value: Any) -> float:
    """Return the value as a float; raise TypeError unless it is a number, ValueError outside [0, 1)."""
    fraction = check_real(name, value, minimum=0)
    if fraction >= 1:
        raise ValueError(f"{name} must be below 1, not {value}")
    return fraction


def check_matrix(name: str, X: ArrayLike, columns: int) -> np.ndarray:
    """Return X as a matrix of numbers, in its own dtype.

    Raises:
        TypeError: it does not hold real numbers.
        ValueError: it is empty or has another shape than (N, columns).
    """
    matrix = _as_array(name, X)
    if matrix.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, not dtype {matrix.dtype}")
    if matrix.ndim != 2 or matrix.shape[1] != columns:
        raise ValueError(f"{name} must have shape (N, {columns}), not {matrix.shape}")
    if len(matrix) == 0:
        raise ValueError(f"{name} must have at least one row; its shape is {matrix.shape}")
    return matrix


def check_inputs(
    name: str, X: ArrayLike, columns: int, dtype: np.dtype[np.floating]
) -> Float[np.ndarray, "N D"]:
    """Return X as a matrix of finite numbers in the given dtype; X itself if it is one already.

    Raises:
        TypeError: it does not hold real numbers.
        ValueError: it is empty, has another shape than (N, columns), holds NaN or infinity, or a number
            that the dtype cannot hold.
    """
    matrix = check_matrix(name, X, columns)
    with np.errstate(over="ignore"):
        converted = matrix.astype(dtype, copy=False)
    finite = np.isfinite(converted)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ValueError(
            f"{name} must be finite in {dtype.name}; {name}[{row}, {column}] is {matrix[row, column]}"
        )
    return converted


def check_labels(name: str, y: ArrayLike, rows: int, classes: int) -> Integer[np.ndarray, " N"]:
    """Return the labels as a vector of class indices.

    Raises:
        TypeError: it does not hold integers.
        ValueError: it has another shape than (rows,), or an entry outside [0, classes).
    """
    labels = _as_array(name, y)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers, not dtype {labels.dtype}")
    if labels.shape != (rows,):
        raise ValueError(f"{name} must have shape ({rows},), one label per row; it has {labels.shape}")
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        n = int(outside.argmax())
        raise ValueError(f"{name} must be in [0, {classes}); {name}[{n}] is {labels[n]}")
    return labels


def _as_array(name: str, value: ArrayLike) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError as error:  # its rows have different lengths
        raise TypeError(f"{name} must be an array of numbers: {error}") from None
