"""A missing term of a sum: the penalty, a second branch, the adjoint from the next time step."""

import ast
from collections.abc import Iterator

import numpy as np

from autograd_ref.crosscheck.program.repair.edits.factors import scalars
from autograd_ref.crosscheck.program.repair.edits.products import products
from autograd_ref.crosscheck.program.repair.edits.slopes import arguments
from autograd_ref.crosscheck.program.repair.site import SUM, Edit, Site, shape_of

__all__ = ["terms"]

_MULTIPLES = ("", "2 * ", "4 * ", "0.5 * ")


def terms(site: Site) -> Iterator[Edit]:
    """Yield edits that add an array of a fitting shape to a value, alone or times a number in scope."""
    for each in (*site.values, *arguments(site)):
        value = site.value(each.node)
        if not isinstance(value, np.ndarray | np.floating | float):
            continue
        text = site.text(each.node, SUM)
        for term in _addends(site, np.shape(value), text):
            for sign in "+-":
                new = f"{text} {sign} {term}"
                yield Edit((site.replaced(each, new, SUM),), f"the term {term} was missing", 4, new)


def _addends(site: Site, shape: tuple[int, ...], text: str) -> Iterator[str]:
    written = {
        each.id
        for each in ast.walk(site.node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }
    known = [
        term
        for term, array in site.terms.items()
        if term != text and term not in written and _fits(array, shape)
    ]
    numbers = [factor for _, factor in scalars(site)[2:]]
    yield from known
    for term in known:
        for number in numbers:
            yield f"{term} / {number}"
            if not isinstance(site.terms[number], int):  # a count divides, a strength multiplies
                for multiple in _MULTIPLES:
                    yield f"{multiple}{number} * {term}"
        for other in known:
            yield f"{term} * {other}"
    yield from products(site, shape)


def _fits(array: object, shape: tuple[int, ...]) -> bool:
    if not isinstance(array, np.ndarray | float) or shape_of(array) is None:
        return False
    try:
        return np.broadcast_shapes(np.shape(array), shape) == shape and np.ndim(array) >= min(len(shape), 1)
    except ValueError:
        return False
