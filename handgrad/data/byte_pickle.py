"""A safe reader of pickles that hold arrays of bytes.

Unpickling calls whatever a file names. Here a file can only name what NumPy's arrays need, and gets a
stand-in that accepts the content of a CIFAR-10 batch and refuses the rest.
"""

import math
import pickle
import pickletools
from io import BytesIO
from typing import Any

import numpy as np

__all__ = ["load_byte_pickle"]

# Far more than a CIFAR-10 batch has, but few enough that a hostile file cannot fill the memory.
MOST_INSTRUCTIONS = 1_000_000


def load_byte_pickle(content: bytes) -> dict[Any, Any]:
    """Read a pickled dict of lists, tuples, numbers, strings, and arrays of dtype uint8.

    Python 2 or 3 may have written it, with any protocol. Python 2's strings become bytes.

    Returns:
        The dict. Arrays among its values are read-only views of the file's bytes; more deeply nested arrays
        stay unreadable.

    Raises:
        ValueError: the content is not such a pickle, or names something else.
    """
    try:
        _check_lengths(content)
        batch = _Unpickler(BytesIO(content), encoding="bytes").load()
        return {key: value.array if isinstance(value, _Array) else value for key, value in batch.items()}
    # A damaged or hostile file can make an unpickler fail in any way.
    except Exception as error:
        raise ValueError(f"this is not a pickled dict of plain data and bytes: {error}") from None


def _check_lengths(content: bytes) -> None:
    """Count the instructions without executing them: the unpickler allocates memory before it reads."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        # PUT names a place in a table, which grows until it has this place.
        place = argument if "PUT" in opcode.name else 0
        if max(count, place or 0) > MOST_INSTRUCTIONS:
            raise pickle.UnpicklingError(f"it has more than {MOST_INSTRUCTIONS} instructions")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in NAMES:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return NAMES[f"{module}.{name}"]


class _Dtype:
    """A stand-in for ``numpy.dtype("u1")``, the only dtype allowed."""

    def __init__(self, code: Any, *flags: Any) -> None:
        if code not in ("u1", b"u1", "|u1"):
            raise pickle.UnpicklingError(f"it holds an array of dtype {code!r:.20}, not of bytes")

    def __setstate__(self, state: Any) -> None:
        """Ignore byte order, fields and the like: bytes have none."""


class _Array:
    """A stand-in for an array of bytes, which NumPy creates empty and then fills by setting its state."""

    array: np.ndarray

    def __init__(self, *arguments: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        _, shape, _, column_major, data = state
        if math.prod(shape) != len(data):
            raise pickle.UnpicklingError(f"it holds {len(data)} bytes for an array of shape {shape}")
        self.array = np.frombuffer(data, np.uint8).reshape(shape, order="F" if column_major else "C")


class _FullArray(_Array):
    """A stand-in for an array that is created with its contents."""

    def __init__(self, data: Any, dtype: Any, shape: Any, order: Any) -> None:
        self.__setstate__((None, shape, dtype, order == "F", data))


class _Encode:
    """A stand-in for ``codecs.encode(text, "latin1")``, as which Python 3 writes bytes in old protocols."""

    def __new__(cls, text: Any, encoding: Any) -> Any:
        return text.encode("latin-1")

    def __setstate__(self, state: Any) -> None:
        pass


# Classes whose __setstate__ a file cannot replace; on functions, a file could set attributes.
NAMES: dict[str, type] = {"numpy.ndarray": _Array, "numpy.dtype": _Dtype, "_codecs.encode": _Encode}
for _core in ("numpy.core", "numpy._core"):  # in NumPy 1 and in NumPy 2
    NAMES[f"{_core}.multiarray._reconstruct"] = _Array
    NAMES[f"{_core}.numeric._frombuffer"] = _FullArray
