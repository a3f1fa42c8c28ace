r"""Ties in functions of the order: a maximum of several entries, a sorted array, a median.

Any of several equal entries could be the one that counts, so the contribution to each is an interval; the
contribution to all of them together is fixed. Each rule gives the intervals and, for every input, the number
of the tied group of each entry, or −1.

The derivative of a maximum of $k$ equal entries is a convex combination of unit vectors (the subdifferential
of a maximum: F. H. Clarke, Optimization and Nonsmooth Analysis, 1983, Proposition 2.3.12).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.recording import kernels, moves
from autograd_ref.recording.adjoints.transposed import linear
from autograd_ref.recording.tape import Compute, Move, NotRecorded, Value
from autograd_ref.recording.template import fill

__all__ = ["EXTREMES", "SORTED", "Tied", "decides", "tied"]

Interval = tuple[np.ndarray, np.ndarray | None]


class Tied(NamedTuple):
    """The freedom that the ties of one operation leave.

    Attributes:
        intervals: the contribution to each active input: middle and half-width.
        groups: for each active input, the number of the tied group of each entry, or −1.
    """

    intervals: list[Interval]
    groups: list[np.ndarray]


EXTREMES: dict[str, Callable[..., Any]] = {
    "maximum": np.max, "minimum": np.min, "fmax": np.nanmax, "fmin": np.nanmin, "max": np.max, "amax": np.max,
    "min": np.min, "amin": np.min, "nanmax": np.nanmax, "nanmin": np.nanmin,
}  # fmt: skip

# Functions that depend only on the sorted entries, with the default of the axis and its position.
SORTED: dict[str, tuple[int | None, int]] = {
    "sort": (-1, 1), "ndarray.sort": (-1, 1), "partition": (-1, 2), "ndarray.partition": (-1, 2),
    "median": (None, 1), "nanmedian": (None, 1), "percentile": (None, 2), "nanpercentile": (None, 2),
    "quantile": (None, 2), "nanquantile": (None, 2),
}  # fmt: skip

# Functions with corners that are not described by a rule here.
_CORNERS = {
    "computed pad", "hypot", "interp", "linalg.cond", "linalg.matrix_norm", "linalg.norm",
    "linalg.vector_norm",
}  # fmt: skip
_PROBES, _STEP = 6, 1e-9


def decides(value: Value) -> bool:
    """Whether the contributions of an operation depend on an order."""
    operation = value.operation
    if isinstance(operation, Move):
        return operation.name in moves.PARTITIONS
    if not isinstance(operation, Compute) or operation.kind == "number":
        return False
    if operation.template == "__call__":
        return operation.name == "hypot"
    return operation.name in EXTREMES or operation.name in SORTED or operation.name in _CORNERS | {"ptp"}


def tied(value: Value, inputs: list[np.ndarray], active: tuple[int, ...], adjoint: Interval) -> Tied | None:
    """Return the contributions to the active inputs of an operation with ties in an order; None without.

    Raises:
        NotRecorded: the operation has a corner here that is not described by a rule.
    """
    operation = value.operation
    if isinstance(operation, Compute) and operation.kind == "ufunc" and operation.name in EXTREMES:
        method = operation.template if isinstance(operation.template, str) else operation.template[0]
        if method == "at":
            return _at(value, inputs, active, adjoint)
        if method == "accumulate":
            return _accumulated(operation, inputs, adjoint)
        if method != "reduce":
            _refuse_corner(value, inputs, active, adjoint)
            return None
    name = getattr(operation, "name", "")
    if name in SORTED:
        return _by_rank(value, name, inputs, active, adjoint)
    if name in EXTREMES:
        return _extreme(operation, EXTREMES[name], inputs, active, adjoint, value)
    _refuse_corner(value, inputs, active, adjoint)
    return None


def _extreme(
    operation: Any,
    largest: Callable[..., Any],
    inputs: list[np.ndarray],
    active: tuple[int, ...],
    adjoint: Interval,
    value: Value,
) -> Tied | None:
    """Return the shares of a maximum that several entries attain, each from 0 to 1."""
    axis, keepdims, others = _reduction(operation, inputs)
    if others or len(inputs) > 1 or inputs[0].size == 0:
        _refuse_corner(value, inputs, active, adjoint)
        return None
    x = inputs[0]
    extreme = largest(x, axis=axis, keepdims=True)
    at = x == extreme
    several = at & (at.sum(axis=axis, keepdims=True) > 1)
    if not several.any():
        return None
    centre, slack = (
        None if each is None else each if keepdims else each.reshape(extreme.shape) for each in adjoint
    )
    share = np.where(several, 0.5, at)
    group = np.where(several, np.arange(extreme.size).reshape(extreme.shape), -1)
    return Tied([_shared(share, np.where(several, 0.5, 0.0), (centre, slack))], [group])  # type: ignore[arg-type]


def _shared(share: np.ndarray, half: np.ndarray, adjoint: Interval) -> Interval:
    centre, slack = adjoint
    radius = half * np.abs(centre)
    if slack is not None:
        radius = radius + (share + half) * slack
    return np.asarray(share * centre), np.asarray(radius)


def _reduction(operation: Compute, inputs: list[np.ndarray]) -> tuple[Any, bool, bool]:
    """Return the axes of a reduction, whether they are kept, and whether it has other arguments."""
    if operation.kind == "ufunc":
        rest = () if isinstance(operation.template, str) else operation.template[1:]
        options = fill(rest[0], inputs[1:]) if rest else {}
        axis = options.get("axis", 0)
    else:
        args, options = (fill(part, inputs) for part in operation.template)
        axis = args[1] if len(args) > 1 else options.get("axis")
    return axis, options.get("keepdims", False) is True, "where" in options or "initial" in options


def _by_rank(
    value: Value, name: str, inputs: list[np.ndarray], active: tuple[int, ...], adjoint: Interval
) -> Tied | None:
    """Return the contributions of a function of sorted entries; equal entries may have any of their ranks."""
    args, kwargs = (fill(part, inputs) for part in value.operation.template)  # type: ignore[union-attr]
    default, position = SORTED[name]
    axis = args[position] if len(args) > position else kwargs.get("axis", default)
    rows = _Rows(inputs[0], axis)
    x = rows.of(inputs[0])
    order = np.argsort(x, axis=-1, kind="stable")
    ordered = np.take_along_axis(x, order, -1)
    if not (ordered[:, 1:] == ordered[:, :-1]).any() or active != (0,):
        return None
    group = np.cumsum(np.pad(ordered[:, 1:] != ordered[:, :-1], ((0, 0), (1, 0))), axis=-1)
    group += np.arange(len(x))[:, None] * x.shape[1]
    starts = np.flatnonzero(np.diff(group.reshape(-1), prepend=-1))
    sizes = np.diff(np.append(starts, group.size))
    # Differentiate as if the entries were sorted already: an entry then gets the contribution of its rank.
    in_order = [rows.back(ordered), *inputs[1:]]
    centre, slack = adjoint
    bounds = [centre] if slack is None else [centre - slack, centre + slack]
    ranks = [rows.of(linear(value, in_order, active, each)[0]).reshape(-1) for each in bounds]
    ends = []
    for rank, extreme in ((ranks[0], np.minimum), (ranks[-1], np.maximum)):
        hull = np.repeat(extreme.reduceat(rank, starts), sizes).reshape(x.shape)
        back = np.empty_like(hull)
        np.put_along_axis(back, order, hull, -1)
        ends.append(rows.back(back))
    label = np.where(np.repeat(sizes, sizes) > 1, group.reshape(-1), -1).reshape(x.shape)
    labels = np.empty_like(label)
    np.put_along_axis(labels, order, label, -1)
    middle, half = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
    if not half.any():
        return None
    return Tied([(middle, half)], [rows.back(labels)])


class _Rows:
    """An array as rows along one axis, several or all, and back."""

    def __init__(self, like: np.ndarray, axis: Any):
        axes = range(like.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        self._axes = [each % like.ndim for each in axes]
        self._last = list(range(like.ndim - len(self._axes), like.ndim))
        self._shape = np.moveaxis(like, self._axes, self._last).shape
        self._length = int(np.prod([like.shape[each] for each in self._axes]))

    def of(self, array: np.ndarray) -> np.ndarray:
        return np.moveaxis(array, self._axes, self._last).reshape(-1, self._length)

    def back(self, rows: np.ndarray) -> np.ndarray:
        return np.moveaxis(rows.reshape(self._shape), self._last, self._axes)


def _accumulated(operation: Compute, inputs: list[np.ndarray], adjoint: Interval) -> Tied | None:
    """Handle a running maximum: an entry that equals it may take over up to the next such entry, or not."""
    axis = _reduction(operation, inputs)[0]
    rows = _Rows(inputs[0], axis)
    x = rows.of(inputs[0])
    running = getattr(np, operation.name).accumulate(x, axis=1)
    centre, slack = adjoint
    lows = rows.of(centre if slack is None else centre - slack)
    highs = rows.of(centre if slack is None else centre + slack)
    low, high, groups = np.zeros(x.shape), np.zeros(x.shape), np.full(x.shape, -1)
    for row, (values, best) in enumerate(zip(x, running, strict=True)):
        changes = np.flatnonzero(np.append(True, best[1:] != best[:-1]))
        for start, end in zip(changes, [*changes[1:], len(best)], strict=True):
            candidates = start + np.flatnonzero(values[start:end] == best[start])
            if len(candidates) > 1:
                groups[row, candidates] = row * x.shape[1] + start
            until = np.append(candidates[1:], end)
            for ends, flows, extreme in ((low, lows, np.minimum), (high, highs, np.maximum)):
                total = np.append(0.0, np.cumsum(flows[row, start:end]))
                farthest = extreme.accumulate(total[until - start][::-1])[::-1]
                found = farthest - total[candidates - start]
                found[1:] = extreme(found[1:], 0.0)  # all but the first may also take nothing
                ends[row, candidates] = found
    if (groups < 0).all():
        return None
    return Tied([(rows.back((low + high) / 2), rows.back((high - low) / 2))], [rows.back(groups)])


def _at(value: Value, inputs: list[np.ndarray], active: tuple[int, ...], adjoint: Interval) -> Tied | None:
    """Handle ``np.maximum.at(x, indices, b)``: an entry of x ties with all that it is compared with."""
    x, places = inputs[0].reshape(-1), inputs[1].reshape(-1)
    b = np.broadcast_to(inputs[2], inputs[1].shape).reshape(-1)
    result = x.copy()
    getattr(np, value.operation.name).at(result, places, b)  # type: ignore[union-attr]
    attain = [x == result, b == result[places]]
    count = attain[0] + np.bincount(places, weights=attain[1], minlength=x.size)
    if not (count > 1).any():
        return None
    several = [count > 1, count[places] > 1]
    intervals, groups = [], []
    for i in active:
        at, shared = attain[i // 2], several[i // 2] & attain[i // 2]
        flows = [None if each is None else each.reshape(-1)[places if i else ...] for each in adjoint]
        centre, radius = _shared(np.where(shared, 0.5, at), np.where(shared, 0.5, 0.0), tuple(flows))  # type: ignore[arg-type]
        shape = inputs[1].shape if i else inputs[0].shape
        wide = centre.reshape(shape), radius.reshape(shape)  # type: ignore[union-attr]
        intervals.append(tuple(kernels.sum_to(each, inputs[i].shape) for each in wide))
        group = np.where(shared, places if i else np.arange(x.size), -1).reshape(shape)
        groups.append(group if shape == inputs[i].shape else np.full(inputs[i].shape, -1))
    return Tied(intervals, groups)


def _refuse_corner(
    value: Value, inputs: list[np.ndarray], active: tuple[int, ...], adjoint: Interval
) -> None:
    """Refuse an operation whose corners have no rule if its derivative changes nearby."""
    if not adjoint[0].any():
        return
    rng = np.random.default_rng(0)
    here = linear(value, inputs, active, adjoint[0])
    for _ in range(_PROBES):
        moved = list(inputs)
        for i in active:
            size = np.abs(inputs[i]).max(initial=0.0) or 1.0
            moved[i] = np.asarray(inputs[i] + _STEP * size * rng.standard_normal(inputs[i].shape))
        for one, other in zip(here, linear(value, moved, active, adjoint[0]), strict=True):
            scale = np.abs(other).max(initial=0.0)
            if not np.allclose(one, other, rtol=0, atol=1e-4 * scale):
                name = getattr(value.operation, "name", "")
                raise NotRecorded(f"{name} has no single derivative here (a corner or a tie)", value.place)
