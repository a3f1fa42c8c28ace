"""Numbers that record: subclasses of Python's and NumPy's own, computed by their own arithmetic.

A NumPy scalar gives other bits than an array with one entry (``x**3``), is a float for ``isinstance``, can be
hashed, and does not change with the array it was read from. So each recorded number *is* a number of the type
that a plain run would have. Booleans cannot be subclassed; their class passes for bool by ``__class__``.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_ref.recording.stand_ins.calls import record_function
from autograd_ref.recording.stand_ins.objects import (
    NUMBERS,
    RECORDED,
    array_of,
    is_recorded,
    plain,
    plain_all,
    type_of,
    value_of,
)
from autograd_ref.recording.stand_ins.ufuncs import record_number, record_ufunc
from autograd_ref.recording.tape import Compute, Value, current

__all__ = ["RecordedNumber"]

_BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "lshift": "left_shift", "rshift": "right_shift",
}  # fmt: skip
_COMPARISONS = {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne":
    "not_equal",
}  # fmt: skip
_UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}


class RecordedNumber:
    """The base class of all recorded numbers."""

    __slots__ = ()

    _twin: Any
    _value: Value

    __array_ufunc__ = record_ufunc

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return record_function(function, args, kwargs)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def _leave(self, kind: str) -> Any:
        if current.tape is not None:
            current.tape.control(self._value, kind)
        return self._twin

    def __bool__(self) -> bool:
        return bool(self._leave("branch"))

    def __float__(self) -> float:
        return float(self._leave("float"))

    def __int__(self) -> int:
        return int(self._leave("int"))

    def __complex__(self) -> complex:
        return complex(self._leave("complex"))

    def __index__(self) -> int:
        return operator.index(self._leave("index"))

    def __trunc__(self) -> int:
        return math.trunc(self._leave("int"))

    def __floor__(self) -> int:
        return math.floor(self._leave("int"))

    def __ceil__(self) -> int:
        return math.ceil(self._leave("int"))

    def __round__(self, digits: Any = None) -> Any:
        rounded = builtins.round(self._twin, digits)
        return _recorded_round(self, rounded, digits) if current.tape is not None else rounded

    def __hash__(self) -> int:
        return hash(self._twin)

    def __repr__(self) -> str:
        return repr(self._twin)

    def __str__(self) -> str:
        return str(self._twin)

    def __format__(self, spec: str) -> str:
        return format(self._twin, spec)

    def __reduce__(self) -> Any:
        return (
            self._twin.__reduce__()
            if isinstance(self._twin, np.generic)
            else (type(self._twin), (self._twin,))
        )

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __dir__(self) -> list[str]:
        return dir(self._twin)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def _python(self) -> Any:
        """Return the same as a Python number, still recorded."""
        number = self._twin.item() if isinstance(self._twin, np.generic) else self._twin
        return as_python(self, type(number))


def as_python(number: Any, kind: type) -> Any:
    """Return ``float(number)`` or ``int(number)`` of a recorded number or one-entry array, still recorded."""
    if kind is complex and current.tape is not None:
        return as_complex(number)
    result = kind(plain(number))
    if current.tape is None:
        return result
    name = {float: "float", int: "trunc", bool: "bool"}[kind]
    value = current.tape.add(Compute("number", name, None), (value_of(number),), np.asarray(result))
    return NUMBERS[kind](result, value)


def as_complex(*parts: Any) -> Any:
    """Return ``complex(number)`` or ``complex(real, imag)``, still recorded."""
    result = complex(*plain_all(parts))
    values = tuple([value_of(each) for each in parts])
    value = current.tape.add(Compute("number", "complex", None), values, np.asarray(result))  # type: ignore[union-attr]
    return NUMBERS[complex](result, value)


def _recorded_round(number: Any, rounded: Any, digits: Any) -> Any:
    value = current.tape.add(  # type: ignore[union-attr]
        Compute("number", "round", digits or 0), (number._value,), np.asarray(rounded)
    )
    return NUMBERS[type(rounded)](rounded, value)


def _operator(name: str, ufunc: str, reflected: bool) -> Callable[..., Any]:
    compute = getattr(operator, f"__{name}__")

    def operate(self: Any, other: Any) -> Any:
        kind = type(other)
        if kind in RECORDED:
            if issubclass(kind, np.ndarray):
                operands = (other, self) if reflected else (self, other)
                return record_ufunc(self, getattr(np, ufunc), "__call__", *operands)
        elif not isinstance(other, (int, float, complex, np.generic)):
            if isinstance(other, np.ndarray):
                operands = (other, self) if reflected else (self, other)
                return record_ufunc(self, getattr(np, ufunc), "__call__", *operands)
            if isinstance(other, (list, tuple)) and isinstance(self._twin, np.generic):
                other = np.asarray(other)
                operands = (other, self) if reflected else (self, other)
                return record_ufunc(self, getattr(np, ufunc), "__call__", *operands)
            if not reflected and kind.__module__ != "builtins" and hasattr(kind, f"__r{name}__"):
                return getattr(other, f"__r{name}__")(self if _gives_way(self, other) else self._python())
            return compute(other, self._twin) if reflected else compute(self._twin, other)
        operands = (other, self) if reflected else (self, other)
        result = compute(plain(operands[0]), plain(operands[1]))
        return record_number(ufunc, result, operands) if current.tape is not None else result

    operate.__name__ = f"__r{name}__" if reflected else f"__{name}__"
    return operate


def _gives_way(number: Any, other: Any) -> bool:
    """Whether a number leaves an operation with an object to that; otherwise NumPy takes it for an array."""
    if not isinstance(number, np.generic) or getattr(other, "__array_ufunc__", number) is None:
        return True
    return getattr(other, "__array_priority__", -np.inf) > number.__array_priority__


def _unary(name: str, ufunc: str) -> Callable[..., Any]:
    compute = getattr(operator, f"__{name}__")

    def operate(self: Any) -> Any:
        result = compute(self._twin)
        return record_number(ufunc, result, (self,)) if current.tape is not None else result

    return operate


def _delegate(name: str) -> Callable[..., Any]:
    """Return a method of NumPy's scalars that calls the function of the same name."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if current.tape is None:
            return getattr(self._twin, name)(*args, **kwargs)
        return getattr(array_of(self), name)(*args, **kwargs)[()]

    return method


def _entry(self: Any, key: Any) -> Any:
    plain_entry = self._twin[plain_all(key)]  # or NumPy's own error
    return array_of(self)[key] if current.tape is not None else plain_entry


_METHODS: dict[str, Any] = {}
for _name, _ufunc in _BINARY.items():
    _METHODS[f"__{_name}__"] = _operator(_name, _ufunc, reflected=False)
    _METHODS[f"__r{_name}__"] = _operator(_name, _ufunc, reflected=True)
for _name, _ufunc in _COMPARISONS.items():
    _METHODS[f"__{_name}__"] = _operator(_name, _ufunc, reflected=False)
for _name, _ufunc in _UNARY.items():
    _METHODS[f"__{_name}__"] = _unary(_name, _ufunc)
for _name in RecordedNumber.__dict__:
    if _name not in ("__slots__", "__module__", "__doc__", "__qualname__", "__annotations__", "__dict__"):
        _METHODS[_name] = RecordedNumber.__dict__[_name]

_NUMPY_METHODS: dict[str, Any] = {
    name: _delegate(name)
    for name in (
        "all", "any", "argmax", "argmin", "astype", "clip", "conj", "conjugate", "cumprod", "cumsum",
        "flatten", "max", "mean", "min", "prod", "ravel", "repeat", "reshape", "round", "squeeze", "std",
        "sum", "take", "trace", "transpose", "var",
    )
}  # fmt: skip
_NUMPY_METHODS["copy"] = lambda self: self
_NUMPY_METHODS["item"] = lambda self, *args: self._python()
_NUMPY_METHODS["tolist"] = lambda self: self._python()
_NUMPY_METHODS["T"] = property(lambda self: self)
_NUMPY_METHODS["real"] = property(lambda self: self)
_NUMPY_METHODS["__getitem__"] = _entry
_NUMPY_METHODS["__iter__"] = None  # an index does not make it iterable
_NUMPY_METHODS["__class__"] = property(type_of)


def _part(name: str) -> property:
    """Return the real or imaginary part of a complex number."""

    def read(self: Any) -> Any:
        if current.tape is None:
            return getattr(self._twin, name)
        part = getattr(array_of(self), name)
        return part[()] if isinstance(self._twin, np.generic) else part.item()

    return property(read)


def _conjugate(self: Any) -> Any:
    result = self._twin.conjugate()
    return record_number("conjugate", result, (self,)) if current.tape is not None else result


def _define(kind: type) -> type:
    """Create the class of recorded numbers of one type."""

    def new(cls: type, number: Any = 0, value: Value | None = None) -> Any:
        if value is None:  # ``type(x)(number)`` in plain code
            return kind(plain(number))
        self: Any = kind.__new__(cls, number)
        self._twin = number
        self._value = value
        return self

    methods = dict(_METHODS)
    if not hasattr(kind, "__index__"):
        del methods["__index__"]
    if issubclass(kind, np.generic):
        methods |= _NUMPY_METHODS
    else:
        methods |= {
            "__class__": property(type_of),
            "is_integer": lambda self: self._twin.is_integer(),
            "conjugate": lambda self: self,
            "real": property(lambda self: self),
        }
    if issubclass(kind, (complex, np.complexfloating)):
        methods |= {"real": _part("real"), "imag": _part("imag"), "conjugate": _conjugate, "conj": _conjugate}
    if kind is int:  # ints vary in size, so subclasses cannot have slots
        return type("int", (kind,), {**methods, "__new__": new})
    # The name in error messages: 'numpy.float64' object is not callable.
    name = f"numpy.{kind.__name__}" if issubclass(kind, np.generic) else kind.__name__
    return type(name, (kind,), {**methods, "__slots__": ("_twin", "_value"), "__new__": new})


def _define_bool() -> type:
    """Create the class of recorded Booleans, which pass for bool by ``__class__``."""

    def start(self: Any, twin: Any, value: Value) -> None:
        self._twin = twin
        self._value = value

    def array(self: Any, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self._leave("array"), dtype=dtype)

    methods = {**_METHODS, **_NUMPY_METHODS, "__init__": start, "__array__": array}
    for name in ("dtype", "shape", "ndim", "size", "itemsize", "nbytes"):
        methods[name] = property(operator.attrgetter(f"_twin.{name}"))
    return type("RecordedBool", (), {**methods, "__slots__": ("_twin", "_value")})


NUMBERS[bool] = NUMBERS[np.bool_] = _define_bool()
for _kind in (
    float, int, np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8,
    np.uint16, np.uint32, np.uint64, np.longlong, np.ulonglong, complex, np.complex64, np.complex128,
):  # fmt: skip
    NUMBERS[_kind] = _define(_kind)
RECORDED.update(NUMBERS.values())


def is_number(thing: Any) -> bool:
    """Whether an object is a recorded number."""
    return is_recorded(thing) and not isinstance(thing, np.ndarray)
