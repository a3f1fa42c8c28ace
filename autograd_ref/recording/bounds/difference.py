"""Finite differences of plain runs, which use neither the hand nor the automatic derivative."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograd_ref.arithmetic.finite_differences import FiniteDifference, line_difference
from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.recording.adjoints.reverse import ancestors
from autograd_ref.recording.call.state import State, collect
from autograd_ref.recording.record import Recording
from autograd_ref.recording.tape import Compute, NotRecorded, Value

__all__ = ["difference"]


def difference(
    recording: Recording,
    loss: Value | Callable[[Any], Any],
    directions: Mapping[str, np.ndarray],
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
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return float(read(recording.call()))
        except Exception:
            return np.nan

    scale = max((_scale(array, direction) for array, direction in moves), default=1.0)
    try:
        return line_difference(value_at, scale, lowest, _terms(loss) if isinstance(loss, Value) else 0.0)
    finally:
        after.restore()


def _terms(value: Value) -> float:
    """Return the sum of the sizes of the terms that add up to a number, and may cancel."""
    array = value.array
    if array is None:
        return 0.0
    size = float(np.abs(np.asarray(array, np.float64)).sum())
    if not isinstance(value.operation, Compute) or np.size(array) != 1:
        return size
    name, sizes = value.operation.name, [_terms(each) for each in value.inputs]
    if name in ("add", "subtract", "negative", "sum"):
        return sum(sizes)
    if name == "mean":
        return sizes[0] / np.size(value.inputs[0].array)
    factors = [each.array for each in value.inputs]
    if name in ("multiply", "divide") and all(np.size(each) == 1 for each in factors):
        own = [float(np.abs(np.asarray(each, np.float64)).sum()) for each in factors]
        return max([size, *(size * many / one for many, one in zip(sizes, own, strict=True) if one)])
    return size


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
    return lambda result: collect(recording.visit_call, result, recording.module)[path]
