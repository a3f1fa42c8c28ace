"""Masked multi-head attention with its backward pass, and a transformer's feed-forward block with GELU."""

import numpy as np


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class MultiHeadAttention:
    def __init__(self, heads, Wq, Wk, Wv, Wo):
        self.heads = heads
        self.Wq, self.Wk, self.Wv, self.Wo = Wq, Wk, Wv, Wo

    def split(self, x):
        N, T, D = x.shape
        return x.reshape(N, T, self.heads, D // self.heads).transpose(0, 2, 1, 3)

    def join(self, x):
        N, h, T, d = x.shape
        return x.transpose(0, 2, 1, 3).reshape(N, T, h * d)

    def forward(self, x):
        self.x = x
        T = x.shape[1]
        self.q, self.k, self.v = self.split(x @ self.Wq), self.split(x @ self.Wk), self.split(x @ self.Wv)
        self.scale = 1.0 / np.sqrt(np.float32(self.q.shape[-1])).astype(x.dtype)
        scores = np.matmul(self.q, self.k.swapaxes(-1, -2)) * self.scale
        self.mask = np.triu(np.ones((T, T), dtype=bool), k=1)
        scores[:, :, self.mask] = -1e9
        self.weights = softmax(scores)
        self.context = self.join(self.weights @ self.v)
        return self.context @ self.Wo

    def backward(self, dout):
        N, T, D = self.x.shape
        self.dWo = np.tensordot(self.context, dout, axes=([0, 1], [0, 1]))
        dcontext = self.split(dout @ self.Wo.T)
        dweights = np.matmul(dcontext, np.swapaxes(self.v, -1, -2))
        dv = np.matmul(self.weights.swapaxes(-1, -2), dcontext)
        inner = (dweights * self.weights).sum(axis=-1, keepdims=True)
        dscores = self.weights * (dweights - inner)
        dscores[:, :, self.mask] = 0
        dscores *= self.scale
        dq = dscores @ self.k
        dk = dscores.swapaxes(-1, -2) @ self.q
        flat = self.x.reshape(N * T, D)
        dq, dk, dv = (self.join(each).reshape(N * T, D) for each in (dq, dk, dv))
        self.dWq, self.dWk, self.dWv = flat.T @ dq, flat.T @ dk, flat.T @ dv
        dx = dq @ self.Wq.T + dk @ self.Wk.T + dv @ self.Wv.T
        return dx.reshape(N, T, D)


def gelu_block_forward(x, W1, W2):
    a = np.einsum("ntd,dh->nth", x, W1)
    u = 0.7978845608028654 * (a + 0.044715 * a**3)
    t = np.tanh(u)
    h = 0.5 * a * (1 + t)
    return x + np.einsum("nth,hd->ntd", h, W2), (x, W1, W2, a, t, h)


def gelu_block_backward(dout, cache):
    x, W1, W2, a, t, h = cache
    dW2 = np.einsum("nth,ntd->hd", h, dout)
    dh = np.einsum("ntd,hd->nth", dout, W2)
    du = 0.5 * a * (1 - t**2) * dh
    da = 0.5 * (1 + t) * dh + du * 0.7978845608028654 * (1 + 3 * 0.044715 * a**2)
    dW1 = np.einsum("ntd,nth->dh", x, da)
    dx = dout + np.einsum("nth,dh->ntd", da, W1)
    return dx, dW1, dW2
