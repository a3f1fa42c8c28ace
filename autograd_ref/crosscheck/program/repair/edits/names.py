"""The wrong variable, of a shape that fits as well."""

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.repair.site import Edit, Site, shape_of

__all__ = ["names"]


def names(site: Site) -> Iterator[Edit]:
    """Another variable, attribute or key, of the same shape or kind."""
    for each in site.expressions:
        node = each.node
        if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            continue
        known = site.text(node)
        value = site.value(node)
        if value is None or isinstance(value, type(np)):
            continue
        for text, other in site.terms.items():
            if text != known and _is_alike(value, other):
                says = f"{text} and not {known} belongs there"
                yield Edit((site.replaced(each, text),), says, 2)


def _is_alike(one: Any, other: Any) -> bool:
    if callable(one) or callable(other):
        return callable(one) and callable(other)
    if shape_of(one) == ():
        return shape_of(other) == () and isinstance(one, bool) == isinstance(other, bool)
    return isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.shape == other.shape
