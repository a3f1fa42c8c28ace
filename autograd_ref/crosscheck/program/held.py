"""Gradients that differ from the loss on purpose: its target is held constant, or they are clipped.

In Q-learning the target is made by the network that is trained, and no gradient flows into it. That is not
the gradient of the loss that the program computes, and not a mistake either.
"""

import ast
import re
from collections.abc import Iterator

import numpy as np

from autograd_ref.crosscheck.program.blame.source import excerpt
from autograd_ref.crosscheck.program.point import RecordedPoint
from autograd_ref.crosscheck.program.views import adjoint_by
from autograd_ref.recording import Place, Value, adjoints
from autograd_ref.recording.adjoints.reverse import ancestors
from autograd_ref.recording.tape import Compute

__all__ = ["clipped", "held_target"]

# The largest distance of a gradient from the one with a constant target.
NEAR = 1e-4
_TARGET = re.compile(r"target|^y_?\w*$|^td|expected|label|next", re.IGNORECASE)


def held_target(point: RecordedPoint) -> str | None:
    """Return a sentence if all gradients are right with a target held constant, or else None.

    Args:
        point: a point at which a gradient is wrong.
    """
    run = point.run
    leaves = [run.leaf(pair.leaf) for pair in point.pairs]
    for target, name, place in _targets(point):
        found = adjoints(run.recording, run.loss.value, run.found.arrays, held=target)
        rights = [adjoint_by(found, leaf) for leaf in leaves]
        if all(map(_equal, rights, [adjoint_by(run.found, leaf) for leaf in leaves])):
            continue  # it does not depend on the parameters
        factors = [_factor(hand, right) for hand, right in zip(point.by_hand, rights, strict=True)]
        steps = [each for each, pair in zip(factors, point.pairs, strict=True) if pair.is_change]
        wanted = [steps[0] if pair.is_change else 1.0 for pair in point.pairs]
        if all(abs(each - one) <= NEAR * abs(one) for each, one in zip(factors, wanted, strict=True)):
            return (
                f"the gradients are right if {name} (line {place.line}) is held constant, but it depends on "
                "the parameters, too: if it is meant as a constant, let the call take it as an argument"
            )
    return None


def clipped(point: RecordedPoint) -> str | None:
    """Return a sentence if gradients are right but for being clipped, by entry or by norm, or else None.

    Args:
        point: a point at which a gradient is wrong.
    """
    run = point.run
    rights = [adjoint_by(run.found, run.leaf(pair.leaf)) for pair in point.pairs]
    ends = [run.gradient(pair)[1] for pair in point.pairs]
    made = {each for end in ends if end is not None for each in ancestors(end) - run.found.forward}
    names = {(each.operation.name, each.shape) for each in made if isinstance(each.operation, Compute)}
    if ("sqrt", ()) in names or ("norm", ()) in names:
        factors = [_factor(hand, right) for hand, right in zip(point.by_hand, rights, strict=True)]
        if max(factors) < 1 and max(factors) - min(factors) <= NEAR * max(factors):
            return _CLIPPED.format(f"{factors[0]:.3g} times the right ones")
    if {name for name, _ in names} & {"clip", "minimum", "maximum"} and all(
        map(_is_limited, point.by_hand, rights)
    ):
        return _CLIPPED.format("the right ones, with limits")
    return None


_CLIPPED = "the gradients are {}, which look clipped: judge the function that computes them, or clip copies"


def _is_limited(hand: np.ndarray, right: np.ndarray | None) -> bool:
    """Whether entries are right, or at a limit that the right ones exceed."""
    if right is None or hand.shape != right.shape or not hand.size:
        return False
    sizes = np.abs(hand)
    limit = sizes.max()
    is_within = (sizes > 0) & (sizes < (1 - NEAR) * limit)
    return bool(is_within.any() and (np.abs(hand - np.clip(right, -limit, limit)) <= NEAR * limit).all())


def _targets(point: RecordedPoint) -> Iterator[tuple[Value, str, Place]]:
    """Yield what is subtracted from an output, or from which it is, by a name that says target."""
    found = point.run.found
    for value in found.of:
        if not (isinstance(value.operation, Compute) and value.operation.name == "subtract" and value.place):
            continue
        if not all(each in found.of for each in value.inputs):
            continue
        try:
            node = ast.parse(excerpt(value.place).strip(), mode="eval").body
        except SyntaxError:
            continue
        if isinstance(node, ast.BinOp):
            for side, operand in zip((node.left, node.right), value.inputs, strict=False):
                text = ast.unparse(side)
                if _TARGET.search(text.rpartition(".")[2]):
                    yield operand, text, value.place


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


def _factor(hand: np.ndarray, right: np.ndarray | None) -> float:
    """Return the positive factor by which a gradient is the right one; NaN if there is none."""
    if right is None or np.shape(hand) != right.shape or not right.any():
        return np.nan
    factor = float(np.vdot(right, hand) / np.vdot(right, right))
    is_multiple = (np.abs(hand - factor * right) <= NEAR * np.abs(hand).max(initial=0.0)).all()
    return factor if factor > 0 and is_multiple else np.nan
