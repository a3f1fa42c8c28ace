"""The tapes of all points side by side, and what of them is the backward part."""

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
        index: among the pairs of the points.
        value: on the first tape; of a parameter that is moved, what is taken from it.
        leaf: the value whose gradient it is.
        path: of the leaf.
        found: the path of the gradient.
        is_wrong: by the verdict.
        is_change: whether a step size is in it, so that its size says nothing.
    """

    def __init__(self, index: int, point: RecordedPoint, value: Value, is_wrong: bool):
        pair = point.pairs[index]
        self.index, self.value, self.is_wrong = index, value, is_wrong
        self.path, self.found, self.is_change = pair.leaf, pair.found, pair.is_change
        self.leaf = point.run.leaf(pair.leaf).value


class Tapes:
    """The recordings of one call at all points at which it did the same.

    Args:
        points: as judged.
        wrong: which of their pairs are wrong.

    Attributes:
        points: those whose tapes have the same operations as the first.
        values: of the first tape.
        forward: what the loss was made from.
        backward: what a gradient was made from and the loss was not, in the order of the run.
        outputs: the gradients.
        uses: by the number of a backward value, what used it.
    """

    def __init__(self, points: Sequence[RecordedPoint], wrong: Sequence[int]):
        first = points[0]
        self.values = first.run.recording.tape.values
        shape = _shape(first)
        self.points = [each for each in points if each is first or _shape(each) == shape]
        self.forward = first.run.found.forward
        self.outputs = [
            Output(i, first, value, i in wrong)
            for i, pair in enumerate(first.pairs)
            for value in self._roots(first, pair.found, pair.leaf, pair.is_change)
        ]
        reached: set[Value] = set()
        for output in self.outputs:
            if output.value not in reached:
                reached |= ancestors(output.value)
        self.backward = [each for each in self.values if each in reached and each not in self.forward]
        self.uses: dict[int, list[Value]] = {}
        for each in self.backward:
            for source in each.inputs:
                self.uses.setdefault(source.number, []).append(each)

    def arrays(self, value: Value) -> list[np.ndarray]:
        """What a value is at every point, in float64."""
        return [np.asarray(point.run.found.arrays[value.number]) for point in self.points]

    def at(self, value: Value, point: int) -> Value:
        """The same value on the tape of another point."""
        return self.points[point].run.recording.tape.values[value.number]

    def right(self, index: int) -> list[np.ndarray]:
        """A right gradient at every point."""
        return [point.gradients[index].value for point in self.points]

    def is_backward(self, value: Value) -> bool:
        """Whether a gradient was made from it and the loss was not, by the program itself."""
        return value not in self.forward and not isinstance(value.operation, Given)

    def _roots(self, point: RecordedPoint, found: str, leaf: str, is_change: bool) -> list[Value]:
        _, value = point.run.recording.final.get(found, (None, None))
        if value is None:
            return []
        return _steps(value, point.run.leaf(leaf).value) if is_change else [value]


def _steps(value: Value, start: Value) -> list[Value]:
    """What is added to a parameter or taken from it."""
    found: list[Value] = []
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
            found += each.inputs[1:]
        else:
            found.append(each)
            continue
        new = [source for source in sources if source not in seen]
        seen.update(new)
        waiting.extend(new)
    return found


def _shape(point: RecordedPoint) -> list[object]:
    """What is the same in two runs that did the same."""
    return [
        (each._code, each._position, type(each.operation), each.shape, [source.number for source in each.inputs])
        if not isinstance(each.operation, (Compute, Move))
        else (each._code, each._position, each.operation.name, each.shape, [s.number for s in each.inputs])
        for each in point.run.recording.tape.values
    ]
