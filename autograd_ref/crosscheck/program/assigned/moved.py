"""Parameters that a call moves: the gradient is their change divided by the fitting step size."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from autograd_ref.recording import Recording, Value
from autograd_ref.recording.adjoints.reverse import ancestors
from autograd_ref.recording.memory import positions
from autograd_ref.recording.tape import Compute, Given, Move, Read, Write

__all__ = ["is_after_step", "is_copy", "is_moved", "is_moved_repeatedly", "is_rescaled", "step_size"]

_NEAR = 1e-3


def is_moved(value: Value | None, start: Value) -> bool:
    """Whether a value is another one plus or minus something."""
    if value is None or value is start:
        return False
    return _leads_to(value, start, 0)


def is_moved_repeatedly(value: Value | None, start: Value, forward: Collection[Value]) -> bool:
    """Whether the loss depends on a value between the start and the end of a move: more than one step."""
    waiting, seen = [] if value is None else [value], set[Value]()
    while waiting:
        each = waiting.pop()
        if each in seen or each is start or each in start.inputs:
            continue
        seen.add(each)
        stepped = each in forward and not is_copy(each)
        if stepped and _leads_to(each, start, 0) and _is_used_as_moved(each, forward):
            return True
        operation = each.operation
        if (
            isinstance(operation, Read | Write)
            or is_copy(each)
            or (isinstance(operation, Compute) and operation.name in ("add", "subtract"))
        ):
            waiting.extend(each.inputs)
    return False


def is_after_step(gradient: Value, end: Value | None, start: Value) -> bool:
    """Whether a gradient was computed from a later value of its own parameter, after a step.

    Args:
        gradient: the gradient.
        end: the parameter's value at the end; None if it is unknown.
        start: its value at the start.
    """
    later, waiting, seen = set[Value](), [] if end is None else [end], set[Value]()
    while waiting:
        each = waiting.pop()
        if each in seen or each is start:
            continue
        seen.add(each)
        is_step = isinstance(each.operation, Compute) and each.operation.name in ("add", "subtract")
        if is_step and each.shape == start.shape and _leads_to(each, start, 0):
            later.add(each)
        if is_step or isinstance(each.operation, Read | Write) or is_copy(each):
            waiting.extend(each.inputs)
    return bool(later) and not later.isdisjoint(ancestors(gradient))


def _is_used_as_moved(value: Value, forward: Collection[Value]) -> bool:
    """Whether the loss uses the moved entries of a value, not just other rows of the matrix."""
    users = [each for each in forward if value in each.inputs and not isinstance(each.operation, Write)]
    if isinstance(value.operation, Read):
        written = _written(value.inputs[0])
        return bool(users) and not written.isdisjoint(_entries(value.operation))
    if isinstance(value.operation, Write):
        return any(not isinstance(each.operation, Read) or _is_used_as_moved(each, forward) for each in users)
    return bool(users)


def _written(memory: Value) -> set[int]:
    """Return the entries of a memory that have been written since the start."""
    written = set[int]()
    while isinstance(memory.operation, Write):
        written.update(_entries(memory.operation))
        memory = memory.inputs[0]
    return written


def _entries(operation: Read | Write) -> list[int]:
    return [int(each) for each in positions(operation.at).ravel()]


def _leads_to(value: Value, start: Value, depth: int) -> bool:
    operation = value.operation
    if value is start or (isinstance(start.operation, Read) and value is start.inputs[0]):
        return True
    if depth > 400:
        return False
    if isinstance(operation, Read) or is_copy(value):
        return _leads_to(value.inputs[0], start, depth + 1)
    if isinstance(operation, Write):
        return all(_leads_to(each, start, depth + 1) for each in value.inputs)
    if isinstance(operation, Compute) and operation.name in ("add", "subtract"):
        return any(
            _leads_to(each, start, depth + 1)
            for each in value.inputs[: 1 if operation.name == "subtract" else 2]
        )
    return False


def is_rescaled(value: Value | None, start: Value, forward: Collection[Value]) -> bool:
    """Whether a step is along a gradient that is divided elementwise by a root, as in Adam."""
    waiting, seen = [] if value is None else [value], set[Value]()
    while waiting:
        each = waiting.pop()
        if each in seen or each is start or each in forward:
            continue
        seen.add(each)
        if isinstance(each.operation, Compute) and each.operation.name == "sqrt" and each.shape:
            return True
        waiting.extend(each.inputs)
    return False


def is_copy(value: Value) -> bool:
    """Whether a value is a copy of its input."""
    return isinstance(value.operation, Move) and value.operation.name in ("ndarray.copy", "copy", "array")


def step_size(
    recording: Recording,
    forward: Collection[Value],
    changes: Mapping[str, np.ndarray],
    right: Mapping[str, np.ndarray],
) -> float | None:
    """Find the factor in the program's backward part that makes most of the changes right, or comes closest.

    Args:
        recording: the recording in which factors are searched.
        forward: the values from which the loss was computed.
        changes: before − after, by leaf.
        right: the right gradients, by leaf.

    Returns:
        The factor, or a product of two, or 1; None if no change goes down the gradient.
    """
    numbers = {1.0}
    for value in recording.tape.values:
        operation = value.operation
        if (
            value in forward
            or not isinstance(operation, Compute)
            or operation.name not in ("multiply", "divide")
        ):
            continue
        for each in value.inputs:
            if isinstance(each.operation, Given) and each.array is not None and np.size(each.array) == 1:
                factor = float(np.abs(np.asarray(each.array, np.float64)).reshape(()))
                numbers.add(1 / factor if operation.name == "divide" and factor else factor)
    ratios = [_ratio(changes[path], right[path]) for path in changes]
    ratios = [each for each in ratios if each > 0 and np.isfinite(each)]
    if not ratios:
        return None
    numbers |= {one * other for one in numbers for other in numbers}
    usable = sorted(each for each in numbers if each > 0 and np.isfinite(each))
    return max(usable, key=lambda number: _fitness(number, ratios))


def _ratio(change: np.ndarray, right: np.ndarray) -> float:
    square = float(np.sum(right * right))
    return float(np.sum(change * right)) / square if square else 0.0


def _fitness(number: float, ratios: Sequence[float]) -> tuple[int, bool, float]:
    off = [abs(float(np.log(number / each))) for each in ratios]
    return sum(each < _NEAR for each in off), number == 1, -min(off)
