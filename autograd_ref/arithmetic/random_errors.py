"""Random rounding errors from a pool: independent, or equal for equal numbers."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

__all__ = ["POOL", "RandomErrors"]

# Errors are drawn once and reused from different positions, which compiles faster than drawing them where
# they are needed. The size is a prime, so that reuse is out of step with the rows of any matrix.
POOL = 131_071

# An odd number without a pattern, the factor of a hash.
MIX = np.uint64(0x9E3779B97F4A7C15)


class RandomErrors:
    """The errors of one traversal; traced, and used from left to right.

    Attributes:
        pool: random numbers of either sign (POOL,).
        position: the position of the next ones.
    """

    def __init__(self, pool: Array, position: int = 0) -> None:
        self.pool, self.position = pool, position

    def draw(self, shape: tuple[int, ...]) -> Array:
        """Return independent errors; only pairwise independent if there are very many."""
        count = math.prod(shape)
        if count <= self.pool.shape[0]:
            return self._slice(self.pool, count).reshape(shape)
        first, *others = range(len(shape))
        drawn = jnp.expand_dims(self._slice(self.pool, shape[first]), others)
        every_sign = jnp.sign(self.pool)
        for axis in others:
            signs = self._slice(every_sign, shape[axis])
            drawn = drawn * jnp.expand_dims(signs, [i for i in range(len(shape)) if i != axis])
        return jnp.broadcast_to(drawn, shape)

    def draw_by_value(self, value: Array) -> Array:
        """Return errors of either sign between ½ and 3⁄2, equal where two numbers of the array are equal."""
        (salt,) = self._slice(self.pool, 1)
        exact = jax.lax.convert_element_type(value, np.float64) + 0.0  # (−0 is 0)
        bits = jax.lax.bitcast_convert_type(exact, np.uint64)
        mixed = bits ^ jax.lax.bitcast_convert_type(salt, np.uint64)
        for _ in range(2):
            mixed = mixed * MIX
            mixed = mixed ^ (mixed >> np.uint64(29))
        size = 0.5 + (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return jnp.where(mixed & np.uint64(1) == np.uint64(1), size, -size)

    def inside(self, turn: Array | int) -> "RandomErrors":
        """Return the errors for the body of a loop or a branch, different in every iteration."""
        return RandomErrors(jnp.roll(self.pool, -7919 * (turn + 1)), self.position)

    def _slice(self, pool: Array, count: int) -> Array:
        length = pool.shape[0]
        start = self.position % length
        self.position += count + 1
        rounds = -(-(start + count) // length)
        pool = pool if rounds == 1 else jnp.tile(pool, rounds)
        return jax.lax.slice(pool, (start,), (start + count,))
