"""A statement that was written for one layer and forgotten for another."""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from autograd_ref.crosscheck.program.repair.site import Edit, Site

__all__ = ["siblings"]

_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr)
_NUMBER = re.compile(r"(?<=[A-Za-z_])\d+(?=\b|_)")


def siblings(site: Site) -> Iterator[Edit]:
    """Yield this statement again for another layer, or another layer's statement for this layer."""
    if not isinstance(site.node, _SIMPLE) or site.lines(site.node) is None:
        return
    others = {number for term in site.terms for number in _NUMBER.findall(term)}
    for new in _renumbered(site.source.of(site.node), others):
        yield Edit((site.behind(new),), f"{new} was missing", 3)
        yield Edit((site.in_front(new),), f"{new} was missing", 3)
    made = _changed(site.node)
    written = {ast.unparse(node) for node in ast.walk(site.function) if isinstance(node, _SIMPLE)}
    for node in ast.walk(site.function):
        if isinstance(node, ast.AugAssign) and node is not site.node and not made & _changed(node):
            there = replace(site, node=node)
            if there.lines(node) is None:
                continue
            for new in _renumbered(site.source.of(node), others):
                tree = ast.parse(new).body[0]
                if (
                    ast.unparse(tree) not in written
                    and made & _changed(tree)
                    and node.lineno > site.node.lineno
                ):
                    yield Edit((there.behind(new),), f"{new} was missing", 3)
                    yield Edit((there.in_front(new),), f"{new} was missing", 4)


def _renumbered(text: str, others: set[str]) -> Iterator[str]:
    numbers = set(_NUMBER.findall(text))
    if len(numbers) == 1:
        for other in sorted(others - numbers):
            yield _NUMBER.sub(other, text)


def _changed(node: ast.stmt) -> set[str]:
    """Return the text of the targets that a statement sets or adds to."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {
        ast.unparse(one)
        for each in targets
        if each is not None
        for one in (each.elts if isinstance(each, ast.Tuple) else [each])
    }
