"""Stand-ins for `float`, `int` and NumPy's scalar types, which keep recorded numbers on the tape."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd_ref.recording.place import caller_file, is_foreign
from autograd_ref.recording.stand_ins.calls import refuse
from autograd_ref.recording.stand_ins.generators import recording_generator
from autograd_ref.recording.stand_ins.numbers import as_complex, as_python
from autograd_ref.recording.stand_ins.objects import (
    SHADOWED,
    array_of,
    arrays_in,
    from_nested,
    is_recorded,
    plain,
    plain_all,
    type_of,
)
from autograd_ref.recording.tape import current

__all__ = ["NUMBER_TYPES", "TYPE", "class_type", "number_type", "types_of_dtypes"]

_KINDS = (np.random.Generator, np.random.RandomState)
NUMBER_TYPES = {
    float, int, complex, np.float16, np.float32, np.float64, np.complex64, np.complex128, np.int32, np.int64,
}  # fmt: skip


class _NumberType(type):
    """The type of a stand-in for `float`, `int` or one of NumPy's scalar types."""

    _original: type

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        original = cls._original
        if current.tape is not None and original is complex:
            parts = {"real": 0} | dict(zip(("real", "imag"), args, strict=False)) | kwargs
            if any(map(is_recorded, parts.values())):
                return as_complex(*parts.values())
        if current.tape is not None and len(args) == 1 and not kwargs:
            if is_recorded(args[0]):
                return _converted(args[0], original)
            if issubclass(original, np.generic) and arrays_in(args[0]):
                return from_nested(args[0], original)
        if current.tape is not None and issubclass(original, np.ndarray):
            raise refuse(f"np.{original.__name__} is not recorded")
        made = original(*plain_all(args), **kwargs)
        return recording_generator(made) if current.tape is not None and original in _KINDS else made

    def __instancecheck__(cls, thing: Any) -> bool:
        return isinstance(thing, cls._original)

    def __subclasscheck__(cls, other: Any) -> bool:
        return issubclass(plain(other), cls._original)

    def __eq__(cls, other: Any) -> Any:
        return True if other is cls or other is cls._original else NotImplemented  # a dtype decides itself

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

    __bases__ = property(lambda cls: cls._original.__bases__)
    __mro__ = property(lambda cls: cls._original.__mro__)


def _stand_in(original: type, **members: Any) -> type:
    names = {name: getattr(original, name) for name in ("__doc__", "__module__", "__qualname__")}
    return _NumberType(original.__name__, (), {**names, "_original": original, **members})


def number_type(original: type) -> type:
    """Return a stand-in for a type of numbers; its ``dtype`` makes NumPy accept it as a dtype."""
    # ``case float(x)`` binds the whole number.
    matched = {"__match_args__": ("real",)} if issubclass(original, (float, int)) else {}
    made = _stand_in(original, dtype=np.dtype(original), **matched)
    SHADOWED[original] = made
    return made


class _TypeOfType(_NumberType):
    """The type of the stand-in for `type`: ``type(x)`` is the same as in a plain run."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs:
            return type_of(args[0])
        if len(args) == 3:
            args = (args[0], tuple([plain(each) for each in args[1]]), args[2])
        return type(*args, **kwargs)

    def __getitem__(cls, item: Any) -> Any:
        return type[plain(item)]


TYPE: type = _TypeOfType("type", (), {"__doc__": type.__doc__, "_original": type})
SHADOWED[type] = TYPE


def class_type(original: type) -> type:
    """Return a stand-in for a class: generators return recording arrays, matrices cannot be created."""
    return _stand_in(original)


_TYPE_OF_DTYPE = vars(np.dtype)["type"]


@contextmanager
def types_of_dtypes() -> Iterator[None]:
    """Let ``x.dtype.type`` give the program the same types as its own names: ``is`` cannot be overridden.

    NumPy's own code still sees the originals. The class of dtypes is written in C, so its dictionary is
    changed, and its cache of attributes dropped.
    """
    (attributes,) = gc.get_referents(np.dtype.__dict__)

    def assign(attribute: Any) -> None:
        attributes["type"] = attribute
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(np.dtype))

    def read(dtype: np.dtype[Any]) -> type:
        found = _TYPE_OF_DTYPE.__get__(dtype)
        made = SHADOWED.get(found)
        return found if made is None or is_foreign(caller_file()) else made

    assign(property(read))
    try:
        yield
    finally:
        assign(_TYPE_OF_DTYPE)


def _converted(thing: Any, kind: type) -> Any:
    """Convert a recorded object, as in ``float(x)`` or ``np.float32(x)``."""
    if kind in (float, int, bool):
        return as_python(thing, kind)
    if isinstance(thing, np.ndarray) and thing.ndim:
        return thing.astype(kind)
    array = thing if isinstance(thing, np.ndarray) else array_of(thing)
    return array.astype(kind)[()]
