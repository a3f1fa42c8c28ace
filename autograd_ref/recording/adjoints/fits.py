r"""Test whether a proposed gradient is possible at ties: each entry in its interval, and all together.

Of $k$ equal largest entries each share is at least 0, and the shares sum to 1. The intervals alone would
allow each of them the whole. So the effect of each choice at a tie is followed to the gradient: outside the
space that these effects span, the gradient is unique. Where an effect meets another tie, the other tie is
decided in one way: its other ways differ by effects of its own choices, which are in the span already.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from autograd_ref.arithmetic.ties import MOST_JOINT, Ties, basis
from autograd_ref.recording import kernels
from autograd_ref.recording.adjoints import kinks
from autograd_ref.recording.adjoints.gathered import Adjoint, Gathered
from autograd_ref.recording.adjoints.reverse import Adjoints
from autograd_ref.recording.adjoints.transposed import linear
from autograd_ref.recording.tape import Tape, Value

__all__ = ["Fit", "fit", "ties_of"]

# With more choices than this, their joint constraints are not computed.
_MOST = 200


class Fit(NamedTuple):
    """The result of a comparison of a proposed gradient with the possible ones.

    Attributes:
        outside: the entries outside their intervals.
        apart: the entries that are possible one by one, but not together with the others at their ties.
        is_joint: whether the joint constraints are known; if not, ``apart`` has no entry.
    """

    outside: np.ndarray
    apart: np.ndarray
    is_joint: bool

    @property
    def is_possible(self) -> bool:
        """Whether some choice at every tie gives the proposed gradient, as far as is known."""
        return not (self.outside.any() or self.apart.any())


def fit(
    tape: Tape, found: Adjoints, value: Value, proposed: np.ndarray, tolerance: np.ndarray | float = 0.0
) -> Fit:
    """Compare a proposed gradient with the possible ones.

    Args:
        tape: the tape of the recording.
        found: its adjoints.
        value: the value of the gradient: a leaf, or any other value that the loss depends on.
        proposed: the proposed gradient, in the value's shape.
        tolerance: the largest error of each entry; in the value's shape, or one for all.

    Returns:
        The impossible entries.

    Raises:
        ValueError: the proposed gradient has another shape.
    """
    if np.shape(proposed) != value.shape:
        raise ValueError(f"the gradient of a value of shape {value.shape} has shape {np.shape(proposed)}")
    adjoint = found.of[value]
    room = np.broadcast_to(tolerance, value.shape)
    outside = ~((proposed >= adjoint.low - room) & (proposed <= adjoint.high + room))
    ties = ties_of(tape, found, value)
    apart = np.zeros(value.shape, bool)
    if ties is None:
        return Fit(outside, apart, True)
    decided, (_, _, entries, span) = ties
    if span is None:
        return Fit(outside, apart, False)
    error = (proposed - decided).reshape(-1)[entries]
    beside = np.eye(len(entries)) - span.T @ span
    slip = 1e-12 * np.abs(adjoint.high - adjoint.low).max(initial=0.0)  # of the projection itself
    allowed = np.abs(beside) @ room.reshape(-1)[entries] + slip
    apart.reshape(-1)[entries] = np.abs(beside @ error) > allowed
    return Fit(outside, apart & ~outside, True)


def ties_of(tape: Tape, found: Adjoints, value: Value) -> tuple[np.ndarray, Ties] | None:
    """Return the freedom that ties leave for one adjoint.

    Returns:
        The adjoint with every tie decided in one way, which is one of its right values, and the distances of
        the others from it; None if there is only one right value. The joint constraints (``span``) are None
        if there are too many choices.
    """
    adjoint = found.of[value]
    if adjoint.slack is None:
        return None
    between = _dependents(tape, value) & found.active
    with kernels.in_double(), np.errstate(all="ignore"):
        start = Gathered()
        start.add(found.loss, Adjoint(np.ones(found.loss.shape), None))
        decided = _followed(tape, found, start, found.loss, value, between)
        span = _span(tape, found, value, between)
    entries = np.flatnonzero(adjoint.slack)
    return decided, Ties(adjoint.low - decided, adjoint.high - decided, entries, span)


def _span(tape: Tape, found: Adjoints, target: Value, between: set[Value]) -> np.ndarray | None:
    """Return a basis of the effects of choices on one adjoint, in the entries that have an interval."""
    slack = found.of[target].slack
    entries = np.flatnonzero(0.0 if slack is None else slack)
    if len(entries) > MOST_JOINT:
        return None
    rows: list[np.ndarray] = []
    for value in found.ties:
        chosen = found.chosen(value)
        if not any(value.inputs[i] in between for i in chosen):
            continue
        adjoint = found.of[value]
        inputs = [found.arrays[each.number] for each in value.inputs]
        for group in kinks.groups(value, inputs, chosen, found.jumps, (adjoint.centre, adjoint.slack)):
            for step in _steps(group):
                if len(rows) == _MOST:
                    return None
                row = _followed(tape, found, _changed(value, step, between), value, target, between)
                rows.append(row.reshape(-1)[entries])
    kept = [row / np.abs(row).max() for row in rows if row.any()]
    return basis(np.array(kept)) if kept else None


def _dependents(tape: Tape, target: Value) -> set[Value]:
    """Return a value and everything computed from it."""
    found = {target}
    for value in tape.values[target.number + 1 :]:
        if any(each in found for each in value.inputs):
            found.add(value)
    return found


def _steps(group: kinks.Group) -> list[list[tuple[int, int, float]]]:
    """Return the changes from one choice at a tie to others, in which one entry gains what another loses."""
    if not group.fixed:
        return [[(*each, 1.0)] for each in group.members]
    return [[(*a, 1.0), (*b, -1.0)] for a, b in zip(group.members, group.members[1:], strict=False)]


def _changed(value: Value, step: list[tuple[int, int, float]], between: set[Value]) -> Gathered:
    """Return the change of an operation's contributions to its inputs for another choice at its tie."""
    of = Gathered()
    for position, place, amount in step:
        source = value.inputs[position]
        if source in between:
            change = np.zeros(source.shape)
            change.reshape(-1)[place] = amount
            of.add(source, Adjoint(change, None))
    return of


def _followed(
    tape: Tape, found: Adjoints, of: Gathered, start: Value, target: Value, between: set[Value]
) -> np.ndarray:
    """Carry adjoints of some values, up to ``start``, on to the target's adjoint.

    JAX decides every tie between them.

    Returns:
        The target's adjoint.
    """
    for value in reversed(tape.values[target.number + 1 : start.number + 1]):
        if value not in between or value not in of:
            continue
        of.complete(value)
        chosen = tuple([i for i, each in enumerate(value.inputs) if each in between])
        if not chosen or of.pass_on(value, chosen):
            continue
        inputs = [found.arrays[each.number] for each in value.inputs]
        adjoint = of[value].centre
        for i, centre in zip(chosen, linear(value, inputs, chosen, adjoint), strict=True):
            of.add(value.inputs[i], Adjoint(np.asarray(centre), None))
    return of[target].centre if target in of else np.zeros(target.shape)
