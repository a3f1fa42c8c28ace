"""Masked attention and means: the lowest float, −inf, fully masked rows."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.checkers.zoo.entry import Entry

T, D = 7, 4
CAUSAL = np.tril(np.ones((T, T), bool))
PADDED = np.ones((T, T), bool)
PADDED[:, 5:] = False
EMPTY_ROW = CAUSAL.copy()
EMPTY_ROW[3] = False


def _example(rng):
    return {k: rng.normal(size=(T, D)) for k in "kqv"}, rng.normal(size=(T, D))


def _attention(name, mask, value):
    """Return masked attention; rows without a key give 0."""
    rows = mask.any(1)[:, None]
    filler = max(value, float(np.finfo(np.float32).min)) if np.isfinite(value) else value

    def loss(p, t):
        s = jnp.where(mask, p["q"] @ p["k"].T / np.sqrt(D), filler)
        return jnp.sum(t * ((jax.nn.softmax(s) * rows) @ p["v"]))

    def matrices(p, t):
        q, k, v = p["q"], p["k"], p["v"]
        root = q.dtype.type(np.sqrt(q.dtype.type(D)))
        s = np.where(mask, q @ k.T / root, q.dtype.type(filler))
        e = np.exp(s - s.max(1, keepdims=True)) * rows
        P = e / np.where(rows, e.sum(1, keepdims=True), 1)
        dP = t @ v.T
        dS = P * (dP - (P * dP).sum(1, keepdims=True))
        return np.sum(t * (P @ v)), {"q": dS @ k / root, "k": dS.T @ q / root, "v": P.T @ t}

    def queries(p, t):
        """Compute one query after the other, over its unmasked keys."""
        q, k, v = p["q"], p["k"], p["v"]
        total, g = q.dtype.type(0), {name: np.zeros_like(each) for name, each in p.items()}
        for n in range(T):
            at = np.flatnonzero(mask[n])
            if not at.size:
                continue
            s = k[at] @ q[n] * q.dtype.type(D) ** q.dtype.type(-0.5)
            w = np.exp(s - np.logaddexp.reduce(s))
            out = w @ v[at]
            total += t[n] @ out
            ds = w * ((v[at] - out) @ t[n]) * q.dtype.type(D) ** q.dtype.type(-0.5)
            g["q"][n] += ds @ k[at]
            g["k"][at] += np.outer(ds, q[n])
            g["v"][at] += np.outer(w, t[n])
        return total, g

    def unscaled(p, t):
        total, g = matrices(p, t)
        return total, {**g, "k": g["k"] * 2}

    return Entry(name, loss, _example, (matrices, queries), wrong={"dk without the root of D": unscaled})


CAUSAL_1E30 = _attention("attention, causal mask of −1e30", CAUSAL, -1e30)
PADDED_LOWEST = _attention("attention, padded keys at the lowest float", PADDED, -3.5e38)
CAUSAL_INFINITE = _attention("attention, causal mask of −inf", CAUSAL, -np.inf)
MASKED_ROW = _attention("attention, one row masked altogether", EMPTY_ROW, -1e30)


def _additive_loss(p, t):
    s = p["q"] @ p["k"].T / np.sqrt(D) + jnp.where(PADDED, 0.0, -1e4)
    return jnp.sum(t * (jax.nn.softmax(s) @ p["v"]))


ADDITIVE = Entry(
    "attention, −1e4 added to padded keys", _additive_loss, _example, PADDED_LOWEST.right, PADDED_LOWEST.wrong
)


def _mean_example(rng):
    m = (rng.random((8, 6)) < 0.5).astype(float)
    m[2], m[5, 0], m[5, 1:] = 0, 1, 0
    return rng.normal(size=(8, 6)), m


def _masked_mean_loss(x, m):
    n = m.sum(1)
    return jnp.sum(jnp.where(n > 0, (m * x**3).sum(1) / jnp.where(n > 0, n, 1.0), 0.0))


def _masked_mean(x, m):
    n = np.maximum(m.sum(1, keepdims=True), 1)
    return (m * x**3 / n).sum(), 3 * m * x * x / n


def _masked_mean_rows(x, m):
    total, g = x.dtype.type(0), np.zeros_like(x)
    for row, mask, to in zip(x, m, g, strict=True):
        at = mask > 0
        if at.any():
            total += np.mean(row[at] ** 3)
            to[at] = row[at] ** 2 / (at.sum() / x.dtype.type(3))
    return total, g


MASKED_MEAN = Entry(
    "masked mean with an empty row",
    _masked_mean_loss,
    _mean_example,
    (_masked_mean, _masked_mean_rows),
    wrong={
        "mean over all": lambda x, m: (_masked_mean(x, m)[0], 3 * m * x * x / m.dtype.type(6)),
        "mask forgotten": lambda x, m: (
            _masked_mean(x, m)[0],
            3 * x * x / np.maximum(m.sum(1, keepdims=True), 1),
        ),
    },
)


def _root_loss(x, t):
    ok = x > 0
    return jnp.sum(t * jnp.where(ok, jnp.sqrt(jnp.where(ok, x, 1.0)), 0.0))


def _root(x, t):
    ok = x > 0
    r = np.sqrt(np.where(ok, x, 1))
    return (t * r)[ok].sum(), np.where(ok, t / (2 * r), 0)


def _root_power(x, t):
    g = np.zeros_like(x)
    at = np.flatnonzero(x > 0)
    g[at] = t[at] * np.exp(np.log(x[at]) * x.dtype.type(-0.5)) / 2
    return np.sum(t[at] * x[at] ** x.dtype.type(0.5)), g


SAFE_ROOT = Entry(
    "square root behind where",
    _root_loss,
    lambda rng: (np.array([4.0, 1.0, -2.0, 0.25, 9.0, -1.0, 1e-2, 3.0]), rng.normal(size=8)),
    (_root, _root_power),
)
