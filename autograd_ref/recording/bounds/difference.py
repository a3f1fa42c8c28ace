"""Finite differences of plain runs, which use neither the hand nor the automatic derivative."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograd_ref.arithmetic.finite_differences import FiniteDifference, line_difference
from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.recording.adjoints.reverse import ancestors
from autograd_ref.recording.call.state import State
from autograd_ref.recording.record import Recording
from autograd_ref.recording.tape import Compute, NotRecorded, Value

__all__ = ["difference"]


def difference(
    recording: Recording, loss: Value | Callable[[Any], Any], directions: Mapping[str, np.ndarray]
) -> FiniteDifference | None:
    """Differentiate a loss along a direction, by plain runs only.

    Steps of three sizes are taken forward and backward; afterwards everything is restored to the state after
    the recorded run.

    Args:
        recording: the recording of a call that can be repeated.
        loss: a value that the call stored somewhere, or a function of the call's result.
        directions: for the paths of some leaves, the change of each entry for a step of 1.

    Returns:
        The difference and its error; None if the values do not show the derivative: at a kink, at a step, or
        if a run fails.

    Raises:
        NotRecorded: the call did not store the loss anywhere.
        KeyError: no leaf has one of the paths.
    """
    read = _reader(recording, loss) if isinstance(loss, Value) else loss
    leaves = {leaf.path: leaf for leaf in recording.leaves}
    moves = [(leaves[path].array, np.asarray(direction)) for path, direction in directions.items()]
    used = ancestors(loss) if isinstance(loss, Value) else set(recording.tape.values)
    computed = [each for each in used if each.is_floating and isinstance(each.operation, Compute)]
    lowest = max((unit_roundoff(np.finfo(each.dtype).dtype) for each in computed), default=None)
    after = State(recording.visit, recording.module)

    def value_at(step: float) -> float:
        recording.before.restore()
        for array, direction in moves:
            array[...] += (step * direction).astype(array.dtype)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                return float(read(recording.call()))
        except Exception:
            return np.nan

    scale = max((_scale(array, direction) for array, direction in moves), default=1.0)
    try:
        return line_difference(value_at, scale, lowest, _terms(loss) if isinstance(loss, Value) else 0.0)
    finally:
        after.restore()


def _terms(loss: Value) -> float:
    """Return the sum of the sizes of the terms that add up to a number, and may cancel.

    Each value is visited once, because in a recursion one number reaches another along very many paths.
    """
    slopes, total = {loss: 1.0}, 0.0
    while slopes:
        value = max(slopes, key=lambda each: each.number)
        slope = slopes.pop(value)
        parts = _slopes(value)
        for each, part in zip(value.inputs, parts, strict=False):
            slopes[each] = slopes.get(each, 0.0) + slope * part
        if not parts:
            total += abs(slope) * _size(value)
    return max(total, _size(loss)) if np.isfinite(total) else _size(loss)


def _slopes(value: Value) -> list[float]:
    """Return a number's derivatives with respect to inputs that it adds, subtracts or scales; else none."""
    operation, array = value.operation, value.array
    if not isinstance(operation, Compute) or array is None or np.size(array) != 1:
        return []
    arrays = [each.array for each in value.inputs]
    if operation.name in ("sum", "mean"):
        return [1.0 / np.size(arrays[0]) if operation.name == "mean" else 1.0]
    if any(each is None or np.size(each) != 1 for each in arrays):
        return []
    first, *rest = [float(np.asarray(each, np.float64).reshape(())) for each in arrays] or [0.0]
    match operation.name, rest:
        case "add", [_]:
            return [1.0, 1.0]
        case "subtract", [_]:
            return [1.0, -1.0]
        case "negative", []:
            return [-1.0]
        case "multiply", [second]:
            return [second, first]
        case "divide", [second] if second:
            return [1.0 / second, -first / second**2]
    return []


def _size(value: Value) -> float:
    return 0.0 if value.array is None else float(np.abs(np.asarray(value.array, np.float64)).sum())


def _scale(array: np.ndarray, direction: np.ndarray) -> float:
    """Return the number of steps after which the loss may change considerably."""
    wide = np.asarray(array, np.float64)
    usual = float(np.sqrt(np.mean(wide**2))) if wide.any() else 1.0
    moved = wide[direction != 0]
    longest = float(np.abs(direction).max(initial=0.0))
    return max(usual, abs(float(moved[0])) if moved.size == 1 else 0.0) / (longest or 1.0)


def _reader(recording: Recording, loss: Value) -> Callable[[Any], Any]:
    """Return a function that finds the loss in the results of a plain run."""
    path = next((path for path, (_, value) in recording.final.items() if value is loss), None)
    if path is None:
        raise NotRecorded(
            "the call neither returns nor stores the loss: a plain run cannot show it", loss.place
        )
    return lambda result: recording.collect(result)[path]
