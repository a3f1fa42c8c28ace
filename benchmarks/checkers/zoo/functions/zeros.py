"""Structural zeros: entries into which nothing flows, next to entries into which much flows."""

import jax.numpy as jnp
import numpy as np

from benchmarks.checkers.zoo.entry import Entry


def _triangular(L, x):
    y = np.tril(L) @ x
    return (y * y).sum(), np.tril(2 * y @ x.T)


def _triangular_rows(L, x):
    total, g = x.dtype.type(0), np.zeros_like(L)
    for i in range(len(L)):
        y = np.einsum("j,jn->n", L[i, : i + 1], x[: i + 1])
        total += y @ y
        g[i, : i + 1] = x[: i + 1] @ (y + y)
    return total, g


def _triangular_full(L, x):
    return _triangular(L, x)[0], 2 * (np.tril(L) @ x) @ x.T


TRIANGULAR = Entry(
    "only the lower triangle is used",
    lambda L, x: jnp.sum((jnp.tril(L) @ x) ** 2),
    lambda rng: (rng.normal(size=(6, 6)), rng.normal(size=(6, 4))),
    (_triangular, _triangular_rows),
    wrong={"the upper triangle filled": _triangular_full},
)


def _sparse(w, X, y):
    r = X @ w - y
    return (r * r).sum() / 2, X.T @ r


def _sparse_entries(w, X, y):
    i, j = np.nonzero(X)
    z = np.bincount(i, (X[i, j] * w[j]).astype(np.float64), len(y)).astype(w.dtype)
    r = z - y
    g = np.zeros_like(w)
    np.add.at(g, j, X[i, j] * r[i])
    return np.dot(r, r) / 2, g


def _sparse_example(rng):
    X = rng.normal(size=(30, 12)) * (rng.random((30, 12)) < 0.2)
    X[:, [2, 7]] = 0
    return rng.normal(size=12), X, rng.normal(size=30)


SPARSE = Entry(
    "features that never occur",
    lambda w, X, y: jnp.sum((X @ w - y) ** 2) / 2,
    _sparse_example,
    (_sparse, _sparse_entries),
)


def _gather(x, i, t):
    g = np.zeros_like(x)
    np.add.at(g, i, 2 * t * x[i])
    return (t * x[i] ** 2).sum(), g


def _gather_counts(x, i, t):
    weight = np.array([t[i == k].sum() for k in range(len(x))], x.dtype)
    return np.dot(weight * x, x), 2 * weight * x


GATHER = Entry(
    "entries gathered, some often and some never",
    lambda x, i, t: jnp.sum(t * x[i] ** 2),
    lambda rng: (rng.normal(size=10), np.array([0, 3, 3, 3, 9, 5, 0, 3, 1]), rng.normal(size=9)),
    (_gather, _gather_counts),
    wrong={
        "repeated ones overwritten": lambda x, i, t: (
            _gather(x, i, t)[0],
            (lambda g: (g.__setitem__(i, 2 * t * x[i]), g)[1])(np.zeros_like(x)),
        )
    },
)


def _laplace(u, f):
    p = np.pad(u, 1)
    r = 4 * u - p[2:, 1:-1] - p[:-2, 1:-1] - p[1:-1, 2:] - p[1:-1, :-2] - f
    q = np.pad(r, 1)
    return (r * r).sum() / 2, 4 * r - q[2:, 1:-1] - q[:-2, 1:-1] - q[1:-1, 2:] - q[1:-1, :-2]


def _laplace_matrix(u, f):
    n = len(u)
    one = 2 * np.eye(n, dtype=u.dtype) - np.eye(n, k=1, dtype=u.dtype) - np.eye(n, k=-1, dtype=u.dtype)
    A = np.kron(one, np.eye(n, dtype=u.dtype)) + np.kron(np.eye(n, dtype=u.dtype), one)
    r = A @ u.ravel() - f.ravel()
    return np.dot(r, r) / 2, (A.T @ r).reshape(n, n)


def _laplace_loss(u, f):
    p = jnp.pad(u, 1)
    return jnp.sum((4 * u - p[2:, 1:-1] - p[:-2, 1:-1] - p[1:-1, 2:] - p[1:-1, :-2] - f) ** 2) / 2


LAPLACE = Entry(
    "a smooth field under the Laplace operator",
    _laplace_loss,
    lambda rng: (
        np.add.outer(np.linspace(0, 3, 8) ** 2, np.linspace(1, 5, 8)),
        rng.normal(size=(8, 8)),
    ),
    (_laplace, _laplace_matrix),
    wrong={"the edges forgotten": lambda u, f: (_laplace(u, f)[0], np.pad(_laplace(u, f)[1][1:-1, 1:-1], 1))},
)


def _wrapped(x, k, t):
    y = np.array([k @ np.roll(x, -i)[: len(k)] for i in range(len(x))]) - t
    g = np.zeros_like(x)
    for i, each in enumerate(y):
        for j in range(len(k)):
            g[(i + j) % len(x)] += each * k[j]
    return (y * y).sum() / 2, g


def _wrapped_rolls(x, k, t):
    y = sum(k[j] * np.roll(x, -j) for j in range(len(k))) - t
    return np.dot(y, y) / 2, sum(k[j] * np.roll(y, j) for j in range(len(k)))


CIRCULAR = Entry(
    "circular filter with a kernel that nearly cancels",
    lambda x, k, t: jnp.sum((sum(k[j] * jnp.roll(x, -j) for j in range(3)) - t) ** 2) / 2,
    lambda rng: (100 + rng.normal(size=16), np.array([1.0, -2.0, 1.0]), rng.normal(size=16)),
    (_wrapped, _wrapped_rolls),
    wrong={"rolled the wrong way": lambda x, k, t: (_wrapped(x, k, t)[0], np.roll(_wrapped(x, k, t)[1], 1))},
)
