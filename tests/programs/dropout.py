"""Inverted dropout with a seed, between two affine layers."""

import numpy as np


def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = None
    out = None
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    elif mode == "test":
        out = x
    out = out.astype(x.dtype, copy=False)
    return out, (dropout_param, mask)


def dropout_backward(dout, cache):
    dropout_param, mask = cache
    return dout * mask if dropout_param["mode"] == "train" else dout


def regression(X, t, W1, W2, param):
    z = X @ W1
    h = z * (z > 0)
    dropped, cache = dropout_forward(h, param)
    out = dropped @ W2
    loss = np.sum((out - t) ** 2) / len(X)
    dout = 2 * (out - t) / len(X)
    dW2 = dropped.T @ dout
    dh = dropout_backward(dout @ W2.T, cache)
    dz = np.where(z > 0, dh, 0)
    dW1 = X.T @ dz
    return loss, {"dW1": dW1, "dW2": dW2}
