"""The name and line of the forward step whose slope a repair inserts."""

from __future__ import annotations

import ast
import copy
import linecache
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.point import RecordedPoint
from autograd_ref.crosscheck.program.repair.site import Edit, Site
from autograd_ref.crosscheck.program.repair.source import Change
from autograd_ref.recording import Place, Value

__all__ = ["omitted_step"]


def omitted_step(site: Site, edit: Edit, point: RecordedPoint) -> str | None:
    """Name the forward step whose slope an edit adds; return None if there is no single step.

    Without the edit the statement gives the adjoint of the step's output, with it the adjoint of its input.
    """
    before, after = _made(site, ()), _made(site, edit.changes)
    if before is None or after is None:
        return None
    near = 1e-7 if point.dtype == np.float64 else 1e-3
    given = list(_of_adjoint(after, point, near))
    for step in _of_adjoint(before, point, near):
        place = step.place
        if place is not None and any(_is_made_from(step, each, place) for each in given):
            return f"the slope of {_name(place)} (line {place.line}) was missing"
    return None


def _made(site: Site, changes: Sequence[Change]) -> np.ndarray | None:
    """Return the array that a statement makes, with some changes in it or a line after it."""
    target = getattr(site.node, "target", None) or getattr(site.node, "targets", [None])[-1]
    lines = site.lines(site.node)
    if lines is None or not isinstance(target, ast.Name | ast.Attribute):
        return None
    if any(each.start < lines[0] or each.end > lines[1] for each in changes):
        return None
    text = textwrap.dedent(site.source.changed(changes, *lines).decode())
    local: dict[str, Any] = copy.deepcopy({k: x for k, x in site.scope.local.items() if _is_data(x)})
    local = {**site.scope.local, **local}
    try:
        with np.errstate(all="ignore"):
            exec(text, {**site.scope.space}, local)  # noqa: S102 - the user's own statement
            made = eval(site.source.of(target), {**site.scope.space}, local)  # noqa: S307
    except Exception:
        return None
    return made if isinstance(made, np.ndarray) else None


def _is_data(thing: Any) -> bool:
    return isinstance(thing, np.ndarray | list | dict | tuple)


def _of_adjoint(array: np.ndarray, point: RecordedPoint, near: float) -> Iterator[Value]:
    """Yield the forward values whose adjoint an array is, the latest first."""
    size = np.abs(array).max(initial=0.0)
    for value, adjoint in reversed(list(point.run.found.of.items())):
        if adjoint.centre.shape == array.shape and (np.abs(adjoint.centre - array) <= near * size).all():
            yield value


def _is_made_from(value: Value, source: Value, place: Place) -> bool:
    """Whether one statement computes a value from another one."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if source in each.inputs:
            return True
        waiting += [x for x in each.inputs if x.place is not None and x.place[:2] == place[:2]]
    return False


def _name(place: Place) -> str:
    """Return the function of a call, or the expression itself."""
    line = linecache.getline(place.file, place.line).encode()
    text = line[place.column : place.end_column if place.end_line == place.line else None].decode().strip()
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        return f"`{text}`"
    return ast.unparse(node.func) if isinstance(node, ast.Call) else f"`{text}`"
