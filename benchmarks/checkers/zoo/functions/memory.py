"""Hands with unusual use of memory: state kept between calls, workspaces, strided views."""

import jax.numpy as jnp
import numpy as np
from numpy.lib.stride_tricks import as_strided

from benchmarks.checkers.zoo.entry import Entry

EPS = 1e-5


def _norm_loss(p, x, t, state):
    c = x - jnp.mean(x, 0)
    return jnp.sum(t * (p["gain"] * c / jnp.sqrt(jnp.mean(c**2, 0) + EPS) + p["shift"]) ** 2)


def _norm_parts(p, x, t, mean, var):
    xh = (x - mean) / np.sqrt(var + x.dtype.type(EPS))
    y = p["gain"] * xh + p["shift"]
    return (t * y * y).sum(), {"gain": (2 * t * y * xh).sum(0), "shift": (2 * t * y).sum(0)}


def _norm(p, x, t, state):
    mean, var = x.mean(0), x.var(0)
    state["mean"] *= x.dtype.type(0.9)
    state["mean"] += x.dtype.type(0.1) * mean
    state["var"] = x.dtype.type(0.9) * state["var"] + x.dtype.type(0.1) * var
    return _norm_parts(p, x, t, mean, var)


def _norm_sums(p, x, t, state):
    n = x.dtype.type(len(x))
    mean = np.add.reduce(x) / n
    c = x - mean
    state["mean"][:] = mean
    y = c * (p["gain"] / np.sqrt(np.einsum("nd,nd->d", c, c) / n + x.dtype.type(EPS))) + p["shift"]
    dy = (t + t) * y
    dgain = np.einsum("nd,nd->d", dy, (y - p["shift"]) / p["gain"])
    return np.einsum("nd,nd->", t * y, y), {"gain": dgain, "shift": np.ones(len(x), x.dtype) @ dy}


def _norm_by_running(p, x, t, state):
    loss, _ = _norm(p, x, t, state)
    return loss, _norm_parts(p, x, t, state["mean"], state["var"])[1]


RUNNING_MEAN = Entry(
    "batch norm that keeps running means",
    _norm_loss,
    lambda rng: (
        {"gain": 0.5 + rng.random(3), "shift": rng.normal(size=3)},
        2 + rng.normal(size=(10, 3)),
        rng.normal(size=(10, 3)),
        {"mean": np.zeros(3), "var": np.ones(3)},
    ),
    (_norm, _norm_sums),
    wrong={"the running statistics used on the way back": _norm_by_running},
)


def _workspace(w, x, work):
    np.matmul(x, w, out=work[0])
    np.tanh(work[0], out=work[0])
    loss = (work[0] ** 2).sum()
    np.multiply(work[0], 1 - work[0] ** 2, out=work[1])
    return loss, 2 * (x.T @ work[1])


def _workspace_loop(w, x, work):
    total, g = x.dtype.type(0), np.zeros_like(w)
    for n, row in enumerate(x):
        work[0, n] = np.tanh(np.einsum("d,dk->k", row, w))
        total += work[0, n] @ work[0, n]
        work[1, n] = 2 * work[0, n] * (1 - work[0, n]) * (1 + work[0, n])
        g += row[:, None] * work[1, n]
    return total, g


WORKSPACE = Entry(
    "a workspace that is written into",
    lambda w, x, work: jnp.sum(jnp.tanh(x @ w) ** 2),
    lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=(8, 5)), np.zeros((2, 8, 3))),
    (_workspace, _workspace_loop),
)


def _counted(w, x, cache):
    cache["z"] = x @ w
    cache["calls"] = cache.get("calls", 0) + 1
    return np.exp(cache["z"]).sum(), x.T @ np.exp(cache["z"])


def _counted_rows(w, x, cache):
    e = np.exp((x * w).sum(1))
    cache.update(weights=e)
    return e.sum(), sum(each * row for each, row in zip(e, x, strict=True))


CACHE = Entry(
    "keys added to a dict",
    lambda w, x, cache: jnp.sum(jnp.exp(x @ w)),
    lambda rng: (rng.normal(size=4), rng.normal(size=(7, 4)), {}),
    (_counted, _counted_rows),
)


def _view_loss(w, x):
    return jnp.sum((w * x) ** 2)


def _whole(w, x):
    y = w * x
    return (y * y).sum(), 2 * y * x


def _entries(w, x):
    total, g = x.dtype.type(0), np.zeros_like(w)
    for i in range(len(w)):
        for j in range(w.shape[1]):
            total += (w[i, j] * x[i, j]) ** 2
            g[i, j] = (w[i, j] + w[i, j]) * x[i, j] ** 2
    return total, g


def _raw(w, x):
    """Compute like a kernel that treats every array as compact."""
    size = x.itemsize
    inside = x.strides[0] > 0 and 0 not in x.strides
    compact = as_strided(x, x.shape, (x.shape[1] * size, size)) if inside else np.zeros_like(x)
    return _whole(w, x)[0], 2 * w * x * compact


def _view(name, make):
    return Entry(
        name,
        _view_loss,
        lambda rng: (rng.normal(size=(4, 6)), make(rng)),
        (_whole, _entries),
        wrong={"memory taken for compact": _raw},
    )


REVERSED = _view("a reversed view", lambda rng: rng.normal(size=(4, 6))[::-1])
SLICED = _view("a slice of a packed array", lambda rng: rng.normal(size=(4, 18))[:, 6:12])
TRANSPOSED = _view("a transposed view", lambda rng: rng.normal(size=(6, 4)).T)
REPEATED = _view(
    "one row repeated with stride 0", lambda rng: np.broadcast_to(rng.normal(size=(1, 6)), (4, 6))
)
