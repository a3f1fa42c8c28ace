"""scikit-learn's MLPClassifier, whose gradient is derived by hand too, with plain SGD."""

import numpy as np

from benchmarks.speed.contenders.interface import Data


class Contender:
    """`partial_fit`, which draws its minibatches itself, without replacement; the gradient is private."""

    tasks = ("step",)

    def __init__(self, data: Data) -> None:
        from sklearn.neural_network import MLPClassifier

        case, self._data = data.case, data
        self._net = MLPClassifier(
            (case.hidden,), solver="sgd", alpha=4 * case.reg * case.batch_size, batch_size=case.batch_size,
            learning_rate_init=case.learning_rate, momentum=0, nesterovs_momentum=False, shuffle=False,
        )  # fmt: skip
        # The first step creates its arrays; then it gets the common weights.
        first = slice(case.batch_size)
        self._net.partial_fit(data.X[first], data.y[first], classes=np.arange(case.classes))
        for name, array in self._arrays().items():
            array[...] = data.params[name]

    def steps(self, batches: np.ndarray) -> None:
        # In the first call, when it is judged, it takes the rows in order.
        self._net.partial_fit(self._data.X[: batches.size], self._data.y[: batches.size])
        self._net.shuffle = True

    def params(self) -> dict[str, np.ndarray]:
        return {name: array.copy() for name, array in self._arrays().items()}

    def _arrays(self) -> dict[str, np.ndarray]:
        (W1, W2), (b1, b2) = self._net.coefs_, self._net.intercepts_
        return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
