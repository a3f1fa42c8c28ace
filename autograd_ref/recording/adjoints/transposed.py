"""The transposed derivative of a single operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_ref.recording import kernels, moves
from autograd_ref.recording.layouts import is_injective, lay_out, positions, window
from autograd_ref.recording.tape import Compute, Layout, Move, Read, Value, Write

__all__ = ["linear"]


def linear(
    value: Value, inputs: list[np.ndarray], active: tuple[int, ...], cotangent: np.ndarray
) -> list[np.ndarray]:
    """Apply the transposed derivative of one operation."""
    operation = value.operation
    if isinstance(operation, Compute):
        return kernels.pull_back(value, inputs, active, cotangent)
    if isinstance(operation, Move):
        return moves.pull_back(operation, inputs, active, cotangent)
    if isinstance(operation, Read):
        return [_scattered(cotangent, operation.root, operation.at, kernels.double(value.inputs[0].dtype))]
    assert isinstance(operation, Write)  # noqa: S101
    turned = np.conj if operation.at.halves else np.asarray
    cotangent = np.asarray(turned(cotangent))
    flat = lay_out(cotangent, operation.root)
    into_new = window(flat, operation.at)
    results = []
    for i in active:
        if i == 0:
            old = lay_out(np.array(cotangent), operation.root)
            window(old, operation.at)[...] = 0
            results.append(np.asarray(turned(window(old, operation.root))))
        else:
            results.append(kernels.sum_to(np.array(into_new), value.inputs[1].shape))
    return results


def _scattered(cotangent: np.ndarray, root: Layout, at: Layout, dtype: Any) -> np.ndarray:
    """Return the adjoint of a memory, given the adjoint of a read from it.

    As in JAX, the adjoint of x + iy is the adjoint of x minus i times the adjoint of y; hence the conjugates.
    """
    flat = lay_out(np.zeros(root.shape, dtype), root)
    if is_injective(at):
        window(flat, at)[...] = cotangent
    else:
        parts = flat.view(flat.real.dtype) if at.halves else flat
        np.add.at(parts, positions(at), cotangent)
    return np.asarray(np.conj(window(flat, root))) if at.halves else window(flat, root)
