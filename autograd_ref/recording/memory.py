"""Pieces of memory: the current content of each, and the positions at which an array reads it.

An array is not a value but a window on memory that others may write to. So each piece of memory (the array at
the end of a chain of ``.base``) has a current value on the tape, and an array is that value read at the
positions given by its address and strides, however the view was made. A write into a view is a new value
of the memory, with those positions replaced. So slices, transposes, reshapes, iteration, aliases and in-place
operators need no rules of their own.

Values share NumPy's memory until it is written to; only then are they copied.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from autograd_ref.recording.layouts import lay_out, window
from autograd_ref.recording.place import place_here
from autograd_ref.recording.tape import Given, Layout, NotRecorded, Read, Tape, Value, Write

__all__ = ["Memories", "Memory", "are_same", "owner_of"]


_memcmp = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(
    ("memcmp", ctypes.pythonapi)
)

# The base that NumPy keeps, which a recording array hides.
_BASE = np.ndarray.base.__get__


class Memory:
    """One piece of memory.

    Attributes:
        owner: the object that owns the memory.
        array: the plain array that spans it.
        version: the tape's current value of ``array``.
        reads: the values read from this version, by layout.
        foreign: whether the program can change it unrecorded, so that every read compares it.
        written: whether anything was written to it.
        beside: another piece of the owner's memory, if there is one.
    """

    __slots__ = ("_root", "_start", "array", "beside", "foreign", "owner", "reads", "version", "written")

    def __init__(self, owner: Any, array: np.ndarray, version: Value, foreign: bool = False):
        self.owner = owner
        self.array = array
        self.version = version
        self.reads: dict[Layout, Value] = {}
        self.foreign = foreign
        self.written = False
        self.beside: Memory | None = None
        self._root: Layout | None = None
        self._start = 0

    @property
    def root(self) -> Layout:
        """The layout of ``array``, whose first byte of memory is position 0."""
        if self._root is None:
            self._start = address = _address(self.array)
            if self.array.size:  # negative strides begin at the end
                ends = zip(self.array.strides, self.array.shape, strict=True)
                self._start += sum([stride * (length - 1) for stride, length in ends if stride < 0])
            self._root = self._layout(self.array, address)
        return self._root

    def layout(self, array: np.ndarray) -> Layout:
        """Return the positions in this memory at which an array reads."""
        root = self.root
        if array is self.array:
            return root
        if array.dtype != self.array.dtype:
            if self.array.dtype.kind == "c" and array.dtype == self.array.real.dtype:
                return self._layout(array, _address(array))._replace(halves=True)
            raise NotRecorded(
                f"memory of dtype {self.array.dtype} is read as {array.dtype}, which has no derivative",
                place_here(),
            )
        return self._layout(array, _address(array))

    def entry(self, array: np.ndarray, index: tuple[int, ...]) -> Layout:
        """Return the position in this memory of a single entry of an array."""
        at = self.layout(array)
        offset = at.offset
        for i, stride, length in zip(index, at.strides, at.shape, strict=True):
            offset += (i if i >= 0 else i + length) * stride
        return Layout(offset, (), (), at.halves)

    def reshaped(self, version: Value) -> None:
        """Note that ``array`` was given another shape, in place."""
        self._root = None
        self.version = version

    def _layout(self, array: np.ndarray, address: int) -> Layout:
        size = array.itemsize
        strides = tuple(
            [
                stride // size if length > 1 else 0
                for stride, length in zip(array.strides, array.shape, strict=True)
            ]
        )
        return Layout((address - self._start) // size if array.size else 0, array.shape, strides)

    @property
    def is_private(self) -> bool:
        """Whether only the tape refers to it, so that nothing can change it."""
        if self.owner is not self.array:
            return False
        held = 3  # by `owner`, by `array`, by this call
        for value in (self.version, *self.reads.values()) if self.reads else (self.version,):
            if value.array is self.array or (value.array is not None and _BASE(value.array) is self.owner):
                held += 1
        return sys.getrefcount(self.owner) == held

    def keep(self) -> None:
        """Copy every value that shares this memory, because it is about to change."""
        version = self.version
        if version.array is self.array:  # a version written in parts can be reconstructed
            in_parts = isinstance(version.operation, Write)
            version.array = None if in_parts else self.array.copy(order="K")
        if self.reads:
            self._keep_reads()

    def _keep_reads(self) -> None:
        whole = self.version.array
        kept = None if whole is None else lay_out(whole, self.root)
        for layout, value in self.reads.items():
            if value is self.version:
                continue
            if kept is None or kept.size != whole.size or layout.halves:
                value.array = value.array.copy(order="K")
            else:  # a view of what is kept needs no copy
                value.array = window(kept, layout)
        self.reads = {}

    def content(self, array: np.ndarray) -> np.ndarray:
        """Return what an array in this memory holds now; the whole memory is not copied yet."""
        return array if array is self.array and not self.foreign else array.copy(order="K")


class Memories:
    """All pieces of memory of one run, by their owners."""

    def __init__(self, tape: Tape):
        self.tape = tape
        self._by_owner: dict[int, Memory] = {}

    def new(self, array: np.ndarray, version: Value) -> Memory:
        """Create the memory of a new result."""
        owner = owner_of(array)
        memory = self._by_owner[id(owner)] = Memory(owner, array, version)
        return memory

    def find(self, array: np.ndarray) -> Memory | None:
        """Return the memory that an array reads, if it is known."""
        first = self._by_owner.get(id(owner_of(array)))
        if first is None or not (first.foreign or first.beside):
            return first
        known = [first]
        while (beside := known[-1].beside) is not None:
            known.append(beside)
        low, high = byte_bounds(array)
        for memory in known:
            start, end = byte_bounds(memory.array)
            if start <= low and high <= end:
                return memory
        if any(low < end and start < high for start, end in (byte_bounds(each.array) for each in known)):
            raise NotRecorded(
                "an array overlaps one that was met before, and reaches beyond it", place_here()
            )
        return None

    def adopt(self, array: np.ndarray, path: str | None = None, foreign: bool = True) -> Memory:
        """Create the memory of an array that existed before, or that other code created."""
        memory = self.find(array)
        if memory is None:
            version = self.tape.add(Given(path), (), array.copy(order="K") if foreign else array)
            if path is not None:
                version._code = None
            owner = owner_of(array)
            memory = Memory(owner, array, version, foreign)
            memory.beside = self._by_owner.get(id(owner))
            self._by_owner[id(owner)] = memory
        elif memory.foreign:
            self._renew(memory)
        return memory

    def _renew(self, memory: Memory) -> None:
        """Notice writes by plain code to plain memory."""
        if not are_same(memory.version.array, memory.array):
            memory.keep()
            memory.version = self.tape.add(Given(None), (), memory.array.copy(order="K"))

    def keep_all(self) -> None:
        """Make the tape independent of all memory, at the end of the run."""
        memory: Memory | None
        for memory in self._by_owner.values():
            while memory is not None:
                if not memory.is_private:
                    memory.keep()
                memory = memory.beside

    def read(self, array: np.ndarray, memory: Memory) -> Value:
        """Return the current value of an array."""
        version = memory.version
        layout = memory.layout(array)
        if layout == memory.root:
            if version.array is None:
                version.array = memory.array
            return version
        value = memory.reads.get(layout)
        if value is None:
            seen = array if not memory.foreign else array.copy()
            value = memory.reads[layout] = self.tape.add(Read(memory.root, layout), (version,), seen)
        return value

    def write(self, array: np.ndarray, memory: Memory, value: Value) -> None:
        """Note that an array now holds a value; `Memory.keep` was called before NumPy wrote it."""
        layout = memory.layout(array)
        memory.written = True
        if memory.foreign and isinstance(memory.version.operation, Write):
            memory.version.array = None
        if layout == memory.root and value.shape == array.shape and value.dtype == array.dtype:
            memory.version = value
        else:
            inputs = (memory.version, value)
            memory.version = self.tape.add(Write(memory.root, layout), inputs, None, like=memory.array)
        if memory.foreign:
            memory.version.array = memory.array.copy(order="K")


def owner_of(array: Any) -> Any:
    """Return the object at the end of the chain of ``.base``."""
    if type(array) is np.ndarray and array.base is None:  # the common case
        return array
    seen: set[int] = set()  # the ``base`` of other classes may be anything, even the object itself
    while True:
        base = _BASE(array) if isinstance(array, np.ndarray) else getattr(array, "base", None)
        if base is None or id(base) in seen:
            return array
        if not isinstance(array, np.ndarray):
            seen.add(id(array))
        array = base


def _address(array: np.ndarray) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def are_same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays hold the same numbers; NaN is NaN."""
    if a.shape != b.shape:
        return False
    alike = a.dtype == b.dtype and a.flags.c_contiguous and b.flags.c_contiguous
    if alike and not _memcmp(_address(a), _address(b), a.nbytes):  # a third faster than NumPy
        return True
    return bool(np.all(a == b)) or np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
