"""Describe the pattern of an error that no known mistake explains."""

import numpy as np

from handgrad.trace import quantity_of

__all__ = ["CLOSE", "describe"]

# Two numbers count as equal here if they differ by less than this, relative to the largest: far above
# the rounding of float32, far below the effect of a mistake.
CLOSE = 1e-4


def describe(
    name: str,
    hand: np.ndarray,
    automatic: np.ndarray,
    parameter: np.ndarray | None = None,
    radius: np.ndarray | None = None,
) -> str | None:
    """Describe the pattern of an error in one sentence.

    Args:
        name: name of the gradient.
        hand: the gradient by hand.
        automatic: the right gradient.
        parameter: the parameter of the gradient, in the same shape.
        radius: the allowed rounding error of each entry; without it, errors up to a ten-thousandth of the
            largest entry are ignored.

    Returns:
        The sentence, or None if there is no simple pattern or no difference.
    """
    hand, automatic = np.asarray(hand, np.float64), np.asarray(automatic, np.float64)
    if hand.shape != automatic.shape:
        if hand.shape == automatic.T.shape and _close(hand.T, automatic):
            return f"{name} is transposed."
        return f"{name} has the shape {hand.shape} instead of {automatic.shape}."
    if not np.isfinite(hand).all():
        return f"{name} is not finite in {np.count_nonzero(~np.isfinite(hand))} of {hand.size} entries."
    error = hand - automatic
    scale = float(np.max(np.abs(automatic), initial=0.0))
    off = np.abs(error) > (CLOSE * scale if radius is None else radius)
    if not off.any():
        return None
    if not hand.any():
        return f"{name} is zero everywhere."
    ratio = _ratio(hand, automatic)
    if ratio is not None and abs(ratio - 1) > CLOSE:
        if abs(ratio + 1) < CLOSE:
            return f"{name} has the wrong sign."
        return f"{name} is {ratio:.9g} times the right one."
    if hand.ndim == 2 and hand.shape[0] == hand.shape[1] and _close(hand.T, automatic):
        return f"{name} is transposed."
    if parameter is not None:
        factor = _ratio(error, np.asarray(parameter, np.float64))
        if factor is not None:
            return f"{name} is off by {factor:.6g} times {quantity_of(name)}."
        beside = _off_by_parameter_in_part(name, error, off, np.asarray(parameter, np.float64))
        if beside is not None:
            return beside
    return _where(name, off)


def _off_by_parameter_in_part(
    name: str, error: np.ndarray, off: np.ndarray, parameter: np.ndarray
) -> str | None:
    """Describe an error that is a multiple of the parameter in all columns, or rows, but some."""
    if off.ndim != 2:
        return None
    for axis, kind in ((0, "column"), (1, "row")):
        lines = np.asarray(off.any(axis=axis))
        if lines.all() or lines.sum() < 2:
            continue
        inside = (slice(None), lines) if axis == 0 else (lines, slice(None))
        factor = _ratio(error[inside], parameter[inside])
        if factor is not None:
            return (
                f"{name} is off by {factor:.6g} times {quantity_of(name)} in every {kind} but"
                f"{_listed(~lines)}."
            )
    return None


def _where(name: str, off: np.ndarray) -> str | None:
    """Name the wrong rows, columns or entries, if they are few."""
    if off.all():
        return None
    count = int(off.sum())
    few = f"{name} is wrong in {count} of {off.size} entries, the first at {np.argwhere(off)[0].tolist()}."
    if off.ndim == 2 and count > 2:
        rows, columns = np.asarray(off.any(axis=1)), np.asarray(off.any(axis=0))
        if columns.sum() <= off.shape[1] // 2:
            return f"{name} is wrong only in column{_listed(columns)}."
        if rows.sum() <= off.shape[0] // 2:
            return f"{name} is wrong only in row{_listed(rows)}."
    if count <= off.size // 2:
        return few
    return None


def _listed(mask: np.ndarray) -> str:
    indices = np.flatnonzero(mask)
    shown = ", ".join(map(str, indices[:8])) + (", …" if len(indices) > 8 else "")
    return f" {shown}" if len(indices) == 1 else f"s {shown}"


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> float | None:
    """Return the factor between the two arrays, if there is one."""
    square = float(np.vdot(denominator, denominator))
    if square == 0:
        return None
    ratio = float(np.vdot(numerator, denominator)) / square
    return ratio if ratio != 0 and _close(numerator, ratio * denominator) else None


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.max(np.abs(one - other), initial=0.0) <= CLOSE * np.max(np.abs(one), initial=0.0))
