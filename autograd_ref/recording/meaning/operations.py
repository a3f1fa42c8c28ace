"""The operations that have a meaning in jax.numpy, and their functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from autograd_ref.recording.meaning.names import FUNCTIONS, SCIPY, UFUNCS
from autograd_ref.recording.meaning.numbers import number_function
from autograd_ref.recording.meaning.ufuncs import CORE, method_of
from autograd_ref.recording.meaning.written import WRITTEN
from autograd_ref.recording.tape import Compute
from autograd_ref.recording.template import fill, widened

__all__ = ["function_of", "is_elementwise", "is_scipys", "knows_function", "takes_arrays"]

# Functions that take a list or tuple of arrays.
_TAKE_LISTS = {
    "choose", "computed pad", "einsum", "lexsort", "linalg.multi_dot", "scipy.linalg.cho_solve",
    "scipy.linalg.lu_solve", "select",
}  # fmt: skip


@cache
def knows_function(name: str) -> bool:
    """Whether a function has a meaning."""
    return name in FUNCTIONS or name in WRITTEN or (name.removeprefix("scipy.") in SCIPY and "scipy." in name)


def is_scipys(operation: Compute) -> bool:
    """Whether SciPy computes an operation."""
    if operation.kind == "ufunc":
        return operation.name not in UFUNCS and operation.name != "clip"
    return operation.name.startswith("scipy.")


def takes_arrays(name: str) -> bool:
    """Whether a function turns lists among its arguments into arrays."""
    return knows_function(name) and name not in _TAKE_LISTS


def is_elementwise(operation: Compute) -> bool:
    """Whether every entry of the result depends on one entry of each input."""
    if operation.kind == "function":
        return operation.name in ("where", "clip", "astype", "nan_to_num", "round", "around", "sinc", "i0")
    if operation.kind == "number":
        return True
    return operation.name not in CORE and operation.template == "__call__"


def function_of(operation: Compute) -> Callable[..., Any]:
    """Return the operation in float64 as a function of its inputs, on jax.numpy."""
    if operation.kind == "number":
        return number_function(operation)
    if operation.output is not None:
        every = function_of(operation._replace(output=None))
        return lambda *inputs: every(*inputs)[operation.output]
    if operation.kind == "ufunc":
        return method_of(operation)
    args, kwargs = operation.template
    function = _named(operation.name)
    arrays = _arrays_of_lists if takes_arrays(operation.name) and "tensordot" not in operation.name else list

    def call(*inputs: Any) -> Any:
        options = fill(kwargs, inputs, widened)
        return function(
            *arrays(fill(args, inputs, widened)), **dict(zip(options, arrays(options.values()), strict=True))
        )

    return call


def _arrays_of_lists(arguments: Iterable[Any]) -> list[Any]:
    """Return the arguments, with lists as arrays as in NumPy; tuples of integers may be axes or shapes."""
    return [
        jnp.asarray(each)
        if isinstance(each, list) or (isinstance(each, tuple) and any(isinstance(x, float) for x in each))
        else each
        for each in arguments
    ]


def _named(name: str) -> Callable[..., Any]:
    if name in WRITTEN:
        return WRITTEN[name]
    found: Any = jax.scipy if name.startswith("scipy.") else jnp
    for part in name.removeprefix("scipy.").split("."):
        found = getattr(found, part)
    return _of_points(found) if name in _REDUCTIONS_BY_NAME else found


# Functions that NumPy also applies along the axis 0 of a 0-d array, which has none.
_REDUCTIONS_BY_NAME = {"all", "amax", "amin", "any", "max", "mean", "min", "prod", "ptp", "std", "sum", "var"}


def _of_points(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, axis: Any = None, *args: Any, **kwargs: Any) -> Any:
        return function(x, axis if jnp.ndim(x) else None, *args, **kwargs)

    return call
