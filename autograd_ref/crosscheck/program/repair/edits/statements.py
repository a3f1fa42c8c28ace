"""A statement too many, missing, or in the wrong place; a copy that was not made."""

import ast
from collections.abc import Iterator

import numpy as np

from autograd_ref.crosscheck.program.repair.edits.factors import scalars
from autograd_ref.crosscheck.program.repair.site import ATOM, Edit, Site
from autograd_ref.crosscheck.program.repair.source import Change

__all__ = ["copies", "inserted", "moved"]


def copies(site: Site) -> Iterator[Edit]:
    """A copy of what is written to later."""
    for each in site.expressions:
        node = each.node
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(each.parent, ast.Assign | ast.Tuple | ast.Call | ast.List | ast.Dict):
            if isinstance(site.value(node), np.ndarray) and not (isinstance(each.parent, ast.Call) and node is each.parent.func):
                text = f"{site.text(node, ATOM)}.copy()"
                yield Edit((site.replaced(each, text),), f"{site.text(node)} is written to later, and was not copied", 2)


def moved(site: Site) -> Iterator[Edit]:
    """Without the statement, or before or after another."""
    node, source = site.node, site.source
    if not isinstance(node, ast.Assign | ast.AugAssign | ast.Expr):
        return
    here = site.body.index(node)
    whole = _lines(site, node)
    if whole is None:
        return
    without = Change(*whole, "") if len(site.body) > 1 else Change(*source.span(node), "pass")
    yield Edit((without,), "the statement does not belong there", 3)
    text = source.text[slice(*whole)].decode()
    for there, other in enumerate(site.body):
        other_lines = _lines(site, other)
        if abs(there - here) > 6 or other is node or other_lines is None or isinstance(other, ast.Return) and there < here:
            continue
        if there == here + 1 or text[-1:] not in "\r\n":
            continue  # before the one that follows: where it is
        yield Edit((Change(*whole, ""), Change(other_lines[0], other_lines[0], text)), "the statement belongs further up" if there < here else "the statement belongs further down", 4)


def inserted(site: Site) -> Iterator[Edit]:
    """Another statement behind this one, that changes what it made."""
    node, source = site.node, site.source
    whole = _lines(site, node)
    if whole is None or not isinstance(node, ast.Assign | ast.AugAssign):
        return
    target = node.target if isinstance(node, ast.AugAssign) else node.targets[-1]
    if not isinstance(target, ast.Name | ast.Attribute | ast.Subscript):
        return
    indent = source.indent(node)
    for made in dict.fromkeys((source.of(target), source.of(_root(target)))):
        value = site.scope.value(made)
        if value is None:
            value = site.value(node.value)
        if isinstance(value, np.ndarray):
            for cost, text in _lines_to_insert(site, made, value):
                new = f"{indent}{text}{source.newline}"
                yield Edit((Change(whole[1], whole[1], new),), f"{text} was missing", cost)


def _root(target: ast.expr) -> ast.expr:
    """The array that a part is written to; what is kept under a key is itself."""
    while isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
        target = target.value
    return target


def _lines_to_insert(site: Site, made: str, value: np.ndarray) -> Iterator[tuple[int, str]]:
    for term, array in site.terms.items():
        if isinstance(array, np.ndarray) and array.shape == value.shape and term != made:
            yield 4, f"{made} += {term}"
            yield 4, f"{made}[{term} <= 0] = 0"
    for at in site.indices:
        yield 3, f"{made}{at} -= 1"
        yield 5, f"{made}{at} += 1"
        yield 5, f"{made}{at} = 0"
    for _, factor in scalars(site)[2:]:
        yield 5, f"{made} /= {factor}"


def _lines(site: Site, node: ast.stmt) -> tuple[int, int] | None:
    """The whole lines of a statement; None where they hold another one, too."""
    source = site.source
    start, end = source.starts[node.lineno - 1], source.span(node)[1]
    last = node.end_lineno or node.lineno
    following = source.starts[last] if last < len(source.starts) else len(source.text)
    rest = source.text[end:following].strip()
    if source.text[start : source.span(node)[0]].strip() or (rest and not rest.startswith(b"#")):
        return None
    first = [each for each in getattr(node, "decorator_list", ())]
    return None if first else (start, following)
