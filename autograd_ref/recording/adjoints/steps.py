"""Values that jump, such as masks, signs, and values computed only from them: their sides and positions.

Such a value has no slope, but a product with it has different slopes on the two sides of the jump: at 0,
``x * (x > 0)`` and ``np.sign(x) * x`` have kinks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.recording import meaning
from autograd_ref.recording.replay import evaluate
from autograd_ref.recording.tape import Compute, Given, Tape, Value
from autograd_ref.recording.template import fill

__all__ = ["Jump", "Jumps", "jumps_of"]

_COMPARISONS = {"equal", "greater", "greater_equal", "less", "less_equal", "not_equal"}
# The limits of a step function at 0, from below and from above; the other operand is its size.
_STEPS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "sign": lambda: (-1.0, 1.0),
    "heaviside": lambda _: (0.0, 1.0),
    "copysign": lambda size: (-np.abs(size), np.abs(size)),
}
_COMBINED = _COMPARISONS | {
    "absolute", "add", "bitwise_and", "bitwise_or", "bitwise_xor", "divide", "invert", "logical_and",
    "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "multiply", "negative", "positive",
    "square", "subtract",
}  # fmt: skip
_SAME = {"astype", "float", "trunc", "bool"}
# More independent jumps than this are not followed through one operation.
_MOST = 3


class Jump(NamedTuple):
    """The values on the sides of a jump.

    Attributes:
        sides: the value for a slightly smaller cause, for the cause itself, and for a slightly larger one;
            three arrays in its shape.
        cause: what decides the jump; values with the same cause jump together.
    """

    sides: tuple[np.ndarray, np.ndarray, np.ndarray]
    cause: Any

    @property
    def is_open(self) -> np.ndarray:
        """The mask of entries that jump."""
        below, here, above = self.sides
        return np.asarray((below != here) | (here != above))


Jumps = dict[Value, Jump]


def jumps_of(tape: Tape, arrays: Sequence[np.ndarray], active: set[Value]) -> Jumps:
    """Return the values of which some entries are exactly at a jump.

    Args:
        tape: the tape of the recording.
        arrays: the array of every value, by number.
        active: the floating values that depend on something that can be moved.
    """
    found: Jumps = {}
    flat: set[Value] = set()  # without a slope anywhere
    for value in tape.values:
        sloped = [each in active and each not in flat for each in value.inputs]
        starts = _starts(value, sloped)
        if starts or not (any(sloped) or _is_given(value)):
            flat.add(value)
        jump = None
        if starts and any(sloped):
            jump = _started(value, arrays)
        elif not any(sloped) and any(each in found for each in value.inputs):
            jump = _followed(value, found, arrays)
        if jump is not None and jump.is_open.any():
            found[value] = jump
    return found


def _is_given(value: Value) -> bool:
    return isinstance(value.operation, Given) and value.operation.path is not None


def _starts(value: Value, sloped: list[bool]) -> bool:
    operation = value.operation
    if not isinstance(operation, Compute) or operation.kind != "ufunc" or operation.template != "__call__":
        return False
    if operation.name == "copysign":
        return not sloped[0]  # otherwise it is |x| with a sign
    return operation.name in _COMPARISONS or operation.name in _STEPS


def _started(value: Value, arrays: Sequence[np.ndarray]) -> Jump | None:
    """Return the jump of a comparison of equal numbers, or of a step function at 0."""
    name = value.operation.name  # type: ignore[union-attr]
    inputs = [arrays[each.number] for each in value.inputs]
    here = np.asarray(arrays[value.number])
    if name in _COMPARISONS:
        a, b = inputs
        at, ufunc = np.asarray(a == b), getattr(np, name)
        ends = ufunc(-1, 0), ufunc(1, 0)
        cause = tuple(map(_named, value.inputs, inputs))
    else:
        moved = 1 if name == "copysign" else 0
        at = np.asarray(inputs[moved] == 0)
        ends = _STEPS[name](*inputs[:moved], *inputs[moved + 1 :])
        cause = (_named(value.inputs[moved], inputs[moved]), ("number", 0.0))
    if cause[::-1] < cause:  # ``0 < x`` jumps with ``x > 0``
        cause, ends = cause[::-1], ends[::-1]
    below, above = (np.where(at, end, here) for end in ends)
    return Jump((below, here, above), cause)


def _named(value: Value, array: np.ndarray) -> tuple[str, float]:
    """Return a key that is equal for comparisons of the same numbers."""
    return ("number", float(array)) if value.operation == (None, True) else ("value", float(value.number))


def _followed(value: Value, found: Jumps, arrays: Sequence[np.ndarray]) -> Jump | None:
    """Return the jump of a value computed from values that jump and values without a slope."""
    operation = value.operation
    if isinstance(operation, Compute) and not _is_followed(operation):
        return None
    known = {each: found[each] for each in value.inputs if each in found}
    causes = {each.cause for each in known.values()}
    if len(causes) > _MOST:
        return None
    here = np.asarray(arrays[value.number])
    results = []
    for sides in product((0, 1, 2), repeat=len(causes)):
        side_of = dict(zip(causes, sides, strict=True))
        inputs = [
            known[each].sides[side_of[known[each].cause]] if each in known else arrays[each.number]
            for each in value.inputs
        ]
        result = _evaluated(value, inputs)
        if result is None or result.shape != here.shape:
            return None
        results.append(result)
    if len(causes) == 1:
        below, _, above = results
        return Jump((below, here, above), *causes)
    return Jump((np.min(results, axis=0), here, np.max(results, axis=0)), value.number)


def _is_followed(operation: Compute) -> bool:
    if operation.kind == "ufunc":
        return operation.template == "__call__" and operation.name in _COMBINED
    return operation.name in _SAME or operation.name == "where"


def _evaluated(value: Value, inputs: list[np.ndarray]) -> np.ndarray | None:
    operation = value.operation
    with np.errstate(all="ignore"):
        if not isinstance(operation, Compute):
            try:
                return evaluate(value, inputs)
            except (IndexError, ValueError):  # as many entries were written as a mask had
                return None
        if operation.kind == "ufunc":
            return np.asarray(meaning.ufunc_named(operation.name)(*inputs))
        if operation.name == "where":
            args, _ = (fill(part, inputs) for part in operation.template)
            return np.where(*args)
        return np.asarray(inputs[0], np.float64 if value.is_floating else value.dtype).reshape(value.shape)
