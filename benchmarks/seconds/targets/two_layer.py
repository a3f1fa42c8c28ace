"""A network of two layers, as taught in courses."""

import numpy as np


def two_layer(W1, b1, W2, b2, X, y, reg):
    N = len(y)
    hidden = np.maximum(0, X @ W1 + b1)
    scores = hidden @ W2 + b2
    exps = np.exp(scores - scores.max(axis=1, keepdims=True))
    probs = exps / exps.sum(axis=1, keepdims=True)
    loss = -np.log(probs[np.arange(N), y]).mean() + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))

    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores /= N
    dhidden = dscores @ W2.T
    dhidden[hidden <= 0] = 0
    dW2 = hidden.T @ dscores + 2 * reg * W2
    dW1 = X.T @ dhidden + 2 * reg * W1
    return loss, dW1, dhidden.sum(axis=0), dW2, dscores.sum(axis=0)


def example_two_layer(rng):
    """Nine examples of seven features, in five classes."""
    shapes = (7, 10), 10, (10, 5), 5, (9, 7)
    W1, b1, W2, b2, X = (rng.standard_normal(shape) for shape in shapes)
    return W1, b1, W2, b2, X, rng.integers(0, 5, 9), 0.1
