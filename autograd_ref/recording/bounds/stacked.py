"""Operations that only move entries, for all draws at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_ref.arithmetic.rounding_model import is_long, sum_error
from autograd_ref.recording import moves
from autograd_ref.recording.adjoints.transposed import linear
from autograd_ref.recording.kernels import sum_to
from autograd_ref.recording.replay import evaluate
from autograd_ref.recording.tape import Move, Value

__all__ = ["Part", "forward", "full", "pull_back", "scattered", "summed", "wide"]

# A contribution in every draw (draws, *shape), and the factor of u in the error of its own sums.
Part = tuple[np.ndarray, np.ndarray | None]


def forward(
    value: Value, inputs: Sequence[np.ndarray], drawn: Sequence[np.ndarray | None], exact: np.ndarray
) -> np.ndarray:
    """Return the result of an operation that moves entries (draws, *shape).

    Args:
        value: a value on the tape.
        inputs: the exact inputs.
        drawn: the inputs with errors (draws, *shape); None for an input without errors.
        exact: the result without errors.
    """
    operation = value.operation
    draws = next(len(each) for each in drawn if each is not None)
    if not isinstance(operation, Move):  # real and imaginary parts, one by one
        every = [full(*each, draws) for each in zip(drawn, inputs, strict=True)]
        return np.stack([evaluate(value, list(one)) for one in zip(*every, strict=True)])
    moved = [i for i, each in enumerate(drawn) if each is not None]
    places, _, _ = moves.positions_of(operation, inputs, moved)
    flat = np.concatenate([full(drawn[i], inputs[i], draws).reshape(draws, -1) for i in moved], axis=1)
    if not flat.size:  # a mask that chose nothing
        return np.broadcast_to(exact, (draws, *exact.shape))
    taken = np.take(flat, places, axis=1)
    return taken if places.min(initial=0) >= 0 else np.where(places >= 0, taken, exact)


def pull_back(
    value: Value,
    inputs: Sequence[np.ndarray],
    active: Sequence[int],
    cotangent: tuple[np.ndarray, np.ndarray],
) -> list[Part]:
    """Return the contributions to the adjoints of some inputs.

    Args:
        value: a value on the tape.
        inputs: the exact inputs.
        active: positions of the inputs whose contributions are needed.
        cotangent: the adjoint of the result, exact and with errors (draws, *shape).
    """
    operation = value.operation
    exact, stack = cotangent
    draws = len(stack)
    if not isinstance(operation, Move):
        every = [linear(value, list(inputs), tuple(active), one) for one in stack]
        return [(np.stack(each), None) for each in zip(*every, strict=True)]
    places, starts, total = moves.positions_of(operation, inputs, active)
    found, size = scattered(places, total, exact, stack)
    parts: list[Part] = []
    for i, start in zip(active, starts, strict=True):
        shape, end = inputs[i].shape, start + inputs[i].size
        own = None if size is None else size[start:end].reshape(shape)
        parts.append((found[:, start:end].reshape(draws, *shape), own))
    return parts


def full(stack: np.ndarray | None, exact: np.ndarray, draws: int) -> np.ndarray:
    """Return all draws of a value that may have no errors."""
    return np.broadcast_to(exact, (draws, *exact.shape)) if stack is None else stack


def wide(stack: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Broadcast every draw."""
    draws, *own = stack.shape
    return np.broadcast_to(stack.reshape(draws, *[1] * (len(shape) - len(own)), *own), (draws, *shape))


def scattered(places: np.ndarray, total: int, exact: np.ndarray, stack: np.ndarray) -> Part:
    """Sum entries at the places they came from (draws, total); −1 means that an entry came from nowhere."""
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


def summed(exact: np.ndarray, stack: np.ndarray, shape: tuple[int, ...]) -> Part:
    """Return the contribution to a value that was broadcast."""
    if exact.shape == shape:
        return stack, None
    draws = len(stack)
    lifted = (draws, *[1] * (exact.ndim - len(shape)), *shape)
    found = sum_to(stack, lifted).reshape(draws, *shape)
    terms = exact.size // max(int(np.prod(shape)), 1)
    return found, _error(terms, exact, lambda each: np.asarray(sum_to(each, shape)))


def _error(count: Any, terms: np.ndarray, total: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    sizes = np.abs(terms)
    long = np.where(is_long(count), total(sizes), 0.0)
    # A single entry is not a sum.
    error = sum_error(count, total(terms), total(sizes**2), long)
    return np.asarray(np.where(np.asarray(count) > 1, error, 0.0))
