"""JAX: all steps in one compiled scan."""

import numpy as np

from benchmarks.speed.contenders.jax_jit import Contender as JaxJit


class Contender(JaxJit):
    """`autograd_ref.training.epoch`, compiled for each number of steps."""

    tasks = ("step",)

    def steps(self, batches: np.ndarray) -> None:
        from autograd_ref.training import jitted_epoch

        rows = self._jnp.array(batches, self._jnp.int32)
        learning_rates = self._jnp.full(len(batches), self._learning_rate)
        result = jitted_epoch(self._params, {}, self._X, self._y, rows, learning_rates, self._objective)
        self._params = result[0]
        self._jax.block_until_ready(result)
