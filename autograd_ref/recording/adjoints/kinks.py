r"""Derivatives that are not one number: kinks of single operations, and ties between entries.

At $\max(a, b)$ with $a = b$, any value between the one-sided derivatives is right, and both sides are valid
conventions. So the contribution of such an entry is an interval, and so is everything that depends on it, but
no other entry. An interval with middle $c$ and half-width $r$ becomes $Jc$ and $|J|r$ in a linear map $J$;
multiplied by a slope in $m \pm h$, it becomes $mc$ and $|m|r + h|c| + hr$.

A value that jumps (`steps`) makes an interval only if the branches that it selects are equal, or if it is
multiplied by 0: where the loss itself jumps, it has no derivative on either side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.recording import kernels, meaning
from autograd_ref.recording.adjoints import orders
from autograd_ref.recording.adjoints.steps import Jumps
from autograd_ref.recording.tape import Compute, Move, Value
from autograd_ref.recording.template import Slot, fill

__all__ = ["Group", "contributions", "groups", "spread"]

Interval = tuple[np.ndarray, np.ndarray | None]

# Functions whose slope is between -1 and 1 at 0; the slopes of other kinks are between 0 and 1.
_SIZES = {"absolute", "copysign", "fabs", "i0e", "math.fabs"}

# Functions whose derivative has no negative entries if their inputs have none.
_POSITIVE = {
    "amax", "amin", "convolve", "correlate", "cumprod", "cumsum", "dot", "einsum", "inner", "kron",
    "linalg.multi_dot", "matmul", "max", "mean", "min", "outer", "prod", "sort", "ndarray.sort", "sum",
    "tensordot", "trace", "vdot", "vecdot", "matvec", "vecmat",
}  # fmt: skip


def contributions(
    value: Value, inputs: list[np.ndarray], active: tuple[int, ...], jumps: Jumps, adjoint: Interval
) -> list[Interval] | None:
    """Return the contributions to the active inputs of an operation at a kink or tie; None without one."""
    operation = value.operation
    if orders.decides(value):
        tied = orders.tied(value, inputs, active, adjoint)
        return None if tied is None else tied.intervals
    if isinstance(operation, Move):
        return _masked_write(operation, value, inputs, active, jumps, adjoint)
    if not isinstance(operation, Compute):
        return None
    kinks = _kinks(operation, value, inputs, jumps)
    if kinks is None or not any(kinks[i].any() for i in active):
        return None
    slopes = kernels.slopes(value, inputs, active)
    results = []
    for i, slope in zip(active, slopes, strict=True):
        at = np.broadcast_to(kinks[i], slope.shape)
        middle, half = _slopes_beside(operation, value, jumps, i)
        centre = np.where(at, middle, slope)
        results.append(_through(centre, np.where(at, half, 0.0), adjoint, inputs[i].shape))
    return results


class Group(NamedTuple):
    """Entries of an operation's inputs whose derivative one tie leaves open.

    Attributes:
        members: the entries, as position of the input and flat index.
        fixed: whether the sum of their contributions is known.
    """

    members: list[tuple[int, int]]
    fixed: bool


def groups(
    value: Value, inputs: list[np.ndarray], active: tuple[int, ...], jumps: Jumps, adjoint: Interval
) -> list[Group]:
    """Return the single ties of an operation for which `contributions` gives intervals."""
    if orders.decides(value):
        tied = orders.tied(value, inputs, active, adjoint)
        members: dict[int, list[tuple[int, int]]] = {}
        if tied is not None:
            for i, group in zip(active, tied.groups, strict=True):
                for place in np.flatnonzero(group >= 0):
                    members.setdefault(int(group.flat[place]), []).append((i, int(place)))
        return [Group(each, fixed=True) for each in members.values()]
    operation = value.operation
    found = [_masked_entries(value, inputs, jumps)] if isinstance(operation, Move) else None
    kinks = _kinks(operation, value, inputs, jumps) if isinstance(operation, Compute) else None
    if found and found[0] is not None:
        kinks = [found[0] if i in (0, len(inputs) - 1) else np.zeros((), bool) for i in range(len(inputs))]
    result = []
    centre, slack = adjoint
    flows = (centre != 0) if slack is None else (centre != 0) | (slack != 0)
    for place in np.flatnonzero(np.broadcast_to(flows, value.shape)) if kinks else ():
        at = [i for i, each in enumerate(kinks or ()) if np.broadcast_to(each, value.shape).flat[place]]
        if value.inputs[0].dtype.kind == "b" and at[:1] == [0]:
            at = at[1:]  # the condition itself
        used = [(i, _source(inputs[i], value.shape, int(place))) for i in at if i in active]
        if used:
            result.append(Group(used, fixed=len(used) == len(at) > 1))
    return result


def _source(array: np.ndarray, shape: tuple[int, ...], place: int) -> int:
    """Return the entry of an array that is at a place after broadcasting."""
    return int(np.broadcast_to(np.arange(array.size).reshape(array.shape), shape).flat[place])


def _through(slope: np.ndarray, half: np.ndarray, adjoint: Interval, shape: tuple[int, ...]) -> Interval:
    centre, slack = adjoint
    radius = half * np.abs(centre)
    if slack is not None:
        radius = radius + (np.abs(slope) + half) * slack
    middle = np.where(centre == 0, 0.0, slope * centre)
    return kernels.sum_to(middle, shape), kernels.sum_to(np.where(np.isfinite(radius), radius, 0.0), shape)


def _kinks(operation: Compute, value: Value, inputs: Sequence[Any], jumps: Jumps) -> list[np.ndarray] | None:
    """Return, for each input of an elementwise operation, the entries whose derivative has two sides."""
    name = operation.name
    if operation.kind == "ufunc" and operation.template == "__call__":
        if name in ("maximum", "minimum", "fmax", "fmin"):
            tied = np.asarray(inputs[0] == inputs[1])
            return [tied, tied] if value.inputs[0] is not value.inputs[1] else None
        if name in ("absolute", "fabs", "i0e"):  # exp(-|x|) times something flat
            return [np.asarray(inputs[0] == 0)]
        if name == "copysign":  # |x| with a sign, which has no slope
            return [np.asarray(inputs[0] == 0), np.zeros((), bool)]
        if name == "clip":
            return _clipped(inputs[0], inputs[1], inputs[2], inputs)
        if name == "multiply":
            return [_switched(value, inputs, jumps, 1), _switched(value, inputs, jumps, 0)]
        if name == "divide":
            return [_switched(value, inputs, jumps, 1), np.zeros((), bool)]
    if operation.kind == "number":
        if name in ("max", "min"):
            best = np.max(inputs) if name == "max" else np.min(inputs)
            each_tied = [np.asarray(each == best) for each in inputs]
            return each_tied if sum(map(int, each_tied)) > 1 else None
        return [np.asarray(inputs[0] == 0)] if name == "math.fabs" else None
    if operation.kind == "function" and name == "clip":
        args, kwargs = (fill(part, inputs) for part in operation.template)
        low = args[1] if len(args) > 1 else kwargs.get("a_min", kwargs.get("min"))
        high = args[2] if len(args) > 2 else kwargs.get("a_max", kwargs.get("max"))
        return _clipped(args[0], low, high, inputs)
    if operation.kind == "function" and name == "where" and value.inputs[0] in jumps:
        args, _ = (fill(part, inputs) for part in operation.template)
        equal = np.asarray(jumps[value.inputs[0]].is_open & (args[1] == args[2]))
        return [equal for _ in inputs]
    return None


def _clipped(x: Any, low: Any, high: Any, inputs: Sequence[Any]) -> list[np.ndarray]:
    at_low = np.zeros(np.shape(x), bool) if low is None else np.asarray(x == low)
    at_high = np.zeros(np.shape(x), bool) if high is None else np.asarray(x == high)
    both = np.asarray(at_low | at_high)  # of two 0-d arrays NumPy makes a scalar
    by_input = {id(x): both, id(low): at_low, id(high): at_high}
    return [by_input.get(id(each), both) for each in inputs]


def _switched(value: Value, inputs: Sequence[Any], jumps: Jumps, factor: int) -> np.ndarray:
    """Return the entries where one factor jumps and the other one is 0."""
    jump = jumps.get(value.inputs[factor])
    return np.zeros((), bool) if jump is None else np.asarray(jump.is_open & (inputs[1 - factor] == 0))


def _slopes_beside(operation: Compute, value: Value, jumps: Jumps, i: int) -> tuple[Any, Any]:
    """Return the middle of the slopes beside a kink, by one of the inputs, and half their distance."""
    jump = jumps.get(value.inputs[1 - i]) if operation.name in ("multiply", "divide") else None
    if jump is None:
        return (0.0, 1.0) if operation.name in _SIZES else (0.5, 0.5)
    sides = [np.asarray(each, np.float64) for each in jump.sides]
    slopes = sides if operation.name == "multiply" else [1 / each for each in sides]
    low, high = np.min(slopes, axis=0), np.max(slopes, axis=0)
    return (low + high) / 2, (high - low) / 2


def _masked_write(
    operation: Move,
    value: Value,
    inputs: list[np.ndarray],
    active: tuple[int, ...],
    jumps: Jumps,
    adjoint: Interval,
) -> list[Interval] | None:
    """Return the contributions of ``x[mask] = v`` where the mask is undecided and x equals v already."""
    tied = _masked_entries(value, inputs, jumps)
    if tied is None:
        return None
    key = operation.template
    last = len(inputs) - 1
    results = []
    for i in active:
        if i == 0:
            kept = ~inputs[key.position]
            slope, half = np.where(tied, 0.5, kept), np.where(tied, 0.5, 0.0)
        else:
            slope, half = np.where(tied, 0.5, inputs[key.position]), np.where(tied, 0.5, 0.0)
        results.append(_through(slope, half, adjoint, inputs[i].shape if i in (0, last) else value.shape))
    return results


def _masked_entries(value: Value, inputs: list[np.ndarray], jumps: Jumps) -> np.ndarray | None:
    name, key, _ = value.operation  # type: ignore[misc]
    if name != "setitem" or not isinstance(key, Slot) or value.inputs[key.position] not in jumps:
        return None
    flagged = jumps[value.inputs[key.position]].is_open
    if flagged.shape != value.shape or inputs[-1].ndim:
        return None
    tied = flagged & (inputs[0] == inputs[-1])
    return tied if tied.any() else None


def spread(
    value: Value,
    inputs: list[np.ndarray],
    active: tuple[int, ...],
    slack: np.ndarray,
    linear: Callable[..., list[np.ndarray]],
) -> list[np.ndarray]:
    """Return the half-widths of the inputs' intervals, by the absolute values of the derivative."""
    operation = value.operation
    units = (1.0, 1j) if value.dtype.kind == "c" else (1.0,)
    if not isinstance(operation, Compute):
        every = np.asarray(slack * sum(units).conjugate())
        return [np.asarray(np.abs(each)) for each in linear(value, inputs, active, every)]
    if meaning.is_elementwise(operation):
        ways = [kernels.slopes(value, inputs, active, unit) for unit in units]
        found = [sum(map(np.abs, each)) for each in zip(*ways, strict=True)]
        wide = [np.where(slack == 0, 0.0, np.abs(slope) * slack) for slope in found]
        return [kernels.sum_to(each, inputs[i].shape) for each, i in zip(wide, active, strict=True)]
    reduces = operation.kind == "ufunc" and operation.name in ("add", "multiply", "maximum", "minimum")
    if len(units) == 1 and (operation.name in _POSITIVE or reduces):
        sizes = [np.abs(each) if each.dtype.kind == "f" else each for each in inputs]
        if operation.name in orders.EXTREMES or operation.name in orders.SORTED:
            sizes = inputs
        return linear(value, sizes, active, slack)
    totals = [np.zeros(inputs[i].shape) for i in active]
    for place, part in product(np.argwhere(slack != 0), units):
        unit = np.zeros(slack.shape, type(part))
        unit[tuple(place)] = part
        for total, row in zip(totals, linear(value, inputs, active, unit), strict=True):
            total += np.abs(row) * slack[tuple(place)]
    return totals
