"""The source of all functions in a call, with an explanation of what each statement computes."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.assigned.moved import is_copy
from autograd_ref.crosscheck.program.blame.known import Known, Meaning
from autograd_ref.crosscheck.program.blame.names import function_at
from autograd_ref.crosscheck.program.blame.regions import Region, Trust, region_of
from autograd_ref.crosscheck.program.blame.says import (
    in_words,
    meaning_in_words,
    name_of,
    plainest,
    received,
    target_of,
)
from autograd_ref.crosscheck.program.blame.source import Statement, is_own, statement_at
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.listing.renamed import renamed
from autograd_ref.crosscheck.program.paths import cores, shown
from autograd_ref.crosscheck.program.point import RecordedPoint
from autograd_ref.crosscheck.reports.listed import Line, Row
from autograd_ref.recording import Place, Value
from autograd_ref.recording.tape import Write

__all__ = ["listing_of"]


# A value's kind, its forward value, the factor, whether it is right, and a note.
_Meaning = tuple[str, str | None, float | None, bool | None, str]


class Note(NamedTuple):
    """The note next to a statement, whether it is right, and the values that it made."""

    text: str
    ok: bool | None
    values: str


def listing_of(points: Sequence[RecordedPoint], wrong: Sequence[int]) -> tuple[list[Line], list[Row]]:
    """Explain each backward statement, and return the whole source with a note next to every statement.

    Args:
        points: the recorded call at every point.
        wrong: the positions of the wrong gradients among the pairs of each point.

    Returns:
        A line for each backward statement that made floating values, and the rows of the listing.
    """
    return _Listing(Tapes(points, wrong)).all()


class _Listing:
    def __init__(self, tapes: Tapes):
        self.tapes = tapes
        self.known = Known(tapes)
        self.trust = Trust(tapes, self.known)
        at_fault = [each for each in tapes.outputs if each.is_wrong]
        self.regions: list[Region] = [region_of(each, tapes, self.trust) for each in at_fault]
        self.suspects = {value.number for region in self.regions for value in region.suspects}
        self.reached = set(tapes.backward)
        self.again: set[int] = set()  # the values that get a second name
        self.forward_names = {
            name: each
            for each in reversed(list(tapes.points[0].run.found.of))
            if (name := name_of(each, tapes)) is not None
        }

    def all(self) -> tuple[list[Line], list[Row]]:
        """Return the lines and the rows."""
        lines: dict[Statement, Line] = {}
        notes: dict[Statement, Note] = {}
        made: dict[Statement, list[Value]] = {}
        results: dict[Statement, list[Value]] = {}  # of functions, by the statement that assigns them
        named: list[tuple[Statement, str | None, Value]] = []
        for value in self.tapes.values:
            place = value.place
            if place is not None and value.is_floating and not is_own(place.file):
                made.setdefault(statement_at(place), []).append(value)
                named.append((statement_at(place), target_of(value), value))
                if self.tapes.is_backward(value) and (found := received(value)) is not None:
                    results.setdefault(found[0], []).append(value)
                    named.append((*found, value))
        again = [each for each in renamed(named, made) if self.tapes.is_backward(each[2])]
        self.again = {value.number for _, _, value in again}
        for statement, values in made.items():
            backward = [each for each in values if self.tapes.is_backward(each)]
            forward = self._forward(values)
            if backward:
                lines[statement], notes[statement] = self._backward(statement, _by_result(backward))
            if forward is not None and (not backward or notes[statement].text == "auxiliary"):
                lines.pop(statement, None)
                notes[statement] = Note(forward, None, self._shown(values[-1]))
        for statement, values in results.items():
            lines[statement], notes[statement] = self._backward(statement, _by_result(values))
        for statement, name, value in again:
            lines[statement], notes[statement] = self._renamed(statement, name, value)
        ordered = sorted(lines.values(), key=lambda each: (each.file, each.line))
        return ordered, self._rows(notes, list(made))

    def _forward(self, values: list[Value]) -> str | None:
        named = [name for each in values if each in self.tapes.forward and (name := target_of(each))]
        last = values[-1]
        if last is self.tapes.points[0].run.found.loss:
            return "loss"
        return ", ".join(dict.fromkeys(named)) or None

    def _renamed(self, statement: Statement, name: str, value: Value) -> tuple[Line, Note]:
        """Explain a second name, which is wrong if it does not fit the value and has wrong consequences."""
        what, of, factor, ok, note = self._is(value, with_second_name=True)
        wanted = self._named_for(name, value)
        makes_wrong = any(each.number in self.suspects for each in self.tapes.uses.get(value.number, ()))
        if wanted is not None and wanted != of and makes_wrong and not self._is_adjoint_of(wanted, value):
            what, ok, note = (
                "wrong",
                False,
                f"✗ {note.removesuffix(' ✓').removeprefix('✗ ')}, not ∂loss/∂{wanted}",
            )
        code = linecache.getline(statement.file, statement.line).strip()
        line = Line(statement.file, statement.line, code, of, what, factor, ok)
        return line, Note(note, ok, self._shown(value, wanted if ok is False else None))

    def _is_adjoint_of(self, name: str, value: Value) -> bool:
        of = self.forward_names[name]
        return any(
            each.of is of and each.is_exact and each.kind == "adjoint" for each in self.known.of(value)
        )

    def _shown(self, value: Value, wanted: str | None = None) -> str:
        """Return the array of a value at the first point, and the right one."""
        shape = "×".join(map(str, value.shape)) or "number"
        text = f"{shape}, {value.dtype}\n{_array(self.tapes.arrays(value)[0])}"
        right = None if wanted is None else self.known.adjoint(self.forward_names[wanted])
        return text if right is None else f"{text}\n∂loss/∂{wanted}:\n{_array(right[0])}"

    def _backward(self, statement: Statement, results: list[list[Value]]) -> tuple[Line, Note]:
        """Explain what a statement computes.

        Args:
            statement: the statement.
            results: the values of each of its results in all passes of the loops around it.
        """
        found = [self._result(passes) for passes in results]
        told = [each for each in found if each[0][0] != "auxiliary"] or found[:1]
        (what, name, factor, ok, _), chosen, _ = next(
            (each for each in told if each[0][3] is False), told[-1]
        )
        code = linecache.getline(statement.file, statement.line).strip()
        wanted = name if what == "wrong" and name in self.forward_names else None
        line = Line(statement.file, statement.line, code, name, what, factor, ok)
        text = "; ".join(dict.fromkeys(note for _, _, note in told))
        return line, Note(text, ok, self._shown(chosen, wanted))

    def _result(self, passes: list[Value]) -> tuple[_Meaning, Value, str]:
        """Explain a result in its first wrong pass, or else in the last."""
        nth = next((i for i, each in enumerate(passes) if self._is_wrong(each)), None)
        chosen = passes[-1 if nth is None else nth]
        found = self._is(chosen)
        several = nth is not None and len(passes) > 1
        return (
            found,
            chosen,
            f"{found[4]} (first in pass {(nth or 0) + 1} of {len(passes)})" if several else found[4],
        )

    def _is_wrong(self, value: Value) -> bool:
        return self._is(value)[3] is False

    def _is(self, value: Value, *, with_second_name: bool = False) -> _Meaning:
        """Return a value's kind, its forward value, the factor, whether it is right, and a note."""
        tapes = self.tapes
        output = next((each for each in tapes.outputs if each.value is value), None)
        is_first_name = value.number in self.again and not with_second_name and bool(self.known.of(value))
        if output is not None and not is_first_name:
            name = shown(output.path)
            if not output.is_wrong:
                return "adjoint", name, 1.0, True, f"∂loss/∂{name} ✓"
            found = self.known.of(value)
            instead = f", but {meaning_in_words(plainest(found, tapes), tapes)}" if found else ""
            return "wrong", name, None, False, f"✗ not ∂loss/∂{name}{instead}"
        meanings = self.known.of(value)
        if is_copy(value) and value.inputs[0] in tapes.forward:
            return "auxiliary", None, None, None, f"a copy of {in_words(value.inputs[0], tapes)}"
        if meanings:
            return self._known(value, meanings)
        wanted = self._named_for(target_of(value), value)
        if wanted is not None and value.number in self.suspects:
            return "wrong", wanted, None, False, f"✗ not ∂loss/∂{wanted}"
        if isinstance(value.operation, Write) and value.inputs[0] in tapes.forward:
            name = in_words(value.inputs[0], tapes)
            return "stale", name, None, None, f"overwrites {name}"
        return "auxiliary", None, None, None, "auxiliary"

    def _known(self, value: Value, meanings: list[Meaning]) -> _Meaning:
        wanted = self._named_for(target_of(value), value)
        fitting = (each for each in meanings if wanted and name_of(each.of, self.tapes) == wanted)
        best = next(fitting, plainest(meanings, self.tapes))
        name = in_words(best.of, self.tapes)
        is_used = value in self.reached
        is_right = self.trust.is_trusted(value) or (
            best.is_exact and (not is_used or value.number in self.again)
        )
        kind = "transposed" if best.order == "moved" and best.kind == "adjoint" else best.kind
        note = meaning_in_words(best, self.tapes) + (", transposed" if kind == "transposed" else "")
        factor = float(f"{best.factor:.12g}")
        # Any number is a multiple of any other, and an unsuspected value may be so by chance.
        is_number = int(np.prod(value.shape)) == 1 and abs(abs(factor) - 1) > 1e-7
        if value.number not in self.suspects and (is_number or not is_right):
            return "auxiliary", None, None, None, "auxiliary"
        if not is_right:
            return kind, name, factor, False, f"✗ {note}, which nothing makes right"
        return kind, name, factor, True, f"{note} ✓"

    def _named_for(self, target: str | None, value: Value) -> str | None:
        """Return the forward value to which a variable's name refers, if it has its shape."""
        for core in cores(target) if target is not None and target.isidentifier() else ():
            known = self.forward_names.get(core)
            if known is not None and known.shape == value.shape:
                return core
        return None

    def _rows(self, notes: dict[Statement, Note], made: list[Statement]) -> list[Row]:
        """Return the rows of every function in the call, from its first line to its last."""
        spans: dict[tuple[str, int], int] = {}
        for statement in made:
            node = function_at(Place(statement.file, statement.line, statement.line, 0, 0, ""))
            if node is not None:
                spans[statement.file, node.lineno] = node.end_lineno or node.lineno
            else:
                spans[statement.file, statement.line] = statement.end_line
        by_line = {(each.file, each.line): note for each, note in notes.items()}
        rows: dict[tuple[str, int], Row] = {}
        for (file, first), last in sorted(spans.items()):
            for line in range(first, last + 1):
                note = by_line.get((file, line), Note("", None, ""))
                rows[file, line] = Row(file, line, linecache.getline(file, line).rstrip(), *note)
        return [rows[key] for key in sorted(rows)]


def _by_result(values: list[Value]) -> list[list[Value]]:
    """Return the values of each result of a statement, one for each pass of the loops around it."""
    place = values[0].place
    node = None if place is None else statement_at(place).node
    whole = getattr(node, "value", None)
    if not isinstance(whole, ast.Tuple):
        return [_passes(values)]
    found = []
    for element in whole.elts:
        span = (element.lineno, element.col_offset), (element.end_lineno or 0, element.end_col_offset or 0)
        inside = [each for each in values if (at := each.place) and span[0] <= (at.line, at.column) < span[1]]
        found += [_passes(inside)] if inside else []
    return found or [_passes(values)]


def _passes(values: list[Value]) -> list[Value]:
    """Return the last and largest value in each pass of the loops around it."""
    whole = max(values, key=lambda each: _extent(each.place))
    same = [each for each in values if (each._code, each._position) == (whole._code, whole._position)]
    same = [each for each in same if not isinstance(each.operation, Write)] or same
    return [each for each in same if _kind(each) == _kind(same[-1])]


def _kind(value: Value) -> str:
    return getattr(value.operation, "name", type(value.operation).__name__)


def _extent(place: Place | None) -> tuple[int, int, int]:
    if place is None:
        return 0, 0, 0
    return place.end_line - place.line, place.end_column - place.column, -place.column


def _array(array: np.ndarray) -> str:
    return np.array2string(np.asarray(array), precision=6, threshold=200, edgeitems=4, max_line_width=100)
