"""handgrad's plain path: compute the gradient by `TwoLayerNet.loss`, then move the parameters along it."""

import numpy as np

from benchmarks.speed.contenders.interface import Data


class Contender:
    """The call in the README, `net.loss(X, y, reg)`."""

    tasks = ("gradient", "step")

    def __init__(self, data: Data) -> None:
        from handgrad import TwoLayerNet

        case = data.case
        self._data = data
        self._net = TwoLayerNet(case.features, case.hidden, case.classes, dtype=case.dtype, rng=0)
        self._net.params = {name: q.copy() for name, q in data.params.items()}

    def gradient(self, times: int) -> tuple[float, dict[str, np.ndarray]]:
        N = self._data.case.batch_size
        X, y = self._data.X[:N], self._data.y[:N]
        for _ in range(times):
            result = self._net.loss(X, y, self._data.case.reg)
        return result

    def steps(self, batches: np.ndarray) -> None:
        case = self._data.case
        for batch in batches:
            _, grads = self._net.loss(self._data.X[batch], self._data.y[batch], case.reg)
            for name, grad in grads.items():
                self._net.params[name] -= case.learning_rate * grad

    def params(self) -> dict[str, np.ndarray]:
        return self._net.params
