"""A statement that was written for one layer and forgotten for another."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import product

from autograd_ref.crosscheck.program.repair.site import Edit, Site

__all__ = ["siblings"]

_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr)
_NUMBERED = re.compile(r"[A-Za-z_]\w*?\d+\w*")
_NUMBER = re.compile(r"(?<=[A-Za-z_])\d+(?=\b|_)")


def siblings(site: Site) -> Iterator[Edit]:
    """Yield this statement again for another layer, or another layer's statement for this layer."""
    if not isinstance(site.node, _SIMPLE) or site.lines(site.node) is None:
        return
    for new in _renumbered(site, site.node):
        yield Edit((site.behind(new),), f"{new} was missing", 3)
        yield Edit((site.in_front(new),), f"{new} was missing", 3)
    made = _changed(site.node)
    written = {ast.unparse(node) for node in ast.walk(site.function) if isinstance(node, _SIMPLE)}
    for node in ast.walk(site.function):
        if isinstance(node, ast.AugAssign) and node is not site.node and not made & _changed(node):
            there = replace(site, node=node)
            for new in _renumbered(site, node):
                tree = ast.parse(new).body[0]
                if ast.unparse(tree) in written or not made & _changed(tree):
                    continue
                if node.lineno < site.node.lineno:
                    yield Edit((site.behind(new),), f"{new} was missing", 3)
                elif there.lines(node) is not None:
                    yield Edit((there.behind(new),), f"{new} was missing", 3)
                    yield Edit((there.in_front(new),), f"{new} was missing", 4)


def _renumbered(site: Site, node: ast.stmt) -> Iterator[str]:
    """Yield a statement with another layer's number in each name for which the function has such a name."""
    text, function = site.source.of(node), site.source.of(site.function)
    known, numbers = set(_NUMBERED.findall(function)), set(_NUMBER.findall(text))
    others = {each for name in known for each in _NUMBER.findall(name)}
    for old, other in product(sorted(numbers), sorted(others)):
        renamed = {name: re.sub(rf"(?<=[A-Za-z_]){old}(?=\b|_)", other, name) for name in known}
        usable = {name: new for name, new in renamed.items() if new in known}
        if other != old:
            yield _NUMBERED.sub(partial(_looked_up, usable), text)


def _looked_up(names: Mapping[str, str], found: re.Match[str]) -> str:
    return names.get(found.group(), found.group())


def _changed(node: ast.stmt) -> set[str]:
    """Return the text of the targets that a statement sets or adds to."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {
        ast.unparse(one)
        for each in targets
        if each is not None
        for one in (each.elts if isinstance(each, ast.Tuple) else [each])
    }
