"""A wrong axis, or an axis kept or lost."""

import ast
from collections.abc import Iterator

import numpy as np

from autograd_ref.crosscheck.program.repair.site import Edit, Expression, Site, shape_of
from autograd_ref.crosscheck.program.repair.source import Change

__all__ = ["axes"]

_REDUCE = {"sum", "mean", "max", "min", "prod", "var", "std", "argmax", "argmin", "amax", "amin"}
_ALONG = {
    "concatenate",
    "stack",
    "repeat",
    "roll",
    "flip",
    "expand_dims",
    "squeeze",
    "cumsum",
    "split",
    "take",
    "norm",
}


def axes(site: Site) -> Iterator[Edit]:
    """Yield edits to another axis, or with or without keepdims."""
    for each in site.expressions:
        node = each.node
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _REDUCE | _ALONG:
            yield from _axis(site, node, reduces=name in _REDUCE)
        if name in _REDUCE:
            yield from _keepdims(site, node)


def _axis(site: Site, node: ast.Call, *, reduces: bool) -> Iterator[Edit]:
    is_method = isinstance(node.func, ast.Attribute) and not isinstance(site.value(node.func.value), type(np))
    taken = node.args[0] if node.args else None
    if is_method and isinstance(node.func, ast.Attribute):
        taken = node.func.value
    ndim = len(shape_of(site.value(taken)) or ()) if taken is not None else 0
    given = next((each.value for each in node.keywords if each.arg == "axis"), None)
    if given is None and len(node.args) > (0 if is_method else 1):
        given = node.args[0 if is_method else 1]
    whole = tuple(range(max(ndim, 2)))
    if given is None:
        if reduces and ndim > 1 and taken is not None:
            for axis in whole:
                yield Edit((_added(site, node, f"axis={axis}"),), f"the sum is along axis {axis}", 2)
        return
    known = _constant(given)
    says = f"axis {site.text(given)} is wrong"
    for axis in whole:
        if known not in (axis, axis - len(whole)):
            yield Edit((site.replaced(Expression(given, node), str(axis)),), says, 1)
    if isinstance(known, tuple) and all(isinstance(axis, int) for axis in known):
        for axis in whole:
            some = (
                tuple(sorted({*known, axis})) if axis not in known else tuple(a for a in known if a != axis)
            )
            yield Edit((site.replaced(Expression(given, node), str(some)),), says, 1)
    if reduces and ndim > 2:
        for left_out in whole:
            some = tuple(axis for axis in whole if axis != left_out)
            if known != some:
                yield Edit((site.replaced(Expression(given, node), str(some)),), says, 2)
        for one in whole:
            for other in whole[one + 1 :]:
                if ndim > 3 and known != (one, other):
                    yield Edit((site.replaced(Expression(given, node), str((one, other))),), says, 2)
    if reduces:
        yield Edit((site.replaced(Expression(given, node), "None"),), says, 3)


def _keepdims(site: Site, node: ast.Call) -> Iterator[Edit]:
    given = next((each.value for each in node.keywords if each.arg == "keepdims"), None)
    if given is None:
        yield Edit((_added(site, node, "keepdims=True"),), "keepdims=True was missing", 2)
    elif isinstance(given, ast.Constant):
        yield Edit((site.replaced(Expression(given, node), str(not given.value)),), "keepdims was wrong", 2)


def _added(site: Site, node: ast.Call, text: str) -> Change:
    """Return a change that adds an argument."""
    _, end = site.source.span(node)
    last = max(
        [
            *(site.source.span(each)[1] for each in node.args),
            *(site.source.span(each.value)[1] for each in node.keywords),
        ],
        default=None,
    )
    if last is None:
        return Change(end - 1, end - 1, text)
    return Change(last, last, f", {text}")


def _constant(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
