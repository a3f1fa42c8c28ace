"""Gradients that rounding in float32 may hide, but does not: float64 decides.

A sum such as −1e4 + 0.3 is rounded to a small part of what depends on it, but many times as much is granted.
A call of hand in float64 settles whether its formula is right; the call in float32 must then come close to
the right value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from autograd_ref.crosscheck.function.judging import NONLINEAR, AtPoint, is_near, sizes
from autograd_ref.crosscheck.quantity import Quantity

__all__ = ["decided_in_float64"]


def decided_in_float64(
    found: Sequence[AtPoint],
    unjudged: Mapping[int, Quantity],
    in_float64: Mapping[str, Quantity],
) -> dict[int, Quantity]:
    """The verdicts that float64 gives of gradients that were not judged in float32.

    Args:
        found: at every point, in float32.
        unjudged: what could not be judged, by the number of the parameter.
        in_float64: what was said of the same call in float64 at the same points, by name.

    Returns:
        By the number of the parameter. Right, where float64 says so and no entry in float32 is off by half of
        what may be hidden, at any point. Wrong, where float64 says so, an entry is off by more, and what is
        granted to rounding in float32 is small.
    """
    decided = {}
    for i, quantity in unjudged.items():
        finer = in_float64.get(quantity.name)
        if finer is None or finer.ok is None or any(each.lowest != np.float64 for each in found):
            continue
        near = all(
            each.by_hand[i].shape == each.gradients[i].value.shape
            and is_near(each.by_hand[i], each.gradients[i].value)
            for each in found
        )
        if finer.ok and near:
            decided[i] = replace(quantity, ok=True, seen=finer.seen, reason=None)
        elif not finer.ok and not near and all(_is_small(each, i) for each in found):
            decided[i] = finer
    return decided


def _is_small(each: AtPoint, i: int) -> bool:
    """Whether what is granted to rounding is of first order."""
    right = each.gradients[i]
    finite = np.isfinite(right.value)
    radius = np.broadcast_to(right.bound.radius, right.value.shape)
    return bool(np.all(radius[finite] <= NONLINEAR * sizes(right.value)[finite]))
