"""The first layer's two products with a minibatch, computed in the way that the layout chooses."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from handgrad.fused.blas import add_outer, add_scaled, multiply_add, multiply_row, scale
from handgrad.fused.layout import Way
from handgrad.fused.unpacked import UnpackedProduct

__all__ = ["Product", "forward_product", "update_product"]

# A function of alpha, a minibatch (N, D) and beta; the two matrices are fixed.
Product = Callable[[float, np.ndarray, float], None]


def forward_product(way: Way, W: Float[np.ndarray, "D H"], z: Float[np.ndarray, "N H"]) -> Product:
    """Return the function that computes ``z ← alpha·X·W + beta·z``."""
    if way == "unpacked":
        return UnpackedProduct(W, z, transposed=False)
    if way == "row":
        (row,) = z
        return lambda alpha, X, beta: multiply_row(alpha, X[0], W, beta, row)
    return lambda alpha, X, beta: multiply_add(alpha, X, W, beta, z)


def update_product(way: Way, dz: Float[np.ndarray, "N H"], W: Float[np.ndarray, "D H"]) -> Product:
    """Return the function that computes ``W ← alpha·Xᵀ·dz + beta·W``."""
    if way == "unpacked":
        return UnpackedProduct(dz, W, transposed=True)
    if way == "packed":
        return lambda alpha, X, beta: multiply_add(alpha, X.T, dz, beta, W)
    product = np.empty_like(W if way == "numpy" else dz)

    def update(alpha: float, X: np.ndarray, beta: float) -> None:
        if beta != 1:
            scale(beta, W)
        if way == "numpy":
            np.matmul(X.T, dz, out=product)
            add_scaled(alpha, product, W)
        else:
            add_outer(alpha, X[0], dz[0], W)

    return update
