"""The first layer's two products with a minibatch, computed in the way that the layout chooses."""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Float

from handgrad.fused.blas import Product, add_outer, add_scaled, prepare_product, prepare_row, scale
from handgrad.fused.layout import Way
from handgrad.fused.unpacked import UnpackedProduct

__all__ = ["Prepare", "forward_product", "update_product"]

# A function that prepares a product of a minibatch (N, D) and a fixed matrix.
Prepare = Callable[[np.ndarray], Product]


def forward_product(way: Way, W: Float[np.ndarray, "D H"], z: Float[np.ndarray, "N H"]) -> Prepare:
    """Return the function that prepares ``z ← alpha·X·W + beta·z`` for a minibatch X."""
    if way == "unpacked":
        return UnpackedProduct(W, z, transposed=False).prepare
    if way == "row":
        return lambda X: prepare_row(X[0], W, z[0])
    return lambda X: prepare_product(X, W, z)


def update_product(way: Way, dz: Float[np.ndarray, "N H"], W: Float[np.ndarray, "D H"]) -> Prepare:
    """Return the function that prepares ``W ← alpha·Xᵀ·dz + beta·W`` for a minibatch X."""
    if way == "unpacked":
        return UnpackedProduct(dz, W, transposed=True).prepare
    if way == "packed":
        return lambda X: prepare_product(X.T, dz, W)
    product = np.empty_like(W if way == "numpy" else dz)

    def update(X: np.ndarray, alpha: float, beta: float) -> None:
        if beta != 1:
            scale(beta, W)
        if way == "numpy":
            np.matmul(X.T, dz, out=product)
            add_scaled(alpha, product, W)
        else:
            add_outer(alpha, X[0], dz[0], W)

    return lambda X: partial(update, X)
