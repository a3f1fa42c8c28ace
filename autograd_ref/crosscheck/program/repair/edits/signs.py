"""A wrong sign."""

import ast
from collections.abc import Iterator

from autograd_ref.crosscheck.program.repair.site import PRODUCT, SYMBOLS, UNARY, Edit, Expression, Site, level

__all__ = ["signs"]

SAYS = "the sign was wrong"


def signs(site: Site) -> Iterator[Edit]:
    """Yield edits with the opposite sign of a term, of an operand, or of the whole."""
    node = site.node
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
        yield Edit((site.assigned("-=" if isinstance(node.op, ast.Add) else "+="),), SAYS, 1)
    for each in site.expressions:
        one = each.node
        if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Add | ast.Sub):
            other = "-" if isinstance(one.op, ast.Add) else "+"
            yield Edit((site.between(one.left, one.right, SYMBOLS[type(one.op)], other),), SAYS, 1)
        elif isinstance(one, ast.UnaryOp) and isinstance(one.op, ast.USub):
            yield Edit((site.replaced(each, site.text(one.operand), level(one.operand)),), SAYS, 1)
    for each in _to_negate(site):
        if not isinstance(each.node, ast.UnaryOp | ast.Constant):
            yield Edit((site.replaced(each, f"-{site.text(each.node, PRODUCT)}", UNARY),), SAYS, 2)


def _to_negate(site: Site) -> Iterator[Expression]:
    """Yield the values of the statement, the first of several terms, and arguments of functions."""
    yield from site.values
    for each in site.expressions:
        parent = each.parent
        if (
            isinstance(parent, ast.BinOp)
            and isinstance(parent.op, ast.Add | ast.Sub)
            and each.node is parent.left
        ) or (isinstance(parent, ast.Call) and each.node in parent.args):
            yield each
