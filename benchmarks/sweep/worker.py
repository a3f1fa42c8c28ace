"""A process with one way to train several networks, timed in turns.

The contenders train K networks of H hidden units, each with its own penalty and learning rate, on the same
rows and minibatches, on one thread, and wait until the steps are done. Contenders with ``params`` are
checked.
"""

import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.processes import connect
from handgrad import TwoLayerNet
from handgrad.data.minibatches import Minibatch

ROWS, FEATURES, CLASSES, BATCH = 10_000, 3072, 10, 200
STEPS = 25  # in a turn


class Data:
    """Rows, labels and the networks' first weights and settings, the same in every process."""

    def __init__(self, hidden: int, networks: int) -> None:
        rng = np.random.default_rng(0)
        self.hidden, self.networks = hidden, networks
        self.X = rng.standard_normal((ROWS, FEATURES), np.float32)
        self.y = rng.integers(0, CLASSES, ROWS)
        shape = (FEATURES, hidden, CLASSES)
        self.starts = [TwoLayerNet(*shape, 0.01, dtype=np.float32, rng=rng).params for _ in range(networks)]
        self.regs = np.linspace(0, 0.3, networks).tolist()
        self.rates = np.geomspace(1e-3, 1e-2, networks).tolist()
        self.batches = rng.integers(0, ROWS, (STEPS, BATCH))
        self._minibatch = Minibatch(self.X, self.y, BATCH, self.X.dtype)

    def gather(self, batches: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the inputs and labels of each minibatch, always in the same memory."""
        for batch in batches:
            self._minibatch.gather(batch)
            yield self._minibatch.X, self._minibatch.y

    def check(self, params: list[dict[str, np.ndarray]], steps: int) -> None:
        """Raise AssertionError unless the networks agree with the plain path in float64.

        The difference must be below a hundredth of the length of that path, for each parameter.
        """
        from handgrad.two_layer_net import trace_gradients

        for number, actual in enumerate(params):
            right = {name: q.astype(np.float64) for name, q in self.starts[number].items()}
            for batch in self.batches[:steps]:
                trace = trace_gradients(
                    right, self.X[batch].astype(np.float64), self.y[batch], self.regs[number]
                )
                right = {name: q - self.rates[number] * trace[f"d{name}"] for name, q in right.items()}
            for name, q in right.items():
                way, off = np.linalg.norm(q - self.starts[number][name]), np.linalg.norm(actual[name] - q)
                assert off < 0.01 * way, f"{name} of network {number} is wrong"


class Stacked:
    """All networks side by side."""

    def __init__(self, data: Data) -> None:
        from handgrad.fused.stacked_sgd import StackedSgd

        self._data = data
        self._sgd = StackedSgd(data.starts, BATCH, regs=data.regs, activations=["relu"] * data.networks)

    def run(self, batches: np.ndarray) -> None:
        for X, y in self._data.gather(batches):
            self._sgd.step(X, y, self._data.rates)

    def params(self) -> list[dict[str, np.ndarray]]:
        return [self._sgd.params(number) for number in range(self._data.networks)]


class Products:
    """The limit of any stack: only the gather and the two GEMMs over the features."""

    def __init__(self, data: Data) -> None:
        from handgrad.fused.blas import multiply_add

        self._data, self._multiply_add = data, multiply_add
        self._W1 = np.asfortranarray(np.hstack([start["W1"] for start in data.starts]))
        self._z1 = np.empty((BATCH, self._W1.shape[1]), np.float32, "F")

    def run(self, batches: np.ndarray) -> None:
        for X, _ in self._data.gather(batches):
            self._multiply_add(1, X, self._W1, 0, self._z1)
            self._multiply_add(-1e-6, X.T, self._z1, 1, self._W1)


class OneByOne:
    """The fused step of each network, one network after the other."""

    def __init__(self, data: Data) -> None:
        from handgrad.fused.sgd import Sgd

        self._data = data
        self._sgds = [Sgd(start, BATCH, reg=reg) for start, reg in zip(data.starts, data.regs, strict=True)]

    def run(self, batches: np.ndarray) -> None:
        for sgd, rate in zip(self._sgds, self._data.rates, strict=True):
            for X, y in self._data.gather(batches):
                sgd.step(X, y, rate)

    def params(self) -> list[dict[str, np.ndarray]]:
        return [sgd.params for sgd in self._sgds]


class JaxVmap:
    """The reference's step under ``jax.vmap`` over the networks, all steps in one compiled scan."""

    def __init__(self, data: Data) -> None:
        import jax
        import jax.numpy as jnp

        from autograd_ref.training import step
        from handgrad.objective import Objective

        self._jax, self._jnp, self._networks = jax, jnp, data.networks
        self._X, self._y = jnp.array(data.X), jnp.array(data.y, jnp.int32)
        self._rates, self._regs = (jnp.array(values, jnp.float32) for values in (data.rates, data.regs))
        self._params = {name: jnp.array([start[name] for start in data.starts]) for name in data.starts[0]}

        def one(params: Any, X: Any, y: Any, rate: Any, reg: Any) -> Any:
            return step(params, {}, X, y, rate, Objective(reg))[0]

        def scan(params: Any, X: Any, y: Any, batches: Any, rates: Any, regs: Any) -> Any:
            together = jax.vmap(one, in_axes=(0, None, None, 0, 0))
            move = lambda params, batch: (together(params, X[batch], y[batch], rates, regs), None)  # noqa: E731
            return jax.lax.scan(move, params, batches)[0]

        self._scan = jax.jit(scan, donate_argnums=0)

    def run(self, batches: np.ndarray) -> None:
        rows = self._jnp.array(batches, self._jnp.int32)
        self._params = self._scan(self._params, self._X, self._y, rows, self._rates, self._regs)
        self._jax.block_until_ready(self._params)

    def params(self) -> list[dict[str, np.ndarray]]:
        return [
            {name: np.array(q[number]) for name, q in self._params.items()}
            for number in range(self._networks)
        ]


class GridSearch:
    """scikit-learn's GridSearchCV over MLPClassifier with plain SGD: an epoch of 25 steps for each network.

    Each starts from its own weights, takes its minibatches without replacement, and is scored on 200 rows.
    The weights cannot be set, so its steps are not checked.
    """

    def __init__(self, data: Data) -> None:
        from sklearn.model_selection import GridSearchCV
        from sklearn.neural_network import MLPClassifier

        warnings.simplefilter("ignore")  # that it has not converged
        self._data = data
        net = MLPClassifier(
            (data.hidden,), solver="sgd", batch_size=BATCH, momentum=0, nesterovs_momentum=False, max_iter=1,
            tol=0.0, n_iter_no_change=10**9,
        )  # fmt: skip
        points = [
            {"alpha": [4 * reg * BATCH], "learning_rate_init": [rate]}
            for reg, rate in zip(data.regs, data.rates, strict=True)
        ]
        rows = np.arange(STEPS * BATCH)
        self._search = GridSearchCV(net, points, cv=[(rows, rows[:BATCH])], refit=False, error_score="raise")

    def run(self, batches: np.ndarray) -> None:
        assert len(batches) == STEPS
        self._search.fit(self._data.X[: batches.size], self._data.y[: batches.size])


CONTENDERS: dict[str, Any] = {
    "stacked": Stacked,
    "products alone": Products,
    "one by one": OneByOne,
    "jax.vmap": JaxVmap,
    "GridSearchCV": GridSearch,
}


def main() -> None:
    """Build the contender, check it, then answer every question with the seconds of a turn."""
    name, hidden, networks = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    questions, answer = connect()
    data = Data(hidden, networks)
    contender = CONTENDERS[name](data)
    if hasattr(contender, "params"):
        contender.run(data.batches[:2])
        data.check(contender.params(), steps=2)
    contender.run(data.batches)  # compiles for this number of steps
    answer("ready")
    for _ in questions:
        begin = time.perf_counter()
        contender.run(data.batches)
        answer(time.perf_counter() - begin)


if __name__ == "__main__":
    main()
