"""One quantity by hand, compared with the automatic one entry by entry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_ref.arithmetic.finite_differences import FiniteDifference
from autograd_ref.arithmetic.rounding import Bound

__all__ = ["SEEN", "SEEN_SHARE", "Quantity", "judge", "root_mean_square", "seen_entries"]

# The median entry is searched among at most this number of entries, evenly spread.
MOST_FOR_MEDIAN = 100_000

# An entry is seen if the rounding granted to it is below this part of the larger of its right value and the
# root mean square of all; a gradient is right only if this share of its entries is seen.
SEEN, SEEN_SHARE = 0.01, 0.99


@dataclass(frozen=True)
class Quantity:
    """One quantity by hand and automatically, at the point where it is worst.

    Attributes:
        name: as in `QUANTITIES`, or ``d`` and the parameter's path.
        shape: its right shape.
        ok: whether it is right; None if it could not be judged.
        max_abs: the largest error.
        max_rel: the largest error over the largest automatic entry.
        bound_units: the largest ratio of an entry's error to its bound; right up to 1.
        resolution: the smallest relative error in an entry of median size that would have been caught.
        index: the entry with the largest ratio.
        hand: the value by hand there.
        automatic: the value by automatic differentiation there.
        finite_difference: the value by a central difference there; None if there is none.
        odd_one_out: "hand" or "automatic", if they differ and the finite difference confirms the other;
            "both", if they agree and it contradicts them.
        mismatch: a sentence, if the quantity could not be compared entry by entry.
        seen: the share of its entries that are seen, at the point where most are.
        reason: a sentence, if it could not be judged.
        point: the number of the point where it is worst; 0 is the first.
        of: the array of the gradient, as written in the code of a recorded call.
        source: the place in a recorded call where it was found; "from" in JSON.
    """

    name: str
    shape: tuple[int, ...]
    ok: bool | None
    max_abs: float
    max_rel: float
    bound_units: float
    resolution: float
    index: tuple[int, ...]
    hand: float
    automatic: float
    finite_difference: float | None = None
    odd_one_out: str | None = None
    mismatch: str | None = None
    seen: float = 1.0
    reason: str | None = None
    point: int = 0
    of: str | None = None
    source: str | None = None

    def __str__(self) -> str:
        """Return one line that says what is wrong, or that nothing is."""
        if self.ok is None:
            return f"{self.name} is not judged: {self.reason}"
        if self.ok:
            return f"{self.name} is right."
        if self.mismatch is not None:
            return f"{self.name} {self.mismatch}"
        at = f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name
        difference = self.finite_difference
        witness = "" if difference is None else f", finite difference {difference:.9g}"
        values = f"{at}: by hand {self.hand:.9g}, automatic {self.automatic:.9g}{witness}"
        if self.odd_one_out == "both":
            return f"{values}: hand and automatic agree, and the values of the loss contradict both"
        return f"{values}: {self.bound_units:.3g} times what rounding allows"


def judge(
    name: str,
    hand: Any,
    automatic: np.ndarray,
    bound: Bound,
    difference: Callable[[str, tuple[int, ...]], FiniteDifference | None],
    joint: np.ndarray | None = None,
) -> Quantity:
    """Judge one quantity at one point, entry by entry.

    Args:
        name: name of the quantity.
        hand: the value by hand.
        automatic: the value by automatic differentiation, in float64.
        bound: the bound.
        difference: returns a central difference at an index.
        joint: ratios of error to bound of the entries together; see `function.judging`.

    Returns:
        The verdict. An entry that is not finite on either side is a consequence of an earlier one, and counts
        as right.
    """
    hand = np.asarray(hand, np.float64)
    nan = float("nan")
    if hand.shape != automatic.shape:
        message = f"must have shape {automatic.shape}, not {hand.shape}"
        return Quantity(name, automatic.shape, False, nan, nan, nan, nan, (), nan, nan, mismatch=message)
    if not hand.size:
        return Quantity(name, hand.shape, True, 0.0, 0.0, 0.0, float("inf"), (), nan, nan)
    radius = np.broadcast_to(bound.radius, hand.shape)
    error = np.broadcast_to(bound.excess(hand), hand.shape)
    neither = ~np.isfinite(hand) & ~np.isfinite(automatic)
    with np.errstate(invalid="ignore"):
        units = np.where(neither, 0, error / radius)
    units = np.where(np.isnan(units), np.inf, units)
    if joint is not None:
        units = np.maximum(units, joint)
    index = tuple(int(i) for i in np.unravel_index(units.argmax(), units.shape))
    worst = float(units[index])
    finite = error[np.isfinite(error) | neither]
    largest = float(np.nan_to_num(finite).max(initial=0.0)) if finite.size == error.size else float("inf")
    scale = float(np.max(np.abs(automatic), initial=0.0, where=np.isfinite(automatic)))
    witness = difference(name, index)
    ok = worst <= 1
    at_fault = None if ok or witness is None else _odd_one_out(hand[index], automatic[index], witness)
    seen = seen_entries(automatic, radius)
    return Quantity(
        name=name,
        shape=hand.shape,
        ok=ok,
        max_abs=largest,
        max_rel=largest / scale if scale else (0.0 if largest == 0 else float("inf")),
        bound_units=worst,
        resolution=_resolution(automatic, radius),
        index=index,
        hand=float(hand[index]),
        automatic=float(automatic[index]),
        finite_difference=None if witness is None else witness.value,
        odd_one_out=at_fault,
        seen=float(seen.mean()),
    )


def seen_entries(automatic: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Return the entries that are seen: the rounding granted to them cannot hide a relevant error.

    Args:
        automatic: the right values; entries that are not finite are not seen.
        radius: the rounding granted.

    Returns:
        True or False for each entry.
    """
    finite = np.isfinite(automatic)
    size = np.abs(np.where(finite, automatic, 0.0))
    return np.asarray(finite & (radius < SEEN * np.maximum(size, root_mean_square(automatic))))


def root_mean_square(array: np.ndarray) -> float:
    """Return the root mean square of the finite entries; 0 if there are none."""
    finite = np.isfinite(array)
    largest = float(np.max(np.abs(array), initial=0.0, where=finite))
    if not largest:
        return 0.0
    scaled = np.divide(array, largest, where=finite, out=np.zeros_like(array, np.float64))
    return largest * float(np.sqrt(np.mean(scaled**2, where=finite)))


def _resolution(automatic: np.ndarray, radius: np.ndarray) -> float:
    """Return the relative size of the bound at the entry of median size, among non-zero entries."""
    step = max(1, automatic.size // MOST_FOR_MEDIAN)
    size = np.abs(automatic.ravel()[::step])
    size = np.where(np.isfinite(size), size, 0.0)
    nonzero = np.flatnonzero(size)
    if not nonzero.size:
        return float("inf")
    middle = nonzero.size // 2
    median = nonzero[np.argpartition(size[nonzero], middle)[middle]]
    return float(radius.ravel()[::step][median] / size[median])


def _odd_one_out(hand: float, automatic: float, witness: FiniteDifference) -> str | None:
    backs_hand = abs(hand - witness.value) <= witness.error
    backs_automatic = abs(automatic - witness.value) <= witness.error
    if backs_hand == backs_automatic:
        return None  # too coarse to decide, or different from both
    return "automatic" if backs_hand else "hand"
