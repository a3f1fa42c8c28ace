"""A call at another point: with its own arguments there, or with the first ones, moved."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autograd_ref.crosscheck.function.points import NEARER, move_in_place
from autograd_ref.crosscheck.program.assigned.assign import Assigned
from autograd_ref.crosscheck.program.calling.forms import Form
from autograd_ref.crosscheck.program.point import RecordedPoint, Run, read_gradients, run
from autograd_ref.crosscheck.reports.report import NotJudged

__all__ = ["Arguments", "at_another"]

Arguments = tuple[Sequence[Any], Mapping[str, Any]]


def at_another(
    form: Form,
    call: Arguments,
    file: str,
    first: Run,
    pairs: Sequence[Assigned],
    number: int,
    seed: int,
) -> RecordedPoint:
    """Repeat a call, with moved leaves where they are the same as before and have a gradient.

    Args:
        form: the form of the call.
        call: its arguments at this point.
        file: file of the program.
        first: the call at the first point.
        pairs: the pairs of gradients and leaves.
        number: the number of this point.
        seed: seed of the moves.

    Returns:
        The gradients at this point.

    Raises:
        NotJudged, NotRecorded: the call fails there.
    """
    asked = [pair.leaf for pair in pairs]
    found = run(form, *call, file)
    before = found.recording.before
    before.restore()
    arrays = {leaf.path: leaf.array for leaf in found.recording.leaves}
    for path in asked:
        if path not in arrays:
            raise NotJudged(f"{path} is not read there")
    same = [arrays[path] for path in asked if np.array_equal(arrays[path], first.held(path))]
    if not same:
        return read_gradients(found, number, pairs, seed)
    try:
        found = _run_moved(form, call, file, same, before.restore, [seed, number])
        try:
            return read_gradients(found, number, pairs, seed)
        finally:
            found.recording.before.restore()
    finally:
        before.restore()


def _run_moved(
    form: Form,
    call: Arguments,
    file: str,
    arrays: Sequence[np.ndarray],
    restore: Callable[[], None],
    seed: Sequence[int],
) -> Run:
    """Repeat the call with some arrays moved, by less if it has no loss there, like the root of −0.01."""
    for part in NEARER[:-1]:
        move_in_place(arrays, part, seed)
        try:
            found = run(form, *call, file)
        except NotJudged:  # an assertion in the program, for example that all numbers are positive
            pass
        else:
            if np.isfinite(found.loss_here):
                return found
            found.recording.before.restore()
        restore()
    move_in_place(arrays, NEARER[-1], seed)
    return run(form, *call, file)
