"""Expressions of the arrays that a statement can read, by the shape of their values."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from itertools import product
from typing import NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.repair.site import ATOM, PRODUCT, UNARY, Scope, Site, level, stretches

__all__ = ["ONE", "Library", "Table", "Term", "positions"]

# The number of entries by which arrays are compared.
SAMPLE = 100

# The largest number of array entries that are computed for all expressions of one shape.
WORK = 5_000_000

# The slopes of common functions, as functions of x or of their value.
_SLOPES: tuple[tuple[str, int, int, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("({0} > 0)", ATOM, 0, lambda x: x > 0),
    ("(1 - {0}**2)", ATOM, 0, lambda x: 1 - x * x),
    ("{0} * (1 - {0})", PRODUCT, 0, lambda x: x * (1 - x)),
    ("np.cos({0})", ATOM, 0, np.cos),
    ("np.sin({0})", ATOM, 0, np.sin),
    ("np.exp({0})", ATOM, 0, np.exp),
    ("np.sign({0})", ATOM, 0, np.sign),
    ("np.clip({0}, -1, 1)", ATOM, 1, lambda x: np.clip(x, -1, 1)),  # Huber's loss
    ("(1 - {0})", ATOM, 1, lambda x: 1 - x),
    ("(1 - np.tanh({0})**2)", ATOM, 1, lambda x: 1 - np.tanh(x) ** 2),
    ("({0} < 0)", ATOM, 1, lambda x: x < 0),
    ("({0} != 0)", ATOM, 1, lambda x: x != 0),
    ("(1 + {0})", ATOM, 1, lambda x: 1 + x),
    ("{0}**2", UNARY, 1, lambda x: x * x),
    ("{0}**3", UNARY, 1, lambda x: x * x * x),
    ("(1 + {0}**2)", ATOM, 1, lambda x: 1 + x * x),
    ("(2 - {0})", ATOM, 1, lambda x: 2 - x),
    ("(1 + np.exp(-{0}))", ATOM, 1, lambda x: 1 + np.exp(-x)),
)


class Term(NamedTuple):
    """An expression.

    Attributes:
        text: its text.
        level: the precedence of the text.
        cost: lower for simpler ones.
        array: its value.
    """

    text: str
    level: int
    cost: int
    array: np.ndarray


ONE = Term("1", ATOM, 0, np.ones(1))


class Table(NamedTuple):
    """The expressions of one shape, with some entries of each in a row."""

    terms: list[Term]
    entries: np.ndarray


class Library:
    """The expressions that a statement can read at one time.

    Args:
        site: the statement.
        scope: the values of its names at that time.
        most: the largest number of expressions of one shape.
    """

    def __init__(self, site: Site, scope: Scope, most: int):
        self._site, self._scope, self._most = site, scope, most
        written = site.source.of(site.function)
        self._uses_sum = "np.sum(" in written
        self._uses_dot, self._has_dot = "np.dot(" in written, ".dot(" in written
        self._made: dict[tuple[int, ...], Table] = {}

    @cached_property
    def atoms(self) -> list[Term]:
        """The arrays themselves."""
        read = {each.id for each in ast.walk(self._site.node) if isinstance(each, ast.Name)}
        texts = sorted(self._site.terms, key=lambda text: text not in read)  # the statement's own first
        made = [(text, self._scope.value(text)) for text in texts]
        return [
            Term(text, ATOM, 0, each)
            for text, each in made
            if isinstance(each, np.ndarray) and each.dtype.kind in "fb" and each.ndim and each.size
        ]

    @cached_property
    def _own_slopes(self) -> list[Term]:
        """The slopes of the program's own expressions."""
        found = []
        for text in self._site.source.slopes:
            value = self._scope.value(text)
            if isinstance(value, np.ndarray) and value.ndim:
                is_sum = level(ast.parse(text, mode="eval").body) < PRODUCT
                cost = 1 + len(text) // 30
                found.append(Term(f"({text})" if is_sum else text, ATOM if is_sum else PRODUCT, cost, value))
        return found

    def of(self, shape: tuple[int, ...]) -> Table:
        """Return the expressions whose values have a shape, or are stretched to it."""
        if shape not in self._made:
            found: dict[str, Term] = {}
            room = WORK
            with np.errstate(all="ignore"):
                for each in self._all(shape):
                    room -= each.array.size
                    if each.array.dtype.kind in "fb" and stretches(each.array.shape, shape):
                        found.setdefault(each.text, each)
                    if room < 0 or len(found) >= self._most:
                        break
            at = positions(shape)
            rows = [(each, np.broadcast_to(each.array, shape)[at].astype(float)) for each in found.values()]
            # A comparison may hold everywhere by chance, and is then no better than 1.
            rows = [(each, row) for each, row in rows if np.isfinite(row).all() and _varies(row)]
            rows.append((ONE, np.ones(at[0].size)))
            entries = np.array([row for _, row in rows])
            self._made[shape] = Table([each for each, _ in rows], entries)
        return self._made[shape]

    def _all(self, shape: tuple[int, ...]) -> Iterator[Term]:
        """Yield expressions, the simple ones first."""
        fits = [each for each in self.atoms if stretches(each.array.shape, shape)]
        floats = [each for each in self.atoms if each.array.dtype.kind == "f"]
        whole = [each for each in fits if each.array.dtype.kind == "f" and each.array.shape == shape]
        yield from fits
        yield from self._columns(shape)
        own = [each for each in self._own_slopes if stretches(each.array.shape, shape)]
        yield from own
        yield from self._slopes(fits)
        yield from self._products(floats, shape)
        sums = [one for each in floats for one in self._reduced(each, shape)]
        yield from sums
        pairs = [
            Term(f"{one.text} * {other.text}", PRODUCT, 2, one.array * other.array)
            for i, one in enumerate(floats)
            for other in floats[i:]
            if _is_useful(one.array.shape, other.array.shape, shape)
        ]
        yield from pairs
        of_pairs = [one for each in pairs for one in self._reduced(each, shape)]
        yield from of_pairs
        for kept in (*sums, *of_pairs):
            is_last = kept.array.shape == (*shape[:-1], 1)
            if is_last or (kept.array.ndim == len(shape) == 2 and kept.array.shape != shape):
                for each in whole:
                    yield Term(f"{each.text} * {kept.text}", PRODUCT, kept.cost + 1, each.array * kept.array)
        yield from self._softmax_slopes(whole)
        for each in (*own, *self._slopes(whole)):
            for one in whole:
                text = f"{one.text} * {each.text}"
                yield Term(text, PRODUCT, each.cost + 1, one.array * each.array)
        yield from _quotients(fits)

    def _columns(self, shape: tuple[int, ...]) -> Iterator[Term]:
        """Yield arrays of one axis as a column."""
        if len(shape) == 2:
            for each in self.atoms:
                if each.array.shape == shape[:1]:
                    yield Term(f"{each.text}[:, None]", ATOM, 1, each.array[:, None])

    def _slopes(self, atoms: list[Term]) -> Iterator[Term]:
        for each in atoms:
            for call in self._site.calls:
                text = call.format(each.text)
                for called in (text, f"(1 - {text})"):
                    value = self._scope.value(called)
                    if isinstance(value, np.ndarray) and value.shape == each.array.shape:
                        yield Term(called, ATOM, 1, value)
            if each.array.dtype.kind == "f":
                for slope, level, cost, of in _SLOPES:
                    yield Term(slope.format(each.text), level, 1 + cost, of(each.array))

    def _products(self, floats: list[Term], shape: tuple[int, ...]) -> Iterator[Term]:
        """Yield matrix products and outer products, in the style of the program."""
        for one, other in product(floats, floats):
            a, b = one.array, other.array
            if len(shape) == a.ndim == b.ndim == 2:
                for left, right in ((a, b.T), (a.T, b), (a, b)):
                    if left.shape[1] == right.shape[0] and (left.shape[0], right.shape[1]) == shape:
                        texts = (
                            f"{one.text}.T" if left is not a else one.text,
                            f"{other.text}.T" if right is not b else other.text,
                        )
                        yield Term(*self._product(*texts), 1, left @ right)
            elif len(shape) == 2 and a.ndim == b.ndim == 1 and (a.size, b.size) == shape:
                yield Term(f"np.outer({one.text}, {other.text})", ATOM, 1, np.outer(a, b))
            elif len(shape) == 1 and a.ndim == 2 and b.ndim == 1:
                for left, text in ((a, one.text), (a.T, f"{one.text}.T")):
                    if left.shape == (*shape, b.size):
                        yield Term(*self._product(text, other.text), 1, left @ b)

    def _product(self, one: str, other: str) -> tuple[str, int]:
        if self._uses_dot:
            return f"np.dot({one}, {other})", ATOM
        return (f"{one}.dot({other})", ATOM) if self._has_dot else (f"{one} @ {other}", PRODUCT)

    def _softmax_slopes(self, whole: list[Term]) -> Iterator[Term]:
        """Yield the slope of softmax times an array: p * (d - sum(d * p))."""
        for one in whole:
            for axis in range(-1, 1 if one.array.ndim > 1 else 0):
                if (one.array < 0).any() or np.abs(one.array.sum(axis=axis) - 1).max() > 1e-5:
                    continue
                for other in whole:
                    p, d = one.text, other.text
                    text = f"{p} * ({d} - np.sum({d} * {p}, axis={axis}, keepdims=True))"
                    yield Term(text, PRODUCT, 3, self._scope.value(text))

    def _reduced(self, each: Term, shape: tuple[int, ...]) -> Iterator[Term]:
        """Yield sums along one axis, or along all but one."""
        ndim = each.array.ndim
        axes = [*range(ndim)] if ndim < 3 else [*range(ndim), *_several(ndim)]
        for axis in axes:
            given = f"axis={-1 if ndim > 2 and axis == ndim - 1 else axis}"
            for keeps, words in ((False, ""), (True, ", keepdims=True")):
                if ndim - (0 if keeps else np.size(axis)) > len(shape) or (ndim == 1 and keeps):
                    continue
                left = [n for i, n in enumerate(each.array.shape) if i not in np.atleast_1d(axis)]
                kept = [1 if i in np.atleast_1d(axis) else n for i, n in enumerate(each.array.shape)]
                if left and stretches(tuple(kept if keeps else left), shape):
                    text = f"np.sum({each.text}, {given}{words})"
                    if not self._uses_sum:
                        summed = each.text if each.level == ATOM else f"({each.text})"
                        text = f"{summed}.sum({given}{words})"
                    yield Term(text, ATOM, each.cost + 1, each.array.sum(axis=axis, keepdims=keeps))


def _varies(row: np.ndarray) -> bool:
    return row.size > 0 and bool(np.ptp(row) > 1e-9 * np.abs(row).max())


def _several(ndim: int) -> Iterator[tuple[int, ...]]:
    """Yield all axes but one, and the last two."""
    for left in range(ndim):
        yield tuple(axis for axis in range(ndim) if axis != left)
    if ndim > 3:
        yield (ndim - 2, ndim - 1)


def _quotients(fits: list[Term]) -> Iterator[Term]:
    for one, other in product(fits, fits):
        if one is not other and other.array.dtype.kind == "f" and other.array.all():
            yield Term(f"{one.text} / {other.text}", PRODUCT, 2, one.array / other.array)


def _is_useful(one: tuple[int, ...], other: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a product of two arrays, or a sum of it along some axes, can have a shape."""
    if stretches(one, other):
        one, other = other, one
    elif not stretches(other, one):
        return False
    if stretches(one, shape):
        return True
    return len(one) >= len(shape) and len(one) - len(shape) <= 3 and set(shape) <= {1, *one}


@cache
def positions(shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Return the indices of the entries by which arrays of a shape are compared."""
    size = int(np.prod(shape))
    flat = np.arange(size) if size <= SAMPLE else np.random.default_rng(0).choice(size, SAMPLE, replace=False)
    return tuple(np.unravel_index(flat, shape))
