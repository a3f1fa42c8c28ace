"""Stand-ins for `math`, `sum`, `max` and `min`, which keep numbers on the tape, and a few other functions."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import numpy as np

from autograd_ref.recording.meaning import MATH
from autograd_ref.recording.stand_ins.calls import refuse
from autograd_ref.recording.stand_ins.numbers import is_number
from autograd_ref.recording.stand_ins.objects import NUMBERS, is_recorded, plain, plain_all, value_of
from autograd_ref.recording.tape import Compute, current

__all__ = ["BUILT_IN", "math_function"]


# What to write in place of functions that take numbers apart in their own way.
_INSTEAD = {
    "statistics.fmean": "np.mean", "statistics.mean": "np.mean", "statistics.median": "np.median",
    "statistics.pstdev": "np.std", "statistics.pvariance": "np.var", "statistics.stdev": "np.std with ddof=1",
    "statistics.variance": "np.var with ddof=1", "statistics.geometric_mean": "np.exp of np.mean of np.log",
}  # fmt: skip


def math_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in for a function of `math`, or of a module that refuses recorded numbers."""
    name = f"{function.__module__}.{function.__name__}"
    takes_lists = function.__name__ in ("dist", "fsum", "prod", "sumprod") or name.startswith("statistics.")

    def call(*args: Any, **kwargs: Any) -> Any:
        operands: Iterable[Any] = args
        if takes_lists:
            args = tuple([list(each) if isinstance(each, Iterable) else each for each in args])
            lists = [each if isinstance(each, list) else [each] for each in (*args, *kwargs.values())]
            operands = list(chain.from_iterable(lists))
        recorded = current.tape is not None and any(map(is_recorded, operands))
        if recorded and name.startswith("statistics."):
            instead = f": write {_INSTEAD[name]}" if name in _INSTEAD else ""
            raise refuse(f"{name} is not recorded{instead}")
        result = function(*plain_all(args), **plain_all(kwargs))
        if not recorded:
            return result
        if name.removeprefix("math.") not in MATH:
            raise refuse(f"{name} is not recorded")
        values = tuple([value_of(each) for each in operands])
        value = current.tape.add(Compute("number", name, None), values, np.asarray(result))  # type: ignore[union-attr]
        return NUMBERS[type(result)](result, value)

    return call


def _sum(*args: Any, **kwargs: Any) -> Any:
    if not args or len(args) + len(kwargs) > 2 or kwargs.keys() - {"start"}:
        return builtins.sum(*args, **kwargs)  # which says what is wrong
    start = args[1] if len(args) > 1 else kwargs.get("start", 0)
    items = list(args[0])
    numbers = all(map(_is_plain_number, (*items, start))) and any(map(is_number, items))
    if current.tape is None or not numbers or _are_mixed((*items, start)):
        return builtins.sum(items, start)
    return _of_numbers("sum", builtins.sum(plain_all(items), plain(start)), (start, *items))


def _are_mixed(numbers: tuple[Any, ...]) -> bool:
    """Whether a sum is rounded first in one dtype, and then in another."""
    return len({each.dtype for each in numbers if isinstance(each, np.inexact)}) > 1


def _extreme(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        items = list(args[0]) if len(args) == 1 else list(args)
        numbers = all(map(_is_plain_number, items)) and any(map(is_number, items))
        if current.tape is None or kwargs or not numbers:
            return original(items, **kwargs) if len(args) == 1 else original(*args, **kwargs)
        return _of_numbers(name, original(plain_all(items)), tuple(items))

    return call


def _of_numbers(name: str, result: Any, items: tuple[Any, ...]) -> Any:
    values = tuple([value_of(each) for each in items])
    value = current.tape.add(Compute("number", name, None), values, np.asarray(result))  # type: ignore[union-attr]
    return NUMBERS[type(result)](result, value)


def _is_plain_number(thing: Any) -> bool:
    return is_number(thing) or type(thing) in (int, float, bool) or isinstance(thing, np.generic)


def _issubclass(*args: Any) -> bool:
    return builtins.issubclass(*plain_all(args))


BUILT_IN: dict[Any, Any] = {
    builtins.issubclass: _issubclass,
    builtins.sum: _sum,
    builtins.max: _extreme(builtins.max, "max"),
    builtins.min: _extreme(builtins.min, "min"),
    math.isclose: None,  # returns a Boolean, from floats that it extracts itself
}
