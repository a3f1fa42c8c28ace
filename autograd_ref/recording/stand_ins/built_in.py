"""Stand-ins for `math`, and for `sum`, `max` and `min`, which keep numbers on the tape; `issubclass`."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np

from autograd_ref.recording.meaning import MATH
from autograd_ref.recording.stand_ins.calls import refuse
from autograd_ref.recording.stand_ins.numbers import is_number
from autograd_ref.recording.stand_ins.objects import NUMBERS, is_recorded, plain, plain_all, value_of
from autograd_ref.recording.tape import Compute, current

__all__ = ["BUILT_IN", "math_function"]


def math_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in for a function of `math`, or of `cmath`, which refuses recorded numbers."""
    takes_lists = function.__name__ in ("dist", "fsum", "prod", "sumprod")

    def call(*args: Any, **kwargs: Any) -> Any:
        if takes_lists:
            args = tuple([list(each) for each in args])
        result = function(*plain_all(args), **plain_all(kwargs))
        operands = [*chain.from_iterable(args), *kwargs.values()] if takes_lists else args
        if current.tape is None or not any(map(is_recorded, operands)):
            return result
        name = f"{function.__module__}.{function.__name__}"
        if name.removeprefix("math.") not in MATH:
            raise refuse(f"{name} is not recorded")
        values = tuple([value_of(each) for each in operands])
        value = current.tape.add(Compute("number", name, None), values, np.asarray(result))
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
