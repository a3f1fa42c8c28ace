"""Names in the program's source: the places where a value gets a name, and where it is read."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache

from autograd_ref.crosscheck.program.blame.source import is_own, statement_at, statements_of, tree_of
from autograd_ref.recording import Place, Value
from autograd_ref.recording.tape import Read

__all__ = [
    "bindings",
    "creation_names",
    "function_at",
    "names_in",
    "place_of_node",
    "readers",
    "rebound_at",
    "view_at",
    "written_names",
]

Line = tuple[str, int]


def function_at(place: Place) -> ast.FunctionDef | None:
    """Return the innermost function that contains a place."""
    tree = tree_of(place.file)
    found = None
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.FunctionDef) and node.lineno <= place.line <= (node.end_lineno or 0):
            found = node if found is None or node.lineno > found.lineno else found
    return found


def names_in(place: Place | None) -> frozenset[str]:
    """Return all variables of the file that contains a place."""
    tree = None if place is None else tree_of(place.file)
    return frozenset() if tree is None else _names(tree)


@lru_cache(maxsize=64)
def _names(tree: ast.Module) -> frozenset[str]:
    return frozenset(each.id for each in ast.walk(tree) if isinstance(each, ast.Name))


def place_of_node(node: ast.AST, like: Place) -> Place:
    """Return the place of a node of the same file."""
    line = getattr(node, "lineno", like.line)
    return like._replace(
        line=line,
        end_line=getattr(node, "end_lineno", line),
        column=getattr(node, "col_offset", 0),
        end_column=getattr(node, "end_col_offset", 0),
    )


def view_at(value: Value, path: str) -> Place | None:
    """Return the expression that shows a part of an array as a result: ``dx = dx_pad[1:-1]``.

    Args:
        value: the gradient, as the checker read it after the call.
        path: its path in the result, which ends with its position or key.

    Returns:
        The place; None if the gradient was not only shown, or if the source does not say where.
    """
    if value.place is None or not is_own(value.place.file) or not isinstance(value.operation, Read):
        return None
    source = value.inputs[0]
    while source.inputs and (source.place is None or is_own(source.place.file)):
        source = source.inputs[0]
    calls = [each for each in source.calls if not is_own(each.file)]
    place = calls[-1] if calls else source.place
    function = None if place is None else function_at(place)
    if place is None or function is None:
        return None
    key = path[path.rfind("[") + 1 : -1]
    shown: list[ast.expr] = []
    for node in ast.walk(function):
        result = node.value if isinstance(node, ast.Return) else None
        if isinstance(result, ast.Tuple) and key.isdigit() and int(key) < len(result.elts):
            shown.append(result.elts[int(key)])
        elif isinstance(result, ast.Dict):
            pairs = zip(result.keys, result.values, strict=True)
            shown += [each for name, each in pairs if name is not None and ast.unparse(name) == key]
        elif result is not None:
            shown.append(result)
    if not shown:
        return None
    last = shown[-1]
    named = [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and isinstance(last, ast.Name)
        and _bases(node.targets[0]) == [last.id]
    ]
    return place_of_node(named[-1] if named else last, place)


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


def bindings(
    expression: ast.expr, place: Place, calls: Sequence[Place], ran: Collection[tuple[str, int]]
) -> list[Place]:
    """Return where the names in an expression are bound without a computation, the nearest first.

    That is the assignment of a plain number, the element of a tuple with another name than the one for which
    it is unpacked, or an argument of a call.

    Args:
        expression: the expression.
        place: its place.
        calls: the calls up to it, innermost first.
        ran: the files and lines in which something was computed.
    """
    function = function_at(place)
    found: list[Place] = []
    for name in dict.fromkeys(each.id for each in ast.walk(expression) if isinstance(each, ast.Name)):
        bound = list(_bound(name, function, place, ran)) if function is not None else []
        for element in bound:
            found += [
                place_of_node(element, place),
                *bindings(element, place_of_node(element, place), calls, ran),
            ]
        argument = _argument(name, function, calls) if function is not None and not bound else None
        if argument is not None:
            at = place_of_node(argument, calls[0])
            found += [at] * (not isinstance(argument, ast.Name))
            found += bindings(argument, at, calls[1:], ran)
    return found


def _bound(
    name: str, function: ast.FunctionDef, place: Place, ran: Collection[tuple[str, int]]
) -> Iterator[ast.expr]:
    """Yield the expressions that a name stands for at a place."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and (place.file, node.lineno) not in ran and node.lineno < place.line:
            target, value = node.targets[0], node.value
            names = [getattr(each, "id", "") for each in getattr(target, "elts", [target])]
            if name not in names:
                continue
            if isinstance(target, ast.Name):
                yield value
            elif isinstance(value, ast.Tuple) and len(value.elts) == len(names):
                yield value.elts[names.index(name)]
            elif isinstance(value, ast.Name | ast.Attribute | ast.Subscript):
                packed = _packed(names, place)
                element = packed[names.index(name)] if packed else None
                if element is not None and getattr(element, "id", "") != name:
                    yield element


def _argument(name: str, function: ast.FunctionDef, calls: Sequence[Place]) -> ast.expr | None:
    """Return the argument that a call gives to a parameter; None if the checker makes the call."""
    parameters = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    call = calls[0] if calls else None
    if call is None or is_own(call.file) or name not in parameters:
        return None
    for node in ast.walk(statement_at(call).node or ast.Pass()):
        if isinstance(node, ast.Call) and (node.lineno, node.col_offset) == (call.line, call.column):
            named = {each.arg: each.value for each in node.keywords}
            skipped = 1 if parameters[0] == "self" and isinstance(node.func, ast.Attribute) else 0
            given = dict(zip(parameters[skipped:], node.args, strict=False))
            return named.get(name, given.get(name))
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
