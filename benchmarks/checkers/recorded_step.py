"""A step of a two-layer network to record and time, alone in its file: a recording visits all of it."""

from collections.abc import Callable
from typing import Any

import numpy as np

X = np.ndarray


class Step:
    """One forward and backward pass of a two-layer network, in the usual style."""

    def __init__(self, W1: X, b1: X, W2: X, b2: X):
        self.W1, self.b1, self.W2, self.b2 = W1, b1, W2, b2

    def loss(self, inputs: X, labels: X, reg: float = 0.1) -> tuple[np.floating, dict[str, X]]:
        """Return the loss and the gradients."""
        count = len(inputs)
        hidden = np.maximum(inputs @ self.W1 + self.b1, 0)
        scores = hidden @ self.W2 + self.b2
        scores = scores - scores.max(axis=1, keepdims=True)
        probabilities = np.exp(scores)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        rows = np.arange(count)
        loss = -np.log(probabilities[rows, labels]).mean()
        loss += reg * (np.sum(self.W1**2) + np.sum(self.W2**2))
        dscores = probabilities.copy()
        dscores[rows, labels] -= 1
        dscores /= count
        dhidden = dscores @ self.W2.T
        dhidden[hidden <= 0] = 0
        return loss, {
            "W1": inputs.T @ dhidden + 2 * reg * self.W1,
            "b1": dhidden.sum(axis=0),
            "W2": hidden.T @ dscores + 2 * reg * self.W2,
            "b2": dscores.sum(axis=0),
        }


def two_layer_step(N: int, D: int, H: int, C: int, dtype: str) -> tuple[Callable[[X, X], Any], X, X]:
    """Return a step and its arguments."""
    rng = np.random.default_rng(0)
    shapes = [(D, H), (H,), (H, C), (C,)]
    params = [(0.1 * rng.standard_normal(shape)).astype(dtype) for shape in shapes]
    return Step(*params).loss, rng.standard_normal((N, D)).astype(dtype), rng.integers(0, C, N)
