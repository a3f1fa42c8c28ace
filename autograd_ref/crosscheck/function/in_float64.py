"""Let float64 decide gradients that rounding in float32 might hide, but does not.

A sum such as −1e4 + 0.3 is rounded by a small part of everything that depends on it, but the bound allows
much more. A call of hand in float64 decides whether its formula is right; the call in float32 must then be
close to the right value.
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
    """Return the verdicts in float64 on gradients that were not judged in float32.

    Args:
        found: the results at every point, in float32.
        unjudged: quantities that could not be judged, by the number of the parameter.
        in_float64: verdicts on the same call in float64 at the same points, by name.

    Returns:
        Verdicts by the number of the parameter. Right, if right in float64 and if in float32 the error of
        every entry at every point is below half of what may be hidden. Wrong, if wrong in float64, if an
        entry has a larger error, and if the rounding allowed in float32 is small.
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
    """Whether the allowed rounding is small enough for a first-order bound."""
    right = each.gradients[i]
    finite = np.isfinite(right.value)
    radius = np.broadcast_to(right.bound.radius, right.value.shape)
    return bool(np.all(radius[finite] <= NONLINEAR * sizes(right.value)[finite]))
