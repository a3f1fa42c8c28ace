"""A recurrent network over many steps: a thousand operations of few kinds."""

import numpy as np

STEPS = 40


def recurrent(Wx, Wh, b, x, target):
    h = [np.zeros((x.shape[1], len(b)))]
    loss = 0.0
    for t in range(STEPS):
        h.append(np.tanh(x[t] @ Wx + h[-1] @ Wh + b))
        loss += np.sum((h[-1] - target[t]) ** 2)

    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    dnext = np.zeros_like(h[0])
    for t in reversed(range(STEPS)):
        dh = 2 * (h[t + 1] - target[t]) + dnext
        da = (1 - h[t + 1] ** 2) * dh
        dWx += x[t].T @ da
        dWh += h[t].T @ da
        db += da.sum(axis=0)
        dnext = da @ Wh.T
    return loss, dWx, dWh, db


def example_recurrent(rng):
    """Three sequences of four features, and six hidden units."""
    Wx, Wh, b = (0.3 * rng.standard_normal(shape) for shape in ((4, 6), (6, 6), 6))
    return Wx, Wh, b, rng.standard_normal((STEPS, 3, 4)), rng.standard_normal((STEPS, 3, 6))
