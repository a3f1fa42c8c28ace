"""Recording arrays: NumPy computes as usual, on plain twins, while the tape is written.

Every recording array has a *twin*: the plain array that a plain run would have in its place. Everything is
computed on twins, so values, views, dtypes, flags, warnings and errors are NumPy's own, and afterwards each
recording array is replaced by its twin.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd_ref.recording.memory import Memory
from autograd_ref.recording.place import caller_file
from autograd_ref.recording.stand_ins.calls import SPARSE, record_function, record_method, refuse
from autograd_ref.recording.stand_ins.indexing import flat_iterator, index_read, index_write
from autograd_ref.recording.stand_ins.objects import plain, value_of, wrapper_of
from autograd_ref.recording.stand_ins.ufuncs import record_ufunc
from autograd_ref.recording.tape import Move, Value, current
from autograd_ref.recording.template import Group, Literal, Slot

__all__ = ["RecordedArray"]

_SPARSE = f"{os.sep}scipy{os.sep}sparse{os.sep}"


class RecordedArray(np.ndarray):
    """An array that records every use while a tape is written; afterwards it acts as its twin."""

    __slots__ = ("_memory", "_twin", "_value", "_version")

    _twin: np.ndarray
    _memory: Memory
    _version: Value | None
    _value: Value | None

    # Operators, through ufuncs; and functions.

    __array_ufunc__ = record_ufunc

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return record_function(function, args, kwargs)

    # Indexing.

    def __getitem__(self, key: Any) -> Any:
        return index_read(self, key)

    def __setitem__(self, key: Any, source: Any) -> None:
        index_write(self, key, source)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (index_read(self, i) for i in range(len(self)))

    def __contains__(self, item: Any) -> bool:
        return bool((self == item).any())

    # Conversions that leave the tape on purpose.

    def __bool__(self) -> bool:
        return bool(self._leave("branch"))

    def __int__(self) -> int:
        return int(self._leave("int"))

    def __float__(self) -> float:
        return float(self._leave("float"))

    def __complex__(self) -> complex:
        return complex(self._leave("complex"))

    def __index__(self) -> int:
        return operator.index(self._leave("index"))

    def _leave(self, kind: str) -> Any:
        if current.tape is not None:
            current.tape.control(value_of(self), kind)
        return plain(self)

    def item(self, *args: Any) -> Any:
        """Return one entry, as a Python number that is still recorded."""
        if not args and self.size == 1:
            return index_read(self.reshape(()), ())._python()
        if len(args) == 1 and isinstance(args[0], tuple):
            args = args[0]
        chosen = self.flat[args[0]] if len(args) == 1 else self[tuple(args)]
        return chosen._python() if hasattr(chosen, "_python") else chosen

    def tolist(self) -> Any:
        """Return nested lists of Python numbers that are still recorded."""
        if self.ndim == 0:
            return self.item()
        return [each.tolist() if isinstance(each, RecordedArray) else each.item() for each in self]

    # Text and pickles as in a plain run.

    def __repr__(self) -> str:
        return repr(plain(self))

    def __str__(self) -> str:
        return str(plain(self))

    def __format__(self, spec: str) -> str:
        return format(plain(self), spec)

    def __reduce__(self) -> Any:
        return self._taken_out("pickling").__reduce__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._taken_out("pickling").__reduce_ex__(protocol)

    def _taken_out(self, how: str) -> np.ndarray:
        if current.tape is not None:
            raise refuse(f"{how} takes an array out of the recording, and is not recorded")
        return plain(self)

    def __copy__(self) -> Any:
        return self.copy("K")

    def __deepcopy__(self, memo: Any) -> Any:
        copied = self.copy("K")
        memo[id(self)] = copied
        return copied

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        # SciPy asks for the class of an operand before it hands its memory to C.
        if current.tape is not None and _SPARSE in caller_file():
            value = value_of(self)
            if value.is_floating and current.tape.depends(value):
                raise refuse(SPARSE)
        return np.ndarray

    @property
    def base(self) -> Any:
        """The array that owns the memory of this view."""
        base = plain(self).base
        return base if type(base) is not np.ndarray or current.tape is None else wrapper_of(base)

    @property
    def flags(self) -> Any:
        """The flags of the array in a plain run."""
        return plain(self).flags

    def setflags(self, *args: Any, **kwargs: Any) -> None:
        """Set the flags of the plain array, as NumPy does."""
        plain(self).setflags(*args, **kwargs)

    @property
    def flat(self) -> Any:
        """An iterator over all entries."""
        return flat_iterator(self)

    @flat.setter
    def flat(self, source: Any) -> None:
        self.flat[:] = source

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, which can be set."""
        return tuple(np.ndarray.shape.__get__(self))

    @shape.setter
    def shape(self, shape: Any) -> None:
        twin = plain(self)
        whole = current.tape is not None and self._memory.array is twin
        before = value_of(self) if whole else None
        if before is not None:
            self._memory.keep()
        twin.shape = shape
        np.ndarray.shape.__set__(self, twin.shape)  # type: ignore[attr-defined]
        self._version = None
        if before is not None:
            template = (Group("tuple", (Slot(0), Literal(tuple, twin.shape))), Group("dict", ()))
            self._memory.reshaped(current.tape.add(Move("reshape", template), (before,), twin))  # type: ignore[union-attr]

    def resize(self, *shape: Any, refcheck: bool = True) -> None:
        """Change the shape in place, with the same number of entries."""
        wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        if int(np.prod(wanted)) != self.size:
            raise refuse("ndarray.resize to another size is not recorded; np.resize is")
        self.shape = wanted


# The name in error messages: 'numpy.ndarray' object has no attribute ….
RecordedArray.__name__ = "numpy.ndarray"


def _method(name: str) -> Callable[..., Any]:
    def method(self: RecordedArray, *args: Any, **kwargs: Any) -> Any:
        return record_method(name, self, args, kwargs)

    method.__name__ = name
    method.__doc__ = getattr(np.ndarray, name).__doc__
    return method


def _attribute(name: str) -> property:
    def read(self: RecordedArray) -> Any:
        return record_method(name, self, (), {})

    def write(self: RecordedArray, source: Any) -> None:
        index_write(read(self), ..., source)

    return property(read, write if name in ("real", "imag") else None)


def _bytes_method(name: str) -> Callable[..., Any]:
    def method(self: RecordedArray, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._taken_out(f"ndarray.{name}"), name)(*args, **kwargs)

    method.__name__ = name
    method.__doc__ = getattr(np.ndarray, name).__doc__
    return method


def _bytes_attribute(name: str) -> property:
    return property(lambda self: getattr(self._taken_out(f"ndarray.{name}"), name))


for _name in (
    "all", "any", "argmax", "argmin", "argpartition", "argsort", "astype", "byteswap", "choose", "clip",
    "compress", "conj", "conjugate", "copy", "cumprod", "cumsum", "diagonal", "dot", "fill", "flatten",
    "getfield", "max", "mean", "min", "nonzero", "partition", "prod", "put", "ravel", "repeat", "reshape",
    "round", "searchsorted", "setfield", "sort", "squeeze", "std", "sum", "swapaxes", "take", "trace",
    "transpose", "var", "view",
):  # fmt: skip
    setattr(RecordedArray, _name, _method(_name))
for _name in ("tobytes", "tofile", "dump", "dumps", "to_device", "__dlpack__"):
    setattr(RecordedArray, _name, _bytes_method(_name))
for _name in ("data", "ctypes", "__array_interface__", "__array_struct__"):
    setattr(RecordedArray, _name, _bytes_attribute(_name))
for _name in ("T", "mT", "real", "imag"):
    setattr(RecordedArray, _name, _attribute(_name))
