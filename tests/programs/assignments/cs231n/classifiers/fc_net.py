"""Fully connected networks of any depth out of layers, after CS231n's second assignment."""

import numpy as np

from ..layer_utils import *
from ..layers import *


class TwoLayerNet:
    def __init__(self, input_dim=3 * 32 * 32, hidden_dim=100, num_classes=10, weight_scale=1e-3, reg=0.0):
        self.params = {}
        self.reg = reg
        self.params = {
            "W1": np.random.randn(input_dim, hidden_dim) * weight_scale,
            "b1": np.zeros(hidden_dim),
            "W2": np.random.randn(hidden_dim, num_classes) * weight_scale,
            "b2": np.zeros(num_classes),
        }

    def loss(self, X, y=None):
        W1, b1, W2, b2 = self.params.values()
        out1, cache1 = affine_relu_forward(X, W1, b1)
        scores, cache2 = affine_forward(out1, W2, b2)
        if y is None:
            return scores
        loss, dloss = softmax_loss(scores, y)
        loss += 0.5 * self.reg * (np.sum(W1**2) + np.sum(W2**2))
        dout1, dW2, db2 = affine_backward(dloss, cache2)
        dout, dW1, db1 = affine_relu_backward(dout1, cache1)
        dW1 += self.reg * W1
        dW2 += self.reg * W2
        grads = {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
        return loss, grads


class FullyConnectedNet:
    def __init__(self, hidden_dims, input_dim=3 * 32 * 32, num_classes=10, dropout_keep_ratio=1,
                 normalization=None, reg=0.0, weight_scale=1e-2, dtype=np.float32, seed=None):  # fmt: skip
        self.normalization = normalization
        self.use_dropout = dropout_keep_ratio != 1
        self.reg = reg
        self.num_layers = 1 + len(hidden_dims)
        self.dtype = dtype
        self.params = {}
        dims = [input_dim, *hidden_dims, num_classes]
        for l, (i, j) in enumerate(zip(dims[:-1], dims[1:]), start=1):
            self.params[f"W{l}"] = np.random.randn(i, j) * weight_scale
            self.params[f"b{l}"] = np.zeros(j)
            if self.normalization and l < self.num_layers:
                self.params[f"gamma{l}"] = np.ones(j)
                self.params[f"beta{l}"] = np.zeros(j)
        self.dropout_param = {}
        if self.use_dropout:
            self.dropout_param = {"mode": "train", "p": dropout_keep_ratio}
            if seed is not None:
                self.dropout_param["seed"] = seed
        self.bn_params = []
        if self.normalization == "batchnorm":
            self.bn_params = [{"mode": "train"} for i in range(self.num_layers - 1)]
        if self.normalization == "layernorm":
            self.bn_params = [{} for i in range(self.num_layers - 1)]
        for k, v in self.params.items():
            self.params[k] = v.astype(dtype)

    def loss(self, X, y=None):
        X = X.astype(self.dtype)
        mode = "test" if y is None else "train"
        if self.use_dropout:
            self.dropout_param["mode"] = mode
        if self.normalization == "batchnorm":
            for bn_param in self.bn_params:
                bn_param["mode"] = mode
        cache = {}
        for l in range(1, self.num_layers + 1):
            keys = [f"W{l}", f"b{l}", f"gamma{l}", f"beta{l}"]
            w, b, gamma, beta = (self.params.get(k, None) for k in keys)
            bn = self.bn_params[l - 1] if gamma is not None else None
            do = self.dropout_param if self.use_dropout else None
            X, cache[l] = generic_forward(X, w, b, gamma, beta, bn, do, l == self.num_layers)
        scores = X
        if mode == "test":
            return scores
        loss, grads = 0.0, {}
        loss, dout = softmax_loss(scores, y)
        for l in range(self.num_layers, 0, -1):
            dout, dW, db, dgamma, dbeta = generic_backward(dout, cache[l])
            grads[f"W{l}"] = dW + self.reg * self.params[f"W{l}"]
            grads[f"b{l}"] = db
            loss += 0.5 * self.reg * np.sum(self.params[f"W{l}"] ** 2)
            if dgamma is not None and l < self.num_layers:
                grads[f"gamma{l}"] = dgamma
                grads[f"beta{l}"] = dbeta
        return loss, grads
