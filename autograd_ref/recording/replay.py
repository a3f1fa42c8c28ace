"""A recording as a function of its leaves: the same operations once more, on jax.numpy, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd_ref.recording import moves
from autograd_ref.recording.kernels import compute, double, in_double
from autograd_ref.recording.memory import lay_out, window
from autograd_ref.recording.tape import Compute, Given, Move, Read, Tape, Value, Write
from autograd_ref.recording.template import widened

__all__ = ["replay"]


def replay(tape: Tape, given: Mapping[Value, Any] | None = None, *, exact: bool = True) -> list[np.ndarray]:
    """Compute every value of a tape anew.

    Args:
        tape: of the recording.
        given: other arrays in place of leaves and constants.
        exact: every floating value in float64, which makes it the reference; else in the dtypes NumPy had.

    Returns:
        The array of every value, by its number. They share memory: none may be written to.
    """
    arrays: list[np.ndarray] = []
    other = given or {}
    with in_double(), np.errstate(all="ignore"):
        for value in tape.values:
            start = other.get(value)
            inputs = [arrays[each.number] for each in value.inputs]
            arrays.append(_cast(start, value, exact) if start is not None else evaluate(value, inputs, exact))
    return arrays


def evaluate(value: Value, inputs: list[np.ndarray], exact: bool) -> np.ndarray:
    """One operation."""
    operation = value.operation
    if isinstance(operation, Compute):
        return compute(value, inputs, exact)
    if isinstance(operation, Given):
        return _cast(value.array, value, exact)
    if isinstance(operation, Read):
        return window(lay_out(inputs[0], operation.root), operation.at)
    if isinstance(operation, Write):
        flat = lay_out(np.array(inputs[0]), operation.root)
        window(flat, operation.at)[...] = inputs[1]
        return window(flat, operation.root)
    assert isinstance(operation, Move)  # noqa: S101
    return _cast(moves.move(operation, inputs, widened if exact else None), value, exact)


def _cast(array: Any, value: Value, exact: bool) -> np.ndarray:
    dtype = double(value.dtype) if exact else value.dtype
    return np.asarray(array).astype(dtype, copy=False)
