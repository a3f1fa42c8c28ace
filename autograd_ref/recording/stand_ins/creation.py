"""Stand-ins for functions that create arrays; the created arrays record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_ref.recording.memory import owner_of
from autograd_ref.recording.stand_ins.calls import SPECIAL, refuse
from autograd_ref.recording.stand_ins.generators import define, permuted, recording_generator, shuffled
from autograd_ref.recording.stand_ins.indexing import index_write
from autograd_ref.recording.stand_ins.objects import (
    arrays_in,
    freeze,
    from_nested,
    is_recorded,
    plain,
    plain_all,
    value_of,
    wrap_new,
    wrap_view,
)
from autograd_ref.recording.tape import Compute, Given, Move, current
from autograd_ref.recording.template import Group, Literal, Slot

__all__ = ["CREATION", "call_unaware", "constant", "refuse_dependent", "without_shadow"]


def call_unaware(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function that is unaware of recording."""
    result = function(*plain_all(args), **{key: plain_all(each) for key, each in kwargs.items()})
    refuse_containers(function, result)
    if type(result) is np.ndarray and current.memories.find(result) is not None:
        return wrap_view(result)
    refuse_dependent(function.__name__, (*args, *kwargs.values()), result)
    for each in (*args, *kwargs.values()):
        _escaping(each)
    return constant(result)


def refuse_dependent(name: str, arguments: Any, result: Any) -> None:
    """Refuse a floating result of recorded arguments from a function that is unaware of recording."""
    if _is_floating(result) and _depends(arguments):
        raise refuse(f"{name} of recorded values is not recorded")


def _is_floating(result: Any) -> bool:
    if isinstance(result, (list, tuple)):
        return any(map(_is_floating, result))
    if isinstance(result, (np.ndarray, np.generic)):
        return result.dtype.kind not in "iubSUMm"
    return not isinstance(result, (bool, int, str, bytes, type(None), type, np.dtype))


def _depends(argument: Any) -> bool:
    if type(argument) in (list, tuple):
        return any(map(_depends, argument))
    if current.tape is None or not is_recorded(argument):
        return False
    value = value_of(argument)
    return value.is_floating and current.tape.depends(value)


def refuse_containers(function: Callable[..., Any], result: Any) -> None:
    """Refuse structured arrays and arrays of objects, which would not record writes."""
    if (type(result) is np.ndarray and result.dtype.kind in "VO") or isinstance(
        result, (np.matrix, np.ma.MaskedArray)
    ):
        raise refuse(
            f"{function.__name__} of {type(result).__name__} with dtype {result.dtype} is not recorded"
        )


def _escaping(argument: Any) -> Any:
    """Convert an argument of a function that is unaware of recording: sizes, bounds, seeds."""
    if type(argument) in (list, tuple):
        return type(argument)([_escaping(each) for each in argument])
    if is_recorded(argument):
        current.tape.control(value_of(argument), "argument")  # type: ignore[union-attr]
        return plain(argument)
    return argument


def without_shadow(argument: Any) -> Any:
    """Return an argument with original types in place of their stand-ins."""
    return plain(argument) if isinstance(argument, type) else argument


def constant(result: Any) -> Any:
    """Return a recording array for an array that was just created, or created by plain code."""
    if type(result) is np.ndarray and result.dtype.kind in "fiubc":
        if current.memories.find(result) is not None:
            return wrap_view(result)
        if owner_of(result) is result or result.base is None:
            return wrap_new(result, current.tape.add(Given(None), (), result))  # type: ignore[union-attr]
        return wrap_view(result)
    if type(result) in (list, tuple):
        return type(result)([constant(each) for each in result])
    return recording_generator(result) or result if type(result) in _RANDOM else result


def _array(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in for `np.array` or a related function."""

    def call(a: Any, *args: Any, **kwargs: Any) -> Any:
        if current.tape is None:
            return original(plain_all(a), *args, **kwargs)
        args = tuple([without_shadow(each) for each in args])
        kwargs = {key: without_shadow(each) for key, each in kwargs.items()}
        if isinstance(a, range) or not arrays_in(a):
            if type(a) is np.ndarray and (known := current.memories.find(a)) is not None:
                a = wrap_view(a, known)
            else:
                result = original(a, *args, **kwargs)
                refuse_containers(original, result)
                return constant(result)
        if not is_recorded(a):
            plain_result = original(plain_all(a), *args, **kwargs)
            if plain_result.dtype.kind not in "fiub":
                raise refuse(f"values of dtype {plain_result.dtype} are not recorded")
            made = from_nested(a, None)
            return _like(made, plain_result)
        twin = plain(a)
        result = original(twin, *args, **kwargs)
        if result is twin:
            return a
        return _like(a, result)

    return call


def _like(recorded: Any, result: np.ndarray) -> Any:
    """Return a recording array for a plain copy of a recorded one, perhaps in another dtype or shape."""
    if current.memories.find(result) is not None:
        return wrap_view(result)
    value = value_of(recorded)
    if value.shape != result.shape:  # ndmin
        value = value_of(recorded.reshape(result.shape))
    same = value.dtype == result.dtype
    args = Group("tuple", (Slot(0),) if same else (Slot(0), Literal(type(result.dtype), result.dtype)))
    template = (args, Group("dict", ()))
    if same:
        operation: Any = Move("copy", template, None)
    else:
        operation = Compute("function", "astype", template)
    return wrap_new(result, current.tape.add(operation, (value,), result))  # type: ignore[union-attr]


def _like_function(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in for `np.zeros_like` or a related function, for recorded arguments."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return constant(original(*plain_all(args), **{key: plain(each) for key, each in kwargs.items()}))

    return call


def _full_like(a: Any, fill_value: Any, *args: Any, **kwargs: Any) -> Any:
    made = constant(np.full_like(plain(a), 0, *args, **kwargs))
    made[...] = fill_value
    return made


def _full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **kwargs: Any) -> Any:
    dtype = plain(dtype)
    made = constant(np.full(_escaping(shape), plain_all(fill_value), dtype, order, **kwargs))
    if current.tape is not None and arrays_in(fill_value):
        index_write(made, ..., fill_value)
    return made


class _Joined:
    """The stand-in for `np.r_` or `np.c_`, which would turn recorded numbers into plain arrays."""

    def __init__(self, name: str):
        self._name = name
        self._original = getattr(np, name)

    def __getitem__(self, key: Any) -> Any:
        if current.tape is None or not arrays_in(key):
            return self._original[plain_all(key)]
        inputs: list[Any] = []
        template = freeze(key, inputs)
        values = tuple([value_of(each) for each in inputs])
        result = self._original[plain_all(key)]
        return wrap_new(result, current.tape.add(Move(self._name, template), values, result))

    def __len__(self) -> int:
        return 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


_RANDOM = (np.random.Generator, np.random.RandomState)
define(constant, refuse_dependent)

# Functions without a recording argument, and their stand-ins.
CREATION: dict[Any, Any] = {
    np.full: _full,
    np.r_: _Joined("r_"),
    np.c_: _Joined("c_"),
    np.random.permutation: permuted(np.random.permutation),
    np.random.shuffle: shuffled(np.random.shuffle),
}
for _function in (
    np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.asarray_chkfinite,
    np.require,
):  # fmt: skip
    CREATION[_function] = _array(_function)
for _name in ("zeros_like", "ones_like", "empty_like"):
    SPECIAL[_name] = _like_function(getattr(np, _name))
SPECIAL["full_like"] = _full_like
