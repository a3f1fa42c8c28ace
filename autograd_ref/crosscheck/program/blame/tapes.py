"""The tapes of all points, and their backward part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autograd_ref.crosscheck.program.point import RecordedPoint
from autograd_ref.recording import Value
from autograd_ref.recording.adjoints.reverse import ancestors
from autograd_ref.recording.tape import Compute, Given, Move, Read, Write

__all__ = ["Output", "Tapes"]


class Output:
    """A gradient that the program computed.

    Attributes:
        index: its position among the pairs of the points.
        value: its value on the first tape; for a moved parameter, the value subtracted from it.
        leaf: the value whose gradient it is.
        path: the path of the leaf.
        found: the path of the gradient.
        is_wrong: whether the verdict is wrong.
        is_change: whether it contains a step size, so that its size means nothing.
        sign: −1 if it is added to a parameter instead of subtracted.
        part: its part of the value; None for the whole.
    """

    def __init__(self, index: int, point: RecordedPoint, value: Value, is_wrong: bool, sign: float = 1.0):
        pair = point.pairs[index]
        self.index, self.value, self.is_wrong = index, value, is_wrong
        self.path, self.found, self.is_change = pair.leaf, pair.found, pair.is_change
        self.sign, self.part = sign, pair.part
        self.leaf = point.run.leaf(pair.leaf).value

    def own(self, array: np.ndarray) -> np.ndarray:
        """Return the gradient in the array of its value."""
        if self.part is None:
            return array
        size = int(np.prod(self.part.shape))
        return array.reshape(-1)[self.part.start : self.part.start + size].reshape(self.leaf.shape)


class Tapes:
    """The recordings of one call at all points with the same operations.

    Args:
        points: the judged points.
        wrong: the positions of the wrong pairs.

    Attributes:
        points: the points whose tapes have the same operations as the first.
        values: the values of the first tape.
        forward: the values from which the loss was computed.
        backward: the values from which a gradient, but not the loss, was computed, in the order of the run.
        outputs: the gradients.
        uses: the values that used a backward value, by its number.
        named: the names of values and the lines that name them, by number, once they are known.
        lines: the files and lines that name forward values, by name, once they are known.
    """

    def __init__(self, points: Sequence[RecordedPoint], wrong: Sequence[int]):
        first = points[0]
        self.values = first.run.recording.tape.values
        shape = _shape(first)
        self.points = [each for each in points if each is first or _shape(each) == shape]
        self.forward = first.run.found.forward
        self.outputs = [
            Output(i, first, value, i in wrong, sign)
            for i, pair in enumerate(first.pairs)
            if not pair.is_second
            for value, sign in self._roots(first, pair.found, pair.leaf, pair.is_change)
        ]
        reached: set[Value] = set()
        for output in self.outputs:
            if output.value not in reached:
                reached |= ancestors(output.value)
        self.backward = [each for each in self.values if each in reached and each not in self.forward]
        self.named: dict[int, tuple[str | None, int | None]] = {}
        self.lines: dict[str, set[tuple[str, int | None]]] | None = None
        self._alike: dict[tuple[tuple[int, ...], str, int], list[Value]] = {}
        self._made: dict[tuple[object, int], list[Value]] = {}
        self._unused: dict[tuple[int, ...], list[Value]] = {}
        self.uses: dict[int, list[Value]] = {}
        for each in self.backward:
            for source in each.inputs:
                self.uses.setdefault(source.number, []).append(each)

    def arrays(self, value: Value) -> list[np.ndarray]:
        """Return the array of a value at every point, in float64."""
        return [np.asarray(point.run.found.arrays[value.number]) for point in self.points]

    def at(self, value: Value, point: int) -> Value:
        """Return the same value on the tape of another point."""
        return self.points[point].run.recording.tape.values[value.number]

    def right(self, index: int) -> list[np.ndarray]:
        """Return a right gradient at every point."""
        return [point.gradients[index].value for point in self.points]

    def is_backward(self, value: Value) -> bool:
        """Whether the program computed a gradient, but not the loss, from a value."""
        return value not in self.forward and not isinstance(value.operation, Given)

    def alike(self, operand: Value, before: int) -> list[Value]:
        """Return other values of the same shape and kind that existed before a moment, the latest first."""
        key = operand.shape, operand.dtype.kind, before
        if key not in self._alike:
            seen: set[bytes] = set()
            found = []
            for each in reversed(self.values[:before]):
                if (
                    each.shape != operand.shape
                    or each.dtype.kind != operand.dtype.kind
                    or each.weak is not None
                ):
                    continue
                text = np.ascontiguousarray(self.arrays(each)[0]).tobytes()
                if text not in seen:
                    seen.add(text)
                    found.append(each)
            self._alike[key] = found
        return self._alike[key]

    def lost(self, value: Value) -> Value | None:
        """Return the last unused value of the same shape before it, of the same call, if there is one."""
        if not self._unused:
            used = {source for each in self.values for source in each.inputs}
            used |= {each.value for each in self.outputs}
            for each in self.values:
                if each not in used and each not in self.forward and each.is_floating:
                    self._unused.setdefault(each.shape, []).append(each)
        before = [each for each in self._unused.get(value.shape, ()) if each.number < value.number]
        here = [each for each in before if (each._code, each._callers) == (value._code, value._callers)]
        return next(reversed(here or before), None)

    def passes(self, value: Value) -> list[Value]:
        """Return the backward values that the same operation of the same expression made in the same call."""
        kind = type(value.operation), value.shape, value._callers
        return [
            each
            for each in self.made_with(value)
            if self.is_backward(each) and (type(each.operation), each.shape, each._callers) == kind
        ]

    def made_with(self, value: Value) -> list[Value]:
        """Return all values that the same expression made."""
        if not self._made:
            for each in self.values:
                self._made.setdefault((each._code, each._position), []).append(each)
        same = self._made[value._code, value._position]
        return same if value._code is not None else [value]

    def _roots(
        self, point: RecordedPoint, found: str, leaf: str, is_change: bool
    ) -> list[tuple[Value, float]]:
        _, value = point.run.recording.final.get(found, (None, None))
        if value is None:
            return []
        return _steps(value, point.run.leaf(leaf).value) if is_change else [(value, 1.0)]


def _steps(value: Value, start: Value) -> list[tuple[Value, float]]:
    """Return the values added to or subtracted from a parameter, with the sign of the gradient in each."""
    found: list[tuple[Value, float]] = []
    waiting, seen = [value], {value}
    while waiting:
        each = waiting.pop()
        operation = each.operation
        if each is start or isinstance(operation, Given):
            continue
        if isinstance(operation, (Read, Write)):
            sources = each.inputs
        elif isinstance(operation, Compute) and operation.name in ("add", "subtract"):
            sources = each.inputs[:1]
            found.append((each.inputs[1], 1.0 if operation.name == "subtract" else -1.0))
        else:
            found.append((each, 1.0))
            continue
        new = [source for source in sources if source not in seen]
        seen.update(new)
        waiting.extend(new)
    return found


def _shape(point: RecordedPoint) -> list[object]:
    """Return a key that is equal for runs with the same operations."""
    return [
        (
            each._code,
            each._position,
            type(each.operation),
            each.shape,
            [source.number for source in each.inputs],
        )
        if not isinstance(each.operation, (Compute, Move))
        else (each._code, each._position, each.operation.name, each.shape, [s.number for s in each.inputs])
        for each in point.run.recording.tape.values
    ]
