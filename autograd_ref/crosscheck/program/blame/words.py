"""The program's own words for a value: its name, or the expression that made it."""

from __future__ import annotations

import ast

import numpy as np

from autograd_ref.crosscheck.program.blame.names import function_at, place_of_node, written_names
from autograd_ref.crosscheck.program.blame.source import Statement, excerpt, is_own, statement_at
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.paths import shown
from autograd_ref.recording import Place, Value
from autograd_ref.recording.layouts import extent, window
from autograd_ref.recording.tape import Move, Read, Write

__all__ = [
    "elements",
    "expression_at",
    "in_order_of",
    "in_words",
    "is_read_again",
    "is_written",
    "name_of",
    "operand_of",
    "rearranged",
    "received",
    "receiver",
    "shows_transposed",
    "taken_at",
    "target_of",
]

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
        return _named(value.inputs[0], tapes) if _is_whole(value.operation) else (None, None)
    place = value.place
    if place is None or is_own(place.file):
        return None, None
    name = target_of(value)
    found = received(value)
    several = found is not None and len({each._callers for each in tapes.made_with(value)}) > 1
    if found is not None and (name is None or several):
        return found[1], found[0].line
    return name, None if name is None else place.line


def _is_whole(read: Read) -> bool:
    """Whether a memory is read as a whole and in its own order."""
    if read.at.halves or np.prod(read.at.shape) != np.prod(read.root.shape):
        return False
    entries = np.arange(extent(read.root))
    return np.array_equal(window(entries, read.at).ravel(), window(entries, read.root).ravel())


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
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and is_at(node.value, place):
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


def taken_at(value: Value) -> Place | None:
    """Return the statement that takes a value out of what a call returned, ``dW = grads[3]``."""
    found = None if value.place is None else _returned(value.place)
    for call in value.calls[: 1 if found else 0]:
        node, function = statement_at(call).node, function_at(call)
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name) or not function:
            return None
        taken = f"{node.targets[0].id}[{found[0] if found else 0}]"
        for each in ast.walk(function):
            if isinstance(each, ast.Assign) and ast.unparse(each.value) == taken:
                return place_of_node(each, call)
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
    return next((ast.unparse(target) for target, made in pairs if is_at(made, place)), None)


def elements(node: ast.expr) -> list[ast.expr]:
    """Return the elements of a tuple, or the expression alone."""
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _gives(node: ast.expr, place: Place) -> bool:
    """Whether the result of an expression is that at a place."""
    if isinstance(node, ast.IfExp):
        return _gives(node.body, place) or _gives(node.orelse, place)
    return is_at(node, place)


def is_at(node: ast.expr, place: Place) -> bool:
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
        operand = operand_of(value, tapes)
        if operand is None:
            return f"an operand of `{excerpt(place)}` (line {place.line})"
    while operand is not None and (inner := rearranged(operand)) is not None:
        operand = inner
    name = excerpt(place) if operand is None else ast.unparse(operand)
    if isinstance(operand, ast.Name | ast.Attribute):
        return f"{name} (line {place.line})" if name in _lines_with(tapes) else name
    return f"`{name}` (line {place.line})"


def shows_transposed(value: Value) -> bool:
    """Whether its statement assigns a value's transpose, ``dW = np.dot(dh, x).T``."""
    place = value.place
    node = None if place is None else getattr(statement_at(place).node, "value", None)
    return (
        place is not None
        and len(value.shape) == 2
        and isinstance(node, ast.Attribute | ast.Call)
        and not (isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("reshape", "ravel"))
        and (inner := rearranged(node)) is not None
        and is_at(inner, place)
    )


def in_order_of(node: ast.expr, array: np.ndarray) -> np.ndarray:
    """Return an array in the order in which an expression shows another one."""
    if isinstance(node, ast.Attribute):
        return array.T
    assert isinstance(node, ast.Call)  # noqa: S101
    assert isinstance(node.func, ast.Attribute)  # noqa: S101
    if rearranged(node) is node.func.value:
        return np.asarray(getattr(array, node.func.attr)(*map(ast.literal_eval, node.args)))
    return np.asarray(getattr(np, node.func.attr)(array, *map(ast.literal_eval, node.args[1:])))


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


def rearranged(node: ast.expr) -> ast.expr | None:
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


def operand_of(value: Value, tapes: Tapes) -> ast.expr | None:
    """Return the operand for which a memory was read; the place of the read is the whole operation."""
    user = next((each for each in tapes.values[value.number :] if value in each.inputs), None)
    node = None if value.place is None else expression_at(value.place)
    if user is None or user.place is None or user.place != value.place:
        return node if isinstance(node, ast.Subscript) else None  # a single entry
    operands: list[ast.expr] = []
    if isinstance(node, ast.BinOp):
        operands = [node.left, node.right]
    elif isinstance(node, ast.Compare):
        operands = [node.left, *node.comparators]
    elif isinstance(node, ast.UnaryOp):
        operands = [node.operand]
    elif isinstance(node, ast.Call):
        operands = list(node.args)
        if isinstance(node.func, ast.Attribute) and len(operands) == len(user.inputs) - 1:
            operands = [node.func.value, *operands]
    return operands[user.inputs.index(value)] if len(operands) == len(user.inputs) else None


def expression_at(place: Place) -> ast.expr | None:
    """Return the expression at a place."""
    nodes = ast.walk(statement_at(place).node or ast.Pass())
    return next((each for each in nodes if isinstance(each, ast.expr) and is_at(each, place)), None)
