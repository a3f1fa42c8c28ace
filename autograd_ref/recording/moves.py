"""Functions that move entries without changing them; NumPy's own function replays them.

The origin of the entries in a result is found by running the same function on arrays of positions, so
functions need no rules of their own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autograd_ref.recording.tape import Move
from autograd_ref.recording.template import fill

__all__ = ["CONSTANT", "INPLACE", "knows", "move", "name_of_pad", "pull_back"]

# Functions that depend only on shapes and dtypes, or print.
CONSTANT = {
    "array2string", "array_repr", "array_str", "broadcast_shapes", "can_cast", "common_type",
    "diag_indices_from", "einsum_path", "iscomplexobj", "isrealobj", "may_share_memory", "min_scalar_type",
    "ndim", "result_type", "shape", "shares_memory", "size",
    "tril_indices_from", "triu_indices_from",
}  # fmt: skip

MOVES = {
    "append", "array", "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "block", "broadcast_arrays",
    "broadcast_to", "column_stack", "compress", "concat", "concatenate", "copy", "delete", "diag", "diagflat",
    "diagonal", "dsplit", "dstack", "expand_dims", "extract", "flip", "fliplr", "flipud", "hsplit", "hstack",
    "insert", "matrix_transpose", "meshgrid", "moveaxis", "pad", "permute_dims", "ravel", "repeat", "reshape",
    "resize", "roll", "rollaxis", "rot90", "split", "squeeze", "stack", "swapaxes", "take", "take_along_axis",
    "tile", "transpose", "tril", "trim_zeros", "triu", "unstack", "vsplit", "vstack",
    "linalg.diagonal", "linalg.matrix_transpose", "full_like", "partition", "real", "imag",
    "lib.stride_tricks.as_strided", "lib.stride_tricks.sliding_window_view", "fft.fftshift", "fft.ifftshift",
    "scipy.linalg.block_diag", "scipy.linalg.circulant", "scipy.linalg.convolution_matrix",
    "scipy.linalg.hankel", "scipy.linalg.toeplitz",
}  # fmt: skip
METHODS = {
    "T", "compress", "copy", "diagonal", "flatten", "mT", "ravel", "real", "repeat", "reshape", "squeeze",
    "swapaxes", "take", "transpose", "imag",
}  # fmt: skip
INPLACE = {
    "copyto", "fill_diagonal", "ndarray.fill", "ndarray.partition", "ndarray.put", "ndarray.sort", "place",
    "put", "put_along_axis", "putmask",
}  # fmt: skip

PARTITIONS = {"partition", "ndarray.partition"}

# Functions without a derivative, because they have steps; NumPy replays these, too.
DISCRETE = {
    "all", "allclose", "any", "argmax", "argmin", "argpartition", "argsort", "argwhere", "array_equal",
    "array_equiv", "count_nonzero", "digitize", "flatnonzero", "isclose", "iscomplex", "isin",
    "isneginf", "isreal", "isposinf",
    "lexsort", "nanargmax", "nanargmin", "nonzero", "searchsorted", "unravel_index",
}  # fmt: skip

# Positions begin here; smaller numbers were inserted by the function itself.
_OFFSET = 1 << 40

# In other modes, np.pad computes entries.
_MOVING_PADS = ("constant", "edge", "empty", "reflect", "symmetric", "wrap")


def knows(name: str) -> bool:
    """Whether a function only moves entries."""
    if name.startswith("ndarray."):
        return name.removeprefix("ndarray.") in METHODS
    return name in MOVES or name in DISCRETE


def name_of_pad(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return the name for a call of np.pad, which in some modes computes the new entries."""
    mode = args[2] if len(args) > 2 else kwargs.get("mode", "constant")
    if callable(mode):
        return "pad by a function"
    return "pad" if mode in _MOVING_PADS and kwargs.get("reflect_type") != "odd" else "computed pad"


def _function(name: str) -> Callable[..., Any]:
    if name.startswith("ndarray."):
        attribute = getattr(np.ndarray, name.removeprefix("ndarray."))
        return attribute if callable(attribute) else lambda a: getattr(a, name.removeprefix("ndarray."))
    found: Any = sys.modules["scipy"] if name.startswith("scipy.") else np
    for part in name.removeprefix("scipy.").split("."):
        found = getattr(found, part)
    return found


def move(operation: Move, inputs: Sequence[Any], literal: Callable[[Any], Any] | None = None) -> np.ndarray:
    """Return the result of a move on other arrays of the same shapes."""
    name, template, index = operation
    if name == "getitem":
        return np.asarray(inputs[0][fill(template, inputs, literal)])
    if name == "setitem":
        changed = np.array(inputs[0])
        changed[fill(template, inputs, literal)] = inputs[-1]
        return changed
    if name == "array":
        return np.array(fill(template, inputs, literal))
    if name in ("r_", "c_"):
        return np.asarray(getattr(np, name)[fill(template, inputs, literal)])
    args, kwargs = (fill(part, inputs, literal) for part in template)
    if name in INPLACE:
        changed = np.array(args[0])
        _function(name)(changed, *args[1:], **kwargs)
        return changed
    result = _function(name)(*args, **kwargs)
    return np.asarray(result if index is None else result[index])


def pull_back(
    operation: Move, inputs: Sequence[Any], active: Sequence[int], cotangent: np.ndarray
) -> list[np.ndarray]:
    """Return the contributions of a move to the adjoints of some of its inputs.

    Args:
        operation: the move.
        inputs: its inputs.
        active: positions of the inputs whose contributions are needed.
        cotangent: the adjoint of its result.
    """
    if operation.name in PARTITIONS:
        return [_unpartitioned(operation, inputs, cotangent)]
    if operation.name == "getitem":
        contribution = np.zeros(np.shape(inputs[0]), cotangent.dtype)
        np.add.at(contribution, fill(operation.template, inputs), cotangent)
        return [contribution]
    places, starts, total = positions_of(operation, inputs, active)
    moved = places >= 0
    summed = _summed(places[moved], cotangent[moved], total)
    return [
        summed[start : start + np.size(inputs[i])].reshape(np.shape(inputs[i]))
        for i, start in zip(active, starts, strict=True)
    ]


def _summed(places: np.ndarray, terms: np.ndarray, total: int) -> np.ndarray:
    if terms.dtype.kind == "c":
        return _summed(places, terms.real, total) + 1j * _summed(places, terms.imag, total)
    return np.bincount(places, weights=terms, minlength=total).astype(np.float64)


def _unpartitioned(operation: Move, inputs: Sequence[Any], cotangent: np.ndarray) -> np.ndarray:
    """Return the contributions of a partition, whose order depends on the values, by the entries' ranks."""
    args, kwargs = (fill(part, inputs) for part in operation.template)
    axis = args[2] if len(args) > 2 else kwargs.get("axis", -1)
    before, after = np.asarray(inputs[0]), move(operation, inputs)
    if axis is None:
        before, axis = before.reshape(-1), 0
    ranked = np.take_along_axis(cotangent, np.argsort(after, axis, kind="stable"), axis)
    contribution = np.empty_like(ranked)
    np.put_along_axis(contribution, np.argsort(before, axis, kind="stable"), ranked, axis)
    return contribution.reshape(np.shape(inputs[0]))


def positions_of(
    operation: Move, inputs: Sequence[Any], active: Sequence[int]
) -> tuple[np.ndarray, list[int], int]:
    """Return, for every entry of the result, its origin among the entries of the active inputs, or −1."""
    marked: list[Any] = [
        np.zeros(np.shape(each), np.int64) if np.asarray(each).dtype.kind in "fc" else each for each in inputs
    ]
    starts, total = [], 0
    for i in active:
        size = int(np.size(inputs[i]))
        marked[i] = (np.arange(total, total + size) + _OFFSET).reshape(np.shape(inputs[i]))
        starts.append(total)
        total += size
    places = move(operation, marked, _without_fractions)
    return np.where(places >= _OFFSET, places - _OFFSET, -1), starts, total


def _without_fractions(literal: Any) -> Any:
    """Return arguments for arrays of positions, without fractions and floating dtypes."""
    if isinstance(literal, (float, complex)):
        return 0
    if isinstance(literal, np.dtype) and literal.kind in "fc":
        return np.dtype(np.int64)
    if isinstance(literal, type) and issubclass(literal, (np.inexact, float, complex)):
        return np.int64
    return literal
