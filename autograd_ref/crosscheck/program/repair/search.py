"""Try edits until the program is right, beginning with the statement that is most likely wrong."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import NamedTuple

from autograd_ref.crosscheck.program.point import RecordedPoint
from autograd_ref.crosscheck.program.repair.by_value.inside import inside
from autograd_ref.crosscheck.program.repair.by_value.solved import added, changed
from autograd_ref.crosscheck.program.repair.edits import edits
from autograd_ref.crosscheck.program.repair.goals import Goals
from autograd_ref.crosscheck.program.repair.site import Edit, Scope, Site
from autograd_ref.crosscheck.program.repair.sites import by_rank, sites_of, watched
from autograd_ref.crosscheck.program.repair.source import Change, Source
from autograd_ref.crosscheck.program.repair.swap import Program
from autograd_ref.crosscheck.program.repair.trial import Outcome, Trial

__all__ = ["Mended", "Search"]

# Seconds for which other repairs of the same statement are counted once there is one.
OTHERS = 0.7

# The number of likeliest statements that are tried before any other.
FIRST = 3

# The largest number of repairs of one place to confirm, and to look at for some that do no less than before.
LAST, WATCHED = 3, 20

# For two mistakes, the number of first repairs to continue from: before less likely statements, and in all.
SOME, BASES = 2, 4

# Two edits are tried together in this number of likeliest statements, if neither costs more.
NEAR = 5
USUAL = 2

# An edit that fits nothing and costs more is not preferred to a good one.
COMMON = 3


class Mended(NamedTuple):
    """Edits that make all gradients right at all points.

    Attributes:
        source: source of the file.
        program: its functions.
        edits: one edit, or two for two mistakes.
        site: the statement of the first edit.
        others: number of other edits that are equally good.
        tried: number of edits that were run.
    """

    source: Source
    program: Program
    edits: tuple[Edit, ...]
    site: Site
    others: int
    tried: int

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes of the text."""
        return tuple(change for edit in self.edits for change in edit.changes)


@dataclass
class Candidate:
    """An edit that may be run.

    Attributes:
        site: the statement.
        edit: the edit.
        fits: whether the edited statement's result is one of the goals.
        outcome: the outcome of the run at the first point.
        is_before: whether it is preferred to equally usual edits of later statements.
    """

    site: Site
    edit: Edit
    fits: bool
    outcome: Outcome = field(default=None)
    is_before: bool = False


# Candidates to run, and others of the same statement to run if one of them is good.
Group = tuple[list[Candidate], list[Candidate]]


class Search:
    """The search for one program.

    Args:
        points: the recorded call at every point.
        programs: the program's files.
        deadline: time limit, by `time.process_time`.
        order: the rank of statements by file and line; a lower one is more likely wrong.
    """

    def __init__(
        self,
        points: Sequence[RecordedPoint],
        programs: Mapping[str, Program],
        deadline: float,
        order: Mapping[tuple[str, int], int],
    ):
        self.points, self.programs, self.deadline, self.order = points, programs, deadline, order
        self.files = {file: program.source for file, program in programs.items()}
        self.goals = Goals(points[0])
        began = time.process_time()
        self.trial = Trial(points, 0.0)
        self.before = self.trial.right(0)
        self.trial = Trial(points, time.process_time() - began)
        self.whole = frozenset(range(len(points[0].pairs)))
        self.ran: dict[tuple[str, int], int] = {}
        self.near: list[Site] = []
        self.tried: set[tuple[tuple[Change, ...], ...]] = set()
        # Repairs that are right only because the program does less: used if there is no other.
        self.weak: list[tuple[Candidate, ...]] = []

    def mended(self, accept: Callable[[Mended], bool]) -> Mended | None:
        """Return the smallest, most usual edit that makes everything right; None if none is found in time.

        Args:
            accept: confirms a repair.
        """
        if self.before is None:
            return None
        bases: list[Candidate] = []
        near: list[Group] = []
        later: list[Group] = []
        sites = self._sites(())
        found = self._one(self._groups(sites[:FIRST], (), near), (), accept, bases)
        found = found or self._one(self._groups(sites[FIRST:], (), later), (), accept, bases)
        found = found or self._one(near, (), accept, bases)
        if found is None:
            better = [each for each in bases if (each.outcome or frozenset()) > self.before]
            found = self._go_on(better, SOME, accept)
        found = found or self._one(later, (), accept, bases)
        found = found or self._go_on(bases, BASES, accept)
        found = found or self._together(sites[:NEAR], accept)
        return found or self._accepted(self.weak[:LAST], accept)

    def _go_on(self, bases: list[Candidate], most: int, accept: Callable[[Mended], bool]) -> Mended | None:
        """One more edit beside the best of some."""
        bases.sort(key=lambda each: (-len(each.outcome or ()), not each.fits, each.edit.cost, _size(each)))
        for base in bases[:most]:
            if time.process_time() > self.deadline:
                return None
            sites = [site for site in self._sites((base,)) if site.source is base.site.source]
            later: list[Group] = []
            found = self._one(self._groups(sites, (base,), later), (base,), accept, [])
            found = found or self._one(later, (base,), accept, [])
            if found is not None:
                return found
        return None

    def _together(self, sites: Sequence[Site], accept: Callable[[Mended], bool]) -> Mended | None:
        """Return two usual edits of the likeliest statements of which neither alone improves anything."""
        usual = [Candidate(site, edit, False) for site in sites for edit in edits(site) if edit.cost <= USUAL]
        couples = [
            (one, other)
            for one, other in combinations(usual, 2)
            if one.site is not other.site
            and one.site.source is other.site.source
            and not _overlap(other.edit, (one,))
        ]
        for one, other in sorted(couples, key=lambda pair: pair[0].edit.cost + pair[1].edit.cost):
            if time.process_time() > self.deadline:
                return None
            if self._run((one, other), 0) == self.whole and self._holds((one, other)):
                mended = self._accepted([(one, other)], accept)
                if mended is not None:
                    return mended
        return None

    def _one(
        self,
        groups: Iterable[Group],
        base: tuple[Candidate, ...],
        accept: Callable[[Mended], bool],
        bases: list[Candidate],
    ) -> Mended | None:
        """One more edit beside some, of the first group that has a good one."""
        for first, rest in groups:
            if time.process_time() > self.deadline:
                return None
            good = self._good(first, base, bases)
            if good:
                least = min(COMMON + 1, *(each.edit.cost for each in good))
                rest = [each for each in rest if each.edit.cost < least]
            if good or not first:
                good += self._good(rest, base, bases)
            if good:
                good += self._good(self._cheaper(good, base), base, bases)
            good.sort(key=lambda each: (each.edit.cost, not each.is_before, _size(each)))
            best: list[tuple[Candidate, ...]] = []
            for each in good[:WATCHED]:
                some = (*base, each)
                (self.weak if self._idles(some) else best).append(some)
                if len(best) == LAST:
                    break
            mended = self._accepted(best, accept, len(good) - 1)
            if mended is not None or time.process_time() > self.deadline:
                return mended
        return None

    def _good(
        self, candidates: Sequence[Candidate], base: tuple[Candidate, ...], bases: list[Candidate]
    ) -> list[Candidate]:
        """Return the candidates that make everything right; those that make more right go to ``bases``."""
        before = (base[0].outcome if base else self.before) or frozenset()
        good: list[Candidate] = []
        until = self.deadline
        for each in candidates:
            if time.process_time() > until:
                break
            key = tuple(one.edit.changes for one in (*base, each))
            if key in self.tried:
                continue
            self.tried.add(key)
            each.outcome = self._run((*base, each), 0)
            if each.outcome == self.whole and self._holds((*base, each)):
                good.append(each)
                until = min(until, time.process_time() + OTHERS)
            elif each.outcome is not None and (
                each.outcome > before or (each.fits and each.outcome >= before)
            ):
                bases.append(each)
        return good

    def _accepted(
        self, found: Sequence[tuple[Candidate, ...]], accept: Callable[[Mended], bool], others: int = 0
    ) -> Mended | None:
        """The first of some repairs that has the last word for it."""
        for some in found:
            source = some[0].site.source
            parts = tuple(each.edit for each in some)
            mended = Mended(source, self.programs[source.file], parts, some[0].site, others, self.trial.count)
            if accept(mended):
                return mended
        return None

    def _cheaper(self, good: Sequence[Candidate], base: tuple[Candidate, ...]) -> list[Candidate]:
        """Return more usual edits of the other likeliest statements: a simpler mistake is likelier.

        Of two equal ones, the earlier is likelier if its statement gives no adjoint: the later may be right.
        """
        cost, here = min(each.edit.cost for each in good), good[0].site
        found: list[Candidate] = []
        for site in self.near:
            is_before = self._ran_at(site) < self._ran_at(here) and not self._gives_goal(site)
            if site is here:
                continue
            usual = [each for each in edits(site) if each.cost <= COMMON and not _overlap(each, base)]
            some = [Candidate(site, edit, False) for edit in usual]
            some += self._by_value(site, base, changed)
            found += [each for each in some if each.edit.cost < cost]
            if is_before and cost <= USUAL:
                equal = [each for each in some if each.edit.cost == cost and not _moves(each.edit)]
                found += [replace(each, is_before=True) for each in equal]
        return found

    def _ran_at(self, site: Site) -> int:
        """Return the position of a statement in the order in which they first ran."""
        return self.ran.get((site.source.file, site.node.lineno), 0)

    def _idles(self, some: tuple[Candidate, ...]) -> bool:
        """Whether an edit is right only because it skips a parameter's step or the code behind a guard."""
        with self._changed(some):
            if not self.trial.keeps_moving():
                return True
        text = some[-1].site.source.text
        if any("\n" in each.text or b"\n" in text[each.start : each.end] for each in some[-1].edit.changes):
            return False  # the edit moves other statements to other lines
        return not self._watched(()).keys() <= self._watched(some).keys()

    def _watched(self, some: tuple[Candidate, ...]) -> dict[tuple[str, int], list[Scope]]:
        recording = self.points[0].run.recording
        recording.before.restore()
        with self._changed(some):
            return self.trial.watched(lambda: watched(recording.call, self.files)) or {}

    def _groups(
        self, sites: Sequence[Site], base: tuple[Candidate, ...], later: list[Group]
    ) -> Iterator[Group]:
        """Yield groups in the order of running; unusual edits that fit nothing are added to ``later``."""
        known: list[tuple[Site, bool, list[Candidate]]] = []
        for site in sites:
            some = [
                Candidate(site, edit, fits)
                for edit in edits(site)
                if not _overlap(edit, base) and (fits := self.goals.fits(site, edit)) is not None
            ]
            some += self._by_value(site, base, added)
            is_late = self._seems_right(site)
            some += [] if is_late else self._by_value(site, base, changed)
            first, rest = [each for each in some if each.fits], [each for each in some if not each.fits]
            if first:
                yield first, rest
            known.append((site, is_late, rest))
        for site, is_late, some in known:
            usual = [each for each in some if each.edit.cost <= USUAL]
            late = self._by_value(site, base, changed) if is_late else self._by_value(site, base, inside)
            yield [], [*late, *usual]
        later += [([], [each for each in some if each.edit.cost > USUAL]) for _, _, some in known]

    def _seems_right(self, site: Site) -> bool:
        """Whether a less likely statement computes an adjoint, although perhaps of another value."""
        is_name = isinstance(getattr(site.node, "value", None), ast.Name)
        return not self._is_likely(site) and not is_name and self._gives_goal(site)

    def _gives_goal(self, site: Site) -> bool:
        value = getattr(site.node, "value", None)
        return isinstance(value, ast.expr) and self.goals.has(site.value(value))

    def _is_likely(self, site: Site) -> bool:
        return site.rank < FIRST

    def _by_value(
        self, site: Site, base: tuple[Candidate, ...], family: Callable[..., list[Edit]]
    ) -> list[Candidate]:
        """Return edits of a statement that are found by value."""
        if family.__name__ not in site.by_value:
            site.by_value[family.__name__] = family(site, self.goals, is_likely=self._is_likely(site))
        some = site.by_value[family.__name__]
        return [Candidate(site, edit, True) for edit in some if not _overlap(edit, base)]

    def _sites(self, base: tuple[Candidate, ...]) -> list[Site]:
        seen = self._watched(base)
        self.ran = {line: i for i, line in enumerate(seen)}
        sites = sites_of(self.points[0], self.files, seen)
        ranked = by_rank(sites, self.order)
        for i, site in enumerate(ranked):
            site.rank = i
        self.near = ranked[:NEAR]
        return ranked

    def _run(self, some: tuple[Candidate, ...], number: int) -> Outcome:
        try:
            with self._changed(some):
                return self.trial.right(number)
        except (SyntaxError, ValueError):
            return None

    def _holds(self, some: tuple[Candidate, ...]) -> bool:
        with self._changed(some):
            return self.trial.at_all(self.whole) == self.whole

    def _changed(self, some: tuple[Candidate, ...]):  # type: ignore[no-untyped-def]
        if not some:
            return next(iter(self.programs.values())).running({})
        program = self.programs[some[0].site.source.file]
        return program.running(program.code([change for each in some for change in each.edit.changes]))


def _moves(edit: Edit) -> bool:
    """Whether an edit adds, removes or moves statements."""
    return any("\n" in change.text or not change.text for change in edit.changes)


def _overlap(edit: Edit, base: tuple[Candidate, ...]) -> bool:
    others = [change for each in base for change in each.edit.changes]
    return any(
        (one.start < other.end and other.start < one.end) or one[:2] == other[:2]
        for one in edit.changes
        for other in others
    )


def _size(each: Candidate) -> int:
    return each.site.source.size(each.edit.changes)
