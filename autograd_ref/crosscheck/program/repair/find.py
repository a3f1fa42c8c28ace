"""Find a repair of wrong gradients, and confirm it by a run."""

from __future__ import annotations

import ast
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from autograd_ref.crosscheck.program.blame.names import bindings, place_of_node
from autograd_ref.crosscheck.program.blame.search import blame_at
from autograd_ref.crosscheck.program.blame.source import statement_at
from autograd_ref.crosscheck.program.point import RecordedPoint
from autograd_ref.crosscheck.program.repair.omitted import omitted_step
from autograd_ref.crosscheck.program.repair.search import Mended, Search
from autograd_ref.crosscheck.program.repair.site import Edit, Site
from autograd_ref.crosscheck.program.repair.source import Source
from autograd_ref.crosscheck.program.repair.swap import Program
from autograd_ref.crosscheck.program.repair.trial import quietly
from autograd_ref.crosscheck.reports.repair import Repair
from autograd_ref.crosscheck.reports.report import Blame
from autograd_ref.recording import Place

__all__ = ["find_repair"]


class Found(NamedTuple):
    """A repair, its first place, and other places: of its second change, and where operands are bound."""

    repair: Repair
    blame: Blame
    also: list[Blame]


# A target may change it.
_STARTED = Path.cwd()
_OWN = str(Path(__file__).parents[3]) + os.sep
_INSTALLED = (f"site-packages{os.sep}", f"dist-packages{os.sep}")


def find_repair(
    points: Sequence[RecordedPoint],
    confirmed: Callable[[bool], bool],
    order: Mapping[tuple[str, int], int],
    seconds: float,
) -> Found | None:
    """Search for a change of the program that makes every gradient right.

    Args:
        points: the recorded call at each point; its changes are not undone afterwards.
        confirmed: returns whether the program, as it is in memory at that moment, is right by the verdict of
            the check at all points and at a new one, with the same loss; takes whether a guard was changed.
        order: the rank of statements by file and line; a lower one is more likely wrong.
        seconds: CPU time for the search.

    Returns:
        The repair; None if none was found in time.
    """
    deadline = time.process_time() + seconds
    programs = _programs(points[0])
    if not programs:
        return None

    def accept(found: Mended) -> bool:
        with found.program.running(found.program.code(found.changes)):
            return confirmed(_changes_a_guard(found))

    with quietly():
        found = Search(points, programs, deadline, order).mended(accept)
        if found is None:
            return None
        found = found._replace(edits=tuple(_in_words(found, points[0])))
    here, *more = [_blame(found, edit) for edit in found.edits]
    return Found(_repair(found, points), here, [*more, *_bound(here, points[0])])


def _changes_a_guard(found: Mended) -> bool:
    """Whether the test of an if or while changes, which a few points may meet by chance."""
    tests = [
        each.test for each in ast.walk(found.source.tree) if isinstance(each, ast.If | ast.IfExp | ast.While)
    ]
    spans = [found.source.span(each) for each in tests]
    return any(start <= each.start and each.end <= end for start, end in spans for each in found.changes)


def _programs(point: RecordedPoint) -> dict[str, Program]:
    """Return the files whose functions made a backward value, if they agree with the code in memory."""
    forward = point.run.found.forward
    files = {
        value.place.file
        for value in point.run.recording.tape.values
        if value not in forward and value.place is not None
    }
    if point.run.recording.definition is not None:
        files.add(point.run.recording.definition.file)
    found = {}
    for file in sorted(files):
        if file.startswith(_OWN) or any(part in file for part in _INSTALLED):
            continue
        try:
            program = Program(Source(file))
        except (OSError, SyntaxError, ValueError):
            continue
        if program.is_same:
            found[file] = program
    return found


def _repair(found: Mended, points: Sequence[RecordedPoint]) -> Repair:
    source, changes = found.source, found.changes
    new = source.changed(changes)
    first, last = source.lines_of(changes)
    old_lines = source.text[source.start_of(first) : source.start_of(last + 1)]
    more = len(new) - len(source.text)
    new_lines = new[source.start_of(first) : source.start_of(last + 1) + more]
    return Repair(
        file=source.file,
        line=first,
        end_line=max(last, first),
        before=old_lines.decode(),
        after=new_lines.decode(),
        diff=source.diff(new, _name(source.file)),
        says="; ".join(edit.says for edit in found.edits),
        points=len(points),
        tried=found.tried,
        others=found.others,
        digest=hashlib.sha256(source.raw).hexdigest() if source.is_file else "",
    )


def _in_words(found: Mended, point: RecordedPoint) -> Iterator[Edit]:
    """Yield the edits; for an omitted step, with its line of the forward pass."""
    for i, edit in enumerate(found.edits):
        omitted = omitted_step(found.site, edit, point) if i == 0 and edit.kind == "step" else None
        yield edit if omitted is None else edit._replace(says=omitted)


def _blame(found: Mended, edit: Edit) -> Blame:
    """Return the changed expression; for a missing statement, the first one that reads its result."""
    source = found.source
    start, end = edit.changes[0].start, max(edit.changes[0].end, edit.changes[0].start + 1)
    if edit.changes[0].start == edit.changes[0].end and edit.changes[0].text.endswith(("\n", "\r")):
        start, end = source.span(_reader(found.site, edit.changes[0].start, edit.changes[0].text))
    line, last = source.line_of(start), source.line_of(end)
    text = source.text[source.start_of(line) : source.start_of(line + 1)].decode().rstrip()
    return Blame(
        source.file,
        line,
        last,
        len(source.text[source.start_of(line) : start].decode()),
        len(source.text[source.start_of(last) : end].decode()),
        text,
        edit.kind,
        edit.says,
    )


def _bound(here: Blame, point: RecordedPoint) -> list[Blame]:
    """Return where the operands of a repaired statement are bound without a computation."""
    place = Place(here.file, here.line, here.end_line, here.col, here.end_col, "")
    value = getattr(statement_at(place).node, "value", None)
    values = [each for each in point.run.recording.tape.values if each.place is not None]
    made = [each for each in values if each.place and each.place[:2] == place[:2]]
    if not isinstance(value, ast.expr) or not made:
        return []
    ran = {(each.place.file, each.place.line) for each in values if each.place}
    says = f"an operand of line {here.line} has its value from here"
    found = bindings(value, place_of_node(value, place), made[0].calls, ran)
    return [blame_at(at, here.kind, says) for at in found]


def _reader(site: Site, at: int, text: str) -> ast.stmt:
    """Return the first statement after a position that reads what an insertion changes, or else this one."""
    made = next(each.id for each in ast.walk(ast.parse(text.strip())) if isinstance(each, ast.Name))
    behind = [
        each
        for each in ast.walk(site.function)
        if isinstance(each, ast.stmt) and not hasattr(each, "body") and site.source.span(each)[0] >= at
    ]
    for other in sorted(behind, key=lambda each: each.lineno):
        if made in {each.id for each in ast.walk(other) if isinstance(each, ast.Name)}:
            return other
    return site.node


def _name(file: str) -> str:
    """Return the path for a diff: relative to the working directory if the file is below it."""
    path = Path(file)
    return (path.relative_to(_STARTED) if path.is_relative_to(_STARTED) else path).as_posix().lstrip("/")
