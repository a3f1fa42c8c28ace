"""What only moves entries, for all draws at once: the same reads, writes and moves with one axis more."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from autograd_ref.arithmetic.rounding_model import is_long, sum_error
from autograd_ref.recording import moves
from autograd_ref.recording.kernels import sum_to
from autograd_ref.recording.memory import Layout, is_injective, lay_out, window
from autograd_ref.recording.tape import Move, Read, Value, Write

__all__ = ["Part", "forward", "pull_back"]

# A contribution in every draw (draws, *shape), and what u is multiplied by in the error of its own sums.
Part = tuple[np.ndarray, np.ndarray | None]


def forward(
    value: Value, inputs: Sequence[np.ndarray], drawn: Sequence[np.ndarray | None], exact: np.ndarray
) -> np.ndarray:
    """The result of a read, write or move (draws, *shape).

    Args:
        value: on the tape.
        inputs: the exact ones.
        drawn: with errors (draws, *shape); None for one without.
        exact: the result without errors.
    """
    operation = value.operation
    draws = next(len(each) for each in drawn if each is not None)
    if isinstance(operation, Move):
        moved = [i for i, each in enumerate(drawn) if each is not None]
        places, _, _ = moves.positions_of(operation, inputs, moved)
        flat = np.concatenate([_full(drawn[i], inputs[i], draws).reshape(draws, -1) for i in moved], axis=1)
        if not flat.size:  # nothing was chosen to be moved
            return np.broadcast_to(exact, (draws, *exact.shape))
        taken = np.take(flat, places, axis=1)
        return taken if places.min(initial=0) >= 0 else np.where(places >= 0, taken, exact)
    assert isinstance(operation, (Read, Write))  # noqa: S101
    root, at = _stacked(*operation, draws)
    memory = _full(drawn[0], inputs[0], draws)
    if isinstance(operation, Read):
        return window(lay_out(memory, root), at)
    flat = lay_out(np.array(memory), root)
    window(flat, at)[...] = _wide(_full(drawn[1], inputs[1], draws), operation.at.shape)
    return window(flat, root)


def pull_back(
    value: Value,
    inputs: Sequence[np.ndarray],
    active: Sequence[int],
    cotangent: tuple[np.ndarray, np.ndarray],
) -> list[Part]:
    """The contributions to the adjoints of some inputs.

    Args:
        value: on the tape.
        inputs: the exact ones.
        active: which of them are asked for.
        cotangent: the adjoint of the result, exact and with errors (draws, *shape).
    """
    operation = value.operation
    exact, stack = cotangent
    draws = len(stack)
    if isinstance(operation, Move):
        places, starts, total = moves.positions_of(operation, inputs, active)
        found, size = _scattered(places, total, exact, stack)
        parts: list[Part] = []
        for i, start in zip(active, starts, strict=True):
            shape, end = inputs[i].shape, start + inputs[i].size
            own = None if size is None else size[start:end].reshape(shape)
            parts.append((found[:, start:end].reshape(draws, *shape), own))
        return parts
    assert isinstance(operation, (Read, Write))  # noqa: S101
    root, at = _stacked(*operation, draws)
    if isinstance(operation, Read):
        if is_injective(operation.at):
            flat = lay_out(np.zeros(root.shape, stack.dtype), root)
            window(flat, at)[...] = stack
            return [(window(flat, root), None)]
        total = _extent(operation.root)
        found, size = _scattered(window(np.arange(total), operation.at), total, exact, stack)
        own = None if size is None else window(size, operation.root)
        return [(window(np.ascontiguousarray(found).reshape(-1), root), own)]
    parts = []
    for i in active:
        flat = lay_out(np.array(stack), root)
        if i == 0:
            window(flat, at)[...] = 0
            parts.append((window(flat, root), None))
        else:
            one = window(lay_out(np.array(exact), operation.root), operation.at)
            parts.append(_summed(one, window(flat, at), inputs[1].shape))
    return parts


def _full(stack: np.ndarray | None, exact: np.ndarray, draws: int) -> np.ndarray:
    return np.broadcast_to(exact, (draws, *exact.shape)) if stack is None else stack


def _wide(stack: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Broadcast every draw."""
    draws, *own = stack.shape
    return np.broadcast_to(stack.reshape(draws, *[1] * (len(shape) - len(own)), *own), (draws, *shape))


@cache
def _stacked(root: Layout, at: Layout, draws: int) -> tuple[Layout, Layout]:
    """The same positions in every one of several memories, one behind the other."""
    extent = _extent(root)
    return tuple(  # type: ignore[return-value]
        each._replace(shape=(draws, *each.shape), strides=(extent, *each.strides)) for each in (root, at)
    )


def _extent(root: Layout) -> int:
    return lay_out(np.zeros(root.shape, bool), root).size


def _scattered(places: np.ndarray, total: int, exact: np.ndarray, stack: np.ndarray) -> Part:
    """Entries added up where they came from (draws, total); −1 came from nowhere."""
    draws = len(stack)
    moved = np.flatnonzero(places >= 0)
    where = places.reshape(-1)[moved]
    rows = np.take(stack.reshape(draws, -1), moved, axis=1)
    found = np.zeros((draws, total), rows.dtype)
    counts = np.bincount(where, minlength=total)
    if counts.max(initial=0) <= 1:
        found[:, where] = rows
        return found, None
    order = np.argsort(where, kind="stable")
    ordered = where[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    targets = ordered[starts]
    found[:, targets] = np.add.reduceat(rows[:, order], starts, axis=1)
    terms = exact.reshape(-1)[moved][order]
    size = np.zeros(total)
    size[targets] = _error(counts[targets], terms, lambda each: np.add.reduceat(each, starts))
    return found, size


def _summed(exact: np.ndarray, stack: np.ndarray, shape: tuple[int, ...]) -> Part:
    """What flows into something that was broadcast."""
    if exact.shape == shape:
        return stack, None
    draws = len(stack)
    lifted = (draws, *[1] * (exact.ndim - len(shape)), *shape)
    found = sum_to(stack, lifted).reshape(draws, *shape)
    terms = exact.size // max(int(np.prod(shape)), 1)
    return found, _error(terms, exact, lambda each: np.asarray(sum_to(each, shape)))


def _error(count: Any, terms: np.ndarray, total: Any) -> np.ndarray:
    sizes = np.abs(terms)
    long = np.where(is_long(count), total(sizes), 0.0)
    # An entry alone is no sum.
    error = sum_error(count, total(terms), total(sizes**2), long)
    return np.asarray(np.where(np.asarray(count) > 1, error, 0.0))
