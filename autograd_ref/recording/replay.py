"""Replay a recording as a function of its leaves: the same operations on jax.numpy, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np

from autograd_ref.recording import moves
from autograd_ref.recording.kernels import compute, double, in_double
from autograd_ref.recording.layouts import History, lay_out, window
from autograd_ref.recording.tape import Compute, Given, Layout, Move, Read, Tape, Value, Write
from autograd_ref.recording.template import widened

__all__ = ["Arrays", "evaluate", "replay"]


class Arrays(Sequence[np.ndarray]):
    """The array of every value of a tape, by its number. They share memory, so none may be written to.

    All versions of a memory that is written in parts share a buffer; the array of a version is made lazily.
    """

    def __init__(self) -> None:
        self._arrays: list[np.ndarray | None] = []
        self._versions: dict[int, tuple[History, Layout, int]] = {}

    def __len__(self) -> int:
        return len(self._arrays)

    @overload
    def __getitem__(self, number: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, number: slice) -> list[np.ndarray]: ...
    def __getitem__(self, number: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        array = self._arrays[number]
        if array is not None:
            return array
        history, root, moment = self._versions[number % len(self)]
        return history.window(root, moment).copy(order="K")

    def append(self, array: np.ndarray) -> None:
        """Add the next value's array."""
        self._arrays.append(array)

    def compute(self, value: Value) -> None:
        """Compute the next value's array from the arrays before it, and add it."""
        operation = value.operation
        if isinstance(operation, Read) and value.inputs[0].number in self._versions:
            history, root, moment = self._versions[value.inputs[0].number]
            if root == operation.root:
                self.append(history.window(operation.at, moment).copy())
                return
        if isinstance(operation, Write):
            self._write(value, operation)
        else:
            self.append(evaluate(value, [self[each.number] for each in value.inputs]))

    def _write(self, value: Value, operation: Write) -> None:
        old, new = value.inputs
        history, root, moment = self._versions.get(old.number, (None, None, 0))
        if history is None or root != operation.root or moment != history.moment:
            history = History(lay_out(np.array(self[old.number]), operation.root))
        history.write(operation.at, self[new.number])
        self._versions[value.number] = history, operation.root, history.moment
        self._arrays.append(None)


def replay(tape: Tape, given: Mapping[Value, Any] | None = None, *, anew: bool = True) -> Arrays:
    """Compute every value of a tape again.

    Args:
        tape: the tape of the recording.
        given: other arrays in place of leaves and constants.
        anew: whether to compute values again that NumPy computed entirely in float64, instead of using them.

    Returns:
        The array of every value, by its number.
    """
    arrays = Arrays()
    taken: set[Value] = set()
    other = given or {}
    with in_double(), np.errstate(all="ignore"):
        for value in tape.values:
            start = other.get(value)
            if not anew and value.dtype == double(value.dtype) and taken.issuperset(value.inputs):
                taken.add(value)
            if start is not None:
                arrays.append(_cast(start, value))
            elif value in taken and value.array is not None:
                arrays.append(np.asarray(value.array))
            else:
                arrays.compute(value)
    return arrays


def evaluate(value: Value, inputs: list[np.ndarray]) -> np.ndarray:
    """One operation."""
    operation = value.operation
    if isinstance(operation, Compute):
        return compute(value, inputs)
    if isinstance(operation, Given):
        return _cast(value.array, value)
    if isinstance(operation, Read):
        return window(lay_out(inputs[0], operation.root), operation.at)
    if isinstance(operation, Write):
        flat = lay_out(np.array(inputs[0]), operation.root)
        window(flat, operation.at)[...] = inputs[1]
        return window(flat, operation.root)
    assert isinstance(operation, Move)  # noqa: S101
    return _cast(moves.move(operation, inputs, widened), value)


def _cast(array: Any, value: Value) -> np.ndarray:
    return np.asarray(array).astype(double(value.dtype), copy=False)
