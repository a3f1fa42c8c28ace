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


class Goals:
    """The adjoints and contributions at one point, indexed by sums of their entries.

    Args:
        point: the point.
    """

    def __init__(self, point: RecordedPoint):
        self._before: dict[tuple[int, int], Any] = {}
        self._near = 1e-7 if point.dtype == np.float64 else 1e-3
        found = point.run.found
        sums: dict[int, list[tuple[float, float]]] = {}
        arrays = [found.of[value].centre for value in found.of if value.shape]
        self._adjoints = len(arrays)
        uses: dict[int, int] = {}
        for user, position in found.contributions:
            number = user.inputs[position].number
            uses[number] = uses.get(number, 0) + 1
        for user, position in found.contributions:
            value = user.inputs[position]
            if (
                value.shape
                and 1 < uses[value.number] <= 64
                and np.prod(value.shape) * uses[value.number] < LARGEST
            ):
                arrays.append(found.contributions[user, position].centre)
        for array in arrays:
            if FEWEST <= array.size <= LARGEST and np.any(array):
                sums.setdefault(array.size, []).append(_sums(array))
        self._arrays = arrays
        self._by_shape: dict[tuple[tuple[int, ...], bool], list[np.ndarray]] = {}
        # How much of an array may differ from a multiple of another one, squared.
        self.near = 1e-12 if point.dtype == np.float64 else 1e-6
        self._sums = {size: np.array(some) for size, some in sums.items()}

    def of(self, shape: tuple[int, ...], *, whole: bool = False) -> list[np.ndarray]:
        """Return the different goals of a shape, or only the adjoints."""
        if (shape, whole) not in self._by_shape:
            found: dict[tuple[float, float], np.ndarray] = {}
            for each in self._arrays[: self._adjoints if whole else None]:
                if each.shape == shape and FEWEST <= each.size <= LARGEST and np.any(each):
                    found.setdefault(_sums(each), each)
            self._by_shape[shape, whole] = list(found.values())
        return self._by_shape[shape, whole]

    def has(self, thing: Any) -> bool:
        """Whether a value, or a part of a tuple, is a goal."""
        if isinstance(thing, tuple | list):
            return any(self.has(each) for each in thing)
        if not isinstance(thing, np.ndarray) or thing.dtype.kind != "f" or thing.size not in self._sums:
            return False
        given = np.array(_sums(thing))
        size = np.abs(given).sum() + 1e-300
        off = np.abs(self._sums[thing.size] - given).sum(axis=-1)
        return bool((off <= self._near * size).any())

    def fits(self, site: Site, edit: Edit) -> bool | None:
        """Whether an edited statement gives a goal that it did not give before; None if it fails."""
        made = _made(site, edit.changes)
        if made is None:
            return False
        values = [scope.value(made) for scope in site.scopes]
        if values[0] is None and self._value_before(site, 0) is not None:
            return None
        return any(self._is_new(value, site, i) for i, value in enumerate(values))

    def _is_new(self, value: Any, site: Site, time: int) -> bool:
        if not self.has(value):
            return False
        before = self._value_before(site, time)
        if isinstance(value, tuple | list) and isinstance(before, tuple | list) and len(value) == len(before):
            changed = [new for new, old in zip(value, before, strict=True) if not _same(new, old)]
            return self.has(changed)
        return not _same(value, before)

    def _value_before(self, site: Site, time: int) -> Any:
        """Return what an unedited statement gives."""
        key = (id(site), time)
        if key not in self._before:
            made = _made(site, ())
            self._before[key] = None if made is None else site.scopes[time].value(made)
        return self._before[key]


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
