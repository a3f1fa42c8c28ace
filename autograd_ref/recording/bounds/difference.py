"""Differences of plain runs: the witness that neither hand nor automatic derivative had a part in."""

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
    """The derivative of a loss along a direction, from plain runs alone.

    Steps of three sizes are taken forward and backward; afterwards everything is as the recorded run left it.

    Args:
        recording: of a call that can be made again.
        loss: a value that the call left behind, or a function of what the call returns.
        directions: for the paths of some leaves, how far each entry moves for a step of 1.

    Returns:
        The difference and its error; None where the values are no witness: at a kink, a step, or where a run
        fails.

    Raises:
        NotRecorded: the call left the loss nowhere.
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
        return line_difference(value_at, scale, lowest)
    finally:
        after.restore()


def _scale(array: np.ndarray, direction: np.ndarray) -> float:
    """By how many steps an array can change for the loss to change by much."""
    wide = np.asarray(array, np.float64)
    usual = float(np.sqrt(np.mean(wide**2))) if wide.any() else 1.0
    moved = wide[direction != 0]
    longest = float(np.abs(direction).max(initial=0.0))
    return max(usual, abs(float(moved[0])) if moved.size == 1 else 0.0) / (longest or 1.0)


def _reader(recording: Recording, loss: Value) -> Callable[[Any], Any]:
    """Finds the loss among what a plain run leaves behind."""
    path = next((path for path, (_, value) in recording.final.items() if value is loss), None)
    if path is None:
        raise NotRecorded("the call leaves the loss nowhere: a plain run does not show it", loss.place)
    return lambda result: collect(recording.visit_call, result, recording.module)[path]
