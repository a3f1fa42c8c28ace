"""Tell variables that have the name of a gradient by chance."""

from collections.abc import Iterable

import numpy as np

from autograd_ref.crosscheck.program.assigned.gradients import Candidate
from autograd_ref.crosscheck.program.assigned.moved import is_moved
from autograd_ref.crosscheck.program.views import adjoint_by
from autograd_ref.recording import Leaf
from autograd_ref.recording.adjoints import Adjoints

__all__ = ["is_named_by_chance", "is_variable"]

# The largest distance from an adjoint, relative to its largest entry.
NEAR = 1e-4


def is_variable(each: Candidate) -> bool:
    """Whether an array is a variable of the program's function, neither returned nor stored."""
    return not each.is_returned and each.path.startswith("return[")


def is_named_by_chance(each: Candidate, leaf: Leaf, found: Adjoints, others: Iterable[Candidate]) -> bool:
    """Whether a variable of the program is not the gradient that its name says.

    In ``za = layer(a); …; da = …``, ``da`` is the adjoint of ``za``. Only variables are excused, not what
    is returned or stored, and only for arrays that the program does not move: these are data.

    Args:
        each: the variable.
        leaf: the array in its name.
        found: the adjoints.
        others: all possible gradients, with what the program moves.
    """
    if not is_variable(each):
        return False
    if each.array.shape != leaf.array.shape:
        return True
    if any(is_moved(other.value, leaf.value) for other in others if other.array.shape == leaf.array.shape):
        return False
    right = adjoint_by(found, leaf)
    if right is None or _is_near(each.array, right):
        return False
    return any(
        value.inputs and value.shape == each.array.shape and _is_near(each.array, found.of[value].centre)
        for value in found.of
    )


def _is_near(array: np.ndarray, right: np.ndarray) -> bool:
    size = float(np.abs(right).max(initial=0.0))
    return size > 0 and bool((np.abs(array - right) <= NEAR * size).all())
