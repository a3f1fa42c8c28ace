"""Sentences about the pattern of an error, tested at every point before they are printed."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from autograd_ref.arithmetic.finite_differences import line_difference
from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.crosscheck.error_pattern import describe
from autograd_ref.crosscheck.function.hand import Hand
from autograd_ref.crosscheck.function.judging import AtPoint
from autograd_ref.crosscheck.function.pytrees import copy_arrays, parameter_leaves
from autograd_ref.crosscheck.quantity import Quantity

__all__ = ["describe_everywhere", "describe_losses"]

NUMBER = re.compile(r"-?\d+\.?\d*(e[+-]?\d+)?")


def describe_everywhere(name: str, found: Sequence[AtPoint], i: int) -> list[str]:
    """Describe the pattern of a gradient's error, if it is the same at every point with an error.

    Args:
        name: name of the gradient.
        found: the results at every point.
        i: the number of the parameter.

    Returns:
        One sentence, or none.
    """
    said = []
    for each in found:
        hand, right = each.answer.grads[i], each.gradients[i]
        parameter = parameter_leaves(each.point.params)[i].value
        if hand.shape != right.value.shape:
            said.append(describe(name, hand, right.value, parameter))
            continue
        allowed = np.asarray(right.bound.radius + 2 * right.bound.slack)
        if not np.isfinite(right.value).all() or not np.any(right.bound.excess(hand) > right.bound.radius):
            continue
        said.append(describe(name, *map(np.atleast_1d, (hand, right.value, parameter, allowed))))
    if not said or None in said or len({_rounded(str(text)) for text in said}) > 1:
        return []
    # A single number is always some multiple of the right one.
    if found[0].gradients[i].value.size == 1 and len(said) == 1 and found[0].answer.grads[i].any():
        return []
    return [str(said[0])]


def _rounded(text: str) -> str:
    return NUMBER.sub(lambda match: f"{float(match.group()):.4g}", text)


def describe_losses(
    hand: Hand, found: Sequence[AtPoint], quantities: Mapping[str, Quantity], names: Sequence[str]
) -> list[str]:
    """If the losses differ, say whether the hand gradient belongs to the hand's own loss.

    Args:
        hand: the hand's function, to call in float64.
        found: the results at every point.
        quantities: the judged quantities, by name.
        names: names of the gradients.

    Returns:
        Sentences.
    """
    said = []
    losses = [
        (float(each.answer.loss), float(each.loss.value)) for each in found if each.answer.loss is not None
    ]
    ratios = [one / other for one, other in losses if other and np.isfinite([one, other]).all()]
    if (
        1 < len(ratios) == len(losses)
        and np.ptp(ratios) < 1e-4 * abs(ratios[0])
        and abs(ratios[0] - 1) > 1e-4
    ):
        said.append(f"loss is {float(ratios[0]):.6g} times the right one.")
    first = found[0]
    compared = 0
    for i, name in enumerate(names):
        quantity = quantities[name]
        if quantity.mismatch is not None or (not quantity.shape and first.answer.grads[i].size != 1):
            continue
        given, index = first.answer.grads[i], quantity.index
        if not given.size:
            continue
        try:
            scale = max(1.0, abs(float(parameter_leaves(first.point.params)[i].value[index])))
            own = line_difference(partial(_own_loss, hand, first, i, index), scale)
        except Exception:
            return [
                *said,
                "The losses differ; the hand's own loss cannot be computed in float64 to test its gradient.",
            ]
        if own is None:
            continue
        compared += 1
        radius = np.broadcast_to(first.gradients[i].bound.radius, given.shape)[index]
        near = 8 * own.error + radius + 16 * unit_roundoff(hand.dtype) * abs(own.value)
        if not abs(given[index] - own.value) <= near:
            at = f"{name}[{', '.join(map(str, index))}]"
            return [
                *said,
                "The losses differ, and the hand gradient does not belong to the hand's own loss either: "
                f"{at} is {given[index]:.9g} by hand, {own.value:.9g} by finite difference.",
            ]
    if not compared:
        return said
    entries = "one entry" if compared == 1 else f"one entry of {compared} gradients"
    return [
        *said,
        f"The losses differ; in {entries} the hand gradient agrees with finite differences of the hand's own "
        "loss, so look at the loss first.",
    ]


def _own_loss(hand: Hand, first: AtPoint, i: int, index: tuple[int, ...], t: float) -> float:
    """Return the hand's own loss in float64, with one entry of one parameter moved."""
    params, args = copy_arrays((first.point.params, first.point.args), np.float64)
    leaves: list[Any] = [leaf.value for leaf in parameter_leaves(params)]
    leaves[i][index] += t
    result = hand.call(params, args, np.float64)
    return float(np.asarray(result[0], np.float64).reshape(()))
