"""A term left out of a sum: the penalty, a second branch, what the next time step carries back."""

from collections.abc import Iterator

import numpy as np

from autograd_ref.crosscheck.program.repair.edits.factors import scalars
from autograd_ref.crosscheck.program.repair.site import SUM, Edit, Site, shape_of

__all__ = ["terms"]

_MULTIPLES = ("", "2 * ", "4 * ", "0.5 * ")


def terms(site: Site) -> Iterator[Edit]:
    """A value plus an array of its shape, alone or times a number in scope."""
    for each in site.values:
        value = site.value(each.node)
        if not isinstance(value, np.ndarray | np.floating | float):
            continue
        text = site.text(each.node, SUM)
        for sign in "+-":
            for term, multiple in _addends(site, np.shape(value), text):
                new = f"{text} {sign} {multiple}{term}"
                yield Edit((site.replaced(each, new, SUM),), f"the term {multiple}{term} was missing", 4, wide=True)


def _addends(site: Site, shape: tuple[int, ...], text: str) -> Iterator[tuple[str, str]]:
    known = [
        term
        for term, array in site.terms.items()
        if isinstance(array, np.ndarray | float) and shape_of(array) == shape and term != text
    ]
    numbers = [factor for _, factor in scalars(site)[2:]]
    for term in known:
        yield term, ""
    for term in known:
        for number in numbers:
            for multiple in _MULTIPLES:
                yield term, f"{multiple}{number} * "
