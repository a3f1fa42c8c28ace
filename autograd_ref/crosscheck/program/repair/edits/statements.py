"""A superfluous, missing or misplaced statement, or a missing copy."""

import ast
from collections.abc import Iterator

import numpy as np

from autograd_ref.crosscheck.program.repair.edits.factors import scalars
from autograd_ref.crosscheck.program.repair.site import ATOM, Edit, Scope, Site, shape_of, stretches
from autograd_ref.crosscheck.program.repair.source import Change

__all__ = ["copies", "inserted", "moved", "removed"]


def copies(site: Site) -> Iterator[Edit]:
    """Yield edits that copy an array that is written to later."""
    for each in site.expressions:
        node, parent = each
        if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            continue
        if not isinstance(parent, ast.Assign | ast.Tuple | ast.Call | ast.List | ast.Dict):
            continue
        is_called = isinstance(parent, ast.Call) and node is parent.func
        if isinstance(site.value(node), np.ndarray) and not is_called:
            says = f"{site.text(node)} is written to later, and was not copied"
            yield Edit((site.replaced(each, f"{site.text(node, ATOM)}.copy()"),), says, 2)


def removed(site: Site) -> Iterator[Edit]:
    """Yield an edit that removes the statement."""
    whole = site.lines(site.node)
    if whole is not None and isinstance(site.node, ast.Assign | ast.AugAssign | ast.Expr):
        change = Change(*whole, "") if len(site.body) > 1 else Change(*site.source.span(site.node), "pass")
        yield Edit((change,), "the statement does not belong there", 3)


def moved(site: Site) -> Iterator[Edit]:
    """Yield edits that move the statement, because it reads something before or after another updates it."""
    node, source = site.node, site.source
    whole = site.lines(node)
    if whole is None or not isinstance(node, ast.Assign | ast.AugAssign | ast.Expr):
        return
    here = site.body.index(node)
    text = source.text[slice(*whole)].decode()
    for there, other in enumerate(site.body):
        other_lines = site.lines(other)
        if (
            abs(there - here) > 6
            or other is node
            or other_lines is None
            or (isinstance(other, ast.Return) and there < here)
        ):
            continue
        if there == here + 1 or text[-1:] not in "\r\n":
            continue  # before the next statement is where it is now
        passed = site.body[there:here] if there < here else site.body[here + 1 : there]
        yield Edit(
            (Change(*whole, ""), Change(other_lines[0], other_lines[0], text)),
            _too_late(node, passed) if there < here else _too_early(node, passed),
            4,
        )


def _too_late(node: ast.stmt, passed: list[ast.stmt]) -> str:
    for other in passed:
        for name in sorted(_names(node, ast.Load) & _names(other, ast.Store)):
            return f"{name} is read after line {other.lineno} changes it; it belongs before that"
    return "the statement belongs further up"


def _too_early(node: ast.stmt, passed: list[ast.stmt]) -> str:
    for other in reversed(passed):
        for name in sorted(_names(node, ast.Load) & _names(other, ast.Store)):
            return f"{name} is read before line {other.lineno} changes it; it belongs behind that"
        for name in sorted(_names(node, ast.Store) & _names(other, ast.Load)):
            return f"{name} is changed before line {other.lineno} reads it; it belongs behind that"
    return "the statement belongs further down"


def _names(node: ast.stmt, context: type[ast.expr_context]) -> set[str]:
    """Return the variables that a statement reads, or sets or writes to."""
    found = {
        each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, context)
    }
    if context is ast.Store:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        bases = [_root(each) for each in targets if isinstance(each, ast.Subscript)]
        found |= {each.id for each in bases if isinstance(each, ast.Name)}
    return found


def inserted(site: Site) -> Iterator[Edit]:
    """Yield edits that insert a statement to change this one's result, or to use an unused value."""
    if site.lines(site.node) is None:
        return
    if isinstance(site.node, ast.Pass | ast.For):
        place = site.in_front if isinstance(site.node, ast.Pass) else site.behind
        inside = {
            ast.unparse(_root(node.target)) for node in ast.walk(site.node) if isinstance(node, ast.AugAssign)
        }
        for made in site.written:
            value = site.scope.value(made)
            if isinstance(value, np.ndarray) and (made in inside or isinstance(site.node, ast.Pass)):
                for cost, text in _lines_to_insert(site, made, value, site.scope):
                    yield Edit((place(text),), f"{text} was missing", cost)
    if not isinstance(site.node, ast.Assign | ast.AugAssign | ast.Expr):
        return
    for cost, text in dict.fromkeys((*_changing(site), *_using(site))):
        yield Edit((site.behind(text),), f"{text} was missing", cost)
    if isinstance(site.node, ast.AugAssign):
        for cost, text in dict.fromkeys(_changing(site)):
            yield Edit((site.in_front(text),), f"{text} was missing", cost + 1)


def _changing(site: Site) -> Iterator[tuple[int, str]]:
    """Yield statements that change the result of this one."""
    node = site.node
    if not isinstance(node, ast.Assign | ast.AugAssign):
        return
    target = node.target if isinstance(node, ast.AugAssign) else node.targets[-1]
    if not isinstance(target, ast.Name | ast.Attribute | ast.Subscript):
        return
    for made in dict.fromkeys((site.source.of(target), site.source.of(_root(target)))):
        value, scope = site.scope.value(made), site.scope
        if value is None:
            value = site.value(node.value)
            scope = scope._replace(local={**scope.local, made: value})
        if isinstance(value, np.ndarray):
            yield from _lines_to_insert(site, made, value, scope)


def _using(site: Site) -> Iterator[tuple[int, str]]:
    """Yield statements that add an unread value of the function to an array, or store it there."""
    made = {
        each.id
        for each in ast.walk(site.node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }
    arrays = {term: each for term, each in site.terms.items() if isinstance(each, np.ndarray) and each.ndim}
    for term in sorted(site.unused & (made | arrays.keys())):
        value = getattr(site.node, "value", None) if term in made else None
        shape = shape_of(site.scope.value(term) if value is None else site.value(value))
        if shape is None:
            continue
        for array in site.written:
            if array == term or array not in arrays:
                continue
            if stretches(shape, arrays[array].shape):
                yield 4, f"{array} += {term}"
            for at in site.indices:
                part = site.scope.value(f"{array}{at}")
                if part is not None and stretches(shape, np.shape(part)):
                    for sign in ("+=", "-=", "="):
                        yield 5, f"{array}{at} {sign} {term}"


def _root(target: ast.expr) -> ast.expr:
    """Return the array of a part that is written; a value under a key is itself the array."""
    while isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
        target = target.value
    return target


def _lines_to_insert(site: Site, made: str, value: np.ndarray, scope: Scope) -> Iterator[tuple[int, str]]:
    for term, array in site.terms.items():
        if not isinstance(array, np.ndarray) or not array.ndim or term == made:
            continue
        if array.shape == value.shape:
            yield 5, f"{made} += {term}"
            yield 5, f"{made}[{term} <= 0] = 0"
        elif array.shape[-1:] == value.shape[-1:] and array.dtype.kind == "f":
            for at in site.indices:
                if ":" not in at and stretches(array.shape, np.shape(scope.value(f"{made}{at}"))):
                    yield 5, f"np.add.at({made}, {at[1:-1]}, {term})"
        for factor in _stretched(term, array, value.shape):
            yield 5, f"{made} *= {factor}"
            if array.dtype.kind == "f":
                yield 5, f"{made} /= {factor}"
    labels = [
        f"[np.arange(len({term})), {term}]"
        for term, array in site.terms.items()
        if isinstance(array, np.ndarray) and array.dtype.kind in "iu" and array.shape == value.shape[:1]
    ]
    for at in dict.fromkeys((*site.indices, *labels)):
        part = scope.value(f"{made}{at}")
        if part is None:
            continue
        yield 3, f"{made}{at} -= 1"
        yield 5, f"{made}{at} += 1"
        yield 5, f"{made}{at} = 0"
        for term, array in site.terms.items():
            if (
                isinstance(array, np.ndarray)
                and array.dtype.kind == "f"
                and array.shape == np.shape(part) != ()
            ):
                for sign in ("-=", "+=", "=", "= -"):
                    yield 5, f"{made}{at} {sign} {term}".replace("= - ", "= -")
    for _, factor in scalars(site)[2:]:
        yield 5, f"{made} /= {factor}"


def _stretched(term: str, array: np.ndarray, shape: tuple[int, ...]) -> Iterator[str]:
    """Yield an array as a factor of arrays of a shape, with an additional axis if necessary."""
    if array.dtype.kind in "fb" and stretches(array.shape, shape):
        yield term
    if array.ndim == 1 and len(shape) == 2 and array.size == shape[0]:
        yield f"{term}[:, None]"
