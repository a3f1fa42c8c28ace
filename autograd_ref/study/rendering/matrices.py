"""Numbers and matrices, with columns aligned by their decimal points."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["DIGITS", "cells", "number", "short"]

DIGITS = 4


def number(value: float, digits: int = DIGITS) -> str:
    """Return a rounded number without trailing zeros and with a real minus sign."""
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text.replace("-", "−")


def short(value: float) -> str:
    """Return a number with three digits, for a box of the picture."""
    return number(value, 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0)


class Cell(NamedTuple):
    """The text of an entry, the padding after it that aligns the decimal points, and whether it is wrong."""

    text: str
    pad: str
    wrong: bool


def cells(values: ArrayLike, right: ArrayLike | None = None) -> list[list[Cell]]:
    """Return the rows of a matrix, of a vector as a row, or of a scalar; ``right`` has the right values."""
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
    """Return the padding after each number of a column, in place of the point and missing digits."""
    tails = [text[text.index(".") :] if "." in text else "" for text in column]
    longest = max(map(len, tails))
    return [
        "." * (not tail and longest > 0) + "0" * (longest - max(len(tail), 1)) if longest else ""
        for tail in tails
    ]
