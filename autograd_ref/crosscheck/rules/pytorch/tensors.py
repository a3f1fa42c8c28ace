"""Tensors of PyTorch and arrays of NumPy, each made from the other.

PyTorch is never imported here, because a program with a Function has imported it. Outside of this folder,
complex tensors are real arrays whose last axis holds the real and the imaginary part.
"""

import sys
from typing import Any

import numpy as np

__all__ = ["array_of", "array_or_zero", "floating", "is_floating", "real", "tensor_like", "torch"]


def torch() -> Any:
    """Return PyTorch, if it has been imported."""
    return sys.modules.get("torch")


def floating(made: Any) -> list[Any]:
    """Return the real and complex tensors among outputs."""
    return [each for each in (made if isinstance(made, tuple | list) else [made]) if is_floating(each)]


def is_floating(value: Any) -> bool:
    """Whether something is a real or complex tensor."""
    return bool(torch().is_tensor(value) and (value.is_floating_point() or value.is_complex()))


def real(tensor: Any) -> Any:
    """Return a complex tensor as a real one, with both parts along a new last axis, and others unchanged."""
    return torch().view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def array_of(tensor: Any) -> np.ndarray:
    """Return a tensor's values, of a complex tensor in parts."""
    return np.asarray(real(tensor.detach()).cpu().double().numpy(), np.float64)


def tensor_like(array: np.ndarray, like: Any, dtype: Any = None) -> Any:
    """Return the tensor of such values, complex and on the device as another tensor.

    Args:
        array: the values.
        like: the other tensor.
        dtype: the real dtype of the result, or of its parts; None for the other's.
    """
    if not like.is_complex():
        return torch().tensor(np.asarray(array, np.float64)).to(dtype or like.dtype).to(like.device)
    parts = torch().tensor(np.asarray(array, np.float64)).to(dtype or like.dtype.to_real())
    return torch().view_as_complex(parts).to(like.device)


def array_or_zero(found: Any, like: Any) -> np.ndarray:
    """Return a tensor's values; zeros like another tensor in place of None."""
    return array_of(torch().zeros_like(like) if found is None else found)
