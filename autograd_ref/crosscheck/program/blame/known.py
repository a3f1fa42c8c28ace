"""Recognise backward values: the adjoint of a forward value, a contribution to it, or a sum of contributions.

Values are found by invariants under scaling, transposing, reshaping and padding with zeros, and then compared
entry by entry, at all points, with one common factor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby, permutations

import numpy as np

from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.recording import Value

__all__ = ["Known", "Meaning"]

# The largest difference of two equal arrays in float64, as a part of the largest entry.
NEAR = 1e-8

# Contributions are compared only if they have at most this number of entries together.
LARGE = 20_000_000
# Running sums are considered only for values with at most this number of uses.
MOST_USES = 60


@dataclass(frozen=True)
class Meaning:
    """A meaning of a value.

    Attributes:
        kind: adjoint, contribution or partial.
        of: the forward value that it belongs to.
        uses: for a contribution or partial sum, its uses of ``of``: the value made there, and the position
            among its inputs.
        factor: the value is this number times the adjoint, contribution or sum.
        order: same, reshaped (the same entries in the same order) or moved (the same entries).
        array: the value's array at the first point.
    """

    kind: str
    of: Value
    uses: tuple[tuple[Value, int], ...]
    factor: float
    order: str
    array: np.ndarray = field(repr=False, compare=False)

    @property
    def is_exact(self) -> bool:
        """Whether the value is equal to it, including factor and shape."""
        return abs(self.factor - 1) < 1e-7 and self.order == "same"


class _Entry:
    """A known array, with a function that returns it at each point."""

    __slots__ = ("_arrays", "_make", "kind", "of", "uses")

    def __init__(
        self, kind: str, of: Value, uses: tuple[tuple[Value, int], ...], make: Callable[[int], np.ndarray]
    ):
        self.kind, self.of, self.uses, self._make = kind, of, uses, make
        self._arrays: dict[int, np.ndarray] = {}

    def slice_at(self, axes: tuple[int, ...]) -> Callable[[int], np.ndarray]:
        """Return a function for the array without axes along which it is constant."""

        def make(point: int) -> np.ndarray:
            whole = self.array(point)
            return whole[tuple(0 if i in axes else slice(None) for i in range(whole.ndim))]

        return make

    def array(self, point: int) -> np.ndarray:
        if point not in self._arrays:
            self._arrays[point] = self._make(point)
        return self._arrays[point]


class Known:
    """All adjoints, contributions and their running sums, and the values that are one of them."""

    def __init__(self, tapes: Tapes):
        self.tapes = tapes
        self._by_signature: dict[tuple[int, int], list[_Entry]] = {}
        self._scalars: dict[int, list[_Entry]] = {}
        for entry in self._entries():
            self._put(entry)
            for axis in _constant_axes(entry.array(0)):
                self._put(_Entry(entry.kind, entry.of, entry.uses, entry.slice_at(axis)))
        self._found: dict[int, list[Meaning]] = {}

    def of(self, value: Value) -> list[Meaning]:
        """Return the meanings of a value: adjoints, then contributions, then sums; empty if none is known."""
        if value.number not in self._found:
            found = [] if value.dtype.kind != "f" else self.meanings(self.tapes.arrays(value), value.shape)
            self._found[value.number] = found
        return self._found[value.number]

    def meanings(self, arrays: Sequence[np.ndarray], shape: tuple[int, ...]) -> list[Meaning]:
        """Return the meanings of an array, given at all points."""
        signature = _signature(arrays[0])
        if signature is None:
            return []
        if int(np.prod(shape)) == 1:
            numbers = [float(each.reshape(())) for each in arrays]
            if len({f"{each:.8g}" for each in numbers}) < 2:
                return []  # a constant number agrees with everything
            at = _ratio(numbers[:2])
            near: Iterator[_Entry] = (one for i in (-1, 0, 1) for one in self._scalars.get(at + i, ()))
        else:
            near = _around(self._by_signature, signature)
        found = [each for entry in near if (each := self._compared(entry, arrays, shape)) is not None]
        rank = {"adjoint": 0, "contribution": 1, "partial": 2}
        return sorted(
            found, key=lambda each: (not each.is_exact, rank[each.kind], abs(each.factor - 1) > 1e-7)
        )

    def adjoint(self, value: Value) -> list[np.ndarray] | None:
        """Return the adjoint of a forward value at every point; None if it has none."""
        found = []
        for i, point in enumerate(self.tapes.points):
            twin = self.tapes.at(value, i)
            if twin not in point.run.found.of:
                return None
            found.append(np.asarray(point.run.found.of[twin].centre))
        return found

    def uses_of(self, value: Value) -> list[tuple[Value, int]]:
        """Return all uses of a forward value, in the order of the run."""
        return self._uses.get(value.number, [])

    def contribution(self, use: tuple[Value, int]) -> list[np.ndarray]:
        """Return the contribution of one use, at every point."""
        return [self._contribution(use, i) for i in range(len(self.tapes.points))]

    def _contribution(self, use: tuple[Value, int], point: int) -> np.ndarray:
        twin = self.tapes.at(use[0], point)
        return np.asarray(self.tapes.points[point].run.found.contributions[twin, use[1]].centre)

    def _entries(self) -> Iterator[_Entry]:
        first = self.tapes.points[0].run.found
        self._uses: dict[int, list[tuple[Value, int]]] = {}
        for user, position in first.contributions:
            self._uses.setdefault(user.inputs[position].number, []).append((user, position))
        for value in first.of:
            yield _Entry("adjoint", value, (), self._adjoint_at(value))
        left = LARGE
        for number, uses in self._uses.items():
            uses.sort(key=lambda use: use[0].number)
            value = self.tapes.values[number]
            size = int(np.prod(value.shape))
            # Both operands of W * W are one use: half of its part is a mistake.
            groups = [tuple(some) for _, some in groupby(uses, key=lambda use: use[0].number)]
            if len(groups) < 2 or len(uses) * size > left:
                continue
            left -= len(uses) * size
            for some in groups:
                yield _Entry("contribution", value, some, self._sum_at(some))
            if 3 <= len(groups) <= MOST_USES:
                for order in (groups, groups[::-1]):
                    for some in list(accumulate(order))[1:-1]:
                        yield _Entry("partial", value, some, self._sum_at(some))

    def _adjoint_at(self, value: Value) -> Callable[[int], np.ndarray]:
        def make(point: int) -> np.ndarray:
            of = self.tapes.points[point].run.found.of
            twin = self.tapes.at(value, point)
            return np.asarray(of[twin].centre) if twin in of else np.zeros(value.shape)

        return make

    def _sum_at(self, uses: tuple[tuple[Value, int], ...]) -> Callable[[int], np.ndarray]:
        def make(point: int) -> np.ndarray:
            return np.asarray(sum(self._contribution(use, point) for use in uses))

        return make

    def _put(self, entry: _Entry) -> None:
        array = entry.array(0)
        signature = _signature(array)
        if signature is None:
            return
        if array.size == 1:
            points = range(min(2, len(self.tapes.points)))
            at = _ratio([float(entry.array(i).reshape(())) for i in points])
            self._scalars.setdefault(at, []).append(entry)
        else:
            self._by_signature.setdefault(signature, []).append(entry)

    def _compared(
        self, entry: _Entry, arrays: Sequence[np.ndarray], shape: tuple[int, ...]
    ) -> Meaning | None:
        factor: float | None = None
        orders: list[str] = []
        numbers: set[float] = set()
        lonely = True
        for i, array in enumerate(arrays):
            right = entry.array(i)
            found = _compare(array, right, factor)
            if found is None:
                return None
            if factor is None and found[1] != "zero":
                factor = found[0]
            orders.append(found[1])
            one = array[array != 0]
            numbers.add(float(f"{one[0]:.8g}") if one.size == 1 else float(i))
            lonely = lonely and one.size <= 1
        if factor is None or (lonely and len(numbers) < 2):
            return None  # a constant number agrees with everything, and so does one at a single point
        order = max(orders, key=("zero", "same", "reshaped", "moved").index)
        if order == "same" and shape != entry.of.shape:
            order = "reshaped"
        return Meaning(entry.kind, entry.of, entry.uses, factor, order, arrays[0])


def _constant_axes(array: np.ndarray) -> list[tuple[int, ...]]:
    """Return the axes along which an array was broadcast."""
    if array.ndim == 0 or not array.any():
        return []
    axes = [i for i, n in enumerate(array.shape) if n > 1 and not np.any(np.diff(array, axis=i))]
    return [tuple(axes)] if axes and len(axes) < array.ndim else []


def _signature(array: np.ndarray) -> tuple[int, int] | None:
    """Return an invariant under scaling, transposing, reshaping and padding; None for trivial arrays."""
    sizes = np.abs(np.asarray(array, np.float64)).ravel()
    top = sizes.max(initial=0.0)
    if not np.isfinite(top) or top == 0:
        return None
    if sizes.size == 1:
        return 0, 0
    sizes = sizes / top
    least = sizes[sizes > 0].min()
    if least > 1 - 1e-9 and np.count_nonzero(sizes) > 1:
        return None  # the same number everywhere
    square = float(np.sqrt(np.sum(sizes**2)))
    return _rounded(float(sizes.sum()) / square), _rounded(float(np.sum(sizes**3)) / square**3)


def _ratio(numbers: Sequence[float]) -> int:
    """Return an invariant under scaling of a number's values at one or two points."""
    if len(numbers) < 2 or not all(np.isfinite(numbers)) or not all(numbers):
        return 0
    ratio = numbers[1] / numbers[0]
    at = _rounded(float(np.log(abs(ratio)))) if ratio and np.isfinite(ratio) else 0
    return at if ratio > 0 else at + (1 << 40)  # away from the positive ones


def _rounded(number: float) -> int:
    return round(number * 1e6)


def _around(table: dict[tuple[int, int], list[_Entry]], at: tuple[int, int]) -> Iterator[_Entry]:
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            yield from table.get((at[0] + i, at[1] + j), ())


def _compare(array: np.ndarray, right: np.ndarray, factor: float | None) -> tuple[float, str] | None:
    """Return the factor between two arrays, and the order of their entries; None if there is no factor."""
    a, b = np.asarray(array, np.float64).ravel(), np.asarray(right, np.float64).ravel()
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return None
    if not a.any() or not b.any():
        return (1.0, "zero") if not a.any() and not b.any() else None
    ordered = a.size == b.size
    if ordered:
        order = "same" if array.shape == right.shape else "reshaped"
    else:
        order, a, b = "reshaped", a[a != 0], b[b != 0]
        if a.size != b.size:
            return None
    found = float(a @ b) / float(b @ b) if factor is None else factor
    room = NEAR * np.abs(a).max()
    if found and (np.abs(a - found * b) <= room).all():
        return found, order
    # The same entries in other places.
    size = float(np.sqrt(a @ a) / np.sqrt(b @ b)) if factor is None else abs(factor)
    signs = (1.0, -1.0) if factor is None else (np.sign(factor),)
    ranked = np.sort(a)
    for sign in signs:
        if (np.abs(ranked - np.sort(sign * size * b)) <= room).all():
            return (sign * size, "moved") if _is_transposed(a, right, sign * size, room) else None
    return None


def _is_transposed(a: np.ndarray, right: np.ndarray, factor: float, room: float) -> bool:
    """Whether an array has the entries of another one with its axes in another order."""
    if not 1 < right.ndim < 6:
        return False
    for axes in permutations(range(right.ndim)):
        b = right.transpose(axes).ravel()
        b = b if a.size == b.size else b[b != 0]
        if (np.abs(a - factor * b) <= room).all():
            return True
    return False
