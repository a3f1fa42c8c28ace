"""A transpose too many, too few, or of the wrong axes."""

import ast
from collections.abc import Iterator
from itertools import permutations

import numpy as np

from autograd_ref.crosscheck.program.repair.site import ATOM, Edit, Expression, Site, level

__all__ = ["transposes"]


def transposes(site: Site) -> Iterator[Edit]:
    """Yield edits with a transpose, without it, or with other axes."""
    for each in site.expressions:
        node = each.node
        if (plain := _transposed(node)) is not None:
            text = site.text(plain)
            yield Edit((site.replaced(each, text, level(plain)),), f"{text} is not to be transposed", 2)
        elif (axes := _axes(node)) is not None:
            yield from _permuted(site, axes)
        elif not isinstance(node, ast.Constant | ast.Slice | ast.Tuple) and not _is_called(each):
            value = site.value(node)
            if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind == "f":
                text = f"{site.text(node, ATOM)}.T"
                yield Edit((site.replaced(each, text),), f"{site.text(node)} must be transposed", 2)


def _transposed(node: ast.expr) -> ast.expr | None:
    """Return the expression that is transposed as a whole."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "transpose":
        if not node.args:
            return node.func.value
        if (
            len(node.args) == 1
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in ("np", "numpy")
        ):
            return node.args[0]
    return None


def _axes(node: ast.expr) -> list[ast.expr] | None:
    """Return the axes that are given."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("transpose", "swapaxes", "moveaxis", "rollaxis"):
            found = [
                one
                for each in node.args
                for one in (each.elts if isinstance(each, ast.Tuple | ast.List) else [each])
            ]
            numbers = [
                each for each in found if isinstance(each, ast.Constant) and isinstance(each.value, int)
            ]
            return list(numbers) if len(numbers) > 1 else None
    return None


def _permuted(site: Site, axes: list[ast.expr]) -> Iterator[Edit]:
    texts = [site.text(each) for each in axes]
    for order in permutations(texts):
        if list(order) != texts:
            changes = tuple(
                site.replaced(Expression(node, node), text) for node, text in zip(axes, order, strict=True)
            )
            yield Edit(changes, f"the axes are {', '.join(order)} and not {', '.join(texts)}", 2)


def _is_called(each: Expression) -> bool:
    return isinstance(each.parent, ast.Attribute) or (
        isinstance(each.parent, ast.Call) and each.node is each.parent.func
    )
