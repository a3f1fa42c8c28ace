"""Slopes of a program's own elementwise expressions, in its own names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

__all__ = ["slopes_in"]

# The largest number of assignments that one slope goes through, and the longest one.
DEEP, LONGEST = 6, 100

# The derivatives of functions: {0} is the argument, {1} the value.
_OF: dict[str, str] = {
    "exp": "{1}",
    "log": "1 / {0}",
    "log1p": "1 / (1 + {0})",
    "sqrt": "0.5 / {1}",
    "square": "2 * {0}",
    "tanh": "1 - {1} ** 2",
    "sin": "np.cos({0})",
    "cos": "-np.sin({0})",
    "arctan": "1 / (1 + {0} ** 2)",
    "abs": "np.sign({0})",
    "erf": "2 / np.sqrt(np.pi) * np.exp(-{0} ** 2)",
}
_SIGMOID = re.compile(r"1(?:\.0?)? \+ (?:\w+\.)?exp\(-(.*)\)")


def slopes_in(tree: ast.Module) -> list[str]:
    """Return the slopes of the assigned and returned expressions of all functions, the simple ones first.

    Args:
        tree: the program.

    Returns:
        The derivative of each expression by each variable in it, and by those from which these were computed.
        An expression that is not elementwise has none.
    """
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    found = {text for each in functions.values() for text in _Function(each, functions).slopes()}
    return sorted(found, key=lambda text: (len(text), text))


class _UnknownError(Exception):
    """An expression is not elementwise, or its slope is unknown."""


class _Function:
    """The expressions of one function; names that it sets several times are not followed."""

    def __init__(self, node: ast.FunctionDef, functions: Mapping[str, ast.FunctionDef]):
        self._functions = functions
        self._made: dict[str, ast.expr] = {}
        self._results: list[ast.expr] = []
        self._known: dict[tuple[str, int], set[str]] = {}
        several: set[str] = set()
        for each in ast.walk(node):
            if isinstance(each, ast.Assign | ast.AugAssign):
                for target in each.targets if isinstance(each, ast.Assign) else [each.target]:
                    name = ast.unparse(target)
                    if name in self._made or isinstance(each, ast.AugAssign):
                        several.add(name)
                    self._made[name] = each.value
            elif isinstance(each, ast.Return) and each.value is not None:
                self._results.append(each.value)
        self._made = {name: value for name, value in self._made.items() if name not in several}
        self._names = {ast.unparse(value): name for name, value in self._made.items()}

    def slopes(self) -> Iterator[str]:
        """Yield the slopes by direct operands, and those through other assignments."""
        for value in (*self._made.values(), *self._results):
            for deep in (0, DEEP):
                for by in self._sources(value, deep):
                    try:
                        text = self._by(value, by, deep)
                    except (_UnknownError, RecursionError):
                        continue
                    node = ast.parse(text or "0", mode="eval").body
                    text = ast.unparse(node)
                    if _operands(node) and not isinstance(node, ast.Name) and len(text) <= LONGEST:
                        yield text

    def _sources(self, value: ast.expr, deep: int) -> set[str]:
        """Return the variables in an expression, and those from which they were computed."""
        key = ast.unparse(value), deep
        if key not in self._known:
            found = _operands(value)
            inner = [self._made[name] for name in found if name in self._made] if deep else []
            self._known[key] = found.union(*(self._sources(each, deep - 1) for each in inner))
        return self._known[key]

    def _by(self, node: ast.expr, by: str, deep: int) -> str | None:
        """Return the derivative of an expression by a variable; None for 0."""
        text = ast.unparse(node)
        if text == by:
            return "1"
        if by not in self._sources(node, deep):
            return None
        if text in self._made:
            return self._by(self._made[text], by, deep - 1)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return f"-({self._by(node.operand, by, deep)})"
        if isinstance(node, ast.BinOp):
            return self._of_operands(node, by, deep)
        if isinstance(node, ast.Call) and not node.keywords:
            return self._of_call(node, by, deep)
        raise _UnknownError

    def _of_operands(self, node: ast.BinOp, by: str, deep: int) -> str:
        left, right = self._named(node.left), self._named(node.right)
        one, other = self._by(node.left, by, deep), self._by(node.right, by, deep)
        terms: list[str | None]
        if isinstance(node.op, ast.Add | ast.Sub):
            sign = "-" if isinstance(node.op, ast.Sub) else ""
            terms = [one, other and f"{sign}({other})"]
        elif isinstance(node.op, ast.Mult):
            terms = [one and _times(one, right), other and _times(left, other)]
        elif isinstance(node.op, ast.Div) and (inner := _SIGMOID.fullmatch(ast.unparse(node.right))):
            slope = self._by(ast.parse(inner[1], mode="eval").body, by, deep)
            value = self._named(node)
            terms = [slope and _times(slope, value, f"1 - ({value})")]
        elif isinstance(node.op, ast.Div):
            terms = [one and f"({one}) / ({right})", other and f"-{_times(left, other)} / ({right}) ** 2"]
        elif isinstance(node.op, ast.Pow) and other is None and one is not None:
            is_number = isinstance(node.right, ast.Constant) and isinstance(node.right.value, int | float)
            power = f"({right} - 1)" if not is_number else f"({node.right.value - 1})"  # type: ignore[attr-defined]
            terms = [_times(one, right, left if power == "(1)" else f"({left}) ** {power}")]
        else:
            raise _UnknownError
        return " + ".join(each for each in terms if each)

    def _of_call(self, node: ast.Call, by: str, deep: int) -> str:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name == "where" and len(node.args) == 3:
            one, other = (self._by(each, by, deep) or "0" for each in node.args[1:])
            return f"np.where({ast.unparse(node.args[0])}, {one}, {other})"
        if name == "maximum" and len(node.args) == 2:
            (slope, arg), *more = [
                (slope, arg) for arg in node.args if (slope := self._by(arg, by, deep)) is not None
            ]
            if more:
                raise _UnknownError
            return _times(slope, f"{self._named(arg)} > {ast.unparse(node.args[arg is node.args[0]])}")
        if len(node.args) != 1:
            raise _UnknownError
        if isinstance(node.func, ast.Name) and name in self._functions:
            return self._of_own(node, self._functions[name], by, deep)
        if name not in _OF:
            raise _UnknownError
        slope = _OF[name].format(f"({self._named(node.args[0])})", f"({self._named(node)})")
        return _times(self._by(node.args[0], by, deep), slope)

    def _of_own(self, node: ast.Call, function: ast.FunctionDef, by: str, deep: int) -> str:
        """Return the slope of a call of a function that only returns an expression of its argument."""
        body = [each for each in function.body if not isinstance(each, ast.Expr)]
        if len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None or deep < 0:
            raise _UnknownError
        parameters = [each.arg for each in function.args.args]
        inside = _Renamed(dict(zip(parameters, node.args, strict=False))).visit(
            ast.parse(ast.unparse(body[0].value), mode="eval")
        )
        self._names.setdefault(ast.unparse(inside.body), self._named(node))
        return self._by(inside.body, by, deep) or "0"

    def _named(self, node: ast.expr) -> str:
        """Return the name of an expression's value, or else the expression itself."""
        text = ast.unparse(node)
        return self._names.get(text, text)


def _operands(node: ast.expr) -> set[str]:
    """Return the variables, attributes and entries that an expression reads."""
    if isinstance(node, ast.Name | ast.Attribute) or (
        isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
    ):
        text = ast.unparse(node)
        return set() if text.startswith(("np.", "numpy.", "math.")) else {text}
    inside: list[ast.AST] = [*ast.iter_child_nodes(node)]
    if isinstance(node, ast.Call):
        method = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        inside = [*node.args, *(each.value for each in node.keywords), *method]
    return {name for each in inside if isinstance(each, ast.expr) for name in _operands(each)} - {"np"}


def _times(*factors: str | None) -> str:
    """Return the text of a product."""
    found = []
    for each in factors:
        node = ast.parse(each or "1", mode="eval").body
        is_product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)
        if ast.unparse(node) != "1":
            found.append(each if is_product or isinstance(node, ast.Name) else f"({each})")
    return " * ".join(map(str, found)) or "1"


class _Renamed(ast.NodeTransformer):
    """Replaces names by expressions."""

    def __init__(self, names: Mapping[str, ast.expr]):
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._names.get(node.id, node)
