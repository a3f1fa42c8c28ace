"""An LU factorisation whose rows are exchanged as in another matrix's."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

__all__ = ["lu_in_order"]


def lu_in_order(matrix: Float[Array, "*b m n"], order: Int[Array, "*b m"]) -> Float[Array, "*b m n"]:
    """Factorise a matrix without a choice of pivots.

    Where two pivots are equally large, a rounding error decides between them, and both factorisations are
    right. But the rows of one and the factors of the other make no factorisation.

    Args:
        matrix: to be factorised.
        order: which row of it comes where.

    Returns:
        Both triangles, packed in one matrix, as the primitive ``lu`` has them.
    """
    rows, columns = matrix.shape[-2:]
    ordered = jnp.take_along_axis(matrix, order[..., None].astype(int), axis=-2)
    below, beside = jnp.arange(rows)[:, None], jnp.arange(columns)[None]

    def eliminate(k: Array, reduced: Array) -> Array:
        pivot = jax.lax.dynamic_slice_in_dim(reduced, k, 1, axis=-2)
        column = jax.lax.dynamic_slice_in_dim(reduced, k, 1, axis=-1)
        head = jax.lax.dynamic_slice_in_dim(pivot, k, 1, axis=-1)
        # As LAPACK does, a column of zeros is left alone.
        factor = jnp.where(
            below > k, jnp.where(head == 0, column, column / jnp.where(head == 0, 1.0, head)), 0.0
        )
        left = reduced - jnp.where(beside > k, factor * pivot, 0.0)
        return jnp.where((below > k) & (beside == k), factor, left)

    reduced: Array = jax.lax.fori_loop(0, min(rows, columns), eliminate, ordered)
    return reduced
