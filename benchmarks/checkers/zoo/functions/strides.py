"""Arguments that are views: reversed, sliced, transposed, repeated."""

import jax.numpy as jnp
import numpy as np
from numpy.lib.stride_tricks import as_strided

from benchmarks.checkers.zoo.entry import Entry


def _loss(w, x):
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
    """As a kernel does that takes every array for a compact one."""
    size = x.itemsize
    inside = x.strides[0] > 0 and 0 not in x.strides
    compact = as_strided(x, x.shape, (x.shape[1] * size, size)) if inside else np.zeros_like(x)
    return _whole(w, x)[0], 2 * w * x * compact


def _view(name, make):
    return Entry(
        name,
        _loss,
        lambda rng: (rng.normal(size=(4, 6)), make(rng)),
        (_whole, _entries),
        wrong={"memory taken for compact": _raw},
    )


REVERSED = _view("a reversed view", lambda rng: rng.normal(size=(4, 6))[::-1])
SLICED = _view("a slice of a packed array", lambda rng: rng.normal(size=(4, 18))[:, 6:12])
TRANSPOSED = _view("a transposed view", lambda rng: rng.normal(size=(6, 4)).T)
REPEATED = _view("one row repeated with stride 0", lambda rng: np.broadcast_to(rng.normal(size=(1, 6)), (4, 6)))
