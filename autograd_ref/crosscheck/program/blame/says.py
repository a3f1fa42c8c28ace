"""Sentences about a place: the mistake, the right expression, and facts about its inputs."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from autograd_ref.crosscheck.program.blame.names import function_at, written_names
from autograd_ref.crosscheck.program.blame.source import Statement, excerpt, is_own, statement_at
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.paths import shown
from autograd_ref.recording import Place, Value
from autograd_ref.recording.memory import extent, window
from autograd_ref.recording.tape import Move, Read, Write

if TYPE_CHECKING:
    from autograd_ref.crosscheck.program.blame.evidence import Suspect
    from autograd_ref.crosscheck.program.blame.expressions import Edit
    from autograd_ref.crosscheck.program.blame.known import Known, Meaning
    from autograd_ref.crosscheck.program.blame.regions import Region, Trust
    from autograd_ref.crosscheck.program.blame.steps import Wanted

__all__ = [
    "REGION",
    "elements",
    "expression_at",
    "in_words",
    "is_read_again",
    "is_rearranged",
    "is_written",
    "meaning_in_words",
    "name_of",
    "plainest",
    "received",
    "receiver",
    "sentences",
    "target_of",
]


REGION = "the mistake may be here, on the way to the wrong gradient"
# At most this many right values are named.
_MOST = 4
# Calls and attributes that show an array's entries in another shape or order.
_SHOWN = {"reshape", "ravel", "transpose", "swapaxes", "moveaxis", "T"}


def name_of(value: Value, tapes: Tapes) -> str | None:
    """Return the program's name of a value: a given array's, or the variable's it was assigned to."""
    return _named(value, tapes)[0]


def _named(value: Value, tapes: Tapes) -> tuple[str | None, int | None]:
    """Return the name of a value, and the line that names it; None for both without a name."""
    if value.number not in tapes.named:
        tapes.named[value.number] = _find_name(value, tapes)
    return tapes.named[value.number]


def _find_name(value: Value, tapes: Tapes) -> tuple[str | None, int | None]:
    for leaf in tapes.points[0].run.recording.leaves:
        if leaf.value is value:
            return shown(leaf.path), None
    if isinstance(value.operation, Read):
        source = value.inputs[0]
        return _named(source, tapes) if np.prod(value.shape) == np.prod(source.shape) else (None, None)
    place = value.place
    if place is None or is_own(place.file):
        return None, None
    name = target_of(value)
    found = received(value)
    several = found is not None and len({each._callers for each in tapes.made_with(value)}) > 1
    if found is not None and (name is None or several):
        return found[1], found[0].line
    return name, None if name is None else place.line


def target_of(value: Value) -> str | None:
    """Return the variable that its statement assigns a value to; None for an expression in it.

    A memory that was written in parts has the name of the whole.
    """
    place = value.place
    if place is None:
        return None
    node = statement_at(place).node
    if is_written(value) and (written := _written(place)) is not None:
        return ast.unparse(written)
    if isinstance(node, ast.AugAssign):
        return None if _is_inside(place, node.value) else ast.unparse(node.target)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _is_at(node.value, place):
        return next((ast.unparse(each.value) for each in node.value.keywords if each.arg == "out"), None)
    return _assigned(node, place)


def is_written(value: Value) -> bool:
    """Whether a value is a memory of which a part was just written."""
    operation = value.operation
    return isinstance(operation, Write) or (isinstance(operation, Move) and operation.name == "setitem")


def received(value: Value) -> tuple[Statement, str] | None:
    """Return the statement that assigns a value which a function returns, and the variable."""
    place = value.place
    for call in value.calls:
        if place is None or (found := _returned(place)) is None:
            return None
        target = receiver(call, *found)
        if target is not None:
            return statement_at(call), ast.unparse(target)
        place = call
    return None


def _returned(place: Place) -> tuple[int, int] | None:
    """Return the position of an expression among the results of its function, and their number."""
    node = statement_at(place).node
    if isinstance(node, ast.Return) and node.value is not None:
        parts = elements(node.value)
        found = (i for i, each in enumerate(parts) if _gives(each, place))
        return next(((i, len(parts)) for i in found), None)
    name = _assigned(node, place)
    function = function_at(place)
    if name is None or function is None:
        return None
    for each in ast.walk(function):
        if isinstance(each, ast.Assign | ast.AugAssign) and each.lineno > place.line:
            if name in written_names(each):
                return None
        elif isinstance(each, ast.Return) and each.value is not None:
            names = [getattr(part, "id", None) for part in elements(each.value)]
            if name in names:
                return names.index(name), len(names)
    return None


def receiver(call: Place, position: int, count: int) -> ast.expr | None:
    """Return the target of an assignment that takes one of the results of a call.

    Args:
        call: the place of the call.
        position: the position of the result.
        count: the number of results.
    """
    node = statement_at(call).node
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return None
    target = node.targets[0]
    pairs = [(target, node.value)]
    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
        pairs = list(zip(target.elts, node.value.elts, strict=False))
    for each, made in pairs:
        if _gives(made, call):
            if count == 1:
                return each
            return each.elts[position] if isinstance(each, ast.Tuple) and len(each.elts) == count else None
    return None


def _assigned(node: ast.stmt | None, place: Place) -> str | None:
    """Return the target of an assignment, or of one of its elements, that is the expression at a place."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return None
    pairs = [(node.targets[0], node.value)]
    if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
        pairs = list(zip(node.targets[0].elts, node.value.elts, strict=False))
    return next((ast.unparse(target) for target, made in pairs if _is_at(made, place)), None)


def elements(node: ast.expr) -> list[ast.expr]:
    """Return the elements of a tuple, or the expression alone."""
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


def _is_inside(place: Place, node: ast.expr) -> bool:
    start, end = (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
    return start <= (place.line, place.column) and (place.end_line, place.end_column) <= end


def in_words(value: Value, tapes: Tapes) -> str:
    """Return a value's name, or its expression; with the line if the program has several of the name."""
    name, line = _named(value, tapes)
    if name is not None:
        several = line is not None and len(_lines_with(tapes).get(name, ())) > 1
        return f"{name} (line {line})" if several else name
    place = value.place
    if place is None:
        return "a value"
    if is_own(place.file):
        return "out"  # whose product with dout is the loss
    operand = _written(place)
    if operand is None and isinstance(value.operation, Read):
        operand = _operand(value, tapes)
    while operand is not None and (inner := _rearranged(operand)) is not None:
        operand = inner
    if isinstance(operand, ast.Name | ast.Attribute):
        return ast.unparse(operand)
    return f"`{excerpt(place) if operand is None else ast.unparse(operand)}` (line {place.line})"


def is_rearranged(value: Value, tapes: Tapes) -> bool:
    """Whether `in_words` names the array of which a value shows the entries in another order."""
    operand = _operand(value, tapes) if isinstance(value.operation, Read) else None
    return operand is not None and _rearranged(operand) is not None and name_of(value, tapes) is None


def is_read_again(value: Value, tapes: Tapes) -> bool:
    """Whether a value shows entries of an array that the forward pass reads in other places, too."""
    if not isinstance(value.operation, Read) or value.operation.at.halves or name_of(value, tapes):
        return False
    reads = [
        each.operation
        for each in tapes.points[0].run.found.of
        if isinstance(each.operation, Read) and each.inputs[0] is value.inputs[0] and each is not value
    ]
    return any(_overlap(value.operation, each) for each in reads if not each.at.halves)


def _overlap(one: Read, other: Read) -> bool:
    marked = [np.zeros(extent(one.root), bool) for _ in range(2)]
    for flat, read in zip(marked, (one, other), strict=True):
        window(flat, read.at)[...] = True
    return bool((marked[0] & marked[1]).any())


def _rearranged(node: ast.expr) -> ast.expr | None:
    """Return the array that an expression shows in another shape or order."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _SHOWN:
        module = isinstance(node.func.value, ast.Name) and node.func.value.id in ("np", "numpy")
        return node.func.value if not module else node.args[0] if node.args else None
    return node.value if isinstance(node, ast.Attribute) and node.attr in _SHOWN else None


def _lines_with(tapes: Tapes) -> dict[str, set[tuple[str, int | None]]]:
    """Return, for the name of each forward value, the lines that give it to one; no line if it is given."""
    if tapes.lines is None:
        tapes.lines = {}
        for each in tapes.points[0].run.found.of:
            name, line = _named(each, tapes)
            if name is not None:
                tapes.lines.setdefault(name, set()).add((each.place.file if each.place else "", line))
    return tapes.lines


def _written(place: Place) -> ast.expr | None:
    """Return the array of which a part is written at a place."""
    node = expression_at(place)
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Store):
        return None
    return node.value


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
    if meaning.order == "moved" and not is_rearranged(meaning.of, tapes):
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
    places = [user.place for user, _ in uses]
    return {each.line for each in places if each is not None and not is_own(each.file)}


def _listed(lines: set[int]) -> str:
    return f"line{'s' if len(lines) > 1 else ''} {' and '.join(map(str, sorted(lines)))}"


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
        here = meaning_in_words(plainest(is_, tapes), tapes, known) if is_ else "right elsewhere"
        said = (
            f"{in_words(step.value, tapes)} is {here}, and is used here as if it were "
            f"{derivative(step.of, tapes)}: with that, every gradient is right {everywhere}"
        )
    elif (meanings := known.of(value)) and not trust.is_trusted(value):
        said = f"{in_words(value, tapes)} is {meaning_in_words(plainest(meanings, tapes), tapes, known)}"
        output = next((each.output for each in regions if each.output.value is value), None)
        if output is not None:
            said += f", not {derivative(output.leaf, tapes)}"
        elif abs(meanings[0].factor - 1) > 1e-7:
            said += ", and nothing takes the factor out"
    else:
        said = REGION
    return said + _beside(suspect.values, said, regions, tapes, known)


def _beside(values: Iterable[Value], said: str, regions: Sequence[Region], tapes: Tapes, known: Known) -> str:
    """Name the right values from which a statement computes its own, without what was said already."""
    sources = {
        source
        for region in regions
        for value in values
        for source in region.frontier.get(value.number, ())
        if source not in tapes.forward and known.of(source)
    }
    facts: dict[str, None] = {}
    for source in sorted(sources, key=lambda each: each.number):
        name, line = in_words(source, tapes), "" if source.place is None else f" (line {source.place.line})"
        what = meaning_in_words(plainest(known.of(source), tapes), tapes, known)
        if not said.startswith(f"{name} is {what}"):
            facts[f"{name}{'' if '(line ' in name else line} is {what}"] = None
    return f"; right before it: {', '.join(list(facts)[:_MOST])}" if facts else ""
