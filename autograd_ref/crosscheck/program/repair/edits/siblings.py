"""A statement that was written for one layer and forgotten for another."""

import ast
import re
from collections.abc import Iterator

from autograd_ref.crosscheck.program.repair.site import Edit, Site

__all__ = ["siblings"]

_NUMBER = re.compile(r"(?<=[A-Za-z_])\d+(?=\b|_)")


def siblings(site: Site) -> Iterator[Edit]:
    """This statement once more behind itself, with the number of another layer in its names."""
    if not isinstance(site.node, ast.Assign | ast.AugAssign | ast.Expr) or site.lines(site.node) is None:
        return
    text = site.source.of(site.node)
    numbers = set(_NUMBER.findall(text))
    others = {number for term in site.terms for number in _NUMBER.findall(term)}
    if len(numbers) == 1:
        for other in sorted(others - numbers):
            new = _NUMBER.sub(other, text)
            yield Edit((site.behind(new),), f"{new} was missing", 3)
            yield Edit((site.in_front(new),), f"{new} was missing", 3)
