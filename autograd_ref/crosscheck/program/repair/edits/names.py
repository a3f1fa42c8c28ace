"""The wrong variable."""

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.repair.site import PRODUCT, SUM, Edit, Site, shape_of

__all__ = ["names"]


def names(site: Site) -> Iterator[Edit]:
    """Yield edits to another variable, attribute or key of the same shape or kind, or any variable."""
    for each in site.expressions:
        node = each.node
        if isinstance(node, ast.BinOp) and isinstance(each.parent, ast.Subscript):
            for text, other in site.terms.items():
                if text.isidentifier() and isinstance(other, int | np.integer):
                    yield Edit((site.replaced(each, text),), f"the index {text} belongs there", 2)
        if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            continue
        known = site.text(node)
        value = site.value(node)
        if value is None or isinstance(value, type(np)):
            continue
        for text, other in site.terms.items():
            alike = _is_alike(value, other)
            named = isinstance(node, ast.Name) and text.isidentifier() and shape_of(other) is not None
            if text != known and (alike or named):
                says = f"{text} belongs there, not {known}"
                # A variable that is not read elsewhere was most likely meant.
                cost = (2 if alike else 4) - (text in site.unused)
                yield Edit((site.replaced(each, text),), says, cost)
    for each in site.addends:
        for name in sorted(site.unused):
            if isinstance(site.terms.get(name), np.ndarray):
                says = f"{name} was not used"
                for symbol, holds in (("*", PRODUCT), ("+", SUM), ("-", SUM)):
                    text = f"{site.text(each.node, holds)} {symbol} {name}"
                    yield Edit((site.replaced(each, text, holds),), says, 2)


def _is_alike(one: Any, other: Any) -> bool:
    if callable(one) or callable(other):
        return callable(one) and callable(other)
    if shape_of(one) == ():
        return shape_of(other) == () and isinstance(one, bool) == isinstance(other, bool)
    return isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.shape == other.shape
