"""The arguments of a recorded call: outputs apart; lists and objects as the arrays NumPy makes of them."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import numpy as np

from autograd_ref.recording.stand_ins.objects import array_of, arrays_in, from_nested, is_recorded, plain

__all__ = ["REPEATING", "as_input", "as_memory", "name_of", "without_out"]


def as_input(argument: Any) -> Any:
    """Return a list that contains recorded numbers, or an object that has an array, as that array."""
    kind = type(argument)
    if kind in _PLAIN:
        return argument
    if kind is list or kind is tuple:
        return from_nested(argument, None) if arrays_in(argument) else argument
    has_one = hasattr(kind, "__array__") and not hasattr(kind, "__array_ufunc__")
    return argument.__array__() if has_one else argument


_PLAIN = {bool, int, float, str, type(None), np.ndarray, np.float32, np.float64}


# Functions whose views repeat the entries of their first arguments.
REPEATING: dict[str, int | None] = {
    "broadcast_arrays": None, "broadcast_to": 1, "lib.stride_tricks.as_strided": 1,
}  # fmt: skip


def as_memory(argument: Any) -> Any:
    """Return a recorded number, or a list of them, as an array that a view can repeat."""
    if is_recorded(argument) and not isinstance(plain(argument), np.ndarray):
        return array_of(argument)
    return as_input(argument)


def without_out(function: Any, args: Any, kwargs: Any) -> tuple[Any, Any, Any]:
    """Return the arguments without ``out``, wherever it was given."""
    if kwargs.get("out") is not None:
        kwargs = dict(kwargs)
        out = kwargs.pop("out")
        return args, kwargs, out[0] if isinstance(out, tuple) else out
    position = _position_of_out(function)
    if position is not None and len(args) > position and args[position] is not None:
        return (*args[:position], None, *args[position + 1 :]), kwargs, args[position]
    if "out" in kwargs:
        kwargs = {key: each for key, each in kwargs.items() if key != "out"}
    return args, kwargs, None


@cache
def _position_of_out(function: Any) -> int | None:
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None
    parameter = inspect.signature(function).parameters.get("out")
    return (
        names.index("out")
        if parameter is not None and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        else None
    )


@cache
def name_of(function: Any) -> str:
    """Return the name of a NumPy function with its module after numpy: "sum", "linalg.norm"."""
    module = (function.__module__ or "").removeprefix("numpy").lstrip(".")
    module = "" if module.startswith(("_core", "lib")) else module
    return f"{module}.{function.__name__}" if module else str(function.__name__)
