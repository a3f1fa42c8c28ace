"""Numbers and matrices, with columns aligned by their decimal points."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike

__all__ = ["DIGITS", "matrix", "number", "short"]

DIGITS = 4


def number(value: float, digits: int = DIGITS) -> str:
    """A number for a reader who computes along: rounded, without trailing zeros, with a real minus."""
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text.replace("-", "−")


def short(value: float) -> str:
    """A number for a box of the picture, where there is room for three digits."""
    return number(value, 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0)


def matrix(
    values: ArrayLike, key: str | None = None, name: str | None = None, right: ArrayLike | None = None
) -> Markup:
    """Return a scalar, a vector as a row, or a matrix as a ``table``; the style sheet draws the brackets.

    Args:
        values: the entries, whose cells bear what is missing behind them for the points to align.
        key: that of `numbers.page_numbers`, under which the page's script computes them anew.
        name: the quantity's.
        right: what they should be; entries that are not are marked.
    """
    rows = np.atleast_2d(np.asarray(values, float))
    wrong = np.zeros(rows.shape, bool)
    if right is not None:
        same_shape = np.shape(right) == np.shape(values)
        wrong = ~np.isclose(rows, right, rtol=0, atol=0.5 * 10.0**-DIGITS) if same_shape else ~wrong
    shown = [[number(x) for x in row] for row in rows]
    pads = [_pads([row[j] for row in shown]) for j in range(rows.shape[1])]
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup('<td{} data-pad="{}">{}</td>').format(
                    Markup(' class="wrong"') if wrong[i, j] else "", pads[j][i], text
                )
                for j, text in enumerate(row)
            )
        )
        for i, row in enumerate(shown)
    )
    named = Markup(' data-key="{}"').format(key) if key else Markup("")
    named += Markup(' data-name="{}"').format(name) if name else Markup("")
    scalar = " scalar" if np.ndim(values) == 0 else ""
    return Markup('<table class="m{}"{}><tbody>{}</tbody></table>').format(scalar, named, body)


def _pads(column: Sequence[str]) -> list[str]:
    """What each number of a column lacks behind it, point and digits."""
    tails = [text[text.index(".") :] if "." in text else "" for text in column]
    longest = max(map(len, tails))
    return [
        "." * (not tail and longest > 0) + "0" * (longest - max(len(tail), 1)) if longest else ""
        for tail in tails
    ]
