"""All of a loss's adjoints with rounding errors in every operation, forward and back, several draws at once.

Each operation makes the errors of the dtype in which NumPy computed it: its result going forward, its
contributions and their sums going back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.recording.adjoints import Adjoints
from autograd_ref.recording.adjoints.reverse import active_values, ancestors
from autograd_ref.recording.adjoints.steps import Jumps, jumps_of
from autograd_ref.recording.bounds import disturbed
from autograd_ref.recording.bounds.backward import Backward
from autograd_ref.recording.bounds.disturbed import Errors, Kind, Stack
from autograd_ref.recording.bounds.forward import Forward, Sizes, is_finer, precision_of
from autograd_ref.recording.kernels import SMALL, in_double
from autograd_ref.recording.tape import Compute, Given, Tape, Value

__all__ = ["Plan", "draw", "plan"]


class Plan(NamedTuple):
    """What is to be drawn.

    Attributes:
        found: the exact adjoints of one loss.
        needed: the floating values that the loss or a value in ``by_hand`` was made from, in their order.
        active: those that have an adjoint.
        wanted: whose adjoints are asked for.
        by_hand: what is asked for itself.
        jumps: what `steps.jumps_of` gives.
        held: the dtype of the errors in what was given: the finest that any operation computed with it.
    """

    found: Adjoints
    needed: list[Value]
    active: set[Value]
    wanted: set[Value]
    by_hand: set[Value]
    jumps: Jumps
    held: dict[Value, np.dtype[Any]]


def plan(tape: Tape, found: Adjoints, wanted: Iterable[Value], by_hand: Iterable[Value]) -> Plan:
    """Find out once what every pass has to know."""
    hands = set(by_hand)
    used = found.forward.union(*map(ancestors, hands))
    needed = [value for value in tape.values if value in used and value.is_floating]
    active = active_values(tape, found.forward)
    jumps = jumps_of(tape, found.arrays, active) if found.ties else {}
    held: dict[Value, np.dtype[Any]] = {}
    for value in reversed(needed):
        user = precision_of(value) if isinstance(value.operation, Compute) else held.get(value)
        for each in value.inputs:
            if each.is_floating and user is not None:
                before = held.get(each, precision_of(each))
                held[each] = user if is_finer(user, before) else before
    return Plan(found, needed, active, set(wanted), hands, jumps, held)


def draw(plan: Plan, errors: Errors, sizes: Sizes) -> tuple[dict[Value, Stack], dict[Value, Stack]]:
    """Draw the adjoints that are wanted, and the values by hand.

    Args:
        plan: which they are.
        errors: to draw from.
        sizes: for each needed value, of the errors of its operation in each draw (draws,), in honest ones.

    Returns:
        Both (draws, *shape); one into which no error comes is missing.
    """
    with in_double(), np.errstate(all="ignore"):
        forward = Forward(plan.found.arrays, plan.held, errors, sizes)
        backward = Backward(plan.found, forward, plan.active, plan.jumps)
        disturbed.compile_all(_kinds(plan, forward, backward), errors.draws)
        for value in plan.needed:
            forward.compute(value)
        hands = {value: forward[value] for value in plan.by_hand}
        for value in reversed(plan.needed):
            backward.go(value, keep=value in plan.wanted)
            forward.forget(value)
        return backward.stacks, {value: stack for value, stack in hands.items() if stack is not None}


def _kinds(plan: Plan, forward: Forward, backward: Backward) -> list[Kind]:
    """What will be called, as far as it can be foreseen: one of each function and its arguments' shapes."""
    kinds: dict[Kind, None] = {}
    seen = set()
    moved: set[Value] = set()
    for value in plan.needed:
        operation = value.operation
        if isinstance(operation, Compute):
            moved.add(value)
            chosen = backward.chosen(value)
            shapes = tuple([(each.shape, each.dtype) for each in value.inputs])
            key = operation, chosen, value.dtype, shapes
            if key in seen or sum(math.prod(each.shape) for each in (value, *value.inputs)) > SMALL:
                continue
            seen.add(key)
            operands = forward.operands(value)
            drawn: list[Stack | None] = [
                exact if each in moved or own is not None else None
                for each, exact, own in zip(value.inputs, operands.exact, operands.drawn, strict=True)
            ]
            operands = operands._replace(drawn=drawn)
            kinds[disturbed.kind_of(value, operands)] = None
            if chosen and value in plan.active:
                result = np.asarray(plan.found.arrays[value.number])
                back = operands._replace(
                    exact=[*operands.exact, result],
                    drawn=[*operands.drawn, result],
                    notes=[*operands.notes, None],
                )
                kinds[disturbed.kind_of(value, back, chosen)] = None
        elif isinstance(operation, Given):
            if operation.path is not None:
                moved.add(value)
        elif any(each in moved for each in value.inputs):
            moved.add(value)
    return list(kinds)
