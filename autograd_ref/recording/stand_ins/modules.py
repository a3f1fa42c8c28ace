"""Stand-ins for NumPy, `math` and some built-in functions in the program's modules, during the recording.

`np.zeros` and `np.random` have no recording argument, C code turns lists of recorded numbers into plain
arrays, and `math.exp` treats its argument as a plain float. So the names that refer to them are bound to
stand-ins during the run. Each stand-in does exactly what its original does, and returns arrays that record.
"""

from __future__ import annotations

import builtins
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_ref.recording.stand_ins.arguments import as_input
from autograd_ref.recording.stand_ins.built_in import BUILT_IN, math_function
from autograd_ref.recording.stand_ins.calls import record_function, record_scipy
from autograd_ref.recording.stand_ins.creation import CREATION, call_unaware, constant, without_shadow
from autograd_ref.recording.stand_ins.functions import StandIn
from autograd_ref.recording.stand_ins.loops import LOOPS, vectorized
from autograd_ref.recording.stand_ins.number_types import NUMBER_TYPES, TYPE, class_type, number_type
from autograd_ref.recording.stand_ins.objects import (
    ORIGINALS,
    RECORDED,
    arrays_in,
    plain,
    plain_all,
    wrap_view,
)
from autograd_ref.recording.stand_ins.ufuncs import record_ufunc
from autograd_ref.recording.tape import current

__all__ = ["COVERED", "SHADOWS", "stand_in_for"]

_STAND_INS: dict[int, tuple[Any, Any]] = {}


def stand_in_for(thing: Any) -> Any:
    """Return the stand-in for a module, function or type; None if it needs none."""
    known = _STAND_INS.get(id(thing))
    if known is not None:
        return known[1]
    made = _make(thing)
    if made is not None:  # otherwise the cache would keep functions of the program alive
        made = StandIn(thing, made) if isinstance(made, types.FunctionType) else made
        _STAND_INS[id(thing)] = (thing, made)
        ORIGINALS[id(made)] = thing
    return made


def _make(thing: Any) -> Any:
    if isinstance(thing, types.FunctionType) and not str(thing.__module__).startswith(COVERED):
        return None  # the common case
    if type(thing).__module__.startswith("numba."):
        return _compiled_by_numba(thing)
    try:
        if thing in _WRITTEN:
            return _WRITTEN[thing]
    except TypeError:
        return None
    if isinstance(thing, types.ModuleType):
        is_covered = (
            thing.__name__ in (*_MATH, "builtins") or _is_numpys(thing.__name__) or _is_scipys(thing.__name__)
        )
        return _Module(thing) if is_covered else None
    if isinstance(thing, type):
        if thing in _RANDOM or thing in (np.matrix, np.recarray):
            return class_type(thing)
        return number_type(thing) if thing in NUMBER_TYPES else None
    if isinstance(thing, np.ufunc):
        return _Ufunc(thing)
    if isinstance(thing, np.vectorize):
        return vectorized(thing)
    if not callable(thing):
        return None
    module = getattr(thing, "__module__", "")
    if not isinstance(module, str):  # in some extensions this is the module itself
        return None
    owner = getattr(thing, "__self__", None)
    if module in _MATH or getattr(owner, "__name__", None) in _MATH:
        return math_function(thing)
    if _is_numpys(module) or (isinstance(owner, np.random.RandomState) and owner is _GLOBAL_RANDOM):
        return _Function(thing)
    if _is_scipys(module) and type(thing).__name__ in _SCIPYS:
        return _scipy_function(thing)
    return None


def _compiled_by_numba(thing: Any) -> Any:
    """Return the Python function that numba compiles, with @jit or @vectorize; None for its other objects."""
    kind = type(thing).__name__
    if kind == "DUFunc":
        return StandIn(thing, vectorized(np.vectorize(thing._dispatcher.py_func)))
    return thing.py_func if kind == "CPUDispatcher" else None


_MATH = ("math", "cmath", "statistics")
# The names of the modules that have stand-ins begin so.
COVERED = ("builtins", "cmath", "math", "numba", "numpy", "scipy", "statistics")


def _is_numpys(name: str) -> bool:
    return name == "numpy" or name.startswith("numpy.")


def _is_scipys(name: str) -> bool:
    return name == "scipy" or name.startswith("scipy.")


class _Module(types.ModuleType):
    """A module whose functions return arrays that record."""

    _original: types.ModuleType

    def __init__(self, original: types.ModuleType):
        super().__init__(original.__name__, original.__doc__)
        self._set("_original", original)
        for name in ("__file__", "__path__", "__spec__", "__loader__", "__package__"):
            if hasattr(original, name):
                self._set(name, getattr(original, name))

    def _set(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._original, name)
        made = stand_in_for(found)
        found = found if made is None else made
        self._set(name, found)
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._original, name, value)
        self._set(name, value)

    def __dir__(self) -> list[str]:
        return dir(self._original)

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        return {name: getattr(self, name) for name in vars(self._original)}


class _Function(StandIn):
    """A NumPy function that accepts lists with recorded numbers, and returns arrays that record."""

    def __init__(self, original: Callable[..., Any]):
        super().__init__(original, original)
        self._is_aware = hasattr(original, "_implementation")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if current.tape is None:
            return self._original(*plain_all(args), **plain_all(kwargs))
        is_recorded = bool(args) and RECORDED.issuperset(map(type, args))  # the common case
        if not is_recorded:
            args = tuple([each if type(each) in RECORDED else _met_again(each) for each in args])
        if kwargs:
            kwargs = {key: _met_again(each) for key, each in kwargs.items()}
        if self._is_aware and (is_recorded or any(map(arrays_in, (*args, *kwargs.values())))):
            return record_function(self._original, args, kwargs)
        return call_unaware(self._original, args, kwargs)


def _met_again(argument: Any) -> Any:
    """Return an argument without stand-ins; a plain view of recorded memory becomes a recording one."""
    kind = type(argument)
    if kind is int or kind is str or argument is None:
        return argument
    if kind is np.ndarray and current.memories.find(argument) is not None:
        return wrap_view(argument)
    if kind is list or kind is tuple or isinstance(argument, type):
        return without_shadow(argument)
    return as_input(argument)


def _scipy_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a SciPy function that is recorded, or refused for recorded arguments."""
    room = function.__module__.split(".")[1]
    own = getattr(function, "__name__", None) or type(function).__name__
    name = f"scipy.{room}.{own}"

    def call(*args: Any, **kwargs: Any) -> Any:
        if current.tape is None or not any(map(arrays_in, (*args, *kwargs.values()))):
            result = function(*plain_all(args), **{key: plain_all(each) for key, each in kwargs.items()})
            return result if current.tape is None else constant(result)
        return record_scipy(name, function, args, kwargs)

    return call


# The classes of SciPy's functions: Python's own, several ufuncs in one, and compiled ones.
_SCIPYS = {"function", "MultiUFunc", "cython_function_or_method"}


class _Ufunc(StandIn):
    """A ufunc that accepts lists with recorded numbers, and returns arrays that record."""

    def __init__(self, original: np.ufunc):
        super().__init__(original, original)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        ufunc = self._original
        if not kwargs and len(args) == ufunc.nin and not RECORDED.isdisjoint(map(type, args)):
            return record_ufunc(self, ufunc, "__call__", *args)  # the common case
        return self._method("__call__", args, kwargs)

    def _method(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if kwargs and "dtype" in kwargs:
            kwargs["dtype"] = plain(kwargs["dtype"])
        if current.tape is not None and (
            not RECORDED.isdisjoint(map(type, args))
            or any(map(arrays_in, args))
            or (kwargs and arrays_in(kwargs.get("out")))
        ):
            args, kwargs = _with_out(self._original, method, args, kwargs)
            return record_ufunc(self, self._original, method, *args, **kwargs)
        result = getattr(self._original, method)(
            *plain_all(args), **{key: plain_all(v) for key, v in kwargs.items()}
        )
        return result if current.tape is None else constant(result)

    def __getattr__(self, name: str) -> Any:
        if name in ("reduce", "accumulate", "reduceat", "outer", "at"):
            return lambda *args, **kwargs: self._method(name, args, kwargs)
        return super().__getattr__(name)


def _with_out(ufunc: np.ufunc, method: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Return the arguments like NumPy, with outputs, axes and dtypes by name even if given by position."""
    if method == "__call__":
        given = args[ufunc.nin :]
        return (args[: ufunc.nin], {**kwargs, "out": given}) if given else (args, kwargs)
    names = _BY_POSITION.get(method, ())
    first = 2 if method == "reduceat" else 1
    if names and len(args) > first:
        return args[:first], {**dict(zip(names, args[first:], strict=False)), **kwargs}
    return args, kwargs


_BY_POSITION = {
    "reduce": ("axis", "dtype", "out", "keepdims", "initial", "where"),
    "accumulate": ("axis", "dtype", "out"),
    "reduceat": ("axis", "dtype", "out"),
}
_RANDOM = (np.random.Generator, np.random.RandomState)
_GLOBAL_RANDOM = np.random.mtrand._rand
_WRITTEN: dict[Any, Any] = {
    **CREATION,
    **LOOPS,
    **BUILT_IN,
    np.ndarray: None,
    np.ufunc: None,
    np.dtype: None,
    type: TYPE,
}

for _kind in NUMBER_TYPES:
    stand_in_for(_kind)  # before ``type(x) is np.float64`` looks one up

# Built-in names that are replaced in every module of the program. `abs` and `round` need no stand-in: they
# only call `__abs__` and `__round__` of their argument, and so does ``map(abs, x)``.
SHADOWS: dict[str, Any] = {
    name: stand_in_for(getattr(builtins, name))
    for name in ("complex", "float", "int", "issubclass", "max", "min", "sum", "type")
}
