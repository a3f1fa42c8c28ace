"""A vanilla RNN, an LSTM and a GRU over time steps, and the loss over words of a caption."""

import numpy as np


def sigmoid(x):
    positive = x >= 0
    z = np.zeros_like(x)
    z[positive] = np.exp(-x[positive])
    z[~positive] = np.exp(x[~positive])
    top = np.ones_like(x)
    top[~positive] = z[~positive]
    return top / (1 + z)


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]), dtype=x.dtype)
    caches = []
    prev = h0
    for t in range(T):
        prev, cache = rnn_step_forward(x[:, t, :], prev, Wx, Wh, b)
        h[:, t, :] = prev
        caches.append(cache)
    return h, caches


def rnn_backward(dh, caches):
    N, T, H = dh.shape
    x, _, Wx, Wh, _ = caches[0]
    dx = np.zeros((N, T, x.shape[1]), dtype=dh.dtype)
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(H, dtype=dh.dtype)
    carried = np.zeros((N, H), dtype=dh.dtype)
    for t in reversed(range(T)):
        dx[:, t], carried, wx, wh, bias = rnn_step_backward(dh[:, t] + carried, caches[t])
        dWx += wx
        dWh += wh
        db += bias
    return dx, carried, dWx, dWh, db


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i, f, o = sigmoid(a[:, :H]), sigmoid(a[:, H : 2 * H]), sigmoid(a[:, 2 * H : 3 * H])
    g = np.tanh(a[:, 3 * H :])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    tanh_c = np.tanh(next_c)
    do = dnext_h * tanh_c
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    df, dprev_c, di, dg = dc * prev_c, dc * f, dc * g, dc * i
    da = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])
    return da @ Wx.T, da @ Wh.T, dprev_c, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def lstm_forward(x, h0, Wx, Wh, b):
    h, c = h0, np.zeros_like(h0)
    outputs, caches = [], []
    for t in range(x.shape[1]):
        h, c, cache = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)
        outputs.append(h)
        caches.append(cache)
    return np.stack(outputs, axis=1), caches


def lstm_backward(dh, caches):
    N, T, H = dh.shape
    dx = np.empty((N, T, caches[0][0].shape[1]), dtype=dh.dtype)
    dprev_h, dprev_c = np.zeros((N, H), dtype=dh.dtype), np.zeros((N, H), dtype=dh.dtype)
    dWx, dWh, db = 0, 0, 0
    for t in range(T - 1, -1, -1):
        dx[:, t], dprev_h, dprev_c, wx, wh, bias = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, caches[t])
        dWx, dWh, db = dWx + wx, dWh + wh, db + bias
    return dx, dprev_h, dWx, dWh, db


def gru_step(x, h, Wz, Wr, Wn):
    joined = np.concatenate([x, h], axis=1)
    z, r = sigmoid(joined @ Wz), sigmoid(joined @ Wr)
    reset = np.concatenate([x, r * h], axis=1)
    n = np.tanh(reset @ Wn)
    return (1 - z) * n + z * h, (joined, reset, z, r, n, h, Wz, Wr, Wn)


def gru_step_backward(dout, cache):
    joined, reset, z, r, n, h, Wz, Wr, Wn = cache
    D = joined.shape[1] - h.shape[1]
    dz, dn = dout * (h - n), dout * (1 - z)
    dan = dn * (1 - n * n)
    dreset = dan @ Wn.T
    dr = dreset[:, D:] * h
    daz, dar = dz * z * (1 - z), dr * r * (1 - r)
    djoined = daz @ Wz.T + dar @ Wr.T
    dx = djoined[:, :D] + dreset[:, :D]
    dh = dout * z + djoined[:, D:] + dreset[:, D:] * r
    return dx, dh, joined.T @ daz, joined.T @ dar, reset.T @ dan


def word_embedding_forward(x, W):
    return W[x], (x, W.shape, W.dtype)


def word_embedding_backward(dout, cache):
    x, shape, dtype = cache
    dW = np.zeros(shape, dtype=dtype)
    np.add.at(dW, x, dout)
    return dW


def temporal_softmax_loss(x, y, mask):
    N, T, V = x.shape
    flat, labels, mask_flat = x.reshape(N * T, V), y.reshape(N * T), mask.reshape(N * T)
    probs = np.exp(flat - np.max(flat, axis=1, keepdims=True))
    probs /= np.sum(probs, axis=1, keepdims=True)
    loss = -np.sum(mask_flat * np.log(probs[np.arange(N * T), labels])) / N
    dx = probs.copy()
    dx[np.arange(N * T), labels] -= 1
    dx /= N
    dx *= mask_flat[:, None]
    return loss, dx.reshape(N, T, V)


def caption_loss(captions, embed, h0, Wx, Wh, b, Wout, bout, null=0):
    inside, outside = captions[:, :-1], captions[:, 1:]
    mask = outside != null
    words, cache_words = word_embedding_forward(inside, embed)
    h, caches = rnn_forward(words, h0, Wx, Wh, b)
    N, T, H = h.shape
    scores = (h.reshape(N * T, H) @ Wout).reshape(N, T, -1) + bout
    loss, dscores = temporal_softmax_loss(scores, outside, mask)
    grads = {}
    grads["bout"] = dscores.sum(axis=(0, 1))
    flat = dscores.reshape(N * T, -1)
    grads["Wout"] = h.reshape(N * T, H).T @ flat
    dh = (flat @ Wout.T).reshape(N, T, H)
    dwords, grads["h0"], grads["Wx"], grads["Wh"], grads["b"] = rnn_backward(dh, caches)
    grads["embed"] = word_embedding_backward(dwords, cache_words)
    return loss, grads
