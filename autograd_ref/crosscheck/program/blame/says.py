"""Sentences about a place: the mistake, the right expression, and facts about its inputs."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from autograd_ref.crosscheck.program.blame.source import excerpt, statement_at
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.paths import shown
from autograd_ref.recording import Value
from autograd_ref.recording.tape import Read

if TYPE_CHECKING:
    from autograd_ref.crosscheck.program.blame.evidence import Suspect
    from autograd_ref.crosscheck.program.blame.expressions import Edit
    from autograd_ref.crosscheck.program.blame.known import Known, Meaning
    from autograd_ref.crosscheck.program.blame.regions import Region, Trust
    from autograd_ref.crosscheck.program.blame.steps import Wanted

__all__ = ["in_words", "name_of", "sentences", "target_of"]


def name_of(value: Value, tapes: Tapes) -> str | None:
    """Return the program's name of a forward value: a given array's, or the variable's it was assigned to."""
    for leaf in tapes.points[0].run.recording.leaves:
        if leaf.value is value:
            return shown(leaf.path)
    if isinstance(value.operation, Read):
        return name_of(value.inputs[0], tapes)
    return target_of(value)


def target_of(value: Value) -> str | None:
    """Return the variable to which a value was assigned by its statement; None for an expression in it."""
    place = value.place
    if place is None:
        return None
    node = statement_at(place).node
    if isinstance(node, ast.AugAssign):
        return ast.unparse(node.target)
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        pairs = [(node.targets[0], node.value)]
        if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(node.targets[0].elts, node.value.elts, strict=False))
        for target, made in pairs:
            if (made.lineno, made.col_offset, made.end_col_offset) == (
                place.line,
                place.column,
                place.end_column,
            ):
                return ast.unparse(target)
    return None


def in_words(value: Value, tapes: Tapes) -> str:
    """Return a value's name, or its expression and line."""
    name = name_of(value, tapes)
    if name is not None:
        return name
    place = value.place
    return "a value" if place is None else f"`{excerpt(place)}` (line {place.line})"


def derivative(of: Value, tapes: Tapes) -> str:
    """Return the notation for the adjoint of a forward value."""
    return f"∂loss/∂{in_words(of, tapes)}"


def meaning_in_words(meaning: Meaning, tapes: Tapes) -> str:
    """Describe the meaning of a value, without its name."""
    what = derivative(meaning.of, tapes)
    if meaning.kind == "contribution":
        user = meaning.uses[0][0]
        through = f"line {user.place.line}" if user.place else "one of its uses"
        what = f"the part of {what} that comes through {through}"
    elif meaning.kind == "partial":
        what = f"a part of {what}"
    if abs(meaning.factor - 1) < 1e-7:
        return what
    return f"-{what}" if abs(meaning.factor + 1) < 1e-7 else f"{meaning.factor:.6g}·{what}"


def sentences(
    suspect: Suspect,
    edit: Edit | None,
    step: Wanted | None,
    regions: Sequence[Region],
    tapes: Tapes,
    known: Known,
    trust: Trust,
) -> str:
    """Return a sentence about a statement, with only facts that hold at every point."""
    points = len(tapes.points)
    everywhere = f"at {points} points" if points > 1 else "at the given point"
    value = max(suspect.values, key=lambda each: suspect.values[each])
    if edit is not None:
        said = f"with {edit.says} here, every gradient is right {everywhere}"
    elif step is not None:
        is_ = known.of(step.value)
        here = meaning_in_words(is_[0], tapes) if is_ else "right elsewhere"
        said = (
            f"{in_words(step.value, tapes)} is {here}, and is used here as if it were "
            f"{derivative(step.of, tapes)}: with that, every gradient is right {everywhere}"
        )
    elif (meanings := known.of(value)) and not trust.is_trusted(value):
        said = f"{in_words(value, tapes)} is {meaning_in_words(meanings[0], tapes)}"
        output = next((each.output for each in regions if each.output.value is value), None)
        if output is not None:
            said += f", not {derivative(output.leaf, tapes)}"
        elif abs(meanings[0].factor - 1) > 1e-7:
            said += ", and nothing takes the factor out"
    else:
        said = "the mistake is here, or between here and the wrong gradient"
    return said + _beside(value, regions, tapes, known)


def _beside(value: Value, regions: Sequence[Region], tapes: Tapes, known: Known) -> str:
    """Name the inputs that are right."""
    right: dict[str, None] = {}
    for region in regions:
        for source in region.frontier.get(value.number, ()):
            meanings = known.of(source)
            if meanings and source not in tapes.forward:
                right[f"{in_words(source, tapes)} is {meaning_in_words(meanings[0], tapes)}"] = None
    return f"; right before it: {', '.join(right)}" if right else ""
