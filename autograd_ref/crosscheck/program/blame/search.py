"""Find the statement that made a gradient wrong."""

from __future__ import annotations

import linecache
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from autograd_ref.crosscheck.program.blame.evidence import Suspect, Votes, fits, gather, last_name
from autograd_ref.crosscheck.program.blame.known import Known
from autograd_ref.crosscheck.program.blame.names import bindings, view_at
from autograd_ref.crosscheck.program.blame.operands import other_numbers
from autograd_ref.crosscheck.program.blame.regions import Region, Trust, region_of
from autograd_ref.crosscheck.program.blame.says import REGION, sentences
from autograd_ref.crosscheck.program.blame.source import Statement, statement_at
from autograd_ref.crosscheck.program.blame.steps import Wanted, wanted_values
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.blame.trial import Expression, Trial, expressions
from autograd_ref.crosscheck.program.blame.unwritten import vote_for_unwritten
from autograd_ref.crosscheck.program.blame.weigh import Tried, evidence_of, most, try_expression
from autograd_ref.crosscheck.program.blame.words import expression_at, in_words, name_of, target_of
from autograd_ref.crosscheck.program.paths import cores
from autograd_ref.crosscheck.program.point import RecordedPoint
from autograd_ref.crosscheck.reports.report import Blame
from autograd_ref.recording import Place, Value
from autograd_ref.recording.adjoints.reverse import ancestors

__all__ = ["Found", "blame", "blame_at"]

MOST = 3
MAKERS = 60
# Below this weight, an edit that makes everything right is not the most obvious one.
USUAL = 2.6
# The kinds of mistakes that may be made where an operand gets its value.
_OF_OPERANDS = {"factor", "index", "name", "operand", "stale", "transpose"}
# Time limit for all trials together.
SECONDS = 3.0


@dataclass
class Found:
    """The results of the search.

    Attributes:
        blames: at most three places, most likely first.
        statements: all statements of the backward part that may be wrong, most likely first.
    """

    blames: list[Blame] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)


def blame(points: Sequence[RecordedPoint], wrong: Sequence[int]) -> Found:
    """Say which statements made gradients wrong.

    A search for a repair tries edits of ``statements`` in this order: in most cases the first one contains
    the mistake, and nearly always one of the first three. ``blames`` is for the reader.

    Args:
        points: the recorded call at every point, from `point.read_gradients`.
        wrong: the positions of the wrong gradients among the pairs of each point.

    Returns:
        The results; empty if nothing is wrong or the program's values are not on the tape.
    """
    if not wrong:
        return Found()
    tapes = Tapes(points, wrong)
    if not any(each.is_wrong for each in tapes.outputs):
        return Found()
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        return _Search(tapes).found()


class _Search:
    def __init__(self, tapes: Tapes):
        self.tapes = tapes
        self.known = Known(tapes)
        self.trust = Trust(tapes, self.known)
        self.trial = Trial(tapes)
        wrong = [each for each in tapes.outputs if each.is_wrong]
        self.regions: list[Region] = [region_of(each, tapes, self.trust) for each in wrong]
        self.suspects = {value for region in self.regions for value in region.suspects}
        self.votes: Votes = gather(self.regions, tapes, self.known, self.trust)
        self.bound: dict[Statement, str] = {}
        self.wanted: dict[Statement, Wanted] = {}  # the last value of each that an adjoint can replace
        self.shown = {each.value.number: view_at(each.value, each.found) for each in wrong}
        self.until = time.thread_time() + SECONDS

    def found(self) -> Found:
        """Return all results, the most likely first."""
        vote_for_unwritten(self.regions, self.tapes, self.known, self.votes)
        for region in self.regions:
            value = region.output.value
            if value.inputs and self.trust.is_trusted(value.inputs[0]):
                self.votes.add(value, self.shown[value.number], 1.0, "index")
        tried: dict[Statement, list[Tried]] = {}
        self._try(self.suspects | self._parts(), tried)
        every = list(wanted_values(self.regions, self.tapes, self.known, self.trust, self.trial, self.until))
        if not any(each.edits for some in tried.values() for each in some):
            self._try_together(tried)
        makers = [each.value for each in every if each.users]
        if max((evidence_of(each) for some in tried.values() for each in some), default=0.0) < USUAL:
            makers += [each for region in self.regions for some in region.frontier.values() for each in some]
        self._try(self._makers(makers), tried)
        scores = {
            statement: suspect.votes / len(self.regions) + (evidence_of(most(some)) if some else 0.0)
            for statement, suspect in self.votes.of.items()
            for some in [tried.get(statement, [])]
        }
        self._narrow([each for each in every if not each.users], scores)
        steps = self._steps([each for each in every if each.users], scores)
        for one in every:
            if not one.users and one.value.place is not None:
                self.wanted[statement_at(one.value.place)] = one
        steps |= self._factors([each for each in every if not each.users], scores)
        self._bindings(tried, scores)
        ranked = sorted(
            self.votes.of.values(), key=lambda each: (-round(scores[each.statement], 6), each.order)
        )
        blames = []
        for each in ranked[:MOST]:
            best = most(tried[each.statement]) if each.statement in tried else None
            blames.append(self._blame(each, best, steps.get(each.statement)))
        return Found(blames, [each.statement for each in ranked])

    def _try(self, values: set[Value], found: dict[Statement, list[Tried]]) -> None:
        """Change the expressions that made some values, in the order of the votes."""
        order = {each.statement: i for i, each in enumerate(self.votes.ranked())}
        placed = [
            (statement_at(place), each)
            for each in expressions(sorted(values, key=lambda value: value.number), self.tapes)
            if each.values and (place := self._place(each.first)) is not None
        ]
        right = self._right_statements(values)
        placed = [(statement, each) for statement, each in placed if statement not in right]
        for statement, each in sorted(placed, key=lambda pair: order.get(pair[0], len(order))):
            if time.thread_time() > self.until:
                break
            tried = try_expression(each, self.tapes, self.trial, self.until)
            for edit in tried.edits:
                if edit.at is not None:  # the edit belongs to another statement
                    found.setdefault(statement_at(edit.at), []).append(tried)
                    self.votes.add(each.first, edit.at, 0.01, edit.kind)
            if each.first not in self.suspects and tried.edits:
                self.votes.add(each.first, each.first.place, 0.01, tried.edits[0].kind)
            if not any(edit.at is not None for edit in tried.edits):
                found.setdefault(statement, []).append(tried)

    def _place(self, value: Value) -> Place | None:
        """Return the place of a value; of a shown array, where it is shown."""
        return self.shown.get(value.number) or value.place

    def _right_statements(self, values: set[Value]) -> set[Statement]:
        """Return the statements whose results are all the adjoints that their names promise."""
        found: dict[Statement, bool] = {}
        for each in values:
            if each.place is not None and target_of(each) is not None:
                statement = statement_at(each.place)
                is_right = each not in self.suspects and fits(each, self.known, self.tapes)
                found[statement] = found.get(statement, True) and is_right
        return {statement for statement, is_right in found.items() if is_right}

    def _try_together(self, found: dict[Statement, list[Tried]]) -> None:
        """Change something that several expressions have in common."""
        for edit in other_numbers(self.suspects, self.tapes):
            if time.thread_time() > self.until:
                return
            if edit.at is not None and self.trial.makes_all_right(edit.changes):
                first = self.tapes.values[min(edit.changes)]
                found.setdefault(statement_at(edit.at), []).append(
                    Tried(Expression((first,)), [edit], None, None)
                )
                self.votes.add(first, edit.at, 0.01, edit.kind)

    def _parts(self) -> set[Value]:
        """Return right values that are contributions and feed a wrong one: others may be missing."""
        frontier = {value for region in self.regions for some in region.frontier.values() for value in some}
        return {
            value
            for value in frontier
            if self.tapes.is_backward(value) and any(each.kind != "adjoint" for each in self.known.of(value))
        }

    def _makers(self, values: list[Value]) -> set[Value]:
        """Return the inputs of right values that are used in place of others: a part may be missing."""
        found = {each for value in values for each in ancestors(value) if self.tapes.is_backward(each)}
        return found if len(found) <= MAKERS else set()

    def _narrow(self, wanted: list[Wanted], scores: dict[Statement, float]) -> None:
        """Clear everything after a value that an adjoint can replace to make everything right."""
        if not wanted:
            return
        earliest = min(wanted, key=lambda each: each.value.number).value
        before = {
            statement_at(each.place)
            for each in ancestors(earliest)
            if each in self.suspects and each.place is not None
        }
        calls = {statement_at(call) for call in earliest.calls}
        for statement in scores:
            if statement not in before and statement not in calls:
                scores[statement] -= 1.0

    def _steps(self, wanted: list[Wanted], scores: dict[Statement, float]) -> dict[Statement, Wanted]:
        """Find places where a right value is used in place of another one."""
        found: dict[Statement, Wanted] = {}
        for each in wanted:
            user = min(each.users, key=lambda user: user.number)
            if user.place is None:
                continue
            statement = statement_at(user.place)
            self.votes.add(user, user.place, 0.01, "step")
            scores[statement] = max(scores.get(statement, 0.0), 0.0) + 2.2
            found[statement] = each
        return found

    def _bindings(self, tried: dict[Statement, list[Tried]], scores: dict[Statement, float]) -> None:
        """Rank the binding of an operand right after the statement that is wrong only in this operand."""
        best = max(scores, key=lambda each: scores[each], default=None)
        found = most(tried[best]) if best in tried else None
        if best is None or found is None or not found.edits or found.expression.first.place is None:
            return
        if found.edits[0].kind not in _OF_OPERANDS:
            return
        value, place = found.expression.first, found.expression.first.place
        ran = {(each.place.file, each.place.line) for each in self.tapes.values if each.place is not None}
        inside = expression_at(place)
        for at in bindings(inside, place, value.calls, ran)[:2] if inside is not None else ():
            self.votes.add(value, at, 0.01, found.edits[0].kind)
            scores[statement_at(at)] = max(scores.get(statement_at(at), 0.0), scores[best] - 0.01)
            self.bound[statement_at(at)] = f"an operand of line {place.line} has its value from here"

    def _factors(self, wanted: list[Wanted], scores: dict[Statement, float]) -> dict[Statement, Wanted]:
        """Find places where a factor, such as the number of terms of a mean, enters or should be removed."""
        found: dict[Statement, Wanted] = {}
        for each in wanted:
            meanings = self.known.of(each.value)
            meaning = next((m for m in meanings if m.of is each.of and m.kind == "adjoint"), None)
            if meaning is None or each.value.place is None:
                continue
            own = statement_at(each.value.place)
            if _is_count(meaning.factor, self.tapes):
                users = self.tapes.uses.get(each.value.number, [])
                for user in sorted(users, key=lambda user: user.number):
                    statement = statement_at(user.place) if user.place is not None else own
                    if statement != own:
                        self.votes.add(user, user.place, 0.01, "factor")
                        scores[statement] = max(scores.get(statement, 0.0), 0.0) + 2.0
                        found[statement] = each
                        break
            else:
                # A variable that is named for an adjoint, and that only a factor keeps from being it.
                named = cores(last_name(target_of(each.value) or ""))
                multiples = [m.of for m in meanings if m.kind == "adjoint"]
                is_meant = any(last_name(name_of(of, self.tapes) or "") in named for of in multiples)
                scores[own] = scores.get(own, 0.0) + (3.0 if is_meant else 1.0)
        return found

    def _kind_of(self, step: Wanted) -> str:
        if not step.users:
            return "factor"
        parts = [each for each in self.known.of(step.value) if each.of is step.of]
        return "step" if not parts else "term" if parts[0].kind != "adjoint" else "factor"

    def _blame(self, suspect: Suspect, tried: Tried | None, step: Wanted | None) -> Blame:
        place = max(suspect.places, key=lambda each: suspect.places[each])
        kind = max(suspect.kinds, key=lambda each: suspect.kinds[each])
        edit = tried.edits[0] if tried is not None and tried.edits else None
        if edit is not None and tried is not None:
            place, kind = edit.at or self._place(tried.expression.first) or place, edit.kind
        elif step is not None:
            kind = self._kind_of(step)
        wanted = self.wanted.get(suspect.statement)
        said = self.bound.get(suspect.statement) or sentences(
            suspect, edit, step, wanted, self.regions, self.tapes, self.known
        )
        if edit is None and step is None and wanted is not None and wanted.value.place is not None:
            place = wanted.value.place if said.startswith(in_words(wanted.value, self.tapes)) else place
        return blame_at(place, "region" if said.startswith(REGION) else kind, said)


def blame_at(place: Place, kind: str, says: str) -> Blame:
    """Return a blame with the line of a place."""
    line = linecache.getline(place.file, place.line)
    end = linecache.getline(place.file, place.end_line)
    columns = _characters(line, place.column), _characters(end, place.end_column)
    return Blame(place.file, place.line, place.end_line, *columns, line.rstrip(), kind, says)


def _is_count(factor: float, tapes: Tapes) -> bool:
    """Whether a factor is a number of entries along axes of a given array, or its inverse."""
    sizes = {size for leaf in tapes.points[0].run.recording.leaves for size in leaf.value.shape}
    counts = sizes | {a * b for a in sizes for b in sizes}
    whole = abs(factor) if abs(factor) > 1 else 1 / abs(factor)
    return abs(whole - round(whole)) < 1e-6 and round(whole) in counts - {1, 2}


def _characters(line: str, column: int) -> int:
    """Return a column in characters, given in bytes."""
    return len(line.encode()[:column].decode(errors="replace"))
