"""What a statement of the backward part may have to give: an adjoint, or the contribution of one use."""

from __future__ import annotations

import ast
import types
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.point import RecordedPoint
from autograd_ref.crosscheck.program.repair.site import Edit, Site
from autograd_ref.crosscheck.program.repair.source import Change

__all__ = ["Goals"]

# Values with fewer entries agree with something by chance.
FEWEST = 2
LARGEST = 1_000_000


class Goals:
    """The adjoints and contributions of one point, found by what they add up to.

    Args:
        point: where.
    """

    def __init__(self, point: RecordedPoint):
        self._near = 1e-7 if point.dtype == np.float64 else 1e-3
        found = point.run.found
        sums: dict[int, list[tuple[float, float]]] = {}
        arrays = [found.of[value].centre for value in found.of if value.shape]
        uses: dict[int, int] = {}
        for user, position in found.contributions:
            number = user.inputs[position].number
            uses[number] = uses.get(number, 0) + 1
        for user, position in found.contributions:
            value = user.inputs[position]
            if value.shape and 1 < uses[value.number] <= 8 and np.prod(value.shape) * uses[value.number] < LARGEST:
                arrays.append(found.contributions[user, position].centre)
        for array in arrays:
            if FEWEST <= array.size <= LARGEST and np.any(array):
                sums.setdefault(array.size, []).append(_sums(array))
        self._sums = {size: np.array(some) for size, some in sums.items()}

    def has(self, thing: Any) -> bool:
        """Whether a value, or a part of a tuple, is something that may be wanted."""
        if isinstance(thing, tuple | list):
            return any(self.has(each) for each in thing)
        if not isinstance(thing, np.ndarray) or thing.dtype.kind != "f" or thing.size not in self._sums:
            return False
        first, second = _sums(thing)
        known = self._sums[thing.size]
        size = abs(first) + abs(second) + 1e-300
        return bool(np.any(np.abs(known - (first, second)).sum(axis=1) <= self._near * size))

    def fits(self, site: Site, edit: Edit) -> bool:
        """Whether a statement gives something that may be wanted when it is edited, and did not before."""
        if site.scope is None:
            return False
        made = _made(site, edit.changes)
        value = None if made is None else site.scope.value(made)
        if not self.has(value):
            return False
        before = _made(site, ())
        return before is None or not _same(value, site.scope.value(before))


def _made(site: Site, changes: tuple[Change, ...]) -> types.CodeType | None:
    """An expression of what a statement makes, once it is changed; None where that is no single one."""
    start, end = site.source.span(site.node)
    if any(each.start < start or each.end > end for each in changes):
        return None
    try:
        (node,) = ast.parse(site.source.changed(changes, start, end).decode()).body
    except (SyntaxError, ValueError):
        return None
    value = getattr(node, "value", None)
    if not isinstance(node, ast.Assign | ast.AugAssign | ast.Return) or not isinstance(value, ast.expr):
        return None
    if isinstance(node, ast.AugAssign):
        read = ast.parse(ast.unparse(node.target), mode="eval").body
        value = ast.BinOp(read, node.op, value)
    return compile(ast.fix_missing_locations(ast.Expression(value)), "<edit>", "eval")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple | list) or isinstance(other, tuple | list):
        return False
    return np.shape(one) == np.shape(other) and bool(np.array_equal(one, other))


def _sums(array: np.ndarray) -> tuple[float, float]:
    """Two numbers that two arrays share only by chance, unless they have the same entries in the same order."""
    flat = np.asarray(array, np.float64).ravel()
    steps = np.arange(1, flat.size + 1)
    with np.errstate(all="ignore"):
        return float(flat @ np.sin(steps)), float(flat @ np.cos(2.3 * steps))
