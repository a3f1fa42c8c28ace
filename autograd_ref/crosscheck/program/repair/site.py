"""A statement that may be edited: its place in the syntax tree, its text, and the values of its names."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.repair.source import Change, Source

__all__ = [
    "ATOM",
    "POWER",
    "PRODUCT",
    "SUM",
    "SYMBOLS",
    "UNARY",
    "Edit",
    "Enclosing",
    "Expression",
    "Scope",
    "Site",
    "level",
    "shape_of",
    "stretches",
]

# The precedence of expressions, which decides where parentheses are needed.
TUPLE, TEST, COMPARE, SUM, PRODUCT, UNARY, POWER, ATOM = 0, 2, 10, 12, 13, 14, 15, 16
_HOLDS: dict[type[ast.operator], int] = {
    ast.Add: SUM, ast.Sub: SUM, ast.Mult: PRODUCT, ast.Div: PRODUCT, ast.MatMult: PRODUCT,
    ast.FloorDiv: PRODUCT, ast.Mod: PRODUCT, ast.Pow: POWER, ast.BitAnd: 11, ast.BitOr: 11,
}  # fmt: skip
SYMBOLS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.FloorDiv: "//",
    ast.Mod: "%", ast.Pow: "**", ast.BitAnd: "&", ast.BitOr: "|", ast.Gt: ">",
    ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=", ast.BitXor: "^",
    ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip


Enclosing = ast.FunctionDef | ast.AsyncFunctionDef | ast.For | ast.While


class Edit(NamedTuple):
    """One change of a program.

    Attributes:
        changes: the changes of the text.
        says: the mistake, for the reader.
        cost: lower for more common mistakes.
        kind: the kind of mistake, as in `report.Blame`.
    """

    changes: tuple[Change, ...]
    says: str
    cost: int
    kind: str = ""


class Expression(NamedTuple):
    """An expression in a statement, and its parent."""

    node: ast.expr
    parent: ast.AST


class Scope(NamedTuple):
    """The values of a function's names at the start of one of its statements."""

    local: dict[str, Any]
    space: dict[str, Any]

    def value(self, expression: str) -> Any:
        """Return the value of an expression; None if it has none."""
        try:
            with np.errstate(all="ignore"):
                return eval(expression, self.space, dict(self.local))  # noqa: S307 - the user's own expressions
        except Exception:
            return None


@dataclass
class Site:
    """A statement.

    Attributes:
        source: the source that contains it.
        node: its node.
        body: the list of statements that contains it.
        function: the function that contains it, or the loop in the module itself.
        scopes: the values of its names the first times it runs.
        terms: the function's expressions for its arrays, numbers and functions, with their values here.
        calls: the function's calls of functions of one array, with {0} in place of the array.
        untouched: the arrays that the function creates and never changes.
        unused: the variables that the function sets and never reads.
        indices: the indices at which the function reads or writes arrays, with brackets.
        written: the arrays that the function sets, or writes to.
        rank: its position among the statements, of which the first is most likely wrong.
        by_value: its edits that were found by value, by the function that found them.
    """

    source: Source
    node: ast.stmt
    body: list[ast.stmt]
    function: Enclosing
    scopes: tuple[Scope, ...] = ()
    terms: dict[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    untouched: set[str] = field(default_factory=set)
    unused: set[str] = field(default_factory=set)
    indices: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    rank: int = 0
    by_value: dict[str, list[Edit]] = field(default_factory=dict)

    @property
    def scope(self) -> Scope:
        """The values of its names when it first runs."""
        return self.scopes[0]

    @cached_property
    def numbers(self) -> list[tuple[str, float]]:
        """The numbers in scope that may be factors, and the sizes of the statement's arrays."""
        found = [
            (text, float(value))
            for text, value in self.terms.items()
            if isinstance(value, int | float | np.number)
            and not isinstance(value, bool | np.bool_)
            and np.isfinite(value)
            and value not in (0, 1)
        ]
        known = {number for _, number in found} | {0.0, 1.0}
        read = (each for each in ast.walk(self.node) if isinstance(each, ast.Name | ast.Attribute))
        for name in dict.fromkeys(self.source.of(each) for each in read):
            array = self.terms.get(name)
            if isinstance(array, np.ndarray) and array.ndim:
                sizes = [(f"{name}.shape[{axis}]", n) for axis, n in enumerate(array.shape)]
                for text, number in (*sizes, (f"{name}.size", array.size)):
                    if number not in known:
                        known.add(number)
                        found.append((text, float(number)))
        return found

    @cached_property
    def expressions(self) -> list[Expression]:
        """All its expressions that are evaluated, outer before inner ones."""
        found: list[Expression] = []

        def visit(node: ast.AST, parent: ast.AST) -> None:
            if isinstance(node, ast.Lambda | ast.JoinedStr):
                return
            if isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
                found.append(Expression(node, parent))
            for child in ast.iter_child_nodes(node):
                if not isinstance(child, ast.stmt):
                    visit(child, node)

        for child in ast.iter_child_nodes(self.node):
            if not isinstance(child, ast.stmt):
                visit(child, self.node)
        return found

    @cached_property
    def values(self) -> list[Expression]:
        """The expressions of the statement's results: the whole, or each element of a tuple or dict."""
        value = getattr(self.node, "value", None)
        if not isinstance(value, ast.expr) or not isinstance(
            self.node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.Expr
        ):
            return []
        if isinstance(value, ast.Tuple | ast.List):
            return [Expression(each, value) for each in value.elts]
        if isinstance(value, ast.Dict):
            return [Expression(each, value) for each in value.values]
        if isinstance(value, ast.Call) and isinstance(self.node, ast.Expr):
            return [Expression(each, value) for each in value.args[-1:]]
        return [Expression(value, self.node)]

    @cached_property
    def addends(self) -> list[Expression]:
        """The values and the terms of sums in them; a sum that is multiplied as a whole is not split."""
        found: list[Expression] = []

        def visit(each: Expression) -> None:
            found.append(each)
            node = each.node
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
                visit(Expression(node.left, node))
                visit(Expression(node.right, node))

        for each in self.values:
            visit(each)
        return found

    def value(self, node: ast.expr) -> Any:
        """Return the value of an expression here; None if it is unknown."""
        return self.scope.value(f"({self.text(node)})")

    def text(self, node: ast.expr, least: int = 0) -> str:
        """Return the text of an expression, in parentheses if a higher precedence is needed."""
        text = self.source.of(node)
        return f"({text})" if level(node) < least else text

    def lines(self, node: ast.stmt) -> tuple[int, int] | None:
        """Return the span of a statement's whole lines; None if they contain another statement, too."""
        source, (begin, end) = self.source, self.source.span(node)
        start, following = (
            source.starts[node.lineno - 1],
            source.start_of((node.end_lineno or node.lineno) + 1),
        )
        rest = source.text[end:following].strip()
        if source.text[start:begin].strip() or (rest and not rest.startswith(b"#")):
            return None
        return start, following

    def behind(self, text: str) -> Change:
        """Insert a statement after this one, which must have its own lines."""
        end = self.source.start_of((self.node.end_lineno or self.node.lineno) + 1)
        start = "" if self.source.text[:end].endswith((b"\n", b"\r")) else self.source.newline
        return Change(end, end, f"{start}{self.source.indent(self.node)}{text}{self.source.newline}")

    def in_front(self, text: str) -> Change:
        """Insert a statement before this one, which must have its own lines."""
        start = self.source.start_of(self.node.lineno)
        return Change(start, start, f"{self.source.indent(self.node)}{text}{self.source.newline}")

    def token(self, start: int, end: int, symbol: str, new: str) -> Change:
        """Replace an operator, wherever it is between two positions."""
        here = start
        while True:
            found = self.source.text.index(symbol.encode(), here, end)
            line = self.source.starts[self.source.line_of(found) - 1]
            if b"#" not in self.source.text[max(line, start) : found]:
                return Change(found, found + len(symbol), new)
            here = found + 1

    def between(self, left: ast.expr, right: ast.expr, symbol: str, new: str) -> Change:
        """Replace the operator between two operands."""
        return self.token(self.source.span(left)[1], self.source.span(right)[0], symbol, new)

    def assigned(self, new: str) -> Change:
        """Replace the operator of an assignment: ``+=`` for ``=``."""
        node = self.node
        assert isinstance(node, ast.Assign | ast.AugAssign)  # noqa: S101
        target = node.target if isinstance(node, ast.AugAssign) else node.targets[-1]
        symbol = f"{SYMBOLS[type(node.op)]}=" if isinstance(node, ast.AugAssign) else "="
        return self.token(self.source.span(target)[1], self.source.span(node.value)[0], symbol, new)

    def replaced(self, each: Expression, text: str, holds: int = ATOM) -> Change:
        """Replace an expression by another text.

        Args:
            each: the expression.
            text: the new text.
            holds: the precedence of the new text.
        """
        start, end = self.source.span(each.node)
        before, after = self.source.text[:start].rstrip(b" \t"), self.source.text[end:].lstrip(b" \t")
        wrapped = before.endswith(b"(") and after.startswith(b")")
        called = wrapped and (before[-2:-1].isalnum() or before[-2:-1] in (b"_", b")", b"]"))
        needed = _needed(each)
        if wrapped and not called and holds >= needed:
            start = len(before) - 1
            end = len(self.source.text) - len(after) + 1
        elif not wrapped and holds < needed:
            text = f"({text})"
        return Change(start, end, text)


def shape_of(thing: Any) -> tuple[int, ...] | None:
    """Return the shape of an array or number; None for anything else."""
    return np.shape(thing) if isinstance(thing, np.ndarray | np.number | int | float) else None


def stretches(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether an array of one shape is stretched to another one."""
    return len(one) <= len(other) and all(a in (1, b) for a, b in zip(one[::-1], other[::-1], strict=False))


def level(node: ast.expr) -> int:
    """Return the precedence of an expression."""
    if isinstance(node, ast.BinOp):
        return _HOLDS.get(type(node.op), 11)
    if isinstance(node, ast.UnaryOp):
        return 5 if isinstance(node.op, ast.Not) else UNARY
    if isinstance(node, ast.Compare):
        return COMPARE
    if isinstance(node, ast.BoolOp):
        return 4
    if isinstance(node, ast.IfExp | ast.Lambda):
        return TEST
    if isinstance(node, ast.Tuple | ast.NamedExpr | ast.Yield | ast.YieldFrom | ast.Starred):
        return TUPLE
    return ATOM


def _needed(each: Expression) -> int:
    """Return the precedence that an expression needs at its place."""
    node, parent = each
    if isinstance(parent, ast.BinOp):
        own = _HOLDS.get(type(parent.op), 11)
        tighter = parent.left if isinstance(parent.op, ast.Pow) else parent.right
        return own + (node is tighter)
    if isinstance(parent, ast.UnaryOp):
        return UNARY
    if isinstance(parent, ast.Compare):
        return SUM
    if isinstance(parent, ast.Attribute) or (
        isinstance(parent, ast.Subscript | ast.Call)
        and node in (getattr(parent, "value", 0), getattr(parent, "func", 0))
    ):
        return ATOM
    return TUPLE + 1
