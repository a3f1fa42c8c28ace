"""Adjoints of everything a loss depends on, and the contribution of every single use.

They are computed in reverse over the tape, operation by operation, in float64. At a kink or tie the
derivative is not one number but an interval between the one-sided ones: an adjoint has a middle and a
half-width, which is None if it is 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from autograd_ref.recording import kernels
from autograd_ref.recording.adjoints import kinks
from autograd_ref.recording.adjoints.gathered import Adjoint, Gathered
from autograd_ref.recording.adjoints.steps import Jumps, jumps_of
from autograd_ref.recording.adjoints.transposed import linear
from autograd_ref.recording.record import Recording
from autograd_ref.recording.replay import replay
from autograd_ref.recording.tape import Given, Tape, Value

__all__ = ["Adjoint", "Adjoints", "adjoints"]


class Contributions(Mapping[tuple[Value, int], Adjoint]):
    """The contribution of each use of a value to its adjoint.

    For reads from a memory and writes to it, this is as large as the memory, and computed lazily.
    """

    def __init__(self, of: Gathered):
        self._of = of
        self._found: dict[tuple[Value, int], Adjoint | None] = {}

    def __getitem__(self, use: tuple[Value, int]) -> Adjoint:
        found = self._found[use]
        if found is not None:
            return found
        value, position = use
        adjoint = self._of[value]
        (centre,) = linear(value, [], (position,), adjoint.centre)
        (slack,) = [None] if adjoint.slack is None else linear(value, [], (position,), adjoint.slack)
        return Adjoint(centre, slack)

    def __iter__(self) -> Iterator[tuple[Value, int]]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def note(self, value: Value, position: int, part: Adjoint | None) -> None:
        """Keep a contribution; None for one that is computed lazily."""
        self._found[value, position] = part


class Adjoints(NamedTuple):
    """The derivatives of one loss.

    Attributes:
        loss: the value on the tape.
        arrays: the array of every value in float64, by number: the exact replay.
        of: the adjoint of every floating value that the loss depends on.
        contributions: the contribution of each use of such a value, by the value that used it and the
            position among its inputs.
        ties: the values whose derivative is not one number.
        forward: all values that the loss depends on, including constants and integers.
        active: the ones that are floating and depend on something that can be moved.
        jumps: the result of `steps.jumps_of`.
    """

    loss: Value
    arrays: Sequence[np.ndarray]
    of: Gathered
    contributions: Contributions
    ties: list[Value]
    forward: set[Value]
    active: set[Value]
    jumps: Jumps

    def is_forward(self, value: Value) -> bool:
        """Whether the loss depends on a value; others belong to the backward part, or to neither."""
        return value in self.forward

    def chosen(self, value: Value) -> tuple[int, ...]:
        """Return the inputs to which the adjoint of a value is passed on."""
        return tuple([i for i, each in enumerate(value.inputs) if each in self.active])


def ancestors(value: Value) -> set[Value]:
    """Return a value and everything it was computed from."""
    found = {value}
    waiting = [value]
    while waiting:
        for each in waiting.pop().inputs:
            if each not in found:
                found.add(each)
                waiting.append(each)
    return found


def adjoints(
    recording: Recording, loss: Value, arrays: Sequence[np.ndarray] | None = None, held: Value | None = None
) -> Adjoints:
    """Differentiate a recording.

    Args:
        recording: the recording of any call.
        loss: a floating value with one entry on its tape, from `Recording.value`.
        arrays: an exact replay, if there is one already.
        held: a value to hold constant, as if it did not depend on anything.

    Returns:
        All adjoints.

    Raises:
        ValueError: the loss has more than one entry or is not real.
    """
    if loss.dtype.kind != "f" or int(np.prod(loss.shape)) != 1:
        raise ValueError(f"a loss is one real number; this is {loss.dtype} of shape {loss.shape}")
    tape = recording.tape
    exact = replay(tape, anew=False) if arrays is None else arrays
    forward = ancestors(loss)
    active = _active(tape, forward) - {held}
    of = Gathered()
    of.add(loss, Adjoint(np.ones(loss.shape), None))
    jumps = jumps_of(tape, exact, active)
    found = Adjoints(loss, exact, of, Contributions(of), [], forward, active, jumps)
    with kernels.in_double(), np.errstate(all="ignore"):
        for value in reversed(tape.values[: loss.number + 1]):
            if value in active and value in of:
                of.complete(value)
                _pull_back(value, found)
    return found


def _active(tape: Tape, forward: set[Value]) -> set[Value]:
    """Return the floating values of the forward part that depend on something that can be moved."""
    active: set[Value] = set()
    for value in tape.values:
        if value not in forward or not value.is_floating:
            continue
        operation = value.operation
        if (isinstance(operation, Given) and not operation.is_number) or any(
            each in active for each in value.inputs
        ):
            active.add(value)
    return active


def _pull_back(value: Value, found: Adjoints) -> None:
    """Pass the adjoint of a value on to the values it was computed from."""
    chosen = found.chosen(value)
    if not chosen:
        return
    if found.of.pass_on(value, chosen):
        for i in chosen:
            found.contributions.note(value, i, None)
        return
    inputs = [found.arrays[each.number] for each in value.inputs]
    adjoint = found.of[value]
    contributions = kinks.contributions(value, inputs, chosen, found.jumps, (adjoint.centre, adjoint.slack))
    if contributions is not None:
        found.ties.append(value)
    else:
        centres = linear(value, inputs, chosen, adjoint.centre)
        slacks: list[np.ndarray | None] = [None] * len(chosen)
        if adjoint.slack is not None:
            slacks = list(kinks.spread(value, inputs, chosen, adjoint.slack, linear))
        contributions = list(zip(centres, slacks, strict=True))
    for i, (centre, slack) in zip(chosen, contributions, strict=True):
        if value.inputs[i].dtype.kind == "f":
            centre = np.real(centre)
        part = Adjoint(np.asarray(centre), np.asarray(slack) if slack is not None and slack.any() else None)
        found.contributions.note(value, i, part)
        found.of.add(value.inputs[i], part)
