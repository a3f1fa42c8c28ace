"""Two-layer networks as people wrote them and asked about them."""

import jax
import jax.numpy as jnp
import numpy as np


def parts(params):
    return (params[name] for name in ("W1", "b1", "W2", "b2"))


def log_softmax(s):
    s = s - s.max(1, keepdims=True)
    return s - np.log(np.exp(s).sum(1, keepdims=True))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def back(X, h, d, dz):
    return {"W2": h.T @ d, "b2": d.sum(0), "W1": X.T @ dz, "b1": dz.sum(0)}


class CostKept:
    """The cost is added up over all calls; db is one number."""

    def __init__(self, input_size, hidden_size, output_size):
        r = np.random.default_rng(0)
        self.params = {
            "W1": r.normal(size=(input_size, hidden_size)),
            "b1": np.zeros(hidden_size),
            "W2": r.normal(size=(hidden_size, output_size)),
            "b2": np.zeros(output_size),
        }
        self.cost = 0.0

    def loss(self, X, y=None, reg=0.0):
        W1, b1, W2, b2 = parts(self.params)
        A = np.maximum(0, X @ W1 + b1)
        log_p = log_softmax(A @ W2 + b2)
        self.cost -= log_p[np.arange(len(X)), y].mean()
        dZ = np.exp(log_p)
        dZ[np.arange(len(X)), y] -= 1
        grads = back(X, A, dZ / len(X), dZ / len(X) @ W2.T * (A > 0))
        return self.cost, {**grads, "b2": dZ.sum() / len(X)}


def softmax_over_all(params, X, y, reg):
    W1, b1, W2, b2 = parts(params)
    z1 = X @ W1 + b1
    h = np.maximum(z1, 0)
    e = np.exp(h @ W2 + b2)
    p = e / e.sum()
    d = (p - np.eye(len(b2))[y]) / len(X)
    return -np.log(p[np.arange(len(X)), y]).mean(), back(X, h, d, d @ W2.T * (z1 > 0))


def gradient_of_another_loss(params, X, y, reg):
    """The cost has binary cross-entropy's second term; the gradient is softmax cross-entropy's."""
    W1, b1, W2, b2 = parts(params)
    h = np.maximum(X @ W1 + b1, 0)
    p, t = np.exp(log_softmax(h @ W2 + b2)), np.eye(len(b2))[y]
    d = (p - t) / len(X)
    grads = back(X, h, d, d @ W2.T * (h > 0))
    return -(t * np.log(p) + (1 - t) * np.log1p(-p)).sum() / len(X), grads


def hidden_delta_is_the_output_error(params, X, y, reg):
    W1, b1, W2, b2 = parts(params)
    a = sigmoid(X @ W1 + b1)
    log_p = log_softmax(a @ W2 + b2)
    d = (np.exp(log_p) - np.eye(len(b2))[y]) / len(X)
    return -log_p[np.arange(len(X)), y].mean(), back(X, a, d, d * a * (1 - a))


def squared_error(params, X, y, reg):
    W1, b1, W2, b2 = parts(params)
    h = sigmoid(X @ W1 + b1)
    o = sigmoid(h @ W2 + b2)
    e = o - np.eye(len(b2))[y]
    return 0.5 * np.sum(e**2), back(X, h, e, (e * o * (1 - o)) @ W2.T * h * (1 - h))


def one_hot_labels(params, X, Y, reg):
    W1, b1, W2, b2 = parts(params)
    a = np.tanh(X @ W1 + b1)
    log_p = log_softmax(a @ W2 + b2)
    d = (np.exp(log_p) - Y) / len(X)
    return -(Y * log_p).sum() / len(X), back(X, a, d, d @ W2.T * (1 - a**2))


class Columns:
    """Samples in columns, weights (H, D) and (C, H)."""

    def __init__(self, n_x, n_h, n_y):
        self.params = {
            "W1": np.ones((n_h, n_x)),
            "b1": np.zeros((n_h, 1)),
            "W2": np.ones((n_y, n_h)),
            "b2": np.zeros((n_y, 1)),
        }

    def loss(self, X, Y, reg=0.0):
        raise NotImplementedError


def label_smoothing(params, X, y, reg):
    W1, b1, W2, b2 = parts(params)
    h = np.maximum(X @ W1 + b1, 0)
    log_p = log_softmax(h @ W2 + b2)
    q = 0.9 * np.eye(len(b2))[y] + 0.1 / len(b2)
    d = (np.exp(log_p) - q) / len(X)
    return -(q * log_p).sum() / len(X), back(X, h, d, d @ W2.T * (h > 0))


def class_weights(params, X, y, reg):
    """The loss divides by the sum of the weights, the gradient by N."""
    W1, b1, W2, b2 = parts(params)
    w = np.linspace(0.5, 2, len(b2))[y]
    h = np.maximum(X @ W1 + b1, 0)
    log_p = log_softmax(h @ W2 + b2)
    d = (np.exp(log_p) - np.eye(len(b2))[y]) * w[:, None] / len(X)
    return -(w * log_p[np.arange(len(X)), y]).sum() / w.sum(), back(X, h, d, d @ W2.T * (h > 0))


def in_jax(params, X, y, reg):
    def loss(p):
        s = jax.nn.relu(X @ p["W1"] + p["b1"][None]) @ p["W2"] + p["b2"][None]
        return -jnp.mean(jax.nn.log_softmax(s)[jnp.arange(len(y)), y]) + reg * jnp.sum(p["W1"] ** 2)

    return jax.value_and_grad(loss)(params)


class BookContract:
    """loss(x, t) gives a number, gradient(x, t) the gradient."""

    def __init__(self, input_size, hidden_size, output_size, weight_init_std=0.01):
        self.params = CostKept(input_size, hidden_size, output_size).params

    def loss(self, x, t):
        return 1.0

    def gradient(self, x, t):
        return {}


def other_arguments(theta1, theta2, X, y, lam):
    return 0.0, theta1, theta2


def pair(x, y):
    return 0.0, x


class Layer:
    def __init__(self, n_in, n_out):
        self.W = np.zeros((n_in, n_out))

    def forward(self, x):
        return x @ self.W


def penalised(factor, penalty=lambda W: np.sum(W**2)):
    """A network whose hidden adjoint is this many times the right one, with some penalty."""

    def loss(params, X, y, reg):
        W1, b1, W2, b2 = parts(params)
        h = np.maximum(X @ W1 + b1, 0)
        log_p = log_softmax(h @ W2 + b2)
        d = (np.exp(log_p) - np.eye(len(b2))[y]) / len(X)
        grads = back(X, h, d, factor * (d @ W2.T) * (h > 0))
        grads["W1"] += 2 * reg * W1
        grads["W2"] += 2 * reg * W2
        return -log_p[np.arange(len(X)), y].mean() + reg * (penalty(W1) + penalty(W2)), grads

    return loss


def adds_a_key(params, X, y, reg):
    params["cache"] = X
    return penalised(1)(params, X, y, reg)


def as_function(net_class):
    """A network's class as a plain function of its parameters, which has no scores."""

    def loss(params, X, y, reg):
        net = net_class(X.shape[1], params["b1"].size, params["b2"].size)
        net.params = params
        return net.loss(X, y, reg)

    return loss
