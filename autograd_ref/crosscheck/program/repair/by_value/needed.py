"""Find the values that the parts of an expression need, so that it has a given value."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.repair.site import Expression, Scope, Site

__all__ = ["Need", "needs"]

_JOINED = ("concatenate", "hstack", "vstack")


class Need(NamedTuple):
    """A part of an expression.

    Attributes:
        part: the part.
        value: its value.
        wanted: the value that it would have to have; NaN where any would do.
    """

    part: Expression
    value: np.ndarray
    wanted: np.ndarray


def needs(site: Site, scope: Scope, part: Expression, wanted: np.ndarray) -> Iterator[Need]:
    """Yield the parts of an expression, itself first.

    Args:
        site: the statement that contains it.
        scope: the values of the statement's names.
        part: the expression.
        wanted: the value that it would have to have.
    """
    value = scope.value(f"({site.text(part.node)})")
    if not isinstance(value, np.ndarray | np.number | float | int):
        return
    value = np.asarray(value)
    if value.dtype.kind not in "fiub":
        return
    wanted, node = _fitted(wanted, value.shape), part.node
    yield Need(part, value, wanted)
    if wanted.shape != value.shape:
        return
    if isinstance(node, ast.BinOp):
        known = [scope.value(f"({site.text(each)})") for each in (node.left, node.right)]
        if all(isinstance(each, np.ndarray | np.number | float | int) for each in known):
            left, right = (np.asarray(each) for each in known)
            for each, other in _of_operands(node, left, right, wanted):
                yield from needs(site, scope, Expression(each, node), other)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield from needs(site, scope, Expression(node.operand, node), -wanted)
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield from needs(site, scope, Expression(node.value, node), wanted.T)
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in _JOINED and node.args:
        yield from _of_joined(site, scope, node, wanted)
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("copy", "reshape", "astype"):
        held = node.func.value  # type: ignore[attr-defined]
        inner = scope.value(f"({site.text(held)})")
        if isinstance(inner, np.ndarray) and inner.size == wanted.size:
            yield from needs(site, scope, Expression(held, node.func), wanted.reshape(inner.shape))


def _of_operands(
    node: ast.BinOp, left: np.ndarray, right: np.ndarray, wanted: np.ndarray
) -> Iterator[tuple[ast.expr, np.ndarray]]:
    with np.errstate(all="ignore"):
        if isinstance(node.op, ast.Add):
            yield node.left, wanted - right
            yield node.right, wanted - left
        elif isinstance(node.op, ast.Sub):
            yield node.left, wanted + right
            yield node.right, left - wanted
        elif isinstance(node.op, ast.Mult):
            yield node.left, np.where(right == 0, np.nan, wanted / right)
            yield node.right, np.where(left == 0, np.nan, wanted / left)
        elif isinstance(node.op, ast.Div):
            yield node.left, wanted * right
            yield node.right, np.where(wanted == 0, np.nan, left / wanted)


def _of_joined(site: Site, scope: Scope, node: ast.Call, wanted: np.ndarray) -> Iterator[Need]:
    """Yield the parts of the arrays that are joined."""
    given = next((site.text(each.value) for each in node.keywords if each.arg == "axis"), None)
    axis = scope.value(given or (site.text(node.args[1]) if len(node.args) > 1 else "0"))
    name = node.func.attr  # type: ignore[attr-defined]
    axis = min(1, wanted.ndim - 1) if name == "hstack" else axis
    parts = node.args[0]
    if not isinstance(parts, ast.List | ast.Tuple) or not isinstance(axis, int):
        return
    arrays = [scope.value(f"({site.text(each)})") for each in parts.elts]
    if not all(isinstance(each, np.ndarray) and each.ndim == wanted.ndim for each in arrays):
        return
    ends = np.cumsum([each.shape[axis] for each in arrays])[:-1]
    for each, piece in zip(parts.elts, np.split(wanted, ends, axis=axis), strict=True):
        yield from needs(site, scope, Expression(each, parts), piece)


def _fitted(wanted: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a wanted value in the shape of an array that is stretched to it, if its entries allow that."""
    if wanted.shape == shape:
        return wanted
    allowed = 1e-9 * np.abs(wanted).max(initial=0.0)
    kept = wanted
    for axis in range(wanted.ndim):
        mean = kept.mean(axis=axis, keepdims=True)
        if np.abs(kept - mean).max(initial=0.0) <= allowed:
            kept = mean
    return kept.reshape(shape) if kept.size == np.prod(shape) else kept
