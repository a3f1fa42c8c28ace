"""A superfluous operand, or two operands in the wrong order."""

import ast
from collections.abc import Iterator
from itertools import pairwise

from autograd_ref.crosscheck.program.repair.site import (
    ATOM,
    PRODUCT,
    SUM,
    SYMBOLS,
    UNARY,
    Edit,
    Expression,
    Site,
    level,
)
from autograd_ref.crosscheck.program.repair.source import Change

__all__ = ["operands"]

_HOLDS = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "@": PRODUCT}


def operands(site: Site) -> Iterator[Edit]:
    """Yield edits that drop one of the operands, or exchange both."""
    for each in site.expressions:
        node = each.node
        if isinstance(node, ast.BinOp):
            symbol = SYMBOLS[type(node.op)]
            left, right = site.text(node.left), site.text(node.right)
            yield Edit(
                (site.replaced(each, left, level(node.left)),),
                f"{symbol} {right} does not belong there",
                _cost(each, node.right),
            )
            if symbol == "-":
                change = site.replaced(each, f"-{site.text(node.right, PRODUCT)}", UNARY)
            else:
                change = site.replaced(each, right, level(node.right))
            yield Edit((change,), f"{left} {symbol} does not belong there", _cost(each, node.left))
            if symbol in ("-", "/", "@", "**", "//"):
                holds = _HOLDS.get(symbol, PRODUCT)
                text = f"{site.text(node.right, holds)} {symbol} {site.text(node.left, holds + 1)}"
                says = f"the operands of {symbol} were exchanged"
                yield Edit((site.replaced(each, text, holds),), says, 1 if symbol == "-" else 2)
        elif isinstance(node, ast.Call):
            yield from _arguments(site, node)
        elif isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
            text = site.text(node.value)
            yield Edit((site.replaced(each, text, level(node.value)),), "the index does not belong there", 4)
    values = site.values
    if len(values) > 1:
        for i, one in enumerate(values):
            for other in values[i + 1 :]:
                changes = (
                    site.replaced(one, site.text(other.node)),
                    site.replaced(other, site.text(one.node)),
                )
                yield Edit(changes, "two values were exchanged", 2)


def _cost(each: Expression, dropped: ast.expr) -> int:
    """Return the cost of dropping an operand: a superfluous number is more usual, most of all in an index."""
    if not isinstance(dropped, ast.Constant):
        return 2
    parent = each.parent
    in_range = isinstance(parent, ast.Call) and getattr(parent.func, "id", "") == "range"
    return 0 if in_range or isinstance(parent, ast.Subscript | ast.Slice | ast.Tuple) else 1


def _arguments(site: Site, node: ast.Call) -> Iterator[Edit]:
    """Yield edits that exchange two arguments, or object and argument: ``b.dot(a)`` for ``a.dot(b)``."""
    places: list[ast.expr] = [each for each in node.args if not isinstance(each, ast.Starred)]
    own = (
        node.func.value
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("dot", "matmul")
        else None
    )
    if own is not None and len(places) == 1 and isinstance(node.func, ast.Attribute):
        first, second = site.text(own), site.text(places[0])
        changes = (
            Change(*site.source.span(own), site.text(places[0], ATOM)),
            Change(*site.source.span(places[0]), first),
        )
        yield Edit(changes, f"{first} and {second} were exchanged", 2)
    for one, other in pairwise(places):
        first, second = site.text(one), site.text(other)
        changes = (Change(*site.source.span(one), second), Change(*site.source.span(other), first))
        yield Edit(changes, f"{first} and {second} were exchanged", 2)
