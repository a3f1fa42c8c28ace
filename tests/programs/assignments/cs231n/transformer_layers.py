"""Layers of a transformer in NumPy with their backward passes, named as in CS231n's third assignment."""

import numpy as np


def layer_norm_forward(x, gamma, beta, eps=1e-5):
    mean = x.mean(axis=-1, keepdims=True)
    inv = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    x_hat = (x - mean) * inv
    return gamma * x_hat + beta, (x_hat, inv, gamma)


def layer_norm_backward(dout, cache):
    x_hat, inv, gamma = cache
    axes = tuple(range(dout.ndim - 1))
    dgamma = (dout * x_hat).sum(axis=axes)
    dbeta = dout.sum(axis=axes)
    d = dout * gamma
    dx = inv * (d - d.mean(axis=-1, keepdims=True) - x_hat * (d * x_hat).mean(axis=-1, keepdims=True))
    return dx, dgamma, dbeta


def positional_encoding_forward(x, pe):
    N, S, D = x.shape
    return x + pe[:, :S], (x.shape, pe.shape)


def positional_encoding_backward(dout, cache):
    (N, S, D), shape = cache
    dpe = np.zeros(shape)
    dpe[:, :S] = dout.sum(axis=0, keepdims=True)
    return dout, dpe


def attention_forward(query, key, value, attn_mask=None):
    """Scaled dot products of (N, S, D) with (N, T, D); attn_mask (S, T) is False where nothing is seen."""
    scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1])
    if attn_mask is not None:
        scores = np.where(attn_mask, scores, -1e9)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights @ value, (query, key, value, weights)


def attention_backward(dout, cache):
    query, key, value, weights = cache
    dvalue = weights.transpose(0, 2, 1) @ dout
    dweights = dout @ value.transpose(0, 2, 1)
    dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))
    dscores /= np.sqrt(query.shape[-1])
    return dscores @ key, dscores.transpose(0, 2, 1) @ query, dvalue


def multi_head_attention_forward(x, Wq, Wk, Wv, Wo, num_heads):
    N, S, D = x.shape
    q, k, v = (
        (x @ W).reshape(N, S, num_heads, D // num_heads).transpose(0, 2, 1, 3).reshape(N * num_heads, S, -1)
        for W in (Wq, Wk, Wv)
    )
    heads, cache = attention_forward(q, k, v)
    joined = heads.reshape(N, num_heads, S, -1).transpose(0, 2, 1, 3).reshape(N, S, D)
    return joined @ Wo, (x, Wq, Wk, Wv, Wo, num_heads, joined, cache)


def multi_head_attention_backward(dout, cache):
    x, Wq, Wk, Wv, Wo, num_heads, joined, inner = cache
    N, S, D = x.shape
    dWo = np.einsum("nsd,nse->de", joined, dout)
    dheads = (dout @ Wo.T).reshape(N, S, num_heads, -1).transpose(0, 2, 1, 3).reshape(N * num_heads, S, -1)
    dx, dWs = 0, []
    for d, W in zip(attention_backward(dheads, inner), (Wq, Wk, Wv)):
        d = d.reshape(N, num_heads, S, -1).transpose(0, 2, 1, 3).reshape(N, S, D)
        dx = dx + d @ W.T
        dWs.append(np.einsum("nsd,nse->de", x, d))
    return dx, dWs[0], dWs[1], dWs[2], dWo


def feed_forward_forward(x, w1, b1, w2, b2):
    a = x @ w1 + b1
    h = np.maximum(a, 0)
    return h @ w2 + b2, (x, a, h, w1, w2)


def feed_forward_backward(dout, cache):
    x, a, h, w1, w2 = cache
    dw2 = np.einsum("nsh,nsd->hd", h, dout)
    db2 = dout.sum(axis=(0, 1))
    da = (dout @ w2.T) * (a > 0)
    dw1 = np.einsum("nsd,nsh->dh", x, da)
    db1 = da.sum(axis=(0, 1))
    return da @ w1.T, dw1, db1, dw2, db2
