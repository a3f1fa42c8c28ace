"""Which statement made a gradient wrong."""

from __future__ import annotations

import linecache
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from autograd_ref.crosscheck.program.blame.edits import expressions
from autograd_ref.crosscheck.program.blame.evidence import Suspect, gather
from autograd_ref.crosscheck.program.blame.known import Known
from autograd_ref.crosscheck.program.blame.regions import Trust, region_of
from autograd_ref.crosscheck.program.blame.source import Statement, statement_at
from autograd_ref.crosscheck.program.blame.steps import wanted_values
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.blame.trial import Trial
from autograd_ref.crosscheck.program.blame.weigh import Tried, evidence_of, most, try_expression
from autograd_ref.crosscheck.program.point import RecordedPoint
from autograd_ref.crosscheck.report import Blame
from autograd_ref.recording import Value
from autograd_ref.recording.adjoints.reverse import ancestors

__all__ = ["Found", "blame"]

MOST = 3
SECONDS = 3.0


@dataclass
class Found:
    """What the search knows about wrong gradients.

    Attributes:
        blames: at most three places, most likely first.
        statements: all suspect statements of the backward part, most suspect first.
        wanted: by the statement, what the value it made should have been, at every point, where that is known:
            the value on the first tape and its right arrays.
    """

    blames: list[Blame] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    wanted: dict[Statement, tuple[Value, list[np.ndarray]]] = field(default_factory=dict)


def blame(points: Sequence[RecordedPoint], wrong: Sequence[int]) -> Found:
    """Say which statements made gradients wrong.

    A search for a repair tries edits of ``statements`` in their order, which is that of suspicion: the first
    is right in most cases, and the mistake is nearly always among the first three. Where ``wanted`` has a
    statement, an edit of it is worth running only if it gives these arrays: evaluate the edited expression in
    the statement's own names at the first point, and compare. ``blames`` is what a reader is shown.

    Args:
        points: the recorded call at every point, as `point.read_gradients` gives it.
        wrong: the positions of the wrong gradients among the pairs of each point.

    Returns:
        What was found; empty where nothing is wrong or the program's values are not on the tape.
    """
    if not wrong:
        return Found()
    tapes = Tapes(points, wrong)
    outputs = [each for each in tapes.outputs if each.is_wrong]
    if not outputs:
        return Found()
    known = Known(tapes)
    trust = Trust(tapes, known)
    regions = [region_of(each, tapes, trust) for each in outputs]
    votes = gather(regions, tapes, known, trust)
    trial = Trial(tapes)
    suspects = {value for region in regions for value in region.suspects}
    until = time.perf_counter() + SECONDS
    by_statement: dict[Statement, list[Tried]] = {}
    order = {each.statement: i for i, each in enumerate(votes.ranked())}
    every = [each for each in expressions(list(suspects)) if each.first.place is not None]
    every.sort(key=lambda each: order.get(statement_at(each.first.place), 99))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for each in every:
            if time.perf_counter() > until:
                break
            tried = try_expression(each, tapes, trial, until)
            by_statement.setdefault(statement_at(each.first.place), []).append(tried)
        wanted = list(wanted_values(regions, tapes, known, trust, trial, until))
    bonus: dict[Statement, tuple[float, str, Value]] = {}
    steps = [each for each in wanted if each.users]
    for each in steps:
        user = min(each.users, key=lambda user: user.number)
        if user.place is not None:
            votes.add(user, user.place, 0.01, "step")
            bonus[statement_at(user.place)] = 2.2, "step", each.of
    places = [each for each in wanted if not each.users]
    if places:
        earliest = min(places, key=lambda each: each.value.number).value
        inside = {
            statement_at(value.place)
            for value in ancestors(earliest)
            if value in suspects and value.place is not None
        }
        for statement in votes.of:
            if statement not in inside and statement not in bonus:
                bonus[statement] = -1.0, "", earliest
    wrong_outputs = max(len(outputs), 1)

    def score(suspect: Suspect) -> float:
        tried = by_statement.get(suspect.statement)
        extra = bonus.get(suspect.statement, (0.0,))[0]
        return suspect.votes / wrong_outputs + (evidence_of(most(tried)) if tried else 0.0) + extra

    ranked = sorted(votes.of.values(), key=lambda each: (-round(score(each), 6), each.order))
    for each in ranked:
        tried = by_statement.get(each.statement)
        if each.statement in bonus and bonus[each.statement][0] > 0:
            each.kinds = {bonus[each.statement][1]: 1.0}
        if tried and most(tried).edits:
            best = most(tried)
            each.kinds = {best.edits[0].kind: 1.0}
            each.places = {best.expression.first.place: 1.0}
            each.says = best.edits[0].says
    return Found([_blame(each, score(each)) for each in ranked[:MOST]], [each.statement for each in ranked])


def _blame(suspect: Suspect, score: float) -> Blame:
    place = max(suspect.places, key=lambda each: suspect.places[each])
    kind = max(suspect.kinds, key=lambda each: suspect.kinds[each])
    line = linecache.getline(place.file, place.line)
    end = linecache.getline(place.file, place.end_line)
    return Blame(
        place.file,
        place.line,
        place.end_line,
        _characters(line, place.column),
        _characters(end, place.end_column),
        line.strip(),
        kind,
        f"{score:.2f} {suspect.says}",
    )


def _characters(line: str, column: int) -> int:
    """A column in characters, from one in bytes."""
    return len(line.encode()[:column].decode(errors="replace"))
