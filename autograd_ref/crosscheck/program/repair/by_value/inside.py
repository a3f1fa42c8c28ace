"""Edits that are found by value inside sums and products of matrices, and missing products of two terms."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.repair.by_value.library import ONE, Library, Table, Term, positions
from autograd_ref.crosscheck.program.repair.by_value.needed import Need, needs
from autograd_ref.crosscheck.program.repair.by_value.solved import (
    Asked,
    as_factor,
    cheapest,
    edits_with,
    missing,
    multiples,
)
from autograd_ref.crosscheck.program.repair.goals import Goals
from autograd_ref.crosscheck.program.repair.site import PRODUCT, Edit, Expression, Scope, Site

__all__ = ["inside"]

# The largest number of expressions of one shape, and of those that are tried inside of a sum.
MOST, TRIED = 3000, 200

# The largest cost of a term that is one of several factors, and the smallest number of compared entries, so
# that none fits by chance.
SIMPLE, FEWEST = 2, 8

_LINEAR = {"sum", "mean", "dot", "matmul", "einsum", "tensordot", "outer"}


def inside(site: Site, goals: Goals, *, is_likely: bool) -> list[Edit]:
    """Return edits that add a product of two terms to a sum, or change what is summed.

    Args:
        site: the statement.
        goals: the adjoints and contributions.
        is_likely: whether to look for any.
    """
    found: list[Edit] = []
    for scope in site.scopes if is_likely else ():
        library = Library(site, scope, MOST)
        found += _summed(site, scope, library, goals)
        found += _of_two_terms(site, scope, library, goals)
    return cheapest(found)


def _summed(site: Site, scope: Scope, library: Library, goals: Goals) -> Iterator[Edit]:
    """Yield edits of an operand of a sum or a product of matrices: a factor, a term, another expression."""
    for whole in site.values:
        value = scope.value(f"({site.text(whole.node)})")
        wanted = goals.of(value.shape) if isinstance(value, np.ndarray) and value.ndim else []
        operands = [each for each in site.expressions if _is_summed(each)] if wanted else []
        at = positions(value.shape) if wanted else ()
        for part in operands:
            operand = scope.value(f"({site.text(part.node)})")
            result = _Result(site, scope, whole, part)
            if (
                not isinstance(operand, np.ndarray)
                or operand.dtype.kind != "f"
                or not result.is_linear(operand)
            ):
                continue
            terms = library.of(operand.shape).terms[:TRIED]
            asked: dict[str, list[Asked]] = {"*": [], "=": []}
            for goal in wanted:
                need = Need(part, operand, np.broadcast_to(np.float64(0), operand.shape))
                asked["*"].append(Asked(need, "*", goal[at]))
                asked["="] += [Asked(need, "=", goal[at]), Asked(need, "+", (goal - value)[at])]
            for how, some in asked.items():
                rows = [
                    result.of(operand * x.array if how == "*" else np.broadcast_to(x.array, operand.shape))
                    for x in terms
                ]
                kept = [
                    i
                    for i, row in enumerate(rows)
                    if row is not None and np.isfinite(row).all() and row.any()
                ]
                if kept:
                    table = Table([terms[i] for i in kept], np.array([rows[i][at] for i in kept], np.float64))
                    for one, term, factor in multiples(table, some, goals.near):
                        yield from edits_with(site, one, term, factor)


class _Result:
    """A statement's result as a function of one part."""

    def __init__(self, site: Site, scope: Scope, whole: Expression, part: Expression):
        start, end = site.source.span(whole.node)
        first, last = site.source.span(part.node)
        text = site.source.text
        self._text = f"({(text[start:first] + b'(_part_)' + text[last:end]).decode()})"
        self._scope, self._shape = scope, np.shape(scope.value(f"({site.text(whole.node)})"))
        self._is_inside = start <= first and last <= end

    def of(self, part: np.ndarray) -> Any:
        """Return the result for a part; None if there is none of its shape."""
        scope = self._scope._replace(local={**self._scope.local, "_part_": part})
        found = scope.value(self._text) if self._is_inside else None
        return found if isinstance(found, np.ndarray) and found.shape == self._shape else None

    def is_linear(self, part: np.ndarray) -> bool:
        """Whether the result is proportional to the part."""
        one, three = self.of(part), self.of(3 * part)
        return one is not None and three is not None and bool(np.allclose(3 * one, three, 1e-9, 1e-12))


def _is_summed(each: Expression) -> bool:
    node, parent = each
    if isinstance(node, ast.Constant | ast.Slice | ast.Tuple | ast.List) or getattr(node, "id", "") == "np":
        return False
    if isinstance(parent, ast.BinOp):
        return isinstance(parent.op, ast.MatMult)
    if isinstance(parent, ast.Attribute):
        return parent.attr in (*_LINEAR, "T")
    return (
        isinstance(parent, ast.Call) and node in parent.args and getattr(parent.func, "attr", "") in _LINEAR
    )


def _of_two_terms(site: Site, scope: Scope, library: Library, goals: Goals) -> Iterator[Edit]:
    """Yield edits that add a product or quotient of two terms to a sum."""
    for part in site.values:
        value = scope.value(f"({site.text(part.node)})")
        is_made_elsewhere = isinstance(site.node, ast.Return) and not isinstance(part.node, ast.BinOp)
        if not isinstance(value, np.ndarray) or isinstance(site.node, ast.AugAssign) or is_made_elsewhere:
            continue
        asked: dict[tuple[int, ...], list[Asked]] = {}
        for goal in goals.of(value.shape, whole=True):
            for need in needs(site, scope, part, goal):
                for how, vector in missing(need) if _is_sum(need.part) or need.part is part else ():
                    if how == "+" and vector.size >= FEWEST:
                        asked.setdefault(need.wanted.shape, []).append(Asked(need, how, vector))
        for shape, some in asked.items():
            table = library.of(shape)
            for other, row in zip(table.terms, table.entries, strict=True):
                if other.cost <= SIMPLE and other is not ONE and row.all():
                    for one, term, factor in _times(table, other, row, some, goals.near):
                        yield from edits_with(site, one, term, factor)


def _times(
    table: Table, other: Term, row: np.ndarray, asked: list[Asked], near: float
) -> Iterator[tuple[Asked, Term, float]]:
    """Yield what is a multiple of another term times, or divided by, a given one."""
    alone = {each.text for each in table.terms if other.text not in each.text and " / " not in each.text}
    for symbol, scale in (("*", 1 / row), ("/", row)):
        some = [each._replace(vector=each.vector * scale) for each in asked]
        for one, term, factor in multiples(table, some, near):
            if term.text in alone:
                text = f"{term.text} {symbol} {as_factor(other.text, other)}"
                yield one, Term(text, PRODUCT, term.cost + other.cost + 1, term.array), factor


def _is_sum(part: Expression) -> bool:
    """Whether an expression is a sum, and no term of another one."""
    is_term = isinstance(part.parent, ast.BinOp) and isinstance(part.parent.op, ast.Add | ast.Sub)
    return isinstance(part.node, ast.BinOp) and isinstance(part.node.op, ast.Add | ast.Sub) and not is_term
