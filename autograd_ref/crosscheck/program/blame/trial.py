"""Run the backward part again, on the tape and in float64, with a change of an expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.blame.tapes import Output, Tapes
from autograd_ref.recording import Place, Value, moves
from autograd_ref.recording.layouts import lay_out, window
from autograd_ref.recording.meaning.ufuncs import ufunc_named
from autograd_ref.recording.replay import evaluate
from autograd_ref.recording.tape import Compute, Given, Move, Read, Write
from autograd_ref.recording.template import fill, widened

__all__ = ["Change", "Edit", "Expression", "Trial", "computed", "everywhere", "expressions"]

# The largest error of a right gradient, as a part of its largest entry.
NEAR = 1e-7

# Computes a changed value from the value itself, its inputs, and a point.
Change = Callable[[Value, list[np.ndarray], int], np.ndarray]


class Trial:
    """Trials of changes of one program.

    Args:
        tapes: the tapes of the program.

    Attributes:
        judged: the gradients that a change must make or keep right; none of a parameter that is moved by
            several writes.
        is_complete: whether that is all of them.
    """

    def __init__(self, tapes: Tapes):
        self.tapes = tapes
        several = [each.path for each in tapes.outputs]
        self.judged = [each for each in tapes.outputs if several.count(each.path) == 1]
        self.is_complete = len(self.judged) == len(tapes.outputs)
        self._targets = [[self._target(each, i) for each in self.judged] for i in range(len(tapes.points))]
        self._order: dict[tuple[int, ...], list[Value]] = {}

    def makes_all_right(self, changes: Mapping[int, Change]) -> bool:
        """Whether every gradient is right at every point with these values changed."""
        return self.is_complete and all(
            (found := self.residual(changes, i)) is not None and bool((np.abs(found) <= NEAR).all())
            for i in range(len(self.tapes.points))
        )

    def residual(self, changes: Mapping[int, Change], point: int) -> np.ndarray | None:
        """Return the errors of the gradients, as parts of their largest entries; None on failure."""
        try:
            arrays = self.run(changes, point)
        except Exception:  # an edit that does not fit
            return None
        found = []
        for output, (right, scale) in zip(self.judged, self._targets[point], strict=True):
            hand = np.asarray(arrays.get(output.value.number, None))
            if hand.dtype == object:
                hand = self._array(output.value, point)
            hand = output.own(hand)
            if hand.shape != right.shape:
                return None
            found.append(((hand - right) / scale).ravel())
        residual = np.concatenate(found) if found else np.zeros(0)
        return residual if np.isfinite(residual).all() else None

    def run(self, changes: Mapping[int, Change], point: int) -> dict[int, np.ndarray]:
        """Return all values that the changes affect."""
        arrays: dict[int, np.ndarray] = {}
        for value in self.downstream(tuple(sorted(changes))):
            inputs = [
                arrays[each.number] if each.number in arrays else self._array(each, point)
                for each in value.inputs
            ]
            change = changes.get(value.number)
            if change is not None:
                arrays[value.number] = np.asarray(change(value, inputs, point))
            else:
                twin = self.tapes.at(value, point)
                arrays[value.number] = computed(twin, twin.operation, inputs)
        return arrays

    def downstream(self, numbers: tuple[int, ...]) -> list[Value]:
        """Return some values and everything computed from them, in the order of the run."""
        found = self._order.get(numbers)
        if found is None:
            reached = set(numbers)
            found = []
            for value in self.tapes.values:
                if value in self.tapes.forward:
                    continue
                if value.number in reached or any(each.number in reached for each in value.inputs):
                    reached.add(value.number)
                    found.append(value)
            self._order[numbers] = found
        return found

    def _array(self, value: Value, point: int) -> np.ndarray:
        return np.asarray(self.tapes.points[point].run.found.arrays[value.number])

    def _target(self, output: Output, point: int) -> tuple[np.ndarray, float]:
        right = self.tapes.points[point].gradients[output.index].value
        if output.is_change:
            right = right * output.sign * self.tapes.points[point].step
        if not output.is_wrong:
            right = output.own(self._array(output.value, point))
        return right, float(np.abs(right).max(initial=0.0)) or 1.0


def computed(value: Value, operation: Any, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Return the result of an operation on other inputs, in float64."""
    if isinstance(operation, Compute) and operation.kind == "ufunc":
        return _ufunc(operation, inputs)
    if isinstance(operation, Compute) and operation.kind == "function" and operation.output is None:
        function = _numpy_function(operation.name)
        if function is not None:
            args, kwargs = (fill(part, inputs, widened) for part in operation.template)
            return np.asarray(function(*args, **kwargs))
    if isinstance(operation, Read) and not operation.at.halves:
        return window(lay_out(np.asarray(inputs[0]), operation.root), operation.at).copy()
    if isinstance(operation, Write) and not operation.at.halves:
        flat = lay_out(np.array(inputs[0]), operation.root)
        window(flat, operation.at)[...] = inputs[1]
        return window(flat, operation.root)
    if isinstance(operation, Move):
        return np.asarray(moves.move(operation, list(inputs), widened))
    if isinstance(operation, Given):
        return np.asarray(value.array)
    return evaluate(value, list(inputs))


def _numpy_function(name: str) -> Callable[..., Any] | None:
    found: Any = np
    for part in name.split("."):
        found = getattr(found, part, None)
        if found is None:
            return None
    return found if callable(found) else None


def _ufunc(operation: Compute, inputs: Sequence[np.ndarray]) -> np.ndarray:
    ufunc = ufunc_named(operation.name)
    if operation.template == "__call__":
        result = ufunc(*inputs)
        return np.asarray(result if operation.output is None else result[operation.output])
    method, *rest = (operation.template,) if isinstance(operation.template, str) else operation.template
    if method == "at":
        changed = np.array(inputs[0])
        flat = changed.reshape(-1)
        at = [np.broadcast_to(x, np.shape(inputs[1])).reshape(-1) for x in inputs[2:]]
        ufunc.at(flat, np.asarray(inputs[1]).reshape(-1), *at)
        return flat.reshape(changed.shape)
    count = {"__call__": ufunc.nin, "outer": 2}.get(method, 1)
    kwargs = fill(rest[0], inputs[count:], widened) if rest else {}
    if len(rest) > 1:
        kwargs["out"] = np.array(inputs[-1])
    result = getattr(ufunc, method)(*inputs[:count], **kwargs)
    return np.asarray(result if operation.output is None else result[operation.output])


@dataclass(frozen=True)
class Expression:
    """One expression of the source, and all values that it made in the run.

    Attributes:
        values: the values in the order of the run.
    """

    values: tuple[Value, ...]

    @property
    def first(self) -> Value:
        """The first value that it made."""
        return self.values[0]


@dataclass(frozen=True)
class Edit:
    """A change of an expression.

    Attributes:
        kind: the kind of mistake that it undoes.
        says: the replacement, as part of a sentence.
        changes: the changes by the number of the value.
        at: its place, if that is not the expression's own.
        weight: how common the mistake is.
    """

    kind: str
    says: str
    changes: dict[int, Change]
    at: Place | None = None
    weight: float = 3.0


def expressions(values: Sequence[Value], tapes: Tapes) -> list[Expression]:
    """Return the expressions that made some values, with everything they made in the backward part."""

    def kind(value: Value) -> object:
        name = getattr(value.operation, "name", type(value.operation).__name__)
        return value._code, value._position, name, len(value.inputs)

    found: dict[object, Expression] = {}
    for value in values:
        key = kind(value)
        if key not in found:
            every = (each for each in tapes.made_with(value) if tapes.is_backward(each) and kind(each) == key)
            found[key] = Expression(tuple(every))
    return list(found.values())


def everywhere(expression: Expression, kind: str, says: str, change: Change, weight: float = 3.0) -> Edit:
    """Return a change of all values that an expression made."""
    return Edit(kind, says, {each.number: change for each in expression.values}, None, weight)
