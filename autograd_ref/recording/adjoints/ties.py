r"""The freedom that ties leave for one adjoint: each entry in its interval, and all together.

Of $k$ equal largest entries each share is at least 0, and the shares sum to 1. The intervals alone would
allow each of them the whole. So the effect of each choice at a tie is followed to the gradient: outside the
space that these effects span, the gradient is unique. Where an effect meets another tie, the other tie is
decided in one way: its other ways differ by effects of its own choices, which are in the span already.
"""

from __future__ import annotations

import numpy as np

from autograd_ref.arithmetic.ties import MOST_JOINT, Ties, basis
from autograd_ref.recording import kernels
from autograd_ref.recording.adjoints import kinks
from autograd_ref.recording.adjoints.gathered import Adjoint, Gathered
from autograd_ref.recording.adjoints.reverse import Adjoints
from autograd_ref.recording.adjoints.transposed import linear
from autograd_ref.recording.tape import Tape, Value

__all__ = ["ties_of"]

# With more choices than this, their joint constraints are not computed.
_MOST = 200


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
