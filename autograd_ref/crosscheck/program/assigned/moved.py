"""Parameters that a call moves: the gradient is their change divided by the fitting step size."""

import ast
import linecache
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from autograd_ref.crosscheck.program.guessed.roles import role_of
from autograd_ref.recording import Recording, Value
from autograd_ref.recording.adjoints.reverse import ancestors
from autograd_ref.recording.layouts import positions
from autograd_ref.recording.tape import Compute, Given, Move, Read, Write

__all__ = ["is_after_step", "is_copy", "is_moved", "is_moved_repeatedly", "is_rescaled", "step_size"]

_NEAR = 1e-3


def is_moved(value: Value | None, start: Value) -> bool:
    """Whether a value is another one plus or minus something."""
    if value is None or value is start:
        return False
    return _leads_to(value, start)


def is_moved_repeatedly(value: Value | None, start: Value, forward: Collection[Value]) -> bool:
    """Whether the loss depends on a value between the start and the end of a move: more than one step."""
    waiting, seen = [] if value is None else [value], set[Value]()
    while waiting:
        each = waiting.pop()
        if each in seen or each is start or each in start.inputs:
            continue
        seen.add(each)
        stepped = each in forward and not is_copy(each)
        if stepped and _leads_to(each, start) and _is_used_as_moved(each, forward):
            return True
        if _is_access(each) or _is_sum(each):
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
        is_step = _is_sum(each) or _is_named(each, "setitem")
        if is_step and each.shape == start.shape and _leads_to(each, start):
            later.add(each)
        if is_step or _is_access(each):
            waiting.extend(each.inputs)
    return bool(later) and not later.isdisjoint(ancestors(gradient))


def _is_used_as_moved(value: Value, forward: Collection[Value]) -> bool:
    """Whether the loss uses the moved entries of a value, not just other rows of the matrix."""
    users = [each for each in forward if value in each.inputs and not isinstance(each.operation, Write)]
    if isinstance(value.operation, Read):
        written = _written(value.inputs[0])
        return bool(users) and not written.isdisjoint(_entries(value.operation))
    if _is_named(value, "getitem"):
        memory = value.inputs[0]
        return bool(users) and (isinstance(memory.operation, Write) or _is_named(memory, "setitem"))
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


def _leads_to(value: Value, start: Value, known: dict[Value, bool] | None = None, depth: int = 0) -> bool:
    """Whether a value is another one, with terms added or entries replaced.

    Args:
        value: the value.
        start: the other one.
        known: the answers so far; without them, a loop of writes would take exponential time.
        depth: number of steps so far.
    """
    operation = value.operation
    if value is start or (isinstance(start.operation, Read) and value is start.inputs[0]):
        return True
    known = {} if known is None else known
    if depth > 400 or value in known:
        return known.get(value, False)
    if isinstance(operation, Write) or _is_named(value, "setitem"):
        both = (value.inputs[0], value.inputs[-1])
        found = all(_leads_to(each, start, known, depth + 1) for each in both)
    elif _is_access(value):
        found = _leads_to(value.inputs[0], start, known, depth + 1)
    elif _is_sum(value):
        terms = value.inputs[: 1 if _is_named(value, "subtract") else 2]
        found = any(_leads_to(each, start, known, depth + 1) for each in terms)
    else:
        found = False
    known[value] = found
    return found


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
    return _is_named(value, "ndarray.copy", "copy", "array")


def _is_access(value: Value) -> bool:
    """Whether a value has entries of its input, or is its input with other entries replaced."""
    is_indexed = _is_named(value, "getitem", "setitem")
    return isinstance(value.operation, Read | Write) or is_copy(value) or is_indexed


def _is_sum(value: Value) -> bool:
    return isinstance(value.operation, Compute) and _is_named(value, "add", "subtract")


def _is_named(value: Value, *names: str) -> bool:
    return isinstance(value.operation, Move | Compute) and value.operation.name in names


def step_size(
    recording: Recording,
    forward: Collection[Value],
    ends: Collection[Value | None],
    changes: Mapping[str, np.ndarray],
    right: Mapping[str, np.ndarray],
) -> float | None:
    """Find the factor in the program's backward part that makes most of the changes right, or comes closest.

    If the steps are multiplied by a learning rate, by its name, it is one of the factors.

    Args:
        recording: the recording in which factors are searched.
        forward: the values from which the loss was computed.
        ends: the moved parameters.
        changes: before − after, by leaf.
        right: the right gradients, by leaf.

    Returns:
        The factor, or a product of two, or 1; None if no change goes down the gradient.
    """
    ratios = [_ratio(changes[path], right[path]) for path in changes]
    ratios = [each for each in ratios if each > 0 and np.isfinite(each)]
    factors = list(_factors_of_steps(ends, forward))
    rates = {factor for factor, is_rate in factors if is_rate}
    if rates:
        numbers = {1.0, *(factor for factor, _ in factors)}
    elif ratios:
        values = (value for value in recording.tape.values if value not in forward)
        numbers = rates = {1.0, *(factor for value in values for factor, _ in _factors(value))}
    else:
        return None
    numbers = {rate * other for rate in rates for other in numbers}
    usable = sorted(each for each in numbers if each > 0 and np.isfinite(each))
    return max(usable, key=lambda number: _fitness(number, ratios)) if ratios else max(rates)


def _factors_of_steps(
    ends: Collection[Value | None], forward: Collection[Value]
) -> Iterator[tuple[float, bool]]:
    """Yield the numbers by which gradients are multiplied to make steps, and whether each is a rate."""
    waiting, seen = [each for each in ends if each is not None], set[Value]()
    while waiting:
        each = waiting.pop()
        if each in seen or each in forward:
            continue
        seen.add(each)
        factors = list(_factors(each))
        yield from factors
        if any(is_rate for _, is_rate in factors):
            continue  # the rate multiplies a gradient, whose own factors must be right
        if factors or _is_sum(each) or _is_named(each, "negative") or _is_access(each):
            waiting.extend(each.inputs)


def _factors(value: Value) -> Iterator[tuple[float, bool]]:
    """Yield the number by which a value is a multiple of another, and whether it is named as a rate."""
    operation = value.operation
    if not isinstance(operation, Compute) or operation.name not in ("multiply", "divide"):
        return
    for i, each in enumerate(value.inputs):
        if isinstance(each.operation, Given) and each.array is not None and np.size(each.array) == 1:
            factor = float(np.abs(np.asarray(each.array, np.float64)).reshape(()))
            inverse = operation.name == "divide" and i == 1 and factor
            yield 1 / factor if inverse else factor, not inverse and _is_rate(value, i)


def _is_rate(product: Value, side: int) -> bool:
    """Whether an operand of a product is a learning rate, by the names in the program."""
    place = product.place
    if place is None or place.line != place.end_line:
        return False
    line = linecache.getline(place.file, place.line).encode()
    try:
        node = ast.parse(line[place.column : place.end_column].strip(), mode="eval").body
    except SyntaxError:
        return False
    if not isinstance(node, ast.BinOp):
        return False
    names = re.findall(r"[^\W\d]\w*", ast.unparse((node.left, node.right)[side]))
    return any(name == "alpha" or role_of(name) == "rate" for name in names)


def _ratio(change: np.ndarray, right: np.ndarray) -> float:
    square = float(np.sum(right * right))
    return float(np.sum(change * right)) / square if square else 0.0


def _fitness(number: float, ratios: Sequence[float]) -> tuple[int, bool, float]:
    off = [abs(float(np.log(number / each))) for each in ratios]
    return sum(each < _NEAR for each in off), number == 1, -min(off)
