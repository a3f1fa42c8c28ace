"""Plant common mistakes automatically: single edits of a program's syntax tree."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["KINDS", "Planted", "plant"]

KINDS = (
    "operator",
    "sign",
    "constant",
    "axis",
    "transpose",
    "name",
    "mask",
    "deleted",
    "overwritten",
    "index",
    "copy",
)

_OPERATORS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,),
}
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Gt: ast.Lt,
    ast.GtE: ast.Lt,
    ast.Lt: ast.Gt,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
_SUMS = {"sum", "mean", "max", "concatenate", "stack", "hstack"}


@dataclass(frozen=True)
class Planted:
    """A planted mistake.

    Attributes:
        kind: one of `KINDS`.
        line: the first line of the changed statement, from 1.
        end_line: its last line, before the body of a compound statement.
        lines: all lines that count as its place; for a deleted statement, the lines that read its result.
        source: the whole program with the mistake; all other lines keep their numbers.
        edit: the statement before and after, for the reader.
    """

    kind: str
    line: int
    end_line: int
    lines: frozenset[int]
    source: str
    edit: str = field(compare=False, default="")


def plant(source: str, functions: set[str] | None = None, last: int | None = None) -> list[Planted]:
    """Return all mistakes that can be planted in a program's functions, each once.

    If an edit fits two kinds, the larger expression decides: changing `axis=0` to `axis=1` is of the kind
    "axis", not "constant".

    Args:
        source: text of the program.
        functions: names of the functions to change; None for all.
        last: the last line to change.
    """
    tree = ast.parse(source)
    found: dict[str, Planted] = {}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or (
            functions is not None and function.name not in functions
        ):
            continue
        names = sorted(
            {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            | {a.arg for a in function.args.args}
        )
        for statement in _statements(function):
            if last is not None and statement.lineno > last:
                continue
            for kind, mutant in _mutants(statement, names):
                planted = _planted(source, function, statement, kind, mutant)
                if planted is not None:
                    found.setdefault(planted.source, planted)
    return list(found.values())


def _statements(function: ast.FunctionDef) -> Iterator[ast.stmt]:
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            continue
        if isinstance(node, ast.stmt) and not (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ):
            yield node
        waiting += [
            each for each in ast.iter_child_nodes(node) if isinstance(each, (ast.stmt, ast.ExceptHandler))
        ]


def _mutants(statement: ast.stmt, names: list[str]) -> Iterator[tuple[str, ast.stmt | None]]:
    if isinstance(statement, (ast.Assign, ast.AugAssign, ast.Expr)):
        yield "deleted", None
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, (ast.Add, ast.Sub)):
        value = statement.value
        if isinstance(statement.op, ast.Sub):
            value = ast.UnaryOp(ast.USub(), value)
        yield "overwritten", ast.Assign([statement.target], value)
    if isinstance(statement, ast.AugAssign):
        for operator in _OPERATORS.get(type(statement.op), ()):
            if operator in (ast.Add, ast.Sub) or isinstance(statement.op, (ast.Mult, ast.Div)):
                kind = "sign" if isinstance(statement.op, (ast.Add, ast.Sub)) else "operator"
                yield kind, ast.AugAssign(statement.target, operator(), statement.value)
    for path in _expressions(statement):
        node = _at(statement, path)
        for kind, new in _edits(node, names):
            changed = copy.deepcopy(statement)
            _put(changed, path, new)
            yield kind, changed


Path = tuple[tuple[str, int | None], ...]


def _expressions(statement: ast.stmt) -> Iterator[Path]:
    """Yield the paths of all expressions in a statement's head."""

    def below(node: ast.AST, path: Path) -> Iterator[Path]:
        for name, value in ast.iter_fields(node):
            if name in ("body", "orelse", "finalbody", "handlers", "ctx", "op", "ops"):
                continue
            several = isinstance(value, list)
            for i, each in enumerate(value if several else [value]):
                if isinstance(each, ast.AST):
                    here = (*path, (name, i if several else None))
                    if isinstance(each, ast.expr):
                        yield here
                    yield from below(each, here)

    yield from below(statement, ())


def _at(node: ast.AST, path: Path) -> ast.AST:
    for name, i in path:
        found = getattr(node, name)
        node = found if i is None else found[i]
    return node


def _put(node: ast.AST, path: Path, new: ast.AST) -> None:
    owner = _at(node, path[:-1])
    name, i = path[-1]
    if i is None:
        setattr(owner, name, new)
    else:
        getattr(owner, name)[i] = new


def _edits(node: ast.AST, names: list[str]) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.BinOp):
        for operator in _OPERATORS.get(type(node.op), ()):
            kind = "sign" if {operator, type(node.op)} == {ast.Add, ast.Sub} else "operator"
            yield kind, ast.BinOp(node.left, operator(), node.right)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", node.operand
    elif (
        isinstance(node, ast.Constant)
        and isinstance(node.value, (int, float))
        and not isinstance(node.value, bool)
    ):
        yield "constant", ast.Constant(node.value + 1)
        yield "constant", ast.Constant(node.value * 2)
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transpose", node.value
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for old, new in _COMPARISONS.items():
            if isinstance(node.ops[0], old):
                yield "mask", ast.Compare(node.left, [new()], node.comparators)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for other in names:
            if other != node.id and _alike(other, node.id):
                yield "name", ast.Name(other, ast.Load())
        if len(names) < 40:
            yield "transpose", ast.Attribute(node, "T", ast.Load())
    elif isinstance(node, ast.Call):
        yield from _of_call(node)
    elif isinstance(node, ast.Subscript):
        yield from _of_index(node)


def _of_call(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    for i, keyword in enumerate(node.keywords):
        if (
            keyword.arg == "axis"
            and isinstance(keyword.value, ast.Constant)
            and isinstance(keyword.value.value, int)
        ):
            changed = copy.deepcopy(node)
            changed.keywords[i].value = ast.Constant(0 if keyword.value.value else 1)
            yield "axis", changed
    if name in ("sum", "mean"):
        yield "axis", _renamed(node, "mean" if name == "sum" else "sum")
    if name == "copy" and not node.args and isinstance(node.func, ast.Attribute):
        yield "copy", node.func.value
    if name in ("array", "copy") and len(node.args) == 1 and isinstance(node.args[0], ast.Name):
        yield "copy", node.args[0]
    if name == "maximum" and len(node.args) == 2:
        yield "mask", node.args[0]
    if isinstance(node.func, ast.Name) and node.func.id == "range" and node.args:
        changed = copy.deepcopy(node)
        last = len(node.args) - 1 if len(node.args) < 3 else 1
        changed.args[last] = ast.BinOp(node.args[last], ast.Sub(), ast.Constant(1))
        yield "index", changed


def _renamed(node: ast.Call, name: str) -> ast.Call:
    changed = copy.deepcopy(node)
    assert isinstance(changed.func, ast.Attribute)
    changed.func.attr = name
    return changed


def _of_index(node: ast.Subscript) -> Iterator[tuple[str, ast.expr]]:
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for i, part in enumerate(parts):
        for new in _shifted(part):
            changed = copy.deepcopy(node)
            if isinstance(changed.slice, ast.Tuple):
                changed.slice.elts[i] = new
            else:
                changed.slice = new
            yield "index", changed


def _shifted(part: ast.expr) -> Iterator[ast.expr]:
    if isinstance(part, (ast.Name, ast.Constant)) and not (
        isinstance(part, ast.Constant) and not isinstance(part.value, int)
    ):
        yield ast.BinOp(part, ast.Sub(), ast.Constant(1))
    elif isinstance(part, ast.Slice):
        for name in ("lower", "upper"):
            end = getattr(part, name)
            if end is not None:
                changed = copy.deepcopy(part)
                setattr(changed, name, ast.BinOp(end, ast.Sub(), ast.Constant(1)))
                yield changed
    elif isinstance(part, ast.BinOp) and isinstance(part.right, ast.Constant):
        yield part.left


def _alike(a: str, b: str) -> bool:
    """Return whether two names are easily mixed up: both or neither are names of gradients."""
    return a.startswith("d") == b.startswith("d")


def _planted(
    source: str, function: ast.FunctionDef, statement: ast.stmt, kind: str, mutant: ast.stmt | None
) -> Planted | None:
    lines = source.split("\n")
    body = getattr(statement, "body", None)
    first = statement.lineno
    last = body[0].lineno - 1 if body else statement.end_lineno or first
    if body and last < first:
        return None
    head = lines[first - 1]
    indent = head[: len(head) - len(head.lstrip())]
    if ";" in head or head[: statement.col_offset].strip():
        return None
    if mutant is None:
        text = "pass"
    else:
        ast.fix_missing_locations(mutant)
        whole = ast.unparse(mutant)
        text = whole.split("\n", 1)[0] if body else whole
    if "\n" in text:
        return None
    new = [*lines[: first - 1], indent + text, *[""] * (last - first), *lines[last:]]
    changed = "\n".join(new)
    try:
        compile(changed, "<planted>", "exec")
    except SyntaxError:
        return None
    places = frozenset(range(first, last + 1))
    if mutant is None:
        places |= _readers(function, statement)
    before = " ".join(each.strip() for each in lines[first - 1 : last])
    return Planted(kind, first, last, places, changed, f"{before}  →  {text}")


def _readers(function: ast.FunctionDef, statement: ast.stmt) -> frozenset[int]:
    """Return the lines that read the result of a statement."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AugAssign):
        targets = [statement.target]
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        targets = list(statement.value.args[:1]) + [
            k.value for k in statement.value.keywords if k.arg == "out"
        ]
    names = {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
    found: set[int] = set()
    for other in _statements(function):
        if other is statement:
            continue
        body = getattr(other, "body", None)
        end = body[0].lineno - 1 if body else other.end_lineno or other.lineno
        heads = [each for name, each in ast.iter_fields(other) if name not in ("body", "orelse")]
        read = set()
        for head in heads:
            for each in head if isinstance(head, list) else [head]:
                if isinstance(each, ast.AST):
                    read |= {n.id for n in ast.walk(each) if isinstance(n, ast.Name)}
        stores = {n.id for n in ast.walk(other) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        if names & read and not (
            isinstance(other, ast.Assign) and names & stores and not names & (read - stores)
        ):
            found |= set(range(other.lineno, end + 1))
    return frozenset(found)
