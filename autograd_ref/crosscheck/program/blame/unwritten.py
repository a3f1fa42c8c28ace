"""Entries of a gradient that were never written: a statement or a pass of a loop is missing."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from autograd_ref.crosscheck.program.blame.evidence import Votes, fits, last_name
from autograd_ref.crosscheck.program.blame.known import Known
from autograd_ref.crosscheck.program.blame.names import (
    creation_names,
    function_at,
    place_of_node,
    readers,
    rebound_at,
    written_names,
)
from autograd_ref.crosscheck.program.blame.regions import Region
from autograd_ref.crosscheck.program.blame.source import is_own, statement_at
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.blame.words import expression_at, received
from autograd_ref.crosscheck.program.paths import cores
from autograd_ref.recording import Place, Value
from autograd_ref.recording.tape import Compute, Write

__all__ = ["vote_for_unwritten"]


def vote_for_unwritten(regions: Sequence[Region], tapes: Tapes, known: Known, votes: Votes) -> None:
    """Vote for the loops that write to a memory with unwritten parts, or for the statements that read it."""
    leaves = {each.leaf for each in tapes.outputs}
    for region in regions:
        output = region.output
        _vote_for_aliases(region, tapes, known, votes)
        writes = [each for each in region.suspects if isinstance(each.operation, Write)]
        meanings = known.of(output.value)
        is_part = any(each.of is output.leaf and each.kind != "adjoint" for each in meanings)
        exact = [each for each in meanings if each.of in leaves and each.is_exact and each.kind == "adjoint"]
        turned = [
            each
            for each in meanings
            if each.of is output.leaf and each.order == "moved" and abs(each.factor - 1) < 1e-7
        ]
        names, place = _named(output.value)
        in_loop = len(tapes.passes(output.value)) > 1
        if (is_part or exact or turned) and place is not None and not in_loop and not is_own(place.file):
            after = [node for node in readers(names, place) if node.lineno > place.end_line]
            kind = "term" if is_part else "misnamed" if exact else "transpose"
            is_meant = last_name(output.path) in {core for name in names for core in cores(name)}
            sums = _sums(region, tapes, known) if is_part and is_meant else []
            for each in sums:
                votes.add(each, each.place, 1.1, kind)
            is_made_wrong = bool(sums) or (bool(exact) and is_meant)
            _vote_for_readers(after[-1:], place, output.value, votes, 0.8 if is_made_wrong else 1.05, kind)
        is_scattered = region.unwritten is not None and _is_scattered(region, tapes)
        if (is_part or region.unwritten is not None) and not is_scattered:
            _vote_for_skipped(region, tapes, votes)
        if is_part:
            made = [each for each in region.suspects if len(tapes.passes(each)) > 1][:1]
            for i, loop in enumerate(dict.fromkeys(loop for each in made for loop in _loops(each))):
                votes.add(output.value, loop, 0.95 - 0.1 * i, "index")
        if is_scattered:
            _vote_for_indices(writes, votes)
        elif region.unwritten is not None and region.unwritten.place is not None:
            place = region.unwritten.place
            loops = [loop for each in writes for loop in _loops(each)]
            for i, loop in enumerate(dict.fromkeys(loops)):
                votes.add(region.unwritten, loop, 1.2 - 0.1 * i, "index")
            found = [node for node in readers(creation_names(place), place) if node.lineno > place.line]
            _vote_for_readers(found, place, region.unwritten, votes, 0.3 if loops else 1.0)


def _vote_for_aliases(region: Region, tapes: Tapes, known: Known, votes: Votes) -> None:
    """Vote for second names of values whose first names fit: a step may be left out there."""
    for source in {each for some in region.frontier.values() for each in some}:
        at = rebound_at(source) if source not in tapes.forward and fits(source, known, tapes) else None
        if at is not None and isinstance(getattr(statement_at(at).node, "value", None), ast.Name):
            votes.add(source, at, 0.92, "step")


def _sums(region: Region, tapes: Tapes, known: Known) -> list[Value]:
    """Return the sums of several terms, of which one may be missing, with the latest first."""
    return [
        each
        for each in region.suspects
        if isinstance(each.operation, Compute)
        and each.operation.name in ("add", "subtract")
        and sum(tapes.is_backward(source) for source in each.inputs) > 1
        and len(tapes.passes(each)) == 1
    ][:1]


def _is_scattered(region: Region, tapes: Tapes) -> bool:
    """Whether entries were written where nothing belongs."""
    if region.output.is_change:
        return False
    hand = region.output.own(tapes.arrays(region.output.value)[0])
    right = tapes.right(region.output.index)[0]
    return hand.shape == right.shape and bool(((right == 0) & (hand != 0)).any())


def _vote_for_indices(writes: Sequence[Value], votes: Votes) -> None:
    """Vote for the statements that write entries, and for those that compute where."""
    for write in {each.place: each for each in writes if each.place is not None}.values():
        place, function = write.place, None if write.place is None else function_at(write.place)
        node = None if place is None else expression_at(place)
        if place is None or function is None or not isinstance(node, ast.Subscript):
            continue
        votes.add(write, place, 1.2, "index")
        used = {each.id for each in ast.walk(node.slice) if isinstance(each, ast.Name)}
        for each in ast.walk(function):
            if isinstance(each, ast.Assign) and each.lineno < place.line and used & written_names(each):
                is_computed = any(isinstance(part, ast.Call) for part in ast.walk(each.value))
                votes.add(write, place_of_node(each.value, place), 1.25 if is_computed else 0.5, "index")


def _named(value: Value) -> tuple[list[str], Place | None]:
    """Return the names of a value, and the place of the call that returns it."""
    found = received(value)
    if found is None:
        return ([], None) if value.place is None else (creation_names(value.place), value.place)
    statement, name = found
    return [name], Place(statement.file, statement.line, statement.end_line, 0, 0, "")


def _vote_for_readers(
    nodes: list[ast.stmt], place: Place, value: Value, votes: Votes, weight: float, kind: str = "term"
) -> None:
    for node in sorted(nodes, key=lambda each: not isinstance(each, ast.Return)):
        votes.add(value, place_of_node(node, place), weight, kind)
        weight *= 0.8


def _vote_for_skipped(region: Region, tapes: Tapes, votes: Votes) -> None:
    """Vote for the heads of blocks that would write to a gradient, but never run."""
    created, place = _named(region.unwritten or region.output.value)
    function = None if place is None else function_at(place)
    if place is None or function is None:
        return
    names = set(created)
    ran = {each.place.line for each in tapes.values if each.place and each.place.file == place.file}
    for node in ast.walk(function):
        if isinstance(node, (ast.If, ast.For, ast.While)):
            for body in filter(None, (node.body, node.orelse)):
                lines = range(body[0].lineno, (body[-1].end_lineno or body[-1].lineno) + 1)
                if ran.isdisjoint(lines) and names & {name for each in body for name in written_names(each)}:
                    votes.add(region.output.value, _head(node, place), 1.3, "operator")


def _loops(value: Value) -> list[Place]:
    """Return the loops around the statement that made a value, innermost first."""
    place = value.place
    function = None if place is None else function_at(place)
    if place is None or function is None:
        return []
    around = [
        node
        for node in ast.walk(function)
        if isinstance(node, (ast.For, ast.While)) and node.lineno < place.line <= (node.end_lineno or 0)
    ]
    # A range with a sum in it, or with a start, is more often wrong than a complete one.
    return [
        _head(node, place) for node in sorted(around, key=lambda node: (not _is_special(node), -node.lineno))
    ]


def _is_special(node: ast.For | ast.While) -> bool:
    return isinstance(node, ast.For) and any(isinstance(each, ast.BinOp) for each in ast.walk(node.iter))


def _head(node: ast.For | ast.While | ast.If, place: Place) -> Place:
    inside = node.iter if isinstance(node, ast.For) else node.test
    return place_of_node(inside, place)
