"""Sentences about a place: the mistake, the right expression, and facts about its inputs."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from autograd_ref.crosscheck.program.blame.source import Statement, excerpt, statement_at
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.paths import shown
from autograd_ref.recording import Place, Value
from autograd_ref.recording.tape import Read

if TYPE_CHECKING:
    from autograd_ref.crosscheck.program.blame.evidence import Suspect
    from autograd_ref.crosscheck.program.blame.expressions import Edit
    from autograd_ref.crosscheck.program.blame.known import Known, Meaning
    from autograd_ref.crosscheck.program.blame.regions import Region, Trust
    from autograd_ref.crosscheck.program.blame.steps import Wanted

__all__ = [
    "REGION",
    "expression_at",
    "in_words",
    "name_of",
    "plainest",
    "received",
    "sentences",
    "target_of",
]


REGION = "the mistake is here, or between here and the wrong gradient"


def name_of(value: Value, tapes: Tapes) -> str | None:
    """Return the program's name of a forward value: a given array's, or the variable's it was assigned to."""
    for leaf in tapes.points[0].run.recording.leaves:
        if leaf.value is value:
            return shown(leaf.path)
    if isinstance(value.operation, Read):
        source = value.inputs[0]
        return name_of(source, tapes) if np.prod(value.shape) == np.prod(source.shape) else None
    name = target_of(value)
    if name is not None:
        return name
    found = received(value)
    return None if found is None else found[1]


def target_of(value: Value) -> str | None:
    """Return the variable to which a value was assigned by its statement; None for an expression in it."""
    place = value.place
    if place is None:
        return None
    node = statement_at(place).node
    return ast.unparse(node.target) if isinstance(node, ast.AugAssign) else _assigned(node, place)


def received(value: Value) -> tuple[Statement, str] | None:
    """Return the statement that assigns a value which a function returns, and the variable."""
    place = value.place
    for call in value.calls:
        node = None if place is None else statement_at(place).node
        if place is None or not isinstance(node, ast.Return) or node.value is None:
            return None
        position = next((i for i, each in enumerate(_elements(node.value)) if _gives(each, place)), None)
        if position is None:
            return None
        caller = statement_at(call)
        if isinstance(caller.node, ast.Assign) and _gives(caller.node.value, call):
            targets = _elements(caller.node.targets[0])
            whole = not isinstance(node.value, ast.Tuple)
            if whole or len(targets) == len(_elements(node.value)):
                return caller, ast.unparse(caller.node.targets[0] if whole else targets[position])
            return None
        place = call
    return None


def _assigned(node: ast.stmt | None, place: Place) -> str | None:
    """Return the target of an assignment, or of one of its elements, that is the expression at a place."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return None
    pairs = [(node.targets[0], node.value)]
    if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
        pairs = list(zip(node.targets[0].elts, node.value.elts, strict=False))
    return next((ast.unparse(target) for target, made in pairs if _is_at(made, place)), None)


def _elements(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _gives(node: ast.expr, place: Place) -> bool:
    """Whether the result of an expression is that at a place."""
    if isinstance(node, ast.IfExp):
        return _gives(node.body, place) or _gives(node.orelse, place)
    return _is_at(node, place)


def _is_at(node: ast.expr, place: Place) -> bool:
    """Whether an expression is the one at a place."""
    return (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset) == (
        place.line,
        place.column,
        place.end_line,
        place.end_column,
    )


def in_words(value: Value, tapes: Tapes) -> str:
    """Return a value's name, or its expression and line."""
    name = name_of(value, tapes)
    place = value.place
    if name is not None:
        several = place is not None and len(_functions_with(tapes).get(name, ())) > 1
        return f"{name} (line {place.line})" if place is not None and several else name
    if place is None:
        return "a value"
    operand = _operand(value, tapes) if isinstance(value.operation, Read) else None
    operand = _written(place) or operand
    if isinstance(operand, ast.Name | ast.Attribute) and not ast.unparse(operand).endswith(".T"):
        return ast.unparse(operand)
    return f"`{excerpt(place) if operand is None else ast.unparse(operand)}` (line {place.line})"


def _functions_with(tapes: Tapes) -> dict[str, set[str]]:
    """Return, for the name of each forward value that was computed, the functions that have such a one."""
    if tapes.functions is None:
        tapes.functions = {}
        for each in tapes.points[0].run.found.of:
            name = None if each.place is None else name_of(each, tapes)
            if each.place is not None and name is not None:
                tapes.functions.setdefault(name, set()).add(f"{each.place.file}:{each.place.function}")
    return tapes.functions


def _written(place: Place) -> ast.expr | None:
    """Return the array of which a part is written at a place."""
    node = expression_at(place)
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Store):
        return None
    while isinstance(node, ast.Subscript):
        node = node.value
    return node


def _operand(value: Value, tapes: Tapes) -> ast.expr | None:
    """Return the operand for which a memory was read; the place of the read is the whole operation."""
    user = next((each for each in tapes.values[value.number :] if value in each.inputs), None)
    if user is None or user.place is None or user.place != value.place:
        return None
    node = expression_at(user.place)
    operands: list[ast.expr] = []
    if isinstance(node, ast.BinOp):
        operands = [node.left, node.right]
    elif isinstance(node, ast.Call):
        operands = list(node.args)
        if isinstance(node.func, ast.Attribute) and len(operands) == len(user.inputs) - 1:
            operands = [node.func.value, *operands]
    return operands[user.inputs.index(value)] if len(operands) == len(user.inputs) else None


def expression_at(place: Place) -> ast.expr | None:
    """Return the expression at a place."""
    nodes = ast.walk(statement_at(place).node or ast.Pass())
    return next((each for each in nodes if isinstance(each, ast.expr) and _is_at(each, place)), None)


def derivative(of: Value, tapes: Tapes) -> str:
    """Return the notation for the adjoint of a forward value."""
    return f"∂loss/∂{in_words(of, tapes)}"


def plainest(meanings: Sequence[Meaning], tapes: Tapes) -> Meaning:
    """Return the first of several meanings, or one that is as good and belongs to a value with a name."""
    first = meanings[0]
    equal = [each for each in meanings if (each.kind, each.order) == (first.kind, first.order)]
    named = (each for each in equal if abs(each.factor - first.factor) < 1e-7 and name_of(each.of, tapes))
    return next(named, first)


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
        here = meaning_in_words(plainest(is_, tapes), tapes) if is_ else "right elsewhere"
        said = (
            f"{in_words(step.value, tapes)} is {here}, and is used here as if it were "
            f"{derivative(step.of, tapes)}: with that, every gradient is right {everywhere}"
        )
    elif (meanings := known.of(value)) and not trust.is_trusted(value):
        said = f"{in_words(value, tapes)} is {meaning_in_words(plainest(meanings, tapes), tapes)}"
        output = next((each.output for each in regions if each.output.value is value), None)
        if output is not None:
            said += f", not {derivative(output.leaf, tapes)}"
        elif abs(meanings[0].factor - 1) > 1e-7:
            said += ", and nothing takes the factor out"
    else:
        said = REGION
    return said + _beside(value, regions, tapes, known)


def _beside(value: Value, regions: Sequence[Region], tapes: Tapes, known: Known) -> str:
    """Name the inputs that are right."""
    right: dict[str, None] = {}
    for region in regions:
        for source in region.frontier.get(value.number, ()):
            meanings = known.of(source)
            if meanings and source not in tapes.forward:
                right[
                    f"{in_words(source, tapes)} is {meaning_in_words(plainest(meanings, tapes), tapes)}"
                ] = None
    return f"; right before it: {', '.join(right)}" if right else ""
