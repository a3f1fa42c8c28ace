"""All adjoints of a loss with rounding errors in every operation of both passes, several draws at once.

Each operation makes errors in the dtype in which NumPy computed it: in its result in the forward pass, in its
contributions and their sums in the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.recording.adjoints import Adjoints
from autograd_ref.recording.adjoints.reverse import ancestors
from autograd_ref.recording.bounds.backward import Backward
from autograd_ref.recording.bounds.disturbed import Errors, Stack
from autograd_ref.recording.bounds.forward import Forward, Sizes, is_finer, precision_of
from autograd_ref.recording.kernels import in_double
from autograd_ref.recording.tape import Compute, Tape, Value

__all__ = ["Plan", "draw", "plan"]


class Plan(NamedTuple):
    """The plan of the draws.

    Attributes:
        found: the exact adjoints of one loss.
        needed: the floating values from which the loss or a value in ``by_hand`` was computed, in order.
        wanted: the values whose adjoints are returned.
        leading: the wanted values, and the needed ones that depend on them; other adjoints are not drawn.
        by_hand: the values that are returned themselves.
        held: the dtype of errors in given values: the finest dtype in which an operation used the value.
    """

    found: Adjoints
    needed: list[Value]
    wanted: set[Value]
    leading: set[Value]
    by_hand: set[Value]
    held: dict[Value, np.dtype[Any]]


def plan(tape: Tape, found: Adjoints, wanted: Iterable[Value], by_hand: Iterable[Value]) -> Plan:
    """Collect what every pass needs."""
    hands = set(by_hand)
    used = found.forward.union(*map(ancestors, hands))
    needed = [value for value in tape.values if value in used and value.is_floating]
    held: dict[Value, np.dtype[Any]] = {}
    for value in reversed(needed):
        user = precision_of(value) if isinstance(value.operation, Compute) else held.get(value)
        for each in value.inputs:
            if each.is_floating and user is not None:
                before = held.get(each, precision_of(each))
                held[each] = user if is_finer(user, before) else before
    chosen = set(wanted)
    leading = set(chosen)
    for value in needed:
        if not leading.isdisjoint(value.inputs):
            leading.add(value)
    return Plan(found, needed, chosen, leading, hands, held)


def draw(plan: Plan, errors: Errors, sizes: Sizes) -> tuple[dict[Value, Stack], dict[Value, Stack]]:
    """Draw the wanted adjoints, and the values by hand.

    Args:
        plan: the plan.
        errors: source of the errors.
        sizes: for each needed value, the size of its operation's errors in each draw (draws,), in units of
            the model's error.

    Returns:
        Both (draws, *shape), without the ones that have no error.
    """
    with in_double(), np.errstate(all="ignore"):
        forward = Forward(plan.found.arrays, plan.held, errors, sizes)
        backward = Backward(plan.found, forward, plan.leading)
        for value in plan.needed:
            forward.compute(value)
        hands = {value: forward[value] for value in plan.by_hand}
        for value in reversed(plan.needed):
            backward.go(value, keep=value in plan.wanted)
            forward.forget(value)
        return backward.stacks, {value: stack for value, stack in hands.items() if stack is not None}
