"""What the program's modules see in place of NumPy, `math` and some built-in functions while it is recorded.

`np.zeros` and `np.random` know no argument that records, a list of recorded numbers is turned into an array by
C code that asks nobody, and `math.exp` takes what it is given for a plain float. So the names that refer to
them are bound to stand-ins for the time of the run. Each stand-in does just what its original does, and returns
arrays that record.
"""

from __future__ import annotations

import builtins
import math
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_ref.recording import moves
from autograd_ref.recording.calls import record_function, record_ufunc, refuse
from autograd_ref.recording.generators import define, recording_generator, shuffled
from autograd_ref.recording.memory import owner_of
from autograd_ref.recording.numbers import as_python, is_number
from autograd_ref.recording.objects import (
    _UNSHADOWED,
    NUMBERS,
    arrays_in,
    from_nested,
    index_write,
    is_recorded,
    plain,
    plain_all,
    value_of,
    wrap_new,
    wrap_view,
)
from autograd_ref.recording.tape import Compute, Given, current

__all__ = ["SHADOWS", "originals", "stand_in_for"]

_stand_ins: dict[int, tuple[Any, Any]] = {}


def stand_in_for(thing: Any) -> Any:
    """The stand-in for a module, function or type; None if it needs none."""
    known = _stand_ins.get(id(thing))
    if known is not None:
        return known[1]
    made = _make(thing)
    _stand_ins[id(thing)] = (thing, made)
    return made


def originals() -> dict[int, Any]:
    """What each stand-in stands for, by the stand-in's id."""
    return {id(made): thing for thing, made in _stand_ins.values() if made is not None}


def _make(thing: Any) -> Any:
    try:
        if thing in _WRITTEN:
            return _WRITTEN[thing]
    except TypeError:
        return None
    if isinstance(thing, types.ModuleType):
        return _Module(thing) if thing.__name__ == "math" or _is_numpys(thing.__name__) else None
    if isinstance(thing, type):
        if thing in _RANDOM:
            return _random_type(thing)
        return _number_type(thing) if thing in _NUMBER_TYPES else None
    if isinstance(thing, np.ufunc):
        return _Ufunc(thing)
    if not callable(thing):
        return None
    module = getattr(thing, "__module__", None) or ""
    owner = getattr(thing, "__self__", None)
    if module == "math" or getattr(owner, "__name__", None) == "math":
        return _math_function(thing)
    if _is_numpys(module) or (isinstance(owner, np.random.RandomState) and owner is _GLOBAL_RANDOM):
        return _numpy_function(thing)
    return None


def _is_numpys(name: str) -> bool:
    return name == "numpy" or name.startswith("numpy.")


class _Module(types.ModuleType):
    """A module whose functions return arrays that record."""

    def __init__(self, original: types.ModuleType):
        super().__init__(original.__name__, original.__doc__)
        self.__dict__["_original"] = original
        for name in ("__file__", "__path__", "__spec__", "__loader__", "__package__"):
            if hasattr(original, name):
                self.__dict__[name] = getattr(original, name)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__dict__["_original"], name)
        made = stand_in_for(found)
        found = found if made is None else made
        self.__dict__[name] = found
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_original"], name, value)
        self.__dict__.pop(name, None)

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["_original"])


def _numpy_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy's that takes lists with recorded numbers, and gives arrays that record."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if current.tape is None:
            return function(*plain_all(args), **{key: plain_all(each) for key, each in kwargs.items()})
        args = tuple([_without_shadow(each) for each in args])
        kwargs = {key: _without_shadow(each) for key, each in kwargs.items()}
        if hasattr(function, "_implementation") and (
            any(map(arrays_in, args)) or any(map(arrays_in, kwargs.values()))
        ):
            return record_function(function, args, kwargs)
        return _call(function, args, kwargs)

    call.__name__ = getattr(function, "__name__", "function")
    call.__qualname__ = getattr(function, "__qualname__", call.__name__)
    call.__doc__ = function.__doc__
    call.__wrapped__ = function  # type: ignore[attr-defined]
    return call


class _Ufunc:
    """A ufunc that takes lists with recorded numbers, and gives arrays that record."""

    def __init__(self, original: np.ufunc):
        self._original = original
        self.__name__ = original.__name__
        self.__doc__ = original.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call("__call__", args, kwargs)

    def _call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if "dtype" in kwargs:
            kwargs["dtype"] = plain(kwargs["dtype"])
        if current.tape is not None and (any(map(arrays_in, args)) or arrays_in(kwargs.get("out"))):
            return record_ufunc(self._original, method, *_with_out(self._original, method, args, kwargs))
        return _constant(getattr(self._original, method)(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        if name in ("reduce", "accumulate", "reduceat", "outer", "at"):
            return lambda *args, **kwargs: self._call(name, args, kwargs)
        return getattr(self._original, name)

    def __eq__(self, other: Any) -> bool:
        return other is self or other is self._original

    def __hash__(self) -> int:
        return hash(self._original)

    def __repr__(self) -> str:
        return repr(self._original)


def _with_out(ufunc: np.ufunc, method: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The arguments as NumPy hands them on: outputs, axes and dtypes given by position by their names."""
    if method == "__call__" and len(args) > ufunc.nin:
        return args[: ufunc.nin], {**kwargs, "out": args[ufunc.nin :]}
    names: tuple[str, ...] = {
        "reduce": ("axis", "dtype", "out", "keepdims", "initial", "where"),
        "accumulate": ("axis", "dtype", "out"),
        "reduceat": ("axis", "dtype", "out"),
    }.get(method, ())
    first = 2 if method == "reduceat" else 1
    if names and len(args) > first:
        return args[:first], {**dict(zip(names, args[first:], strict=False)), **kwargs}
    return args, kwargs


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function that knows nothing of recording."""
    result = function(*plain_all(args), **{key: plain_all(each) for key, each in kwargs.items()})
    if type(result) is np.ndarray and current.memories.find(result) is not None:
        return wrap_view(result)
    for each in (*args, *kwargs.values()):
        _escaping(each)
    return _constant(result)


def _escaping(argument: Any) -> Any:
    """An argument of a function that knows nothing of recording: sizes, bounds, seeds."""
    if type(argument) in (list, tuple):
        return type(argument)([_escaping(each) for each in argument])
    if is_recorded(argument):
        current.tape.control(value_of(argument), "argument")  # type: ignore[union-attr]
        return plain(argument)
    return argument


def _without_shadow(argument: Any) -> Any:
    return plain(argument) if isinstance(argument, type) else argument


def _constant(result: Any) -> Any:
    """A recording array for what was created now, or had been made by plain code."""
    if type(result) is np.ndarray and result.dtype.kind in "fiub":
        if current.memories.find(result) is not None:
            return wrap_view(result)
        if owner_of(result) is result or result.base is None:
            return wrap_new(result, current.tape.add(Given(None), (), result))  # type: ignore[union-attr]
        return wrap_view(result)
    if type(result) in (list, tuple):
        return type(result)([_constant(each) for each in result])
    return recording_generator(result) or result if isinstance(result, _RANDOM) else result


def _array(original: Callable[..., Any], keeps_subclass: bool = True) -> Callable[..., Any]:
    """`np.array` and its relatives."""

    def call(a: Any, *args: Any, **kwargs: Any) -> Any:
        if current.tape is None:
            return original(plain_all(a), *args, **kwargs)
        args = tuple([_without_shadow(each) for each in args])
        kwargs = {key: _without_shadow(each) for key, each in kwargs.items()}
        if isinstance(a, range) or not arrays_in(a):
            if type(a) is np.ndarray and (known := current.memories.find(a)) is not None:
                a = wrap_view(a, known)
            else:
                return _constant(original(a, *args, **kwargs))
        if not is_recorded(a):
            plain_result = original(plain_all(a), *args, **kwargs)
            made = from_nested(a, None)
            return _like(made, plain_result)
        twin = plain(a)
        result = original(twin, *args, **kwargs)
        if result is twin:
            return a
        return _like(a, result)

    call.__name__ = original.__name__
    call.__doc__ = original.__doc__
    return call


def _like(recorded: Any, result: np.ndarray) -> Any:
    """A plain array that holds what a recorded one holds, perhaps in another dtype or shape."""
    if current.memories.find(result) is not None:
        return wrap_view(result)
    from autograd_ref.recording.template import Group, Literal, Slot

    value = value_of(recorded)
    if value.shape != result.shape:  # ndmin
        value = value_of(recorded.reshape(result.shape))
    same = value.dtype == result.dtype
    args = Group("tuple", (Slot(0),) if same else (Slot(0), Literal(type(result.dtype), result.dtype)))
    template = (args, Group("dict", ()))
    if same:
        from autograd_ref.recording.tape import Move

        operation: Any = Move("copy", template, None)
    else:
        operation = Compute("function", "astype", template)
    return wrap_new(result, current.tape.add(operation, (value,), result))  # type: ignore[union-attr]


def _math_function(function: Callable[..., Any]) -> Callable[..., Any]:
    from autograd_ref.recording.meaning import MATH

    def call(*args: Any, **kwargs: Any) -> Any:
        if function is math.fsum or function is math.prod:
            terms = list(args[0])
            result = function(plain_all(terms), **kwargs)
            args = tuple(terms)
        else:
            result = function(*plain_all(args), **kwargs)
        if current.tape is None or not any(map(is_recorded, args)):
            return result
        if function.__name__ not in MATH:
            raise refuse(f"math.{function.__name__} is not recorded")
        values = tuple([value_of(each) for each in args])
        name = f"math.{function.__name__}"
        value = current.tape.add(Compute("number", name, None), values, np.asarray(result))
        return NUMBERS[type(result)](result, value)

    call.__name__ = function.__name__
    call.__doc__ = function.__doc__
    return call


def _sum(iterable: Any, /, start: Any = 0) -> Any:
    items = list(iterable)
    if current.tape is None or not all(map(_is_plain_number, (*items, start))) or not any(map(is_number, items)):
        return builtins.sum(items, start)
    return _of_numbers("sum", builtins.sum(plain_all(items), plain(start)), (start, *items))


def _extreme(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        items = list(args[0]) if len(args) == 1 else list(args)
        numbers = all(map(_is_plain_number, items)) and any(map(is_number, items))
        if current.tape is None or kwargs or not numbers:
            return original(items, **kwargs) if len(args) == 1 else original(*args, **kwargs)
        return _of_numbers(name, original(plain_all(items)), tuple(items))

    call.__name__ = name
    call.__doc__ = original.__doc__
    return call


def _of_numbers(name: str, result: Any, items: tuple[Any, ...]) -> Any:
    values = tuple([value_of(each) for each in items])
    value = current.tape.add(Compute("number", name, None), values, np.asarray(result))  # type: ignore[union-attr]
    return NUMBERS[type(result)](result, value)


def _is_plain_number(thing: Any) -> bool:
    return is_number(thing) or type(thing) in (int, float, bool) or isinstance(thing, np.generic)


class _NumberType(type):
    """The type of a stand-in for `float`, `int` or one of NumPy's scalar types."""

    _original: type

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        original = cls._original
        if current.tape is not None and len(args) == 1 and not kwargs:
            if is_recorded(args[0]):
                return _converted(args[0], original)
            if issubclass(original, np.generic) and arrays_in(args[0]):
                return from_nested(args[0], original)
        made = original(*plain_all(args), **kwargs)
        return _constant(made) if original in _RANDOM and current.tape is not None else made

    def __instancecheck__(cls, thing: Any) -> bool:
        return isinstance(thing, cls._original)

    def __subclasscheck__(cls, other: Any) -> bool:
        return issubclass(plain(other), cls._original)

    def __eq__(cls, other: Any) -> Any:
        return True if other is cls or other is cls._original else NotImplemented  # a dtype knows better

    def __hash__(cls) -> int:
        return hash(cls._original)

    def __repr__(cls) -> str:
        return repr(cls._original)

    def __or__(cls, other: Any) -> Any:
        return cls._original | plain(other)

    def __ror__(cls, other: Any) -> Any:
        return plain(other) | cls._original

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls._original, name)

    def __mro_entries__(cls, bases: Any) -> tuple[type, ...]:
        return (cls._original,)


def _number_type(original: type) -> type:
    """A stand-in for a type of numbers; its ``dtype`` makes NumPy take it for the original as a dtype."""
    names = {"_original": original, "dtype": np.dtype(original), "__doc__": original.__doc__}
    made = _NumberType(original.__name__, (), names)
    _UNSHADOWED[id(made)] = original
    return made


def _random_type(original: type) -> type:
    """A stand-in for a class of random generators, whose instances give recording arrays."""
    made = _NumberType(original.__name__, (), {"_original": original, "__doc__": original.__doc__})
    _UNSHADOWED[id(made)] = original
    return made


def _converted(thing: Any, kind: type) -> Any:
    """``float(x)``, ``np.float32(x)`` of something recorded."""
    if kind in (float, int, bool):
        return as_python(thing, kind)
    if isinstance(thing, np.ndarray) and thing.ndim:
        return thing.astype(kind)
    from autograd_ref.recording.numbers import _as_array

    array = thing if isinstance(thing, np.ndarray) else _as_array(thing)
    return array.astype(kind)[()]


def _like_function(original: Callable[..., Any]) -> Callable[..., Any]:
    """`np.zeros_like` and its relatives, given something recorded."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return _constant(original(*plain_all(args), **{key: plain(each) for key, each in kwargs.items()}))

    return call


def _full_like(a: Any, fill_value: Any, *args: Any, **kwargs: Any) -> Any:
    made = _constant(np.full_like(plain(a), 0, *args, **kwargs))
    made[...] = fill_value
    return made


def _full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **kwargs: Any) -> Any:
    dtype = plain(dtype)
    made = _constant(np.full(_escaping(shape), plain_all(fill_value), dtype, order, **kwargs))
    if current.tape is not None and arrays_in(fill_value):
        index_write(made, ..., fill_value)
    return made


def _ndenumerate(array: Any) -> Any:
    for index in np.ndindex(array.shape):
        yield index, array[index]


_RANDOM = (np.random.Generator, np.random.RandomState)
_GLOBAL_RANDOM = np.random.mtrand._rand
_NUMBER_TYPES = {float, int, np.float16, np.float32, np.float64, np.int32, np.int64}
_WRITTEN: dict[Any, Any] = {
    function: _array(function)
    for function in (
        np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.asarray_chkfinite, np.require,
    )
}  # fmt: skip
_WRITTEN |= {
    np.full: _full,
    np.ndenumerate: _ndenumerate,
    np.random.shuffle: shuffled(np.random.shuffle),
    np.ndarray: None,
    np.ufunc: None,
    np.dtype: None,
    math.isclose: None,
    builtins.sum: _sum,
    builtins.max: _extreme(builtins.max, "max"),
    builtins.min: _extreme(builtins.min, "min"),
}
define(_constant)
moves.SPECIAL.update(
    {
        "zeros_like": _like_function(np.zeros_like),
        "ones_like": _like_function(np.ones_like),
        "empty_like": _like_function(np.empty_like),
        "full_like": _full_like,
    }
)

# Built-in names that every module of the program sees shadowed. `abs` and `round` ask the number itself.
SHADOWS: dict[str, Any] = {name: stand_in_for(getattr(builtins, name)) for name in ("float", "int", "max", "min", "sum")}
