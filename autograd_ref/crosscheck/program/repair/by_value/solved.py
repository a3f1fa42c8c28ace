"""Edits that are found by value: what is missing from a statement for its result to be a right one."""

from __future__ import annotations

import ast
import copy
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.repair.by_value.library import ONE, Library, Table, Term, positions
from autograd_ref.crosscheck.program.repair.by_value.needed import Need, needs
from autograd_ref.crosscheck.program.repair.goals import Goals
from autograd_ref.crosscheck.program.repair.site import PRODUCT, SUM, Edit, Expression, Scope, Site
from autograd_ref.crosscheck.program.repair.source import Change

__all__ = ["Asked", "added", "as_factor", "changed", "cheapest", "edits_with", "missing", "multiples"]

# The largest number of expressions of one shape: in the statements that are most likely wrong, and in others.
MOST, SOME = 3000, 300

# The largest number of expressions with the same value, and of edits of a statement, that are tried.
ALIKE, TRIED = 3, 150

# The largest number of vectors that are looked up together.
TOGETHER = 1000


class Asked(NamedTuple):
    """A vector to be looked up, and what follows if it is a multiple of a term.

    Attributes:
        need: the part of the statement.
        how: "+", "*", "/" or "=" for a term that is added, a factor, a divisor, a new value.
        vector: some of its entries.
    """

    need: Any
    how: str
    vector: np.ndarray


def changed(site: Site, goals: Goals, *, is_likely: bool) -> list[Edit]:
    """Return edits of a statement's expressions that make its result one of the goals.

    Args:
        site: the statement.
        goals: the adjoints and contributions.
        is_likely: whether to look for less usual ones, too.
    """
    found: list[Edit] = []
    for scope in site.scopes:
        library = Library(site, scope, MOST if is_likely else SOME)
        found += _changed(site, scope, library, goals, is_likely)
    return cheapest(found)


def added(site: Site, goals: Goals, *, is_likely: bool) -> list[Edit]:
    """Return statements, in front of a statement or behind a block, that add what is missing to an array.

    Args:
        site: the statement.
        goals: the adjoints and contributions.
        is_likely: whether to look in the middle of a block, too.
    """
    is_end = site.node is site.body[-1] or isinstance(site.node, ast.Pass)
    if site.lines(site.node) is None or not (is_likely or is_end):
        return []
    found: list[Edit] = []
    for scope in site.scopes:
        found += _added(site, scope, goals, site.in_front)
        if site.node is site.body[-1] and isinstance(site.node, ast.Assign | ast.AugAssign | ast.Expr):
            after = _after(site, scope)
            found += [] if after is None else _added(site, after, goals, site.behind)
    return cheapest(found)


def cheapest(some: list[Edit]) -> list[Edit]:
    """Return the most usual of some edits, without repetitions."""
    found: dict[object, Edit] = {}
    for each in sorted(some, key=lambda each: each.cost):
        found.setdefault(each.changes, each)
    return list(found.values())[:TRIED]


def _changed(site: Site, scope: Scope, library: Library, goals: Goals, is_likely: bool) -> Iterator[Edit]:
    """Yield edits of a statement's expressions."""
    if not isinstance(site.node, ast.Assign | ast.AugAssign | ast.Return | ast.Expr):
        return
    asked: dict[tuple[int, ...], list[Asked]] = {}
    for part in (*site.values, *arguments(site)):
        for wanted in _wanted(site, scope, part, goals, is_likely):
            for need in needs(site, scope, part, wanted):
                for how, vector in missing(need):
                    asked.setdefault(need.wanted.shape, []).append(Asked(need, how, vector))
    for shape, some in asked.items():
        for i in range(0, len(some), TOGETHER):
            for one, term, factor in multiples(library.of(shape), some[i : i + TOGETHER], goals.near):
                yield from edits_with(site, one, term, factor)


def _wanted(
    site: Site, scope: Scope, part: Expression, goals: Goals, is_likely: bool
) -> Iterator[np.ndarray]:
    """Yield possible right values of a statement's expression."""
    node = site.node
    is_whole = part.node is getattr(node, "value", None)
    scales: list[Any] = [1.0, *_scales(site)] if is_likely else [1.0]
    if not isinstance(node, ast.AugAssign) or not is_whole:
        target = getattr(node, "targets", [None])[-1]
        value = scope.value(f"({site.text(part.node)})")
        if isinstance(value, np.ndarray):
            if is_whole and isinstance(target, ast.Name):
                scales += _scaled_later(site, scope, target.id)
            yield from (scale * goal for scale in scales for goal in goals.of(value.shape))
            if is_whole or part in site.values:
                for axis in range(value.ndim):  # a sum may be missing
                    yield from goals.of(value.shape[:axis] + value.shape[axis + 1 :])
                    yield from goals.of((*value.shape[:axis], 1, *value.shape[axis + 1 :]))
        return
    held = scope.value(site.source.of(node.target))
    if not isinstance(held, np.ndarray):
        return
    sign = {ast.Add: 1, ast.Sub: -1}.get(type(node.op))
    with np.errstate(all="ignore"):
        for goal in goals.of(held.shape):
            if sign is not None:
                yield from (sign * scale * goal for scale in scales)
                if held.any():
                    yield sign * (goal - held)
            elif isinstance(node.op, ast.Mult):
                yield np.where(held == 0, np.nan, goal / held)
            elif isinstance(node.op, ast.Div):
                yield np.where(goal == 0, np.nan, held / goal)


def _scales(site: Site) -> list[float]:
    """Return the numbers that the function divides by, which adjoints may lack for a while, and inverses."""
    divisors = {
        site.source.of(node.right if isinstance(node, ast.BinOp) else node.value)
        for node in ast.walk(site.function)
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
    }
    numbers = dict.fromkeys(number for text, number in site.numbers if text in divisors)
    return [scale for number in [*numbers][:3] for scale in (number, 1 / number)]


def _scaled_later(site: Site, scope: Scope, name: str) -> list[np.ndarray]:
    """Return the divisor that undoes later changes of an array's scale in place, if there are any."""
    undone: Any = None
    for other in site.body[site.body.index(site.node) + 1 :]:
        if isinstance(other, ast.AugAssign) and ast.unparse(other.target) == name:
            value = scope.value(f"({site.source.of(other.value)})")
            if isinstance(other.op, ast.Mult | ast.Div) and value is not None and np.all(value):
                value = value if isinstance(other.op, ast.Div) else 1 / value
                undone = value if undone is None else undone * value
    return [] if undone is None else [undone]


def arguments(site: Site) -> list[Expression]:
    """Return the arguments of the program's functions and classes."""
    return [
        each
        for each in site.expressions
        if isinstance(each.parent, ast.Call)
        and each.node in each.parent.args
        and isinstance(each.parent.func, ast.Name | ast.Attribute)
        and not isinstance(each.node, ast.Constant)
        and _is_own(site, site.text(each.parent.func))
    ]


def _is_own(site: Site, name: str) -> bool:
    made = site.terms.get(name, site.scope.value(name))
    own = isinstance(made, type) and made.__module__ not in ("builtins", "numpy")
    return own or callable(site.terms.get(name))


def _added(site: Site, scope: Scope, goals: Goals, at: Callable[[str], Change]) -> Iterator[Edit]:
    usual, more = Library(site, scope, SOME), Library(site, scope, MOST)
    parts = [f"{name}{at}" for name in site.untouched for at in site.indices]
    for name in [*site.written, *parts]:
        held = scope.value(name)
        if not isinstance(held, np.ndarray) or held.dtype.kind != "f" or held.ndim == 0:
            continue
        is_untouched = name in site.untouched or name in parts
        if not held.any() and not is_untouched:
            continue
        # What there is already is a part of the whole.
        whole = goals.of(held.shape, whole=bool(held.any()))
        vectors = [Asked(name, "+", (goal - held)[positions(held.shape)]) for goal in whole]
        library = more if is_untouched else usual
        for _, term, factor in multiples(library.of(held.shape), vectors, goals.near):
            scaled = multiple(site, term, factor)
            if scaled is None or term.text == name or term.array.dtype.kind == "b":
                continue
            text, cost = scaled
            sign, plain = ("-=", text[1:]) if text.startswith("-") else ("+=", text)
            lines = [(0, f"{name} {sign} {plain}")]
            if not held.any():
                lines.append((1, f"{name} = {text}"))
            cost += 3 if is_untouched else 5
            for odd, new in lines:
                yield Edit((at(new),), f"{new} was missing", cost + odd, kind="term")


def _after(site: Site, scope: Scope) -> Scope | None:
    """Return the values of a statement's names after it ran."""
    lines = site.lines(site.node)
    if lines is None:
        return None
    local = copy.deepcopy(
        {k: x for k, x in scope.local.items() if isinstance(x, np.ndarray | list | dict | tuple)}
    )
    local = {**scope.local, **local}
    try:
        with np.errstate(all="ignore"):
            exec(textwrap.dedent(site.source.text[slice(*lines)].decode()), {**scope.space}, local)  # noqa: S102
    except Exception:
        return None
    return Scope(local, scope.space)


def missing(need: Need) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what is missing from a part: an addend, a factor, a divisor, or all of it."""
    if need.wanted.ndim == 0:
        return
    at = positions(need.wanted.shape)
    wanted = need.wanted[at]
    try:
        value = np.broadcast_to(need.value, need.wanted.shape)[at].astype(np.float64)
    except ValueError:
        yield "=", wanted
        return
    with np.errstate(all="ignore"):
        rest = wanted - value
        if np.nanmax(np.abs(rest), initial=0.0) <= 1e-9 * np.nanmax(np.abs(wanted), initial=0.0):
            return
        yield "+", rest
        yield "*", np.where(value == 0, np.nan, wanted / value)
        yield "/", np.where(wanted == 0, np.nan, value / wanted)
        yield "=", wanted


def multiples(table: Table, asked: Sequence[Asked], near: float) -> Iterator[tuple[Asked, Term, float]]:
    """Yield each value that is needed, with a term of which it is a multiple, and the factor."""
    if not asked or table.entries.shape[1] < 2:
        return
    vectors = np.array([each.vector for each in asked], np.float64)
    is_known = np.isfinite(vectors)
    vectors[~is_known] = 0.0
    is_whole = is_known.all(axis=1)
    found = [*_fitting(vectors, np.flatnonzero(is_whole), table.entries, near)]
    some = np.flatnonzero(~is_whole & (is_known.sum(axis=1) > 1))
    with np.errstate(all="ignore"):
        products = vectors[some] @ table.entries.T
        squares = is_known[some].astype(np.float64) @ np.square(table.entries).T
        mine = np.square(vectors[some]).sum(axis=1)[:, None]
        fits = (np.abs(1 - np.square(products) / (squares * mine)) <= near) & (squares > 0) & (mine > 0)
    for k in np.flatnonzero(fits.any(axis=1)).tolist():
        same = np.flatnonzero(fits[k])
        found.append((int(some[k]), same, products[k, same] / squares[k, same]))
    for i, same, factors in found:
        # All of them give the same edit, in other words.
        few = sorted(zip(same.tolist(), factors.tolist(), strict=True), key=lambda x: table.terms[x[0]].cost)
        for j, factor in few[:ALIKE]:
            yield asked[i], table.terms[j], factor


def _fitting(
    vectors: np.ndarray, which: np.ndarray, entries: np.ndarray, near: float
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield vectors without NaN, each with the rows of which it is a multiple, and the factors."""
    direction = np.random.default_rng(0).standard_normal(entries.shape[1])
    lengths = np.linalg.norm(entries, axis=1)
    theirs = np.abs(entries @ direction) / lengths
    order, room = np.argsort(theirs), 2 * np.sqrt(near * entries.shape[1])
    sizes = np.linalg.norm(vectors[which], axis=1)
    which, sizes = which[sizes > 0], sizes[sizes > 0]
    mine = np.abs(vectors[which] @ direction) / sizes
    first, last = (np.searchsorted(theirs[order], mine + each) for each in (-room, room))
    for k in np.flatnonzero(last > first).tolist():
        rows = np.sort(order[first[k] : last[k]])
        products, squares = entries[rows] @ vectors[which[k]], np.square(lengths[rows])
        fits = np.abs(1 - np.square(products / sizes[k]) / squares) <= near
        if fits.any():
            yield int(which[k]), rows[fits], products[fits] / squares[fits]


def edits_with(site: Site, asked: Asked, term: Term, factor: float) -> Iterator[Edit]:
    """Yield the edit that gives a part of a statement what it needs: a multiple of a term."""
    part, how = asked.need.part, asked.how
    if isinstance(part.node, ast.Constant) and how != "=":
        return
    scaled = multiple(site, term, factor)
    if scaled is None or term.text == site.text(part.node):
        return
    text, cost = scaled
    cost += isinstance(site.node, ast.Return)  # the place where a value is made is preferred
    cost += term.cost > 1 and all(each.node is not part.node for each in site.addends)
    if how == "+":
        sign = "-" if text.startswith("-") else "+"
        text = text.removeprefix("-")
        new = f"{site.text(part.node, SUM)} {sign} {text}"
        yield Edit((site.replaced(part, new, SUM),), f"the term {text} was missing", 4 + cost, kind="term")
    elif how in ("*", "/"):
        if text.startswith("-"):
            return
        if term is ONE and how == "*" and text.startswith("1 / "):
            how, text = "/", text.removeprefix("1 / ")
        new = f"{site.text(part.node, PRODUCT)} {how} {as_factor(text, term)}"
        what = "factor" if how == "*" else "division by"
        says = f"the {what} {as_factor(text, term)} was missing"
        yield Edit((site.replaced(part, new, PRODUCT),), says, 4 + cost, kind="step")
    else:
        level = term.level if text == term.text else PRODUCT
        says = f"{text} belongs there, not {site.text(part.node)}"
        yield Edit((site.replaced(part, text, level),), says, 5 + cost, kind="operand")


def as_factor(text: str, term: Term) -> str:
    """Return a factor behind a sign of multiplication or division."""
    return f"({text})" if term.level <= PRODUCT or text != term.text else text


def multiple(site: Site, term: Term, factor: float) -> tuple[str, int] | None:
    """Return the text for a multiple of a term, and its cost; None if no number in scope gives it."""
    for cost, number, before, behind in _numbers(site):
        for sign in (1, -1):
            if abs(factor - sign * number) <= 1e-5 * abs(number):
                text = f"{before}{term.text if term.level >= PRODUCT else f'({term.text})'}{behind}"
                text = text.removesuffix(" * 1") if term is ONE else text
                return (text if sign == 1 else f"-{text}"), term.cost + cost
    return None


def _numbers(site: Site) -> Iterator[tuple[int, float, str, str]]:
    """Yield numbers, each with the text before and behind what is multiplied by it."""
    yield 0, 1.0, "", ""
    for number in (2, 0.5, 4, 3):
        yield 1, float(number), f"{number} * ", ""
    yield 1, 1 / 3, "", " / 3"
    scalars = site.numbers
    for text, each in scalars:
        yield 1, 1 / each, "", f" / {text}"
        yield 1, each, f"{text} * ", ""
        for number in (2, 0.5, 4):
            yield 2, number * each, f"{number} * {text} * ", ""
            yield 2, number / each, f"{number} * ", f" / {text}"
        if each > 0:
            yield 2, each**-0.5, "", f" / np.sqrt({text})"
    for text, each in scalars:
        for other, number in scalars:
            yield 3, 1 / (each * number), "", f" / ({text} * {other})"
