"""The recipe `handgrad train --preset best` in each library, epoch by epoch, in separate processes.

All start from the same weights and train on the same images the same number of times; each draws its own
minibatches, flips and dropout, and gathers its minibatches from the bytes of the data set. The method
``epoch`` takes one step with each learning rate it gets, and waits for the results; ``params`` returns the
current W1, b1, W2, b2.
"""

import sys
import time
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import connect
from handgrad.data.datasets import Dataset, load_cifar10
from handgrad.runs.config import PRESETS, Config
from handgrad.two_layer_net import TwoLayerNet


class Handgrad:
    """The training of `handgrad train`, without measurements of the accuracy."""

    def __init__(self, config: Config, data: Dataset, params: dict[str, np.ndarray], threads: int) -> None:
        from handgrad.data.minibatches import Minibatch
        from handgrad.fused.sgd import Sgd

        self._rng = np.random.default_rng(config.seed)
        self._rows, self._batch = len(data.y_train), config.batch
        self._sgd = Sgd(
            params, config.batch, reg=config.reg, momentum=config.momentum, nesterov=config.nesterov,
            dropout=config.dropout, rng=self._rng,
        )  # fmt: skip
        self._minibatch = Minibatch(
            data.X_train, data.y_train, config.batch, np.dtype(config.dtype),
            mean=data.mean, flip=data.image_shape, rng=self._rng,
        )  # fmt: skip

    def epoch(self, learning_rates: np.ndarray) -> None:
        for learning_rate in learning_rates:
            self._minibatch.gather(self._rng.integers(self._rows, size=self._batch))
            self._sgd.step(self._minibatch.X, self._minibatch.y, float(learning_rate))

    def params(self) -> dict[str, np.ndarray]:
        return self._sgd.params


class Jax:
    """An epoch in one compiled scan, its random numbers drawn inside."""

    def __init__(self, config: Config, data: Dataset, params: dict[str, np.ndarray], threads: int) -> None:
        import jax
        import jax.numpy as jnp

        from autograd_ref.training import step
        from handgrad.objective import Objective

        self._jax, self._jnp = jax, jnp
        # jnp.array copies: JAX must not share memory with NumPy.
        X, y = jnp.array(data.X_train), jnp.array(data.y_train, jnp.int32)
        self._data = X, y, jnp.array(data.mean, jnp.float32)
        start = {name: jnp.array(q) for name, q in params.items()}
        velocity = {name: jnp.zeros_like(q) for name, q in start.items()}
        self._state = start, velocity, jax.random.key(config.seed)
        move = partial(
            step, objective=Objective(config.reg), momentum=config.momentum, nesterov=config.nesterov
        )

        def epoch(state: Any, X: Any, y: Any, mean: Any, learning_rates: Any) -> Any:
            def body(state: Any, learning_rate: Any) -> tuple[Any, None]:
                params, velocity, key = state
                key, rows, flips, units = jax.random.split(key, 4)
                batch = jax.random.randint(rows, (config.batch,), 0, len(X))
                images = X[batch].reshape(-1, *data.image_shape)
                mirrored = jax.random.bernoulli(flips, shape=(config.batch, 1, 1, 1))
                images = jnp.where(mirrored, images[..., ::-1], images).reshape(config.batch, -1)
                inputs = images.astype(jnp.float32) - mean
                kept = jax.random.bernoulli(units, 1 - config.dropout, (config.batch, config.hidden))
                mask = kept / jnp.float32(1 - config.dropout)
                params, velocity, _ = move(params, velocity, inputs, y[batch], learning_rate, mask=mask)
                return (params, velocity, key), None

            return jax.lax.scan(body, state, learning_rates)[0]

        self._epoch = jax.jit(epoch, donate_argnums=0)

    def epoch(self, learning_rates: np.ndarray) -> None:
        rates = self._jnp.array(learning_rates, self._jnp.float32)
        self._state = self._jax.block_until_ready(self._epoch(self._state, *self._data, rates))

    def params(self) -> dict[str, np.ndarray]:
        return {name: np.asarray(q) for name, q in self._state[0].items()}


class PyTorch:
    """Eager, with its own fused SGD, the penalty as its weight decay."""

    def __init__(self, config: Config, data: Dataset, params: dict[str, np.ndarray], threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(config.seed)
        self._torch, self._config, self._shape = torch, config, data.image_shape
        self._X, self._y = torch.from_numpy(data.X_train), torch.from_numpy(data.y_train.astype(np.int64))
        self._mean = torch.from_numpy(data.mean.astype(np.float32))
        self._params = {
            name: torch.tensor(np.ascontiguousarray(q.T)).requires_grad_() for name, q in params.items()
        }
        groups = [
            {"params": [self._params["W1"], self._params["W2"]], "weight_decay": 4 * config.reg},
            {"params": [self._params["b1"], self._params["b2"]], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.SGD(
            groups, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov, fused=True
        )

    def _loss(self) -> Any:
        torch, functions, N = self._torch, self._torch.nn.functional, self._config.batch
        batch = torch.randint(len(self._X), (N,))
        images = self._X[batch].reshape(N, *self._shape)
        images = torch.where(torch.rand(N, 1, 1, 1) < 0.5, images.flip(-1), images)
        inputs = images.reshape(N, -1).float().sub_(self._mean)
        h1 = functions.linear(inputs, self._params["W1"], self._params["b1"]).relu()
        h1 = functions.dropout(h1, self._config.dropout)
        scores = functions.linear(h1, self._params["W2"], self._params["b2"])
        return functions.cross_entropy(scores, self._y[batch])

    def epoch(self, learning_rates: np.ndarray) -> None:
        for learning_rate in learning_rates:
            for group in self._optimizer.param_groups:
                group["lr"] = float(learning_rate)
            self._optimizer.zero_grad(set_to_none=True)
            self._loss().backward()
            self._optimizer.step()

    def params(self) -> dict[str, np.ndarray]:
        return {name: q.detach().numpy().T for name, q in self._params.items()}


class ScikitLearn:
    """MLPClassifier: no dropout, flips and learning rate per epoch, whole passes over the images."""

    def __init__(self, config: Config, data: Dataset, params: dict[str, np.ndarray], threads: int) -> None:
        from sklearn.neural_network import MLPClassifier

        self._data, self._mean = data, data.mean.astype(np.float32)
        self._rng = np.random.default_rng(config.seed)
        self._net = MLPClassifier(
            (config.hidden,), solver="sgd", alpha=4 * config.reg * config.batch, batch_size=config.batch,
            learning_rate_init=config.lr, momentum=config.momentum, nesterovs_momentum=config.nesterov,
            random_state=config.seed, max_iter=1, warm_start=True, tol=0.0, n_iter_no_change=10**9,
        )  # fmt: skip
        warnings.simplefilter("ignore")  # that it has not converged
        # The first fit creates its arrays; then it gets the common weights.
        zeros = np.zeros((config.batch, data.X_train.shape[1]), np.float32)
        self._net.fit(zeros, np.arange(config.batch) % 10)
        for velocity in self._net._optimizer.velocities:
            velocity[...] = 0
        for name, array in self.params().items():
            array[...] = params[name]

    def epoch(self, learning_rates: np.ndarray) -> None:
        # partial_fit keeps the momentum, which a new fit would reset; its learning rate is a private
        # attribute.
        images = self._data.X_train.reshape(-1, *self._data.image_shape)
        mirrored = self._rng.random((len(images), 1, 1, 1)) < 0.5
        inputs = np.where(mirrored, images[..., ::-1], images).reshape(len(images), -1).astype(np.float32)
        inputs -= self._mean
        self._net._optimizer.learning_rate = float(learning_rates.mean())
        self._net.partial_fit(inputs, self._data.y_train)

    def params(self) -> dict[str, np.ndarray]:
        (W1, W2), (b1, b2) = self._net.coefs_, self._net.intercepts_
        return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}


CONTENDERS: dict[str, Any] = {
    "handgrad": Handgrad,
    "JAX": Jax,
    "PyTorch": PyTorch,
    "scikit-learn": ScikitLearn,
}


def main() -> None:
    """Answer every range of steps with their time in seconds and the test accuracy after them."""
    name, seed, threads, data_dir = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    questions, answer = connect()
    config = replace(PRESETS["best"], seed=seed)
    data = load_cifar10(Path(data_dir) if data_dir else None, test=10_000)
    shape = (data.X_train.shape[1], config.hidden, len(data.classes))
    net = TwoLayerNet(*shape, config.std, dtype=config.dtype, rng=seed)
    contender = CONTENDERS[name](config, data, net.params, threads)
    learning_rate = config.learning_rates(len(data.X_train) // config.batch)
    answer("ready")
    for first, end in questions:
        rates = np.array([learning_rate(step) for step in range(first, end)])
        begin = time.perf_counter()
        contender.epoch(rates)
        seconds = time.perf_counter() - begin
        net.params = contender.params()
        accuracy = float(np.mean(net.predict(data.X_test, mean=data.mean) == data.y_test))
        answer([seconds, accuracy])


if __name__ == "__main__":
    main()
