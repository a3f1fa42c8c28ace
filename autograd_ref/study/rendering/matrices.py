"""Numbers and matrices, with columns aligned by their decimal points."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["DIGITS", "cells", "number", "short"]

DIGITS = 4


def number(value: float, digits: int = DIGITS) -> str:
    """A number for a reader who computes along: rounded, without trailing zeros, with a real minus."""
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text.replace("-", "−")


def short(value: float) -> str:
    """A number for a box of the picture, where there is room for three digits."""
    return number(value, 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0)


class Cell(NamedTuple):
    """An entry as it is shown, what it lacks behind it for the points to align, and whether it is wrong."""

    text: str
    pad: str
    wrong: bool


def cells(values: ArrayLike, right: ArrayLike | None = None) -> list[list[Cell]]:
    """Return the rows of a matrix, of a vector as a row, or of a scalar; ``right`` is what they should be."""
    rows = np.atleast_2d(np.asarray(values, float))
    wrong = np.zeros(rows.shape, bool)
    if right is not None:
        same_shape = np.shape(right) == np.shape(values)
        wrong = ~np.isclose(rows, right, rtol=0, atol=0.5 * 10.0**-DIGITS) if same_shape else ~wrong
    shown = [[number(x) for x in row] for row in rows]
    pads = zip(*map(_pads, zip(*shown, strict=True)), strict=True)
    together = zip(shown, pads, wrong.tolist(), strict=True)
    return [[Cell(*cell) for cell in zip(*row, strict=True)] for row in together]


def _pads(column: Sequence[str]) -> list[str]:
    """What each number of a column lacks behind it, point and digits."""
    tails = [text[text.index(".") :] if "." in text else "" for text in column]
    longest = max(map(len, tails))
    return [
        "." * (not tail and longest > 0) + "0" * (longest - max(len(tail), 1)) if longest else ""
        for tail in tails
    ]
