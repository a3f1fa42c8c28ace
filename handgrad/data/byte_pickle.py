"""A reader of pickles that hold arrays of bytes, and that cannot make anything else happen.

Unpickling calls whatever a file names. Here a file can name only what NumPy's arrays need, and gets a
stand-in that accepts what a batch of CIFAR-10 contains and refuses the rest.
"""

import math
import pickle
import pickletools
from io import BytesIO
from typing import Any

import numpy as np

__all__ = ["load_byte_pickle"]

# Far more than a batch of CIFAR-10 has, and few enough that a hostile file cannot fill the memory.
MOST_INSTRUCTIONS = 1_000_000


def load_byte_pickle(content: bytes) -> dict[Any, Any]:
    """Read a pickled dict of lists, tuples, numbers, strings, and arrays of dtype uint8.

    Python 2 or 3 may have written it, with any protocol. Python 2's strings become bytes.

    Returns:
        The dict. Arrays that are its values are read-only views of the file's bytes; deeper ones stay
        unreadable.

    Raises:
        ValueError: the content is not such a pickle, or asks for something else.
    """
    try:
        _check_lengths(content)
        batch = _Unpickler(BytesIO(content), encoding="bytes").load()
        return {key: value.array if isinstance(value, _Array) else value for key, value in batch.items()}
    # A damaged or hostile file can make an unpickler fail in any way.
    except Exception as error:
        raise ValueError(f"this is not a pickled dict of plain data and bytes: {error}") from None


def _check_lengths(content: bytes) -> None:
    """Parse the instructions without executing them: the unpickler allocates memory before it reads."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        # PUT names a place in a table that grows as far as the place.
        place = argument if "PUT" in opcode.name else 0
        if max(count, place or 0) > MOST_INSTRUCTIONS:
            raise pickle.UnpicklingError(f"it has more than {MOST_INSTRUCTIONS} instructions")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in NAMES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return NAMES[f"{module}.{name}"]


class _Dtype:
    """Stands for ``numpy.dtype("u1")``, the only dtype admitted."""

    def __init__(self, code: Any, *flags: Any) -> None:
        if code not in ("u1", b"u1", "|u1"):
            raise pickle.UnpicklingError(f"it holds an array of dtype {code!r:.20}, not of bytes")

    def __setstate__(self, state: Any) -> None:
        """Ignore byte order, fields and the like: bytes have none."""


class _Array:
    """Stands for an array of bytes; NumPy makes an empty one first and then sets its state."""

    array: np.ndarray

    def __init__(self, *arguments: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        _, shape, _, column_major, data = state
        if math.prod(shape) != len(data):
            raise pickle.UnpicklingError(f"it holds {len(data)} bytes for an array of shape {shape}")
        self.array = np.frombuffer(data, np.uint8).reshape(shape, order="F" if column_major else "C")


class _FullArray(_Array):
    """Stands for an array that is made with its contents."""

    def __init__(self, data: Any, dtype: Any, shape: Any, order: Any) -> None:
        self.__setstate__((None, shape, dtype, order == "F", data))


class _Encode:
    """Stands for ``codecs.encode(text, "latin1")``: Python 3 writes bytes so with Python 2's protocols."""

    def __new__(cls, text: Any, encoding: Any) -> Any:
        return text.encode("latin-1")

    def __setstate__(self, state: Any) -> None:
        pass


# Classes with a __setstate__, which nothing can change: a file may set the attributes of functions.
NAMES: dict[str, type] = {"numpy.ndarray": _Array, "numpy.dtype": _Dtype, "_codecs.encode": _Encode}
for _core in ("numpy.core", "numpy._core"):  # in NumPy 1 and in NumPy 2
    NAMES[f"{_core}.multiarray._reconstruct"] = _Array
    NAMES[f"{_core}.numeric._frombuffer"] = _FullArray
