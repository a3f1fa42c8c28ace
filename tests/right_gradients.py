"""Functions of many kinds, each with its reference in JAX and right gradients by hand in several forms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class Case:
    """A function: `problem(rng)` gives (params, *args), in float64; each hand is another way of writing."""

    reference: Callable[..., Any]
    hands: tuple[Callable[..., Any], ...]
    problem: Callable[[np.random.Generator], tuple[Any, ...]]


# Linear regression: mean squared error with a bias.
def regression(p, X, t):
    return jnp.mean((X @ p["w"] + p["b"] - t) ** 2)


def regression_matrices(p, X, t):
    r = X @ p["w"] + p["b"] - t
    return np.mean(r**2), {"w": 2 * X.T @ r / len(t), "b": 2 * np.mean(r)}


def regression_loops(p, X, t):
    loss, dw, db = t.dtype.type(0), np.zeros_like(p["w"]), np.zeros_like(p["b"])
    for x, target in zip(X, t, strict=True):
        r = p["b"] - target + sum(a * b for a, b in zip(x, p["w"], strict=True))
        loss += r * r / len(t)
        dw += 2 / t.dtype.type(len(t)) * r * x
        db += 2 / t.dtype.type(len(t)) * r
    return loss, {"w": dw, "b": db}


def regression_problem(rng):
    D = 7
    w, b = rng.standard_normal(D), np.array(rng.standard_normal())
    return (
        {"w": w, "b": b},
        rng.standard_normal((13, D)) * 10.0 ** rng.uniform(-3, 3, D),
        rng.standard_normal(13),
    )


# Logistic regression: binary cross-entropy with logits.
def logistic(w, X, t):
    z = X @ w
    return jnp.mean(jnp.logaddexp(0.0, z) - t * z)


def logistic_tanh(w, X, t):
    z = X @ w
    p = (1 + np.tanh(z / 2)) / 2
    return np.mean(np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))) - t * z), np.einsum(
        "nd,n->d", X, p - t
    ) / len(t)


def logistic_exp(w, X, t):
    z = (X * w).sum(axis=1)
    e = np.exp(-np.abs(z))
    p = np.where(z >= 0, 1, e) / (1 + e)
    loss = np.log(1 + e) + np.maximum(-z, 0) + (1 - t) * z
    return loss.sum() / len(t), ((p - t)[:, None] * X).mean(axis=0)


def logistic_problem(rng):
    scale = 10.0 ** rng.uniform(-2, 1)
    return scale * rng.standard_normal(5), rng.standard_normal((11, 5)), (rng.random(11) < 0.5).astype(float)


# Layer norm of an affine map, with gain and shift; the loss is its sum weighted with T.
def layer_norm(p, Y, T):
    Z = Y @ p["A"]
    mean = Z.mean(axis=1, keepdims=True)
    var = jnp.mean((Z - mean) ** 2, axis=1, keepdims=True)
    return jnp.sum(T * ((Z - mean) / jnp.sqrt(var + 1e-5) * p["g"][None, :] + p["s"][None, :]))


def layer_norm_compact(p, Y, T):
    Z = Y @ p["A"]
    mean = Z.mean(axis=1, keepdims=True)
    rstd = 1 / np.sqrt(np.mean((Z - mean) ** 2, axis=1, keepdims=True) + Z.dtype.type(1e-5))
    xhat = (Z - mean) * rstd
    dxhat = T * p["g"]
    dZ = rstd * (
        dxhat - dxhat.mean(axis=1, keepdims=True) - xhat * (dxhat * xhat).mean(axis=1, keepdims=True)
    )
    grads = {"A": Y.T @ dZ, "g": (T * xhat).sum(axis=0), "s": T.sum(axis=0)}
    return np.sum(T * (xhat * p["g"] + p["s"])), grads


def layer_norm_staged(p, Y, T):
    Z = np.einsum("nd,dh->nh", Y, p["A"])
    H = Z.shape[1]
    centred = Z - Z.sum(axis=1, keepdims=True) / H
    var = (centred * centred).sum(axis=1, keepdims=True) / H + Z.dtype.type(1e-5)
    xhat = centred / np.sqrt(var)
    dxhat = p["g"] * T
    dvar = -0.5 * (dxhat * centred).sum(axis=1, keepdims=True) / (var * np.sqrt(var))
    dcentred = dxhat / np.sqrt(var) + 2 * dvar * centred / H
    dZ = dcentred - dcentred.sum(axis=1, keepdims=True) / H
    grads = {
        "A": np.einsum("nd,nh->dh", Y, dZ),
        "g": np.einsum("nh,nh->h", T, xhat),
        "s": np.ones(len(T), T.dtype) @ T,
    }
    return np.einsum("nh,nh->", T, xhat * p["g"]) + np.einsum("nh,h->", T, p["s"]), grads


def layer_norm_problem(rng):
    p = {"A": rng.standard_normal((6, 8)), "g": rng.standard_normal(8), "s": rng.standard_normal(8)}
    return p, rng.standard_normal((5, 6)) * 10.0 ** rng.uniform(-2, 2), rng.standard_normal((5, 8))


# One attention head with a causal mask.
def attention(p, X, T):
    Q, K, V = X @ p["Q"], X @ p["K"], X @ p["V"]
    scores = jnp.where(jnp.tri(len(X), dtype=bool), Q @ K.T / np.sqrt(Q.shape[1]), -jnp.inf)
    return jnp.sum(T * (jax.nn.softmax(scores, axis=1) @ V))


def attention_matrices(p, X, T):
    root = T.dtype.type(np.sqrt(p["Q"].shape[1]))
    Q, K, V = X @ p["Q"], X @ p["K"], X @ p["V"]
    scores = np.where(np.tri(len(X), dtype=bool), Q @ K.T / root, -np.inf).astype(T.dtype)
    P = np.exp(scores - scores.max(axis=1, keepdims=True))
    P /= P.sum(axis=1, keepdims=True)
    dP = T @ V.T
    dS = P * (dP - (P * dP).sum(axis=1, keepdims=True)) / root
    return np.sum(T * (P @ V)), {"Q": X.T @ (dS @ K), "K": X.T @ (dS.T @ Q), "V": X.T @ (P.T @ T)}


def attention_rows(p, X, T):
    root = T.dtype.type(np.sqrt(p["Q"].shape[1]))
    Q, K, V = (np.einsum("nd,dk->nk", X, p[q]) for q in "QKV")
    loss, (dQ, dK, dV) = T.dtype.type(0), (np.zeros_like(each) for each in (Q, K, V))
    for n, q in enumerate(Q):
        e = np.exp((K[: n + 1] * q).sum(axis=1) / root)
        w = e / sum(e)
        loss += T[n] @ (w @ V[: n + 1])
        dw = V[: n + 1] @ T[n]
        ds = w * (dw - w @ dw) / root
        dQ[n] = ds @ K[: n + 1]
        dK[: n + 1] += np.outer(ds, q)
        dV[: n + 1] += np.outer(w, T[n])
    return loss, {"Q": X.T @ dQ, "K": X.T @ dK, "V": X.T @ dV}


def attention_problem(rng):
    p = {q: rng.standard_normal((6, 4)) for q in "QKV"}
    return p, rng.standard_normal((7, 6)), rng.standard_normal((7, 4))


# An LSTM over a sequence, scanned in the reference.
def lstm(p, X, T):
    H = p["U"].shape[0]

    def step(state, x):
        h, c = state
        i, f, o, g = jnp.split(x @ p["W"] + h @ p["U"] + p["b"], 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    _, hs = jax.lax.scan(step, (jnp.zeros(H), jnp.zeros(H)), X)
    return jnp.sum(T * hs)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_through_time(p, X, T):
    H = p["U"].shape[0]
    h, c, loss, past = np.zeros(H, T.dtype), np.zeros(H, T.dtype), T.dtype.type(0), []
    for x, t in zip(X, T, strict=True):
        z = p["b"] + (h @ p["U"] + x @ p["W"])
        i, f, o, g = *map(sigmoid, np.split(z[: 3 * H], 3)), np.tanh(z[3 * H :])
        before, c = c, i * g + f * c
        past.append((x, h, before, i, f, o, g, np.tanh(c)))
        h = o * np.tanh(c)
        loss += h @ t
    grads = {q: np.zeros_like(value) for q, value in p.items()}
    dh, dc = np.zeros(H, T.dtype), np.zeros(H, T.dtype)
    for (x, h, before, i, f, o, g, tanh_c), t in zip(reversed(past), T[::-1], strict=True):
        dh = dh + t
        dc = dc + dh * o * (1 - tanh_c**2)
        dz = np.concatenate(
            [dc * g * i * (1 - i), dc * before * (f - f * f), dh * tanh_c * o * (1 - o), dc * i * (1 - g * g)]
        )
        grads["W"] += np.outer(x, dz)
        grads["U"] += np.outer(h, dz)
        grads["b"] += dz
        dh, dc = p["U"] @ dz, dc * f
    return loss, grads


def lstm_problem(rng):
    D, H = 3, 4
    p = {
        "W": rng.standard_normal((D, 4 * H)),
        "U": rng.standard_normal((H, 4 * H)),
        "b": rng.standard_normal(4 * H),
    }
    return p, rng.standard_normal((6, D)), rng.standard_normal((6, H))


# A convolution (cross-correlation, valid), a bias, a ReLU; the reference uses XLA's own convolution.
def convolution(p, X, T):
    Y = jax.lax.conv(X, p["K"], (1, 1), "VALID") + p["b"][None, :, None, None]
    return jnp.sum(T * jax.nn.relu(Y))


def windows(X, size):
    return np.lib.stride_tricks.sliding_window_view(X, (size, size), axis=(2, 3))


def convolution_einsum(p, X, T):
    W = windows(X, p["K"].shape[-1])
    Y = np.einsum("ncijuv,kcuv->nkij", W, p["K"]) + p["b"][:, None, None]
    dY = T * (Y > 0)
    return np.sum(T * np.maximum(Y, 0)), {
        "K": np.einsum("ncijuv,nkij->kcuv", W, dY),
        "b": dY.sum(axis=(0, 2, 3)),
    }


def convolution_taps(p, X, T):
    (rows, columns), Y = T.shape[2:], np.zeros_like(T)
    taps = [(u, v) for u in range(p["K"].shape[2]) for v in range(p["K"].shape[3])]
    for u, v in taps:
        Y += np.tensordot(p["K"][:, :, u, v], X[:, :, u : u + rows, v : v + columns], (1, 1)).swapaxes(0, 1)
    Y += p["b"].reshape(1, -1, 1, 1)
    dY, dK = np.where(Y > 0, T, 0), np.zeros_like(p["K"])
    for u, v in taps:
        dK[:, :, u, v] = np.tensordot(dY, X[:, :, u : u + rows, v : v + columns], ((0, 2, 3), (0, 2, 3)))
    return (dY * Y).sum(), {"K": dK, "b": dY.sum(axis=(2, 3)).sum(axis=0)}


def convolution_problem(rng):
    p = {"K": rng.standard_normal((3, 2, 3, 3)), "b": rng.standard_normal(3)}
    return p, rng.standard_normal((2, 2, 6, 7)), rng.standard_normal((2, 3, 4, 5))


# Log-sum-exp of large logits, in a temperature.
def log_sum_exp(p, A):
    return jax.nn.logsumexp(A @ p["x"] / p["t"])


def log_sum_exp_shifted(p, A):
    s = A @ p["x"] / p["t"]
    e = np.exp(s - s.max())
    w = e / e.sum()
    return s.max() + np.log(e.sum()), {"x": A.T @ w / p["t"], "t": -(w @ s) / p["t"]}


def log_sum_exp_otherwise(p, A):
    s = np.einsum("nd,d->n", A, p["x"]) * (1 / p["t"])
    total = s.mean() + np.log(np.exp(s - s.mean()).sum()) if np.ptp(s) < 80 else np.logaddexp.reduce(s)
    w = np.exp(s - total)
    return total, {"x": (w[:, None] * A).sum(axis=0) / p["t"], "t": -np.sum(w * (A @ p["x"])) / p["t"] ** 2}


def log_sum_exp_problem(rng):
    x, t = rng.standard_normal(5), np.array(10.0 ** rng.uniform(-3, 0))
    return {"x": x, "t": t}, rng.standard_normal((9, 5))


# A Gaussian log-likelihood: log det by Cholesky, and a solve.
def gaussian(p, Y):
    S = p["A"] @ p["A"].T + jnp.exp(p["s"]) * jnp.eye(len(Y))
    L = jnp.linalg.cholesky(S)
    white = jax.scipy.linalg.solve_triangular(L, Y, lower=True)
    return jnp.sum(white**2) / 2 + Y.shape[1] * jnp.sum(jnp.log(jnp.diag(L)))


def gaussian_inverse(p, Y):
    noise = np.exp(p["s"])
    S = p["A"] @ p["A"].T + noise * np.eye(len(Y), dtype=Y.dtype)
    inverse = np.linalg.inv(S)
    fit = inverse @ Y
    dS = (Y.shape[1] * inverse - fit @ fit.T) / 2
    loss = np.sum(Y * fit) / 2 + Y.shape[1] * np.linalg.slogdet(S)[1] / 2
    return loss, {"A": 2 * dS @ p["A"], "s": noise * np.trace(dS)}


def gaussian_cholesky(p, Y):
    noise = np.exp(p["s"])
    L = np.linalg.cholesky(p["A"] @ p["A"].T + noise * np.eye(len(Y), dtype=Y.dtype))
    white = np.linalg.solve(L, Y)
    back = np.linalg.solve(L, np.eye(len(L), dtype=Y.dtype))
    dS = back.T @ (Y.shape[1] * np.eye(len(L), dtype=Y.dtype) - white @ white.T) @ back / 2
    loss = np.sum(white**2) / 2 + Y.shape[1] * np.log(np.diag(L)).sum()
    return loss, {"A": (dS + dS.T) @ p["A"], "s": noise * np.einsum("ii->", dS)}


def gaussian_problem(rng):
    p = {"A": rng.standard_normal((6, 3)), "s": np.array(rng.uniform(-3, 1))}
    return p, rng.standard_normal((6, 4))


# A product of many factors.
def product(x):
    return jnp.prod(x)


def product_quotients(x):
    total = np.prod(x)
    return total, total / x


def product_loops(x):
    left, right = np.ones_like(x), np.ones_like(x)
    for i in range(1, len(x)):
        left[i] = left[i - 1] * x[i - 1]
        right[-1 - i] = right[-i] * x[-i]
    return left[-1] * x[-1], left * right


def product_problem(rng):
    return (rng.uniform(0.5, 1.5, 60) * rng.choice([-1, 1], 60),)


# A sum of 10⁵ terms.
def long_sum(p, X):
    return jnp.sum(jnp.cos(p["a"] * X + p["b"])) / 100


def long_sum_pairwise(p, X):
    z = p["a"] * X + p["b"]
    return np.cos(z).sum() / 100, {"a": -(np.sin(z) * X).sum() / 100, "b": -np.sin(z).sum() / 100}


def long_sum_one_by_one(p, X):
    """`np.cumsum` adds from left to right."""
    z, s = p["a"] * X + p["b"], np.sin(p["a"] * X + p["b"])
    return np.cumsum(np.cos(z))[-1] / 100, {"a": -np.cumsum(s * X)[-1] / 100, "b": -np.cumsum(s)[-1] / 100}


def long_sum_problem(rng):
    p = {"a": np.array(rng.uniform(0.1, 3)), "b": np.array(rng.uniform(-3, 3))}
    return p, rng.standard_normal(100_000)


# An embedding, looked up by integers, in nested parameters of mixed kinds.
TOKENS = np.random.default_rng(0).integers(0, 9, (4, 5))


def embedding(p):
    h = jnp.tanh(p["embed"][TOKENS].sum(axis=1) + p["layers"][0][1][None, :])
    return jnp.sum((h @ p["layers"][0][0]) ** 2)


def embedding_add_at(p):
    (W, b), E = p["layers"][0], p["embed"]
    h = np.tanh(E[TOKENS].sum(axis=1) + b)
    out = h @ W
    dz = 2 * out @ W.T * (1 - h**2)
    dE = np.zeros_like(E)
    np.add.at(dE, TOKENS, dz[:, None, :])
    return np.sum(out**2), {"embed": dE, "layers": [(2 * h.T @ out, dz.sum(axis=0))]}


def embedding_one_hot(p):
    (W, b), E = p["layers"][0], p["embed"]
    counts = np.eye(len(E), dtype=E.dtype)[TOKENS].sum(axis=1)
    h = np.tanh(counts @ E + b)
    G = W @ W.T
    dz = 2 * (h @ G) * (1 - h) * (1 + h)
    return np.trace(h @ G @ h.T), {
        "embed": counts.T @ dz,
        "layers": [(2 * (h.T @ h) @ W, np.ones(len(h), E.dtype) @ dz)],
    }


def embedding_problem(rng):
    E, W, b = rng.standard_normal((9, 6)), rng.standard_normal((6, 3)), rng.standard_normal(6)
    return ({"embed": E, "layers": [(W, b)]},)


CASES = {
    "linear regression": Case(regression, (regression_matrices, regression_loops), regression_problem),
    "logistic regression": Case(logistic, (logistic_tanh, logistic_exp), logistic_problem),
    "layer norm": Case(layer_norm, (layer_norm_compact, layer_norm_staged), layer_norm_problem),
    "attention head": Case(attention, (attention_matrices, attention_rows), attention_problem),
    "LSTM": Case(lstm, (lstm_through_time,), lstm_problem),
    "convolution": Case(convolution, (convolution_einsum, convolution_taps), convolution_problem),
    "log-sum-exp": Case(log_sum_exp, (log_sum_exp_shifted, log_sum_exp_otherwise), log_sum_exp_problem),
    "Gaussian likelihood": Case(gaussian, (gaussian_inverse, gaussian_cholesky), gaussian_problem),
    "product of 60 factors": Case(product, (product_quotients, product_loops), product_problem),
    "sum of 10⁵ terms": Case(long_sum, (long_sum_pairwise, long_sum_one_by_one), long_sum_problem),
    "embedding": Case(embedding, (embedding_add_at, embedding_one_hot), embedding_problem),
}
