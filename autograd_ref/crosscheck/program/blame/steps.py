"""Find the adjoint that makes all gradients right in place of an expression's value."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from autograd_ref.crosscheck.program.blame.evidence import last_name
from autograd_ref.crosscheck.program.blame.known import Known
from autograd_ref.crosscheck.program.blame.regions import Region, Trust
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.blame.trial import NEAR, Change, Trial, computed
from autograd_ref.crosscheck.program.blame.words import name_of, target_of
from autograd_ref.crosscheck.program.paths import cores
from autograd_ref.recording import Value
from autograd_ref.recording.tape import Read

__all__ = ["Wanted", "wanted_values"]


@dataclass(frozen=True)
class Wanted:
    """A value that would make all gradients right.

    Attributes:
        value: the value that it replaces.
        of: the forward value whose adjoint it is.
        users: the values that must use it in place of a value that is right elsewhere; empty for all.
        is_multiple: whether the value itself, without its factor, makes all gradients right.
    """

    value: Value
    of: Value
    users: tuple[Value, ...] = ()
    is_multiple: bool = False


def wanted_values(
    regions: Sequence[Region], tapes: Tapes, known: Known, trust: Trust, trial: Trial, until: float
) -> Iterator[Wanted]:
    """Try adjoints in place of values that may be wrong, and of right ones that these use."""
    by_shape: dict[tuple[int, ...], list[Value]] = {}
    for each in tapes.points[0].run.found.of:
        if each.shape and each.is_floating:
            by_shape.setdefault(each.shape, []).append(each)
    suspects = {value for region in regions for value in region.suspects}
    frontier = {value for region in regions for some in region.frontier.values() for value in some}
    # A right array that two statements read, one of them transposed, is one value that both use wrongly.
    reads = {each for each in frontier if isinstance(each.operation, Read)}
    frontier |= {each.inputs[0] for each in reads if tapes.is_backward(each.inputs[0])}
    numbers = {each.number for each in suspects | reads}
    outputs = {each.value for each in tapes.outputs}
    for value in sorted(suspects | frontier, key=lambda each: each.number):
        if time.thread_time() > until:
            return
        if value in outputs or value in tapes.forward:
            continue
        users = tuple(each for each in tapes.uses.get(value.number, ()) if each.number in numbers)
        is_right = value not in suspects
        own = {each.of for each in known.of(value) if each.is_exact and each.kind == "adjoint"}
        part = next((each for each in known.of(value) if each.kind != "adjoint" and not each.is_exact), None)
        if not is_right and part is not None and abs(part.factor - 1) > 1e-7:
            factor = part.factor

            def unscaled(
                value: Value, inputs: list[np.ndarray], _: int, factor: float = factor
            ) -> np.ndarray:
                return computed(value, value.operation, inputs) / factor

            if trial.makes_all_right({value.number: unscaled}):
                yield Wanted(value, part.of, is_multiple=True)
                continue
        seen: list[np.ndarray] = []
        meant = cores(last_name(target_of(value) or ""))
        named = {of: last_name(name_of(of, tapes) or "") for of in by_shape.get(value.shape, ())}
        for of in sorted(named, key=lambda each: (named[each] not in meant, not named[each])):
            right = known.adjoint(of)
            if of in own or right is None or any(np.array_equal(right[0], each) for each in seen):
                continue
            seen.append(right[0])
            changes = _changes(value, right, users if is_right else ())
            residual = trial.residual(changes, 0)
            if residual is not None and (np.abs(residual) <= NEAR).all() and trial.makes_all_right(changes):
                yield Wanted(value, of, users if is_right else ())
                break


def _changes(value: Value, right: list[np.ndarray], users: tuple[Value, ...]) -> dict[int, Change]:
    if not users:
        return {value.number: lambda _, __, point: right[point]}

    def change(user: Value, inputs: list[np.ndarray], point: int) -> np.ndarray:
        new = [
            right[point] if source is value else each
            for source, each in zip(user.inputs, inputs, strict=True)
        ]
        return computed(user, user.operation, new)

    return {each.number: change for each in users}
