"""Networks whose code says by its names alone how it is called."""

import numpy as np


def softmax(s):
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def hinge(params, X, y, reg):
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    N = X.shape[0]
    h = np.maximum(0, X @ W1 + b1)
    s = h @ W2 + b2
    m = np.maximum(0, s - s[np.arange(N), y][:, None] + 1)
    m[np.arange(N), y] = 0
    L = m.sum() / N + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
    d = (m > 0).astype(float)
    d[np.arange(N), y] -= d.sum(1)
    d /= N
    dh = d @ W2.T
    dh[h <= 0] = 0
    return L, {
        "dW1": X.T @ dh + 2 * reg * W1,
        "db1": dh.sum(0),
        "dW2": h.T @ d + 2 * reg * W2,
        "db2": d.sum(0),
    }


def three(params, x, t):
    w1, b1, w2, b2, w3, b3 = params
    a1 = np.tanh(x @ w1 + b1)
    a2 = np.tanh(a1 @ w2 + b2)
    y = softmax(a2 @ w3 + b3)
    n = len(x)
    loss = -np.sum(np.log(y[np.arange(n), t])) / n
    d3 = y.copy()
    d3[np.arange(n), t] -= 1
    d3 /= n
    d2 = d3 @ w3.T * (1 - a2**2)
    d1 = d2 @ w2.T * (1 - a1**2)
    return loss, [x.T @ d1, d1.sum(0), a1.T @ d2, d2.sum(0), a2.T @ d3, d3.sum(0)]


def propagate(parameters, X, Y, lambd=0):
    m = X.shape[1]
    W1, b1, W2, b2 = parameters["W1"], parameters["b1"], parameters["W2"], parameters["b2"]
    Z1 = np.dot(W1, X) + b1
    A1 = np.maximum(0, Z1)
    Z2 = np.dot(W2, A1) + b2
    A2 = 1 / (1 + np.exp(-Z2))
    cost = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m + lambd / (2 * m) * (
        np.sum(W1**2) + np.sum(W2**2)
    )
    dZ2 = A2 - Y
    dW2 = dZ2 @ A1.T / m + lambd / m * W2
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = W2.T @ dZ2 * (Z1 > 0)
    dW1 = dZ1 @ X.T / m + lambd / m * W1
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}, cost


def linreg(w, b, X, y):
    r = X @ w + b - y
    return np.mean(r**2), 2 * X.T @ r / len(y), 2 * r.mean()


def linwrong(w, b, X, y):
    r = X @ w + b - y
    return np.mean(r**2), 2 * X.T @ r / len(y), 2 * r.sum()


def mse(params, X, y, reg):
    h = np.maximum(X @ params["W1"] + params["b1"], 0)
    out = h @ params["W2"] + params["b2"]
    loss = np.mean((out - y) ** 2) + reg * np.sum(params["W1"] ** 2) + reg * np.sum(params["W2"] ** 2)
    d = 2 * (out - y) / len(y)
    dh = d @ params["W2"].T * (h > 0)
    return loss, {
        "W1": X.T @ dh + 2 * reg * params["W1"],
        "b1": dh.sum(0),
        "W2": h.T @ d + 2 * reg * params["W2"],
        "b2": d.sum(0),
    }


class Attrs:
    def __init__(self, n_in, n_hidden, n_out, lr=0.1):
        self.W1 = np.random.randn(n_in, n_hidden) * 0.1
        self.b1 = np.zeros((1, n_hidden))
        self.W2 = np.random.randn(n_hidden, n_out) * 0.1
        self.b2 = np.zeros((1, n_out))
        self.lr = lr

    def forward(self, X):
        self.z1 = X @ self.W1 + self.b1
        self.a1 = np.tanh(self.z1)
        self.a2 = softmax(self.a1 @ self.W2 + self.b2)
        return self.a2

    def train_step(self, X, y):
        p = self.forward(X)
        n = len(X)
        loss = -np.sum(y * np.log(p)) / n
        d2 = (p - y) / n
        d1 = d2 @ self.W2.T * (1 - self.a1**2)
        self.W2 -= self.lr * self.a1.T @ d2
        self.b2 -= self.lr * d2.sum(0, keepdims=True)
        self.W1 -= self.lr * X.T @ d1
        self.b1 -= self.lr * d1.sum(0, keepdims=True)
        return loss


class ThreeLayer:
    def __init__(self, input_size, hidden_size1, hidden_size2, output_size):
        s = [input_size, hidden_size1, hidden_size2, output_size]
        self.params = {}
        for i in range(3):
            self.params[f"W{i + 1}"] = 0.01 * np.random.randn(s[i], s[i + 1])
            self.params[f"b{i + 1}"] = np.zeros((1, s[i + 1]))

    def loss(self, X, y, reg=1e-5):
        p = self.params
        h1 = np.maximum(0, X @ p["W1"] + p["b1"])
        h2 = np.maximum(0, h1 @ p["W2"] + p["b2"])
        s = h2 @ p["W3"] + p["b3"]
        n = len(X)
        q = np.exp(s - s.max(1, keepdims=True))
        q /= q.sum(1, keepdims=True)
        L = -np.log(q[np.arange(n), y]).mean() + 0.5 * reg * sum(
            np.sum(p[k] ** 2) for k in ("W1", "W2", "W3")
        )
        d = q.copy()
        d[np.arange(n), y] -= 1
        d /= n
        g = {"grad_W3": h2.T @ d + reg * p["W3"], "grad_b3": d.sum(0, keepdims=True)}
        d = d @ p["W3"].T * (h2 > 0)
        g["grad_W2"] = h1.T @ d + reg * p["W2"]
        g["grad_b2"] = d.sum(0, keepdims=True)
        d = d @ p["W2"].T * (h1 > 0)
        g["grad_W1"] = X.T @ d + reg * p["W1"]
        g["grad_b1"] = d.sum(0, keepdims=True)
        return L, g


class ThreeWrong(ThreeLayer):
    def loss(self, X, y, reg=1e-5):
        L, g = super().loss(X, y, reg)
        g["grad_b2"] = g["grad_b2"] * 0.5
        return L, g


def octave(Theta1, Theta2, X, y, lambda_):
    m = X.shape[0]
    a1 = np.hstack([np.ones((m, 1)), X])
    z2 = a1 @ Theta1.T
    a2 = np.hstack([np.ones((m, 1)), 1 / (1 + np.exp(-z2))])
    a3 = 1 / (1 + np.exp(-(a2 @ Theta2.T)))
    Y = np.eye(Theta2.shape[0])[y]
    J = -np.sum(Y * np.log(a3) + (1 - Y) * np.log(1 - a3)) / m + lambda_ / (2 * m) * (
        np.sum(Theta1[:, 1:] ** 2) + np.sum(Theta2[:, 1:] ** 2)
    )
    d3 = a3 - Y
    d2 = (d3 @ Theta2)[:, 1:] * a2[:, 1:] * (1 - a2[:, 1:])
    g1 = d2.T @ a1 / m
    g2 = d3.T @ a2 / m
    g1[:, 1:] += lambda_ / m * Theta1[:, 1:]
    g2[:, 1:] += lambda_ / m * Theta2[:, 1:]
    return J, g1, g2


def pairs(params, X, y):
    a = X
    acts = [X]
    for i, (W, b) in enumerate(params):
        a = a @ W + b
        if i < len(params) - 1:
            a = np.tanh(a)
        acts.append(a)
    p = softmax(a)
    n = len(X)
    loss = -np.log(p[np.arange(n), y]).mean()
    d = p.copy()
    d[np.arange(n), y] -= 1
    d /= n
    grads = []
    for i in reversed(range(len(params))):
        grads.insert(0, (acts[i].T @ d, d.sum(0)))
        d = d @ params[i][0].T * (1 - acts[i] ** 2)
    return loss, grads


def weights_biases(weights, biases, x, y):
    a = x
    acts = [x]
    for w, b in zip(weights, biases, strict=True):
        a = np.tanh(w @ a + b)
        acts.append(a)
    L = 0.5 * np.sum((a - y) ** 2)
    d = (a - y) * (1 - a**2)
    gw, gb = [None] * len(weights), [None] * len(weights)
    for i in range(len(weights) - 1, -1, -1):
        gw[i] = d @ acts[i].T
        gb[i] = d.sum(1, keepdims=True)
        d = weights[i].T @ d * (1 - acts[i] ** 2)
    return L, gw, gb


class Book:
    """loss(x, t) and gradient(x, t), with a constant in the logarithm that the gradient leaves out."""

    scale = 1.0

    def __init__(self, input_size, hidden_size, output_size, weight_init_std=0.01):
        sizes = {"W1": (input_size, hidden_size), "b1": hidden_size}
        sizes |= {"W2": (hidden_size, output_size), "b2": output_size}
        self.params = {key: weight_init_std * np.ones(size) for key, size in sizes.items()}

    def predict(self, x):
        self.z = 1 / (1 + np.exp(-(x @ self.params["W1"] + self.params["b1"])))
        return softmax(self.z @ self.params["W2"] + self.params["b2"])

    def loss(self, x, t):
        return -np.log(self.predict(x)[np.arange(len(x)), t] + 1e-7).mean()

    def gradient(self, x, t):
        d = self.predict(x)
        d[np.arange(len(x)), t] -= 1
        d /= len(x)
        h = (d @ self.params["W2"].T) * self.z * (1 - self.z)
        return {"W2": self.z.T @ d, "b2": d.sum(0), "W1": x.T @ h, "b1": self.scale * h.sum(0)}


class BookOff(Book):
    scale = 1 + 1e-6


class Dense:
    def __init__(self, n_in, n_out):
        self.W = np.zeros((n_in, n_out))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, d):
        self.dW = self.x.T @ d
        return d @ self.W.T


class Cell:
    """Its forward returns nothing and keeps its output; its backward keeps what it computes."""

    def __init__(self, weights, biases):
        self.weights, self.biases = weights, biases

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(inputs @ self.weights + self.biases, 0)

    def backward(self, dvalues):
        dvalues = dvalues * (self.output > 0)
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = dvalues.sum(axis=0)
        self.dinputs = dvalues @ self.weights.T


class SoftmaxWithLoss:
    """Its backward is given 1 unless told otherwise, and leaves it out."""

    def forward(self, x, t):
        self.t, self.y = t, softmax(x)
        return -np.log(self.y[np.arange(len(t)), t]).mean()

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx / len(self.t)


class MeanSquare:
    """Its backward takes what its forward takes."""

    def forward(self, y_pred, y_true):
        return np.mean((y_pred - y_true) ** 2)

    def backward(self, y_pred, y_true):
        return 2 * (y_pred - y_true) / y_true.size


class CrossEntropy:
    """What its backward calls dvalues are the predictions."""

    def forward(self, y_pred, y_true):
        return -np.log(y_pred[range(len(y_pred)), y_true])

    def backward(self, dvalues, y_true):
        self.dinputs = -np.eye(dvalues.shape[1])[y_true] / dvalues / len(dvalues)


def fit(W, X, y, lr=0.1, steps=4):
    for _ in range(steps):
        r = X @ W - y
        loss = 0.5 * np.sum(r * r)
        W = W - lr * X.T @ r
    return loss, W
