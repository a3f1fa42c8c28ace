"""A value that was never stored: its memory was created but never written."""

import ast
import copy
from collections.abc import Iterator

import numpy as np

from autograd_ref.crosscheck.program.repair.site import UNARY, Edit, Site

__all__ = ["stores"]


def stores(site: Site) -> Iterator[Edit]:
    """Yield edits that fill an empty part of an array or list, before this statement or after a block."""
    if site.lines(site.node) is None or not isinstance(site.node, ast.Assign | ast.AugAssign | ast.Expr):
        return
    is_last = site.node is site.body[-1]
    for text in dict.fromkeys((*_kept(site), *_other_halves(site))):
        yield Edit((site.in_front(text),), f"{text} was missing", 5)
        if is_last:
            yield Edit((site.behind(text),), f"{text} was missing", 5)


def _kept(site: Site) -> Iterator[str]:
    """Yield statements that write an array in scope, or another statement's value, to an empty part."""
    lists = {name for name, each in site.scope.local.items() if isinstance(each, list)}
    arrays = [
        (term, each)
        for term, each in site.terms.items()
        if isinstance(each, np.ndarray) and each.dtype.kind == "f" and each.any()
    ]
    for holder in sorted(site.untouched | lists):
        for at in site.indices:
            part = site.scope.value(f"{holder}{at}")
            if not isinstance(part, np.ndarray) or part.any():
                continue
            for term, each in arrays:
                if each.shape == part.shape:
                    yield f"{holder}{at} += {term}"
                    yield f"{holder}{at} = {term}"
                    if ":" not in at and "," not in at:  # equal indices would not add up
                        yield f"np.add.at({holder}, {at[1:-1]}, {term})"
            yield from _moved(site, holder, at)


def _moved(site: Site, holder: str, at: str) -> Iterator[str]:
    """Yield statements that write to other parts of an array or list, with their index replaced."""
    for node in ast.walk(site.function):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if not isinstance(node, ast.Assign | ast.AugAssign) or not isinstance(target, ast.Subscript):
            continue
        if ast.unparse(target.value) == holder and f"[{ast.unparse(target.slice)}]" != at:
            old, new = ast.dump(target.slice), ast.parse(at[1:-1], mode="eval").body
            yield ast.unparse(_Replaced(old, new).visit(copy.deepcopy(node)))


class _Replaced(ast.NodeTransformer):
    """Replaces an expression by another everywhere."""

    def __init__(self, old: str, new: ast.expr):
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if ast.dump(node) == self.old else self.generic_visit(node)


def _other_halves(site: Site) -> Iterator[str]:
    """Yield the product rule's other term: for ``da[i] += b[j] * c``, ``db[j] += a[i] * c``."""
    node = site.node
    if not (
        isinstance(node, ast.AugAssign)
        and isinstance(node.value, ast.BinOp)
        and isinstance(node.value.op, ast.Mult)
    ):
        return
    changed, at = _apart(site, node.target)
    left, right = node.value.left, node.value.right
    for factor, other in ((left, right), (right, left)):
        base, index = _apart(site, factor)
        held, given = site.scope.value(changed), site.scope.value(base)
        if not isinstance(held, np.ndarray) or not isinstance(given, np.ndarray):
            continue
        arrays = {term: each for term, each in site.terms.items() if isinstance(each, np.ndarray)}
        for holder in arrays:
            if holder == changed or arrays[holder].shape != given.shape:
                continue
            for term, each in arrays.items():
                if each.shape == held.shape and term != changed:
                    yield f"{holder}{index} += {term}{at} * {site.text(other, UNARY)}"


def _apart(site: Site, node: ast.expr) -> tuple[str, str]:
    """Return the text of an array, and of the index into it."""
    if not isinstance(node, ast.Subscript):
        return site.text(node), ""
    base = site.text(node.value)
    return base, site.text(node)[len(base) :]
