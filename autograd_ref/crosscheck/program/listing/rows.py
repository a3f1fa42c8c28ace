"""The source of all functions in a call, with an explanation of what each statement computes."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.blame.names import function_at, view_at
from autograd_ref.crosscheck.program.blame.source import Statement, is_own, statement_at
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.blame.words import is_written
from autograd_ref.crosscheck.program.listing.bound import Bound, bound, kind_of
from autograd_ref.crosscheck.program.listing.explained import AUXILIARY, Explained, Explanation
from autograd_ref.crosscheck.program.paths import cores
from autograd_ref.crosscheck.program.point import RecordedPoint
from autograd_ref.crosscheck.reports.listed import Line, Row
from autograd_ref.crosscheck.reports.report import Blame
from autograd_ref.recording import Place, Value
from autograd_ref.recording.tape import Read

__all__ = ["listing_of"]

# As many different meanings of one expression are listed.
_MOST = 3
# Part of the sentences about changes that were tried.
_PROVEN = "every gradient is right"


class Note(NamedTuple):
    """The note next to a statement, whether it is right, and the values that it made."""

    text: str
    ok: bool | None
    values: str


class _Result(NamedTuple):
    """One result of a statement: its explanation, the value that is shown, and the note."""

    found: Explanation
    value: Value
    note: str


def listing_of(
    points: Sequence[RecordedPoint], wrong: Sequence[int], blames: Sequence[Blame]
) -> tuple[list[Line], list[Row]]:
    """Explain each backward statement, and return the whole source with a note next to every statement.

    Args:
        points: the recorded call at every point.
        wrong: the positions of the wrong gradients among the pairs of each point.
        blames: the places that are blamed, most likely first.

    Returns:
        A line for each backward statement that made floating values, and the rows of the listing.
    """
    return _Listing(Tapes(points, wrong)).all(blames)


class _Listing:
    def __init__(self, tapes: Tapes):
        self.tapes = tapes
        self.names = bound(tapes.values)
        self.explained = Explained(tapes, self.names)
        self.reached = set(tapes.backward)
        self.lines: dict[Statement, Line] = {}
        self.notes: dict[Statement, Note] = {}

    def all(self, blames: Sequence[Blame]) -> tuple[list[Line], list[Row]]:
        """Return the lines and the rows."""
        made: dict[Statement, list[Value]] = {}
        called: set[Place] = set()
        for value in self.tapes.values:
            place = value.place
            if place is not None and value.is_floating and not is_own(place.file):
                made.setdefault(statement_at(place), []).append(value)
                called.update(each for each in value.calls if not is_own(each.file))
        named: dict[Statement, list[Bound]] = {}
        for each in self.names:
            named.setdefault(each.statement, []).append(each)
        for statement in dict.fromkeys([*made, *named]):
            self._explain(statement, made.get(statement, []), named.get(statement, []))
        for output in self.tapes.outputs:
            place = view_at(output.value, output.found)
            if place is not None and statement_at(place) not in self.notes:
                found = self.explained.of(output.value)
                self._note(statement_at(place), [], [_Result(found, output.value, found.note)])
        self._mark(blames)
        ordered = sorted(self.lines.values(), key=lambda each: (each.file, each.line))
        return ordered, self._rows([*made, *map(statement_at, called)])

    def _explain(self, statement: Statement, made: list[Value], named: list[Bound]) -> None:
        """Note what a statement makes."""
        loss = self.tapes.points[0].run.found.loss
        forward = [each for each in named if each.value in self.tapes.forward and each.origin != "second"]
        parts = [each.name for each in forward if not is_written(each.value)]
        names = parts or [each.name for each in forward] or self._received(made)
        if loss in made or any(each.value is loss for each in named):
            names = ["loss"]
        by_name: dict[tuple[str, str], list[Value]] = {}
        for each in named:
            if each.origin != "made" and self.tapes.is_backward(each.value):
                by_name.setdefault((each.origin, each.name), []).append(each.value)
        results = []
        for (origin, name), values in by_name.items():
            told = self.explained.of if origin == "result" else _with_name(self.explained, name)
            results.append(self._result(values, told))
        if not results:
            for ways in _by_result(self._backward(made)):
                found = [self._result(passes, self.explained.of) for passes in ways]
                results.append(
                    min(found, key=lambda each: (each.found.ok is None, each.found.what == AUXILIARY))
                )
        told_of = [each for each in results if each.found.what != AUXILIARY or each.found.ok is not None]
        if names and not told_of:
            values = [each for each in (*made, *(one.value for one in named)) if each in self.tapes.forward]
            shown = self._shown(values[-1]) if values else ""
            self.notes[statement] = Note(", ".join(dict.fromkeys(names)), None, shown)
        elif results:
            self._note(statement, names, told_of or results[:1])

    def _backward(self, values: list[Value]) -> list[Value]:
        """Return the backward values among some, without what has no effect, or was only read."""
        found = [
            each
            for each in values
            if self.tapes.is_backward(each) and (each in self.reached or self.explained.known.of(each))
        ]
        if all(isinstance(each.operation, Read) and not self.explained.known.of(each) for each in found):
            return []
        return found

    def _received(self, made: list[Value]) -> list[str]:
        """Return the names under which the callers of a function receive forward values."""
        numbers = {each.number for each in made if each in self.tapes.forward}
        names = [each.name for each in self.names if each.value.number in numbers and each.origin == "result"]
        return names if len(set(names)) <= _MOST else []

    def _note(self, statement: Statement, forward: list[str], results: list[_Result]) -> None:
        wrong = (each for each in results if each.found.ok is False)
        (what, name, factor, ok, _), chosen, _ = next(wrong, results[-1])
        code = linecache.getline(statement.file, statement.line).strip()
        self.lines[statement] = Line(statement.file, statement.line, code, name, what, factor, ok)
        text = "; ".join(dict.fromkeys([*forward, *(each.note for each in results)]))
        right = name if ok is False and name is not None else None
        self.notes[statement] = Note(text, ok, self._shown(chosen, right))

    def _result(self, passes: list[Value], told: Callable[[Value], Explanation]) -> _Result:
        """Explain a result in its first wrong pass, or else in all passes."""
        passes = [each for each, after in pairwise(passes) if not _is_sum_of(after, each)] + passes[-1:]
        found = [told(each) for each in passes]
        nth = next((i for i, each in enumerate(found) if each.ok is False), None)
        if nth is not None:
            kind = "call" if len({each._callers for each in passes}) > 1 else "pass"
            where = f" (first in {kind} {nth + 1} of {len(passes)})" if len(passes) > 1 else ""
            return _Result(found[nth], passes[nth], found[nth].note + where)
        told_of = [each for each in found if each.what != AUXILIARY] or found
        last = told_of[-1]
        by_name: dict[str | None, str] = {}
        for each in told_of:
            by_name.pop(each.name, None)
            by_name[each.name] = each.note.removesuffix(" ✓")
        *before, end = by_name.values()
        text = ", then ".join([*before, end]) if len(before) < _MOST else f"{before[0]}, …, {end}"
        return _Result(last, passes[found.index(last)], text + (" ✓" if last.ok else ""))

    def _mark(self, blames: Sequence[Blame]) -> None:
        """Mark the first place if a change of it is known to make everything right."""
        for blame in blames[:1]:
            for statement, note in self.notes.items():
                is_here = statement.file == blame.file and statement.line <= blame.line <= statement.end_line
                line = self.lines.get(statement)
                if not is_here or line is None or line.ok is not None or _PROVEN not in blame.says:
                    continue
                if line.what != "stale" and (line.factor is None or _is_named_for(statement, line.name)):
                    what = "wrong" if line.what == AUXILIARY else line.what
                    self.lines[statement] = replace(line, what=what, ok=False)
                    self.notes[statement] = Note(f"✗ {blame.says.partition(';')[0]}", False, note.values)

    def _shown(self, value: Value, wanted: str | None = None) -> str:
        """Return the array of a value at the first point, and the right one."""
        shape = "×".join(map(str, value.shape)) or "number"
        text = f"{shape}, {value.dtype}\n{_array(self.tapes.arrays(value)[0])}"
        right = None if wanted is None else self.explained.right_for(wanted)
        return text if right is None else f"{text}\n∂loss/∂{wanted}:\n{_array(right)}"

    def _rows(self, statements: Sequence[Statement]) -> list[Row]:
        """Return the rows of every function in the call, from its first line to its last."""
        spans: dict[tuple[str, int], int] = {}
        for statement in statements:
            node = function_at(Place(statement.file, statement.line, statement.line, 0, 0, ""))
            if node is not None:
                spans[statement.file, node.lineno] = node.end_lineno or node.lineno
            else:
                spans[statement.file, statement.line] = statement.end_line
        by_line = {(each.file, each.line): note for each, note in self.notes.items()}
        rows: dict[tuple[str, int], Row] = {}
        for (file, first), last in sorted(spans.items()):
            for line in range(first, last + 1):
                note = by_line.get((file, line), Note("", None, ""))
                rows[file, line] = Row(file, line, linecache.getline(file, line).rstrip(), *note)
        return [rows[key] for key in sorted(rows)]


def _is_named_for(statement: Statement, name: str | None) -> bool:
    """Whether a statement assigns a variable that is named for an adjoint: another factor may be meant."""
    targets = getattr(statement.node, "targets", [])
    return any(name in cores(ast.unparse(each)) for each in targets)


def _with_name(explained: Explained, name: str) -> Callable[[Value], Explanation]:
    return lambda value: explained.second(value, name)


def _by_result(values: list[Value]) -> list[list[list[Value]]]:
    """Return for each result of a statement the values that may be it, each for all passes of the loops."""
    place = values[0].place if values else None
    node = None if place is None else statement_at(place).node
    whole = getattr(node, "value", None)
    if not isinstance(whole, ast.Tuple):
        return [_passes(values)] if values else []
    found = []
    for element in whole.elts:
        span = (element.lineno, element.col_offset), (element.end_lineno or 0, element.end_col_offset or 0)
        inside = [each for each in values if (at := each.place) and span[0] <= (at.line, at.column) < span[1]]
        found += [_passes(inside)] if inside else []
    return found or [_passes(values)]


def _passes(values: list[Value]) -> list[list[Value]]:
    """Return the written memory, and the last and largest value, in each pass of the loops around it."""
    written = [each for each in values if is_written(each)]
    others = [each for each in values if not is_written(each)]
    found = [written] if written else []
    if others:
        whole = max(others, key=lambda each: _extent(each.place))
        same = [each for each in others if (each._code, each._position) == (whole._code, whole._position)]
        found.append([each for each in same if kind_of(each) == kind_of(same[-1])])
    return found


def _is_sum_of(value: Value, before: Value) -> bool:
    """Whether a pass of a loop adds to what the pass before it made."""
    while is_written(value):
        value = value.inputs[0]
        if value is before:
            return True
    return before in value.inputs and kind_of(value) in ("add", "subtract")


def _extent(place: Place | None) -> tuple[int, int, int]:
    if place is None:
        return 0, 0, 0
    return place.end_line - place.line, place.end_column - place.column, -place.column


def _array(array: np.ndarray) -> str:
    return np.array2string(np.asarray(array), precision=6, threshold=200, edgeitems=4, max_line_width=100)
