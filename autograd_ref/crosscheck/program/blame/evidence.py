"""Evidence against each statement: votes of all wrong gradients, collected by statement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from autograd_ref.crosscheck.program.blame.known import Known, Meaning
from autograd_ref.crosscheck.program.blame.names import names_in
from autograd_ref.crosscheck.program.blame.regions import Region, Trust, is_whole
from autograd_ref.crosscheck.program.blame.says import is_transposed
from autograd_ref.crosscheck.program.blame.source import Statement, is_own, statement_at
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.blame.words import name_of, target_of
from autograd_ref.crosscheck.program.paths import cores, of_path
from autograd_ref.recording import Place, Value
from autograd_ref.recording.tape import Compute, Read, Write

__all__ = ["Suspect", "Votes", "fits", "gather", "last_name"]


@dataclass
class Suspect:
    """A statement that may be wrong, and the votes against it.

    Attributes:
        statement: the statement.
        votes: the sum of all votes.
        places: the expressions in it, with the votes of each.
        values: the backward values made there, with the votes of each.
        kinds: kinds of mistakes, with the votes of each.
        order: the number of the first of its values that may be wrong.
    """

    statement: Statement
    votes: float = 0.0
    places: dict[Place, float] = field(default_factory=dict)
    values: dict[Value, float] = field(default_factory=dict)
    kinds: dict[str, float] = field(default_factory=dict)
    order: int = 1 << 60


class Votes:
    """Votes by statement."""

    def __init__(self) -> None:
        self.of: dict[Statement, Suspect] = {}

    def add(self, value: Value, place: Place | None, weight: float, kind: str) -> None:
        """Add a vote for the statement that contains a place."""
        if place is None or weight <= 0 or is_own(place.file):
            return
        statement = statement_at(place)
        suspect = self.of.setdefault(statement, Suspect(statement))
        suspect.votes += weight
        suspect.places[place] = suspect.places.get(place, 0.0) + weight
        suspect.values[value] = suspect.values.get(value, 0.0) + weight
        suspect.kinds[kind] = suspect.kinds.get(kind, 0.0) + weight
        suspect.order = min(suspect.order, value.number)

    def merge(self, other: Votes) -> None:
        """Add one wrong gradient's votes, of which each statement has at most one."""
        for statement, theirs in other.of.items():
            mine = self.of.setdefault(statement, Suspect(statement))
            mine.votes += max(theirs.values.values())
            mine.order = min(mine.order, theirs.order)
            _add(mine.places, theirs.places)
            _add(mine.kinds, theirs.kinds)
            _add(mine.values, theirs.values)

    def ranked(self) -> list[Suspect]:
        """Return the statements with the most votes first; of equals, the one that ran first."""
        return sorted(self.of.values(), key=lambda each: (-round(each.votes, 6), each.order))


T = TypeVar("T")


def _add(mine: dict[T, float], theirs: dict[T, float]) -> None:
    for key, weight in theirs.items():
        mine[key] = mine.get(key, 0.0) + weight


def gather(regions: list[Region], tapes: Tapes, known: Known, trust: Trust) -> Votes:
    """Return the votes of all wrong gradients."""
    total = Votes()
    for region in regions:
        votes = Votes()
        for value, weight, kind in _of_region(region, tapes, known, trust):
            votes.add(value, value.place, weight, kind)
            for depth, call in enumerate(value.calls):
                votes.add(value, call, weight * 0.6 * 0.8**depth, kind)
        total.merge(votes)
    return total


def _of_region(
    region: Region, tapes: Tapes, known: Known, trust: Trust
) -> Iterator[tuple[Value, float, str]]:
    output = region.output
    for value in region.writes:
        yield value, 0.8, "operator"
    yield from _doubtful(region, tapes, known)
    for value in region.suspects:
        meanings = known.of(value)
        cleared = 1.0 - 0.95 * trust.cleared.get(value.number, 0.0)
        is_move = isinstance(value.operation, (Read, Write))
        if value is output.value and (special := _as_output(output.leaf, meanings, tapes)):
            yield value, 1.0, special
            continue
        if meanings:
            yield value, cleared * _of_factor(value, meanings, tapes, known), "factor"
            continue
        computed = [each for each in value.inputs if tapes.is_backward(each)]
        bad = [each for each in computed if not trust.is_trusted(each)]
        whole = [each for each in computed if trust.is_trusted(each)]
        weight = 0.9 if not bad else 0.6
        if any(isinstance(each.operation, Compute) and not known.of(each) for each in bad) and not whole:
            weight = 0.4
        yield value, cleared * weight * (0.5 if is_move else 1.0), "operator"


def _doubtful(region: Region, tapes: Tapes, known: Known) -> Iterator[tuple[Value, float, str]]:
    """Yield right values in another order, or under a name that fits another value."""
    for source in {each for some in region.frontier.values() for each in some}:
        exact = [each for each in known.of(source) if each.kind == "adjoint" and is_whole(each)]
        if not exact or source in tapes.forward:
            continue
        if all(is_transposed(each, tapes) for each in exact):
            yield source, 0.7, "transpose"
        named = target_of(source)
        meant = [name for name in cores(named or "") if name in names_in(source.place)]
        known_as = [name_of(each.of, tapes) or "" for each in exact]
        if meant and not any(is_like(one, other) for one in meant for other in known_as):
            yield source, 0.75, "name"


def fits(value: Value, known: Known, tapes: Tapes) -> bool:
    """Whether a value is exactly the adjoint to which the name of its variable refers."""
    exact = [each.of for each in known.of(value) if each.kind == "adjoint" and each.is_exact]
    names = [last_name(name_of(each, tapes) or "") for each in exact]
    return any(core in names for core in cores(last_name(target_of(value) or "")))


def last_name(path: str) -> str:
    """Return the variable, attribute or key at the end of a path."""
    return of_path(path).name if path else ""


def is_like(name: str, other: str) -> bool:
    """Whether two names may stand for one value: h, next_h, h1, self.h."""
    return name.endswith(other) or other.endswith(name) or name.startswith(other) or other.startswith(name)


def _as_output(leaf: Value, meanings: list[Meaning], tapes: Tapes) -> str | None:
    """Say what a wrong gradient is instead."""
    for each in meanings:
        if each.of is leaf and each.kind != "adjoint":
            return "term"
        if each.of is leaf and is_whole(each):
            return "transpose"
        if each.of is leaf:
            return None
    whole = [each for each in meanings if is_whole(each)]
    if any(each.kind == "adjoint" and each.of in {out.leaf for out in tapes.outputs} for each in whole):
        return "misnamed"
    return "step" if whole else None


def _of_factor(value: Value, meanings: list[Meaning], tapes: Tapes, known: Known) -> float:
    """Return the weight of a vote against a value that is right except for a factor that is never removed."""
    factors = {round(each.factor, 9) for each in meanings}
    sources = [known.of(each) for each in value.inputs if tapes.is_backward(each)]
    before = [{round(each.factor, 9) for each in some} for some in sources if some]
    if not before:
        return 0.7  # the factor enters here
    return 0.15 if any(factors & each for each in before) else 1.0
