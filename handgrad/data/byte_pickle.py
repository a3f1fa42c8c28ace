"""A reader of pickles that hold arrays of bytes, and that cannot make anything else happen.

Unpickling calls whatever a file names. Here a file can name what NumPy's arrays need, and each name gets a
stand-in that takes the arguments which a file of CIFAR-10 has and refuses all others.
"""

import math
import pickle
import pickletools
from collections.abc import Callable
from io import BufferedIOBase
from typing import Any, cast

import numpy as np

from handgrad.data.bounded_file import BoundedFile

__all__ = ["load_byte_pickle"]

# Far more than a batch of CIFAR-10 has, and few enough that a hostile file cannot fill the memory.
MOST_INSTRUCTIONS = 1_000_000


def load_byte_pickle(file: BufferedIOBase, size: int) -> Any:
    """Read one pickle of dicts, lists, tuples, numbers, strings, and arrays of dtype uint8.

    Written by Python 2 or 3, with any protocol. Python 2's strings become bytes.

    Args:
        file: open for reading, and able to seek.
        size: how many bytes it holds; no more are read.

    Returns:
        The object. Arrays that are values of a dict at the top are read-only views of the file's bytes;
        deeper ones stay unreadable.

    Raises:
        ValueError: it is not such a pickle, or it asks for something else.
    """
    start = file.tell()
    try:
        _check_lengths(BoundedFile(file, size))
        file.seek(start)
        content = _Unpickler(BoundedFile(file, size), encoding="bytes").load()
    # A damaged or hostile file can make an unpickler fail in any way.
    except Exception as error:
        raise ValueError(f"this is no pickle of plain data and bytes: {error}") from None
    if isinstance(content, dict):
        return {key: value.array if isinstance(value, _Array) else value for key, value in content.items()}
    return content


def _check_lengths(file: BoundedFile) -> None:
    """Read the instructions without carrying them out: the unpickler makes room before it reads."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(cast(Any, file))):
        # PUT names a place in a table that grows as far as the place.
        place = argument if "PUT" in opcode.name else 0
        if max(count, place or 0) > MOST_INSTRUCTIONS:
            raise pickle.UnpicklingError(f"it has more than {MOST_INSTRUCTIONS} instructions")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in NAMES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return NAMES[f"{module}.{name}"]


class _StandIn:
    """Something that a file may call by name, and do nothing else with."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes a function")


class _Dtype:
    """``numpy.dtype("u1")``, the only one admitted."""

    def __init__(self, code: Any, *flags: Any) -> None:
        if code not in ("u1", b"u1", "|u1"):
            raise pickle.UnpicklingError(f"it holds an array of dtype {code!r:.20}, not of bytes")

    def __setstate__(self, state: Any) -> None:
        """Do nothing: byte order, fields and the like do not concern bytes."""


class _Array:
    """An array of bytes; NumPy makes an empty one first and then sets its state."""

    array: np.ndarray

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, column_major, data = state
        self.fill(data, dtype, shape, "F" if column_major else "C")

    def fill(self, data: Any, dtype: Any, shape: Any, order: Any) -> "_Array":
        sizes_fit = isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)
        if not (isinstance(dtype, _Dtype) and isinstance(data, bytes | bytearray) and sizes_fit):
            raise pickle.UnpicklingError("it holds an array that is not one of bytes")
        if math.prod(shape) != len(data):
            raise pickle.UnpicklingError(f"it holds {len(data)} bytes for an array of shape {shape}")
        self.array = np.frombuffer(data, np.uint8).reshape(shape, order="F" if order == "F" else "C")
        return self


def _encode(text: Any, encoding: Any) -> bytes:
    """How Python 3 writes bytes with the protocols of Python 2."""
    if not (isinstance(text, str) and encoding in ("latin1", "latin-1")):
        raise pickle.UnpicklingError("it encodes something else than bytes written as text")
    return text.encode("latin-1")


_new_array = _StandIn(lambda *_: _Array())
_array_of_bytes = _StandIn(lambda data, dtype, shape, order: _Array().fill(data, dtype, shape, order))
NAMES = {
    "numpy.ndarray": _new_array,
    "numpy.dtype": _StandIn(_Dtype),
    "_codecs.encode": _StandIn(_encode),
}
for _core in ("numpy.core", "numpy._core"):  # in NumPy 1 and in NumPy 2
    NAMES[f"{_core}.multiarray._reconstruct"] = _new_array
    NAMES[f"{_core}.numeric._frombuffer"] = _array_of_bytes
