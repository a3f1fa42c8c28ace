"""Parameters that a call should have moved, and left as they were."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from autograd_ref.crosscheck.program.blame.known import Known
from autograd_ref.crosscheck.program.blame.names import function_at, place_of_node
from autograd_ref.crosscheck.program.blame.says import meaning_in_words
from autograd_ref.crosscheck.program.blame.source import is_own
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.paths import of_path, shown
from autograd_ref.recording import Place

__all__ = ["unmoved_places"]


def unmoved_places(tapes: Tapes, wrong: Sequence[int]) -> Iterator[tuple[Place, str, str]]:
    """The places where a gradient is made that no parameter is moved by, or where the parameter is read last.

    Yields:
        The place, the kind of mistake and what is to be said.
    """
    first = tapes.points[0]
    known = Known(tapes)
    for index in wrong:
        leaf = first.run.leaf(first.pairs[index].leaf)
        name = shown(leaf.path)
        for value in tapes.values:
            place = value.place
            if place is None or is_own(place.file) or not tapes.is_backward(value):
                continue
            found = [each for each in known.of(value) if each.of is leaf.value and each.kind == "adjoint"]
            if found:
                what = meaning_in_words(found[0], tapes)
                yield place, "overwritten", f"this is {what}, and {name} is left as it was"
        yield from _readers(tapes, of_path(leaf.path).name, name)


def _readers(tapes: Tapes, short: str, name: str) -> Iterator[tuple[Place, str, str]]:
    places = [each.place for each in tapes.values if each.place is not None and not is_own(each.place.file)]
    if not places:
        return
    function = function_at(places[-1])
    for node in ast.walk(function) if function is not None else ():
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        if isinstance(node, ast.Return) and short in names:
            yield place_of_node(node, places[-1]), "term", f"{name} comes here as it was before the call"
