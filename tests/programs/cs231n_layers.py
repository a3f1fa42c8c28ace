"""Layers as forward and backward functions with a cache between them, in the usual spelling."""

import numpy as np


def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1).dot(w) + b
    return out, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = dout.sum(axis=0)
    return dx, dw, db


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    return dout * (cache > 0)


def softmax_loss(x, y):
    shifted = x - np.max(x, axis=1, keepdims=True)
    Z = np.sum(np.exp(shifted), axis=1, keepdims=True)
    log_probs = shifted - np.log(Z)
    N = x.shape[0]
    loss = -np.sum(log_probs[np.arange(N), y]) / N
    dx = np.exp(log_probs).copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


def svm_loss(x, y):
    N = x.shape[0]
    correct = x[np.arange(N), y]
    margins = np.maximum(0, x - correct[:, np.newaxis] + 1.0)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins) / N
    num_pos = np.sum(margins > 0, axis=1)
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= num_pos
    dx /= N
    return loss, dx


class ThreeLayerNet:
    def __init__(self, params):
        self.params = params

    def loss(self, X, y, reg=0.1):
        a1, cache1 = affine_forward(X, self.params["W1"], self.params["b1"])
        h1, relu1 = relu_forward(a1)
        a2, cache2 = affine_forward(h1, self.params["W2"], self.params["b2"])
        h2, relu2 = relu_forward(a2)
        scores, cache3 = affine_forward(h2, self.params["W3"], self.params["b3"])
        loss, dscores = svm_loss(scores, y)
        grads = {}
        for name in self.params:
            if name.startswith("W"):
                loss += 0.5 * reg * np.sum(self.params[name] ** 2)
        dh2, grads["W3"], grads["b3"] = affine_backward(dscores, cache3)
        dh1, grads["W2"], grads["b2"] = affine_backward(relu_backward(dh2, relu2), cache2)
        _, grads["W1"], grads["b1"] = affine_backward(relu_backward(dh1, relu1), cache1)
        for name in ("W1", "W2", "W3"):
            grads[name] += reg * self.params[name]
        return loss, grads
