"""An LU factorisation with the row exchanges of another matrix."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

__all__ = ["lu_in_order"]


def lu_in_order(matrix: Float[Array, "*b m n"], order: Int[Array, "*b m"]) -> Float[Array, "*b m n"]:
    """Factorise a matrix with given pivots.

    If two pivots are equally large, a rounding error decides between them, and both factorisations are
    right. But the rows of one and the factors of the other do not belong together.

    Args:
        matrix: the matrix to factorise.
        order: the order of its rows.

    Returns:
        Both triangles, packed in one matrix like the result of the primitive ``lu``.
    """
    rows, columns = matrix.shape[-2:]
    ordered = jnp.take_along_axis(matrix, order[..., None].astype(int), axis=-2)
    below, beside = jnp.arange(rows)[:, None], jnp.arange(columns)[None]

    def eliminate(k: Array, reduced: Array) -> Array:
        pivot = jax.lax.dynamic_slice_in_dim(reduced, k, 1, axis=-2)
        column = jax.lax.dynamic_slice_in_dim(reduced, k, 1, axis=-1)
        head = jax.lax.dynamic_slice_in_dim(pivot, k, 1, axis=-1)
        # Like LAPACK, leave a column of zeros unchanged.
        factor = jnp.where(
            below > k, jnp.where(head == 0, column, column / jnp.where(head == 0, 1.0, head)), 0.0
        )
        left = reduced - jnp.where(beside > k, factor * pivot, 0.0)
        return jnp.where((below > k) & (beside == k), factor, left)

    reduced: Array = jax.lax.fori_loop(0, min(rows, columns), eliminate, ordered)
    return reduced
