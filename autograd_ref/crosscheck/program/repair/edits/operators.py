"""A wrong operator, a wrong sign of assignment, a wrong function."""

import ast
from collections.abc import Iterator

from autograd_ref.crosscheck.program.repair.site import (
    ATOM,
    POWER,
    PRODUCT,
    SUM,
    SYMBOLS,
    UNARY,
    Edit,
    Site,
    level,
)
from autograd_ref.crosscheck.program.repair.source import Change

__all__ = ["assignments", "functions", "operators"]

_OTHERS = {
    "*": ("/", "+", "**", "@", "-"),
    "/": ("*", "-", "+"),
    "@": ("*",),
    "+": ("*", "/"),
    "-": ("*", "/"),
    "**": ("*", "/"),
    "//": ("/", "*"),
    "&": ("|",),
    "|": ("&",),
}
_HOLDS = {
    "+": SUM,
    "-": SUM,
    "*": PRODUCT,
    "/": PRODUCT,
    "@": PRODUCT,
    "//": PRODUCT,
    "%": PRODUCT,
    "**": POWER,
}
_OPPOSITES = ({"==", "!="}, {"<", ">"}, {"<=", ">="}, {"<=", ">"}, {"<", ">="})
_EQUAL = ("==", "!=", ">", "<")
_ORDERED = (">", "<", ">=", "<=")
_ASSIGNED = ("=", "+=", "-=", "*=", "/=")
_FAMILIES = (
    ("sum", "mean", "max", "min", "prod", "std", "var", "cumsum"),
    ("maximum", "minimum", "fmax", "fmin"),
    ("zeros_like", "ones_like", "empty_like", "full_like"),
    ("zeros", "ones"),
    ("sin", "cos", "tan", "arcsin", "arccos", "arctan"),
    ("sinh", "cosh", "tanh"),
    ("exp", "log", "expm1", "log1p", "log2", "log10", "exp2"),
    ("sqrt", "square", "abs", "sign", "reciprocal", "negative"),
    ("dot", "outer", "multiply", "matmul", "inner", "vdot"),
    ("add", "subtract", "multiply", "divide", "true_divide"),
    ("hstack", "vstack", "concatenate", "stack"),
    ("argmax", "argmin"),
    ("greater", "less", "greater_equal", "less_equal", "equal", "not_equal"),
    ("ravel", "flatten"),
    ("floor", "ceil"),
    ("tanh", "exp", "sign"),
)


def operators(site: Site) -> Iterator[Edit]:
    """Yield edits to another operator or comparison between the same operands."""
    for each in site.expressions:
        node = each.node
        if isinstance(node, ast.BinOp):
            symbol = SYMBOLS[type(node.op)]
            for cost, other in enumerate(_OTHERS.get(symbol, ())):
                says = f"{other} belongs there, not {symbol}"
                right = site.text(node.right, _HOLDS.get(other, 11) + 1)
                left = site.text(node.left, _HOLDS.get(other, 11))
                as_it_was = _is_safe(site, node, other)
                if as_it_was and _HOLDS.get(other, 11) >= _HOLDS.get(symbol, 11):
                    change = site.between(node.left, node.right, symbol, other)
                else:
                    change = site.replaced(each, f"{left} {other} {right}", _HOLDS.get(other, 11))
                is_step = isinstance(node.right, ast.Constant) and symbol in "+-"
                yield Edit((change,), says, 1 + cost + 2 * is_step)
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SYMBOLS:
            symbol = SYMBOLS[type(node.ops[0])]
            for other in _EQUAL if symbol in ("==", "!=") else _ORDERED:
                if other != symbol:
                    says = f"{other} belongs there, not {symbol}"
                    cost = 1 if {symbol, other} in _OPPOSITES else 2
                    yield Edit((site.between(node.left, node.comparators[0], symbol, other),), says, cost)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert | ast.Not):
            yield Edit(
                (site.replaced(each, site.text(node.operand), level(node.operand)),),
                "the condition was inverted",
                2,
            )
        value = site.value(node) if isinstance(node, ast.Name | ast.Subscript | ast.Compare) else None
        if getattr(getattr(value, "dtype", None), "kind", "") == "b":
            yield Edit(
                (site.replaced(each, f"~{site.text(node, UNARY)}", UNARY),), "the mask was inverted", 3
            )


def _is_safe(site: Site, node: ast.BinOp, other: str) -> bool:
    """Whether the operands need no more parentheses."""
    holds = _HOLDS.get(other, 11)
    return _level(site, node.left) >= holds and _level(site, node.right) > holds


def _level(site: Site, node: ast.expr) -> int:
    """Return the precedence of an operand, which may be in parentheses."""
    (start, end), text = site.source.span(node), site.source.text
    return ATOM if text[:start].endswith(b"(") and text[end:].startswith(b")") else level(node)


def assignments(site: Site) -> Iterator[Edit]:
    """Yield edits such as ``+=`` for ``=``, and a new binding of a name in place of a write to memory."""
    node = site.node
    yield from _added_at(site)
    if isinstance(node, ast.AugAssign):
        symbol = SYMBOLS[type(node.op)] + "="
        for other in _ASSIGNED:
            if other != symbol and {other, symbol} != {"+=", "-="}:
                yield Edit(
                    (site.assigned(other),),
                    f"{other} belongs there, not {symbol}",
                    1 if other == "=" else 2,
                )
        if isinstance(node.target, ast.Name):
            start, end = site.source.span(node.target)[1], site.source.span(node.value)[0]
            change = site.token(start, end, symbol, f"= {node.target.id} {symbol[:-1]}")
            yield Edit((change,), f"{symbol} overwrote memory that is used elsewhere", 3)
    elif isinstance(node, ast.Assign) and not isinstance(node.targets[-1], ast.Tuple | ast.List):
        for cost, other in ((1, "+="), (2, "-="), (3, "*=")):
            if len(node.targets) == 1:
                yield Edit((site.assigned(other),), f"{other} belongs there, not =", cost)


def _added_at(site: Site) -> Iterator[Edit]:
    """Yield ``np.add.at`` for an addition at indices that may be equal, of which the last one counts."""
    node = site.node
    target = node.target if isinstance(node, ast.AugAssign) else getattr(node, "targets", [None])[-1]
    if not isinstance(node, ast.Assign | ast.AugAssign) or not isinstance(target, ast.Subscript):
        return
    places = target.slice.elts if isinstance(target.slice, ast.Tuple) else [target.slice]
    if any(isinstance(each, ast.Slice) for each in places):
        return
    if any(getattr(site.value(each), "ndim", 0) for each in places):
        at = f"({site.text(target.slice)})" if len(places) > 1 else site.text(target.slice)
        text = f"np.add.at({site.text(target.value)}, {at}, {site.text(node.value)})"
        yield Edit((Change(*site.source.span(node), text),), "equal indices add up only in np.add.at", 1)


def functions(site: Site) -> Iterator[Edit]:
    """Yield edits to another function of the same kind."""
    for each in site.expressions:
        node = each.node
        if not isinstance(node, ast.Call):
            continue
        name = node.func
        known = (
            name.attr if isinstance(name, ast.Attribute) else name.id if isinstance(name, ast.Name) else ""
        )
        others = dict.fromkeys(
            other for family in _FAMILIES if known in family for other in family if other != known
        )
        _, end = site.source.span(name)
        for other in others:
            if isinstance(name, ast.Attribute) or other in site.scope.space:
                change = Change(end - len(known.encode()), end, other)
                yield Edit((change,), f"{other} belongs there, not {known}", 2)
        if isinstance(name, ast.Attribute) and known in ("sum", "mean") and not node.args:
            whole = site.text(name.value)
            yield Edit((site.replaced(each, whole, level(name.value)),), f"{known} does not belong there", 4)
