"""Possible right results of a statement of the backward part: adjoints, and contributions of single uses."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.point import RecordedPoint
from autograd_ref.crosscheck.program.repair.site import SYMBOLS, Edit, Site
from autograd_ref.crosscheck.program.repair.source import Change

__all__ = ["Goals"]

# Values with fewer entries would agree with something by chance.
FEWEST = 2
LARGEST = 1_000_000
ONE = np.ones(1)


class Goals:
    """The adjoints and contributions at one point, indexed by sums of their entries.

    Args:
        point: the point.
    """

    def __init__(self, point: RecordedPoint):
        self._numbers: dict[int, np.ndarray] = {}
        self._before: dict[tuple[int, int], Any] = {}
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
            if (
                value.shape
                and 1 < uses[value.number] <= 8
                and np.prod(value.shape) * uses[value.number] < LARGEST
            ):
                arrays.append(found.contributions[user, position].centre)
        for array in arrays:
            if FEWEST <= array.size <= LARGEST and np.any(array):
                sums.setdefault(array.size, []).append(_sums(array))
        self._sums = {size: np.array(some) for size, some in sums.items()}

    def has(self, thing: Any, scales: np.ndarray = ONE) -> bool:
        """Whether a value, or a part of a tuple, is a goal times one of some numbers."""
        if isinstance(thing, tuple | list):
            return any(self.has(each, scales) for each in thing)
        if not isinstance(thing, np.ndarray) or thing.dtype.kind != "f" or thing.size not in self._sums:
            return False
        given = np.array(_sums(thing))
        size = np.abs(given).sum() + 1e-300
        off = np.abs(scales[:, None, None] * self._sums[thing.size] - given).sum(axis=-1)
        return bool((off <= self._near * size).any())

    def fits(self, site: Site, edit: Edit) -> bool:
        """Whether an edited statement gives a goal that it did not give before."""
        made = _made(site, edit.changes)
        for i, scope in enumerate(site.scopes):
            scales = ONE if edit.gives is None else self._scales(site)
            if edit.gives is not None and self._is_new(scope.value(edit.gives), site, i, scales):
                return True
            if made is not None and self._is_new(scope.value(made), site, i, scales):
                return True
        return False

    def _scales(self, site: Site) -> np.ndarray:
        """Return numbers by which adjoints may be multiplied for a while: numbers in scope, and inverses."""
        if id(site) not in self._numbers:
            numbers = [
                float(each)
                for each in site.terms.values()
                if isinstance(each, int | float | np.number) and np.isfinite(each) and each not in (0, 1, -1)
            ]
            every = dict.fromkeys([1.0, -1.0, 2.0, 0.5, *numbers, *(1 / each for each in numbers)])
            self._numbers[id(site)] = np.array(list(every))
        return self._numbers[id(site)]

    def _is_new(self, value: Any, site: Site, time: int, scales: np.ndarray) -> bool:
        if not self.has(value, scales):
            return False
        key = (id(site), time)
        if key not in self._before:
            made = _made(site, ())
            self._before[key] = None if made is None else site.scopes[time].value(made)
        before = self._before[key]
        if isinstance(value, tuple | list) and isinstance(before, tuple | list) and len(value) == len(before):
            changed = [new for new, old in zip(value, before, strict=True) if not _same(new, old)]
            return self.has(changed, scales)
        return not _same(value, before)


def _made(site: Site, changes: tuple[Change, ...]) -> str | None:
    """Return an expression for the result of a changed statement; None if there is no single one."""
    node, value = site.node, getattr(site.node, "value", None)
    if not isinstance(node, ast.Assign | ast.AugAssign | ast.Return) or not isinstance(value, ast.expr):
        return None
    start, end = site.source.span(value)
    if all(start <= each.start and each.end <= end for each in changes):
        text = site.source.changed(changes, start, end).decode()
        if isinstance(node, ast.AugAssign):
            return f"({site.source.of(node.target)}) {SYMBOLS[type(node.op)]} ({text})"
        return f"({text})"
    start, end = site.source.span(node)
    if isinstance(node, ast.Return) or any(each.start < start or each.end > end for each in changes):
        return None
    try:
        (new,) = ast.parse(site.source.changed(changes, start, end).decode()).body
    except (SyntaxError, ValueError):
        return None
    if isinstance(new, ast.Assign):
        return ast.unparse(new.value)
    if isinstance(new, ast.AugAssign):
        return f"({ast.unparse(new.target)}) {SYMBOLS[type(new.op)]} ({ast.unparse(new.value)})"
    return None


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple | list) or isinstance(other, tuple | list):
        return False
    try:
        return np.shape(one) == np.shape(other) and bool(np.array_equal(one, other))
    except ValueError:  # an object that holds arrays, such as a dict
        return False


def _sums(array: np.ndarray) -> tuple[float, float]:
    """Return two numbers that differ for different arrays, except by chance."""
    flat = np.asarray(array, np.float64).ravel()
    steps = np.arange(1, flat.size + 1)
    with np.errstate(all="ignore"):
        return float(flat @ np.sin(steps)), float(flat @ np.cos(2.3 * steps))
