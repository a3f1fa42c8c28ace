"""Adjoints carried with a factor (N, −1) that is put right at the end; ridge and logistic regression."""

import numpy as np


def least_squares(X, t, W1, W2, lam):
    N = len(X)
    h = np.tanh(X @ W1)
    error = t - h @ W2
    loss = (error**2).sum() / (2 * N) + lam / 2 * (W1**2).sum()
    # -N times the adjoints
    delta2 = error
    delta1 = (delta2 @ W2.T) * (1 - h**2)
    grad2 = -(h.T @ delta2) / N
    grad1 = -(X.T @ delta1) / N + lam * W1
    return loss, [grad1, grad2]


def logistic(w, X, y):
    N = X.shape[0]
    p = 1 / (1 + np.exp(-X @ w))
    loss = -(y @ np.log(p) + (1 - y) @ np.log(1 - p)) / N
    ascent = X.T @ (y - p)
    return loss, -1.0 * ascent * (1.0 / N)
