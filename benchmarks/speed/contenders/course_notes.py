"""The course notes' NumPy code, line by line, with the gradient of the penalty corrected."""

import numpy as np

from benchmarks.speed.contenders.interface import Data


class Contender:
    """Their `loss`, and the body of their training loop."""

    tasks = ("gradient", "step")
    penalty_factor = 4  # of reg·W in the gradient; the notes have 2, which does not belong to their loss

    def __init__(self, data: Data) -> None:
        self._data = data
        self._params = {name: q.copy() for name, q in data.params.items()}

    def gradient(self, times: int) -> tuple[float, dict[str, np.ndarray]]:
        N = self._data.case.batch_size
        X, y = self._data.X[:N], self._data.y[:N]
        for _ in range(times):
            result = self._loss(X, y)
        return result

    def steps(self, batches: np.ndarray) -> None:
        for batch in batches:
            _, grads = self._loss(self._data.X[batch], self._data.y[batch])
            for name, grad in grads.items():
                self._params[name] += -self._data.case.learning_rate * grad

    def params(self) -> dict[str, np.ndarray]:
        return self._params

    def _loss(self, X: np.ndarray, y: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        W1, b1, W2, b2 = (self._params[name] for name in ("W1", "b1", "W2", "b2"))
        N, reg = len(X), self._data.case.reg

        h1 = np.maximum(0, X.dot(W1) + b1)
        scores = h1.dot(W2) + b2
        shifted = scores - np.max(scores, axis=1).reshape((-1, 1))
        probs = np.exp(shifted) / np.sum(np.exp(shifted), axis=1).reshape(-1, 1)
        loss = -np.sum(np.log(probs[np.arange(N), y]))
        loss /= N
        loss += 2 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))

        grads = {}
        dscores = probs.copy()
        dscores[range(N), list(y)] -= 1
        dscores /= N
        grads["W2"] = h1.T.dot(dscores) + self.penalty_factor * reg * W2
        grads["b2"] = np.sum(dscores, axis=0)
        dh1 = dscores.dot(W2.T)
        dz1 = (h1 > 0) * dh1
        grads["W1"] = X.T.dot(dz1) + self.penalty_factor * reg * W1
        grads["b1"] = np.sum(dz1, axis=0)
        return loss, grads
