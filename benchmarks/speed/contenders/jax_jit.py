"""JAX: one jitted call for each gradient, and for each step, with the gather inside."""

from typing import Any

import numpy as np

from benchmarks.speed.contenders.interface import Data


class Contender:
    """The reference's own functions."""

    tasks: tuple[str, ...] = ("gradient", "step")

    def __init__(self, data: Data) -> None:
        import jax
        import jax.numpy as jnp

        from autograd_ref.training import step
        from autograd_ref.two_layer_net import loss
        from handgrad.objective import Objective

        case = data.case
        jax.config.update("jax_enable_x64", case.dtype == "float64")  # nothing else runs in this process
        self._jax, self._jnp, self._case = jax, jnp, case
        self._X, self._y = jnp.asarray(data.X), jnp.asarray(data.y, jnp.int32)
        self._params: dict[str, Any] = {name: jnp.array(q) for name, q in data.params.items()}
        self._batch = jnp.array(data.X[: case.batch_size]), self._y[: case.batch_size]
        self._learning_rate = jnp.array(case.learning_rate, data.X.dtype)
        self._objective = Objective(case.reg)

        def gather_and_step(params: Any, X: Any, y: Any, batch: Any, *rest: Any) -> Any:
            new, _, value = step(params, {}, X[batch], y[batch], *rest)
            return new, value

        self._gradient = jax.jit(jax.value_and_grad(loss))
        self._step = jax.jit(gather_and_step, donate_argnums=0)

    def gradient(self, times: int) -> tuple[float, dict[str, np.ndarray]]:
        for _ in range(times):
            value, grads = self._gradient(self._params, *self._batch, self._objective)
        self._jax.block_until_ready((value, grads))
        return float(value), {name: np.asarray(grad) for name, grad in grads.items()}

    def steps(self, batches: np.ndarray) -> None:
        for batch in self._jnp.array(batches, self._jnp.int32):
            self._params, value = self._step(
                self._params, self._X, self._y, batch, self._learning_rate, self._objective
            )
        self._jax.block_until_ready((self._params, value))

    def params(self) -> dict[str, np.ndarray]:
        return {name: np.array(q) for name, q in self._params.items()}
