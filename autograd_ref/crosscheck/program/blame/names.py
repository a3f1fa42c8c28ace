"""Names in the program's source: the places where a value gets a name, and where it is read."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence

from autograd_ref.crosscheck.program.blame.source import statement_at, statements_of, tree_of
from autograd_ref.recording import Place, Value

__all__ = [
    "bound_at",
    "creation_names",
    "function_at",
    "place_of_node",
    "readers",
    "rebound_at",
    "written_names",
]


def function_at(place: Place) -> ast.FunctionDef | None:
    """Return the innermost function that contains a place."""
    tree = tree_of(place.file)
    found = None
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.FunctionDef) and node.lineno <= place.line <= (node.end_lineno or 0):
            found = node if found is None or node.lineno > found.lineno else found
    return found


def place_of_node(node: ast.AST, like: Place) -> Place:
    """Return the place of a node of the same file."""
    line = getattr(node, "lineno", like.line)
    return like._replace(
        line=line,
        end_line=getattr(node, "end_lineno", line),
        column=getattr(node, "col_offset", 0),
        end_column=getattr(node, "end_col_offset", 0),
    )


def creation_names(place: Place) -> list[str]:
    """Return the names to which the statement at a place assigns; for a tuple, the expression's own name."""
    node = statement_at(place).node
    if isinstance(node, ast.AugAssign):
        return _bases(node.target)
    if not isinstance(node, ast.Assign):
        return []
    target = node.targets[0]
    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
        for one, made in zip(target.elts, node.value.elts, strict=False):
            if made.lineno <= place.line and made.col_offset <= place.column < (made.end_col_offset or 0):
                return _bases(one)
    return [name for each in node.targets for name in _bases(each)]


def written_names(statement: ast.stmt) -> set[str]:
    """Return the variables to which a statement, or one in its body, assigns or adds."""
    found: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Assign | ast.AugAssign):
            for each in node.targets if isinstance(node, ast.Assign) else [node.target]:
                found.update(_bases(each))
    return found


def readers(names: list[str], place: Place) -> list[ast.stmt]:
    """Return the statements of a place's function that read one of some names, in the order of lines."""
    function = function_at(place)
    if function is None or not names:
        return []
    found = []
    for statement in statements_of(place.file):
        node = statement.node
        if node is None or not function.lineno < statement.line <= (function.end_lineno or 0):
            continue
        heads = [part for field, part in ast.iter_fields(node) if field not in ("body", "orelse")]
        loads = {
            each.id
            for head in heads
            for part in (head if isinstance(head, list) else [head])
            if isinstance(part, ast.AST)
            for each in ast.walk(part)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
        }
        if loads & set(names):
            found.append(node)
    return found


def rebound_at(value: Value) -> Place | None:
    """Return the place where a named value gets another name: ``dW = wx`` for a ``wx`` made elsewhere.

    A value that a function returns gets its name in the statement of the call.
    """
    place = value.place
    if place is None:
        return None
    node = statement_at(place).node
    calls = value.calls
    if isinstance(node, ast.Return) and calls:
        position = _position(node.value, place)
        place = calls[0]
        names = _received(statement_at(place).node, position)
    else:
        names = creation_names(place)
    if not names:
        return None
    function = function_at(place)
    for each in ast.walk(function) if function is not None else ():
        if isinstance(each, ast.Assign) and isinstance(each.value, ast.Name) and each.value.id in names:
            return place_of_node(each, place)
        if (
            isinstance(each, ast.Assign)
            and isinstance(each.value, ast.Tuple)
            and each.lineno > place.line
            and any(isinstance(one, ast.Name) and one.id in names for one in each.value.elts)
        ):
            return place_of_node(each, place)
    return None


def bound_at(place: Place, ran: Collection[int]) -> Place | None:
    """Return where a name in an expression is bound without a computation.

    That is the assignment of a plain number, or the element of a tuple with another name than the one for
    which it is unpacked.

    Args:
        place: the place of the expression.
        ran: the lines of this file in which something was computed.
    """
    function = function_at(place)
    if function is None:
        return None
    inside = [
        node.id
        for node in ast.walk(statement_at(place).node or ast.Pass())
        if isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Load)
        and (place.line, place.column) <= (node.lineno, node.col_offset)
        and (node.end_lineno or 0, node.end_col_offset or 0) <= (place.end_line, place.end_column)
    ]
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign) or node.lineno in ran or node.lineno >= place.line:
            continue
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id in inside:
            return place_of_node(node, place)
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Name | ast.Attribute | ast.Subscript):
            names = [getattr(each, "id", "") for each in target.elts]
            packed = _packed(names, place)
            for name, element in zip(names, packed, strict=False):
                if name in inside and getattr(element, "id", "") != name:
                    return place_of_node(element, place)
    return None


def _packed(names: Sequence[str], place: Place) -> list[ast.expr]:
    """Return the elements of the tuple that is probably unpacked to some names: most have these names."""
    tree = tree_of(place.file)
    tuples = [
        node.elts
        for node in (ast.walk(tree) if tree is not None else ())
        if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) == len(names)
    ]

    def alike(elements: list[ast.expr]) -> int:
        return sum(getattr(each, "id", "") == name for each, name in zip(elements, names, strict=True))

    best = max(tuples, key=alike, default=[])
    return best if best and 2 * alike(best) > len(names) else []


def _position(returned: ast.expr | None, place: Place) -> int | None:
    if isinstance(returned, ast.Tuple):
        for i, each in enumerate(returned.elts):
            if (each.lineno, each.col_offset) <= (place.line, place.column) and place.end_column <= (
                each.end_col_offset or 0
            ):
                return i
    return None


def _received(node: ast.stmt | None, position: int | None) -> list[str]:
    if not isinstance(node, ast.Assign):
        return []
    target = node.targets[0]
    if isinstance(target, ast.Tuple) and position is not None and position < len(target.elts):
        return _bases(target.elts[position])
    return _bases(target) if position is None else []


def _bases(target: ast.expr) -> list[str]:
    if isinstance(target, ast.Tuple):
        return [name for each in target.elts for name in _bases(each)]
    while isinstance(target, (ast.Subscript, ast.Attribute, ast.Starred)):
        target = target.value
    return [target.id] if isinstance(target, ast.Name) else []
