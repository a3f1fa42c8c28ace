"""The names that a run gives to its values: by assignments, second names and results of calls."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from autograd_ref.crosscheck.program.blame.names import function_at
from autograd_ref.crosscheck.program.blame.source import Statement, is_own, statement_at
from autograd_ref.crosscheck.program.blame.words import elements, receiver, target_of
from autograd_ref.recording import Place, Value

__all__ = ["Bound", "bound", "kind_of", "provisional"]


class Bound(NamedTuple):
    """A value that gets a name.

    Attributes:
        value: the value.
        name: the variable.
        statement: the statement that assigns it.
        origin: made by the statement itself, second (``dz = dh``) or result (of a call).
    """

    value: Value
    name: str
    statement: Statement
    origin: str


class _Frame(NamedTuple):
    """All activations of one function by the same calls: their values, and the names given to some."""

    calls: tuple[Place, ...]
    place: Place
    values: list[Value]
    bound: list[Bound]


def bound(values: Iterable[Value]) -> list[Bound]:
    """Return the names of values in the order of the run; of equals, the first name first."""
    frames: dict[tuple[object, ...], _Frame] = {}
    for value in values:
        place = value.place
        if place is None or is_own(place.file) or not value.is_floating:
            continue
        frame = _frame(frames, tuple(value.calls), place)
        frame.values.append(value)
        if (name := target_of(value)) is not None:
            frame.bound.append(Bound(value, name, statement_at(place), "made"))
    found: list[Bound] = []
    while frames:
        key = max(frames, key=lambda each: len(frames[each].calls))
        frame = frames.pop(key)
        frame.bound.extend(_second_names(frame))
        frame.bound.sort(key=lambda each: each.value.number)
        found += frame.bound
        for each in _results(frame):
            call = frame.calls[0]
            if not is_own(call.file):
                _frame(frames, frame.calls[1:], call).bound.append(each)
    return sorted(dict.fromkeys(found), key=lambda each: each.value.number)


def _frame(frames: dict[tuple[object, ...], _Frame], calls: tuple[Place, ...], place: Place) -> _Frame:
    key = calls, place.file, place.function
    return frames.setdefault(key, _Frame(calls, place, [], []))


def _second_names(frame: _Frame) -> Iterator[Bound]:
    """Yield the assignments of a variable to another one, which make nothing."""
    function = function_at(frame.place)
    known = list(frame.bound)
    for node in ast.walk(function) if function is not None else ():
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.value, ast.Name)):
            continue
        before = [each for each in known if each.name == node.value.id and each.statement.line < node.lineno]
        if before and isinstance(node.targets[0], ast.Name):
            last = max(before, key=lambda each: (each.value.number, each.statement.line))
            statement = Statement(frame.place.file, node.lineno, node.end_lineno or node.lineno, node)
            yield Bound(last.value, node.targets[0].id, statement, "second")


def _results(frame: _Frame) -> Iterator[Bound]:
    """Yield the names that the calling function gives to what a function returns."""
    function = function_at(frame.place)
    if function is None or not frame.calls:
        return
    updated = provisional(frame.bound)
    for node in ast.walk(function):
        if not isinstance(node, ast.Return) or node.value is None:
            continue
        parts = elements(node.value)
        for i, part in enumerate(parts):
            target = receiver(frame.calls[0], i, len(parts))
            if target is None or ast.unparse(target) == "_":
                continue
            if isinstance(part, ast.Name):
                named = [each for each in frame.bound if each.name == part.id]
                last = named[-1].statement if named else None
                returned = [
                    each.value
                    for each in named
                    if each.statement == last and each.value.number not in updated
                ]
            else:
                here = [each for each in frame.values if _is_at(part, each.place)]
                returned = [each for each in here if kind_of(each) == kind_of(here[-1])]
            for value in returned:
                yield Bound(value, ast.unparse(target), statement_at(frame.calls[0]), "result")


def kind_of(value: Value) -> str:
    """Return what tells a result from the operands that were read for it."""
    return getattr(value.operation, "name", type(value.operation).__name__)


def _is_at(node: ast.expr, place: Place | None) -> bool:
    if isinstance(node, ast.IfExp):
        return _is_at(node.body, place) or _is_at(node.orelse, place)
    return place is not None and place[1:5] == (
        node.lineno,
        node.end_lineno,
        node.col_offset,
        node.end_col_offset,
    )


def provisional(names: Sequence[Bound]) -> set[int]:
    """Return the numbers of values that a later statement changes, or replaces under the same name.

    An example is the sum of the first contributions to a gradient.
    """
    found: set[int] = set()
    latest: dict[tuple[object, ...], Bound] = {}
    for each in names:
        if each.origin == "second":
            continue
        key = each.name, each.statement.file, function_line(each.statement)
        before = latest.get(key)
        if before is not None and before.value is not each.value and _is_update(each):
            found.add(before.value.number)
        latest[key] = each
    return found


def function_line(statement: Statement) -> int | None:
    """Return the first line of the function that contains a statement."""
    node = function_at(Place(statement.file, statement.line, statement.line, 0, 0, ""))
    return None if node is None else node.lineno


def _is_update(each: Bound) -> bool:
    """Whether a statement computes the new value of a variable from the old one."""
    node = each.statement.node
    if isinstance(node, ast.AugAssign):
        return True
    if not isinstance(node, ast.Assign):
        return False
    if any(isinstance(target, ast.Subscript) for target in node.targets):
        return True
    loads = (part for part in ast.walk(node.value) if isinstance(part, ast.Name | ast.Attribute))
    return any(ast.unparse(part) == each.name for part in loads)
