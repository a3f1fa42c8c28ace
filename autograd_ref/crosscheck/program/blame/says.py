"""Sentences about a place: the mistake, the right expression, and facts about its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from autograd_ref.crosscheck.program.blame.source import is_own
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.blame.words import (
    in_order_of,
    in_words,
    is_read_again,
    name_of,
    operand_of,
    rearranged,
)
from autograd_ref.recording import Value
from autograd_ref.recording.tape import Read

if TYPE_CHECKING:
    from autograd_ref.crosscheck.program.blame.evidence import Suspect
    from autograd_ref.crosscheck.program.blame.known import Known, Meaning
    from autograd_ref.crosscheck.program.blame.regions import Region
    from autograd_ref.crosscheck.program.blame.steps import Wanted
    from autograd_ref.crosscheck.program.blame.trial import Edit

__all__ = ["REGION", "is_transposed", "meaning_in_words", "plainest", "sentences"]


REGION = "the mistake may be here, on the way to the wrong gradient"
# At most this many right values are named.
_MOST = 4


def is_transposed(meaning: Meaning, tapes: Tapes) -> bool:
    """Whether a value is the transpose of what `meaning_in_words` says."""
    of, array = meaning.of, meaning.array
    operand = operand_of(of, tapes) if isinstance(of.operation, Read) and name_of(of, tapes) is None else None
    if operand is None or meaning.kind != "adjoint" or rearranged(operand) is None:
        return meaning.order == "moved"
    # The words name the array that the operand shows in another order, which must lead to the right entries.
    try:
        shown = in_order_of(operand, array)
    except Exception:  # more than one constant change of order
        return meaning.order == "moved"
    right = meaning.factor * np.asarray(tapes.points[0].run.found.of[of].centre)
    return shown.shape != right.shape or not np.allclose(shown, right, 1e-7, 1e-7 * np.abs(right).max())


def derivative(of: Value, tapes: Tapes) -> str:
    """Return the notation for the adjoint of a forward value."""
    return f"∂loss/∂{in_words(of, tapes)}"


def plainest(meanings: Sequence[Meaning], tapes: Tapes) -> Meaning:
    """Return the first of several meanings, or one that is as good and easier to read."""
    first = meanings[0]
    equal = [each for each in meanings if (each.kind, each.order) == (first.kind, first.order)]

    def effort(meaning: Meaning) -> tuple[bool, ...]:
        named = name_of(meaning.of, tapes) is not None
        is_negation = getattr(meaning.of.operation, "name", "") == "negative"
        return is_negation and not named, not meaning.is_exact, meaning.factor < 0, not named

    return min(equal, key=effort)


def meaning_in_words(meaning: Meaning, tapes: Tapes, known: Known) -> str:
    """Describe the meaning of a value, without its name."""
    what = derivative(meaning.of, tapes)
    if meaning.kind != "adjoint":
        what = _part(meaning, what, known)
    elif is_read_again(meaning.of, tapes) and meaning.of.place is not None:
        what = f"the part of {what} that comes through line {meaning.of.place.line}"
    if is_transposed(meaning, tapes):
        what += ", transposed"
    if abs(meaning.factor - 1) < 1e-7:
        return what
    return f"-{what}" if abs(meaning.factor + 1) < 1e-7 else f"{meaning.factor:.6g}·{what}"


def _part(meaning: Meaning, what: str, known: Known) -> str:
    """Say which lines of the forward pass a contribution, or a sum of some, comes through."""
    own = _lines(meaning.uses)
    others = _lines([each for each in known.uses_of(meaning.of) if each not in meaning.uses])
    if own and (meaning.kind == "contribution" or (own.isdisjoint(others) and len(own) <= 2)):
        return f"the part of {what} that comes through {_listed(own)}"
    if others and own.isdisjoint(others) and len(others) <= 2:
        return f"{what} without the part that comes through {_listed(others)}"
    return f"a part of {what}"


def _lines(uses: Sequence[tuple[Value, int]]) -> set[int]:
    return {user.place.line for user, _ in uses if user.place is not None and _is_of_program(user)}


def _is_of_program(value: Value) -> bool:
    return value.place is None or not is_own(value.place.file)


def _listed(lines: set[int]) -> str:
    return f"line{'s' if len(lines) > 1 else ''} {' and '.join(map(str, sorted(lines)))}"


def sentences(
    suspect: Suspect,
    edit: Edit | None,
    step: Wanted | None,
    wanted: Wanted | None,
    regions: Sequence[Region],
    tapes: Tapes,
    known: Known,
) -> str:
    """Return a sentence about a statement, with only facts that hold at every point.

    Args:
        suspect: the statement.
        edit: a change of it that makes everything right.
        step: a right value that it uses in place of another one.
        wanted: an adjoint that makes everything right in place of what it computes.
        regions: the regions of all wrong gradients.
        tapes: the tapes of the program.
        known: the meanings of its values.
    """
    points = len(tapes.points)
    everywhere = f"at {points} points" if points > 1 else "at the given point"
    value = max(suspect.values, key=lambda each: suspect.values[each])
    if edit is not None:
        said = f"with {edit.says} here, every gradient is right {everywhere}"
    elif step is not None:
        is_ = known.of(step.value)
        here = meaning_in_words(plainest(is_, tapes), tapes, known) if is_ else "right elsewhere"
        said = (
            f"{in_words(step.value, tapes)} is {here}, and is used here as if it were "
            f"{derivative(step.of, tapes)}: with that, every gradient is right {everywhere}"
        )
    elif (
        (output := next((each.output for each in regions if each.output.value is value), None))
        and (own := [each for each in known.of(value) if each.of is output.leaf] or known.of(value))
        # Where a weight has equal entries, a wrong gradient may be a right one nearly enough for a meaning.
        and (is_now := meaning_in_words(plainest(own, tapes), tapes, known))
        != (right := derivative(output.leaf, tapes))
    ):
        said = f"{in_words(value, tapes)} is {is_now}, not {right}"
    elif wanted is not None:
        name, right = in_words(wanted.value, tapes), derivative(wanted.of, tapes)
        meanings = known.of(wanted.value)
        is_now = meaning_in_words(plainest(meanings, tapes), tapes, known) if meanings else ""
        if wanted.is_multiple:
            said = f"{name} is {is_now}: without this factor, every gradient is right {everywhere}"
        else:
            is_now = f"{is_now}, " if meanings else ""
            said = f"{name} is {is_now}not {right}: with {right} here, every gradient is right {everywhere}"
    else:
        said = REGION
        if known.of(value) and value not in tapes.forward:
            what = meaning_in_words(plainest(known.of(value), tapes), tapes, known)
            said += f"; {in_words(value, tapes)} is {what}"
    return said + _beside(suspect.values, said, regions, tapes, known)


def _beside(values: Iterable[Value], said: str, regions: Sequence[Region], tapes: Tapes, known: Known) -> str:
    """Name the right values from which a statement computes its own, without what was said already."""
    sources = {
        source
        for region in regions
        for value in values
        for source in region.frontier.get(value.number, ())
        if source not in tapes.forward and known.of(source) and _is_of_program(source)
    }
    facts: dict[str, None] = {}
    for source in sorted(sources, key=lambda each: each.number):
        name, line = in_words(source, tapes), "" if source.place is None else f" (line {source.place.line})"
        what = meaning_in_words(plainest(known.of(source), tapes), tapes, known)
        if not said.startswith(f"{name} is {what}"):
            facts[f"{name}{'' if '(line ' in name else line} is {what}"] = None
    return f"; right before it: {', '.join(list(facts)[:_MOST])}" if facts else ""
