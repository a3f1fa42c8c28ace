"""Choosing among entries that tie: maxima, pools, sorted values."""

import jax.numpy as jnp
import numpy as np

from benchmarks.checkers.zoo.entry import Entry

TIED = np.array([
    [1.0, 3.0, 3.0, -1.0, 2.0, 3.0],
    [4.0, 0.5, 4.0, 1.0, 2.0, -2.0],
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
    [-1.0, -1.0, -1.0, -1.0, -1.0, -1.0],
    [7.0, 1.0, 2.0, 0.0, 5.0, 6.0],
])  # fmt: skip


def _row_maximum(share):
    def hand(x, t):
        m = x.max(1, keepdims=True)
        return (t * m[:, 0]).sum(), (t[:, None] * share(x == m)).astype(x.dtype)

    return hand


def _first(tied):
    return np.arange(tied.shape[1]) == tied.argmax(1)[:, None]


def _row_interval(x, t):
    tied = x == x.max(1, keepdims=True)
    whole = t[:, None] * tied
    return np.where(tied & (tied.sum(1, keepdims=True) > 1), 0, whole), whole


def _row_shares(x, t):
    return [(0, (np.arange(5) == n)[:, None] & (x == x.max(1, keepdims=True)), float(t[n])) for n in range(5)]


MAXIMUM = Entry(
    "maximum of each row, up to six tied",
    lambda x, t: jnp.sum(t * jnp.max(x, 1)),
    lambda rng: (TIED.copy(), 0.5 + rng.random(5)),
    (_row_maximum(lambda tied: tied / tied.sum(1, keepdims=True)), _row_maximum(_first)),
    wrong={
        "each tied entry gets the whole": _row_maximum(lambda tied: tied * 1.0),
        "tied entries get nothing": _row_maximum(lambda tied: tied * (tied.sum(1, keepdims=True) == 1)),
        "tied entries get half each": _row_maximum(
            lambda tied: np.where(tied.sum(1, keepdims=True) > 1, tied / 2, tied)
        ),
    },
    interval=_row_interval,
    shares=_row_shares,
)


def _pool_loss(x, t):
    return jnp.sum(t * x.reshape(3, 2, 3, 2).max((1, 3)))


def _pool_example(rng):
    x = rng.integers(0, 3, (6, 6)).astype(float)
    x[:2, :2], x[2:4, 4:] = [[1, 5], [2, 3]], [[0, 1], [9, 3]]
    return x, 0.5 + rng.random((3, 3))


def _pool(x, t):
    blocks = x.reshape(3, 2, 3, 2)
    m = blocks.max((1, 3), keepdims=True)
    tied = blocks == m
    g = t[:, None, :, None] * tied / tied.sum((1, 3), keepdims=True)
    return (t * m[:, 0, :, 0]).sum(), g.reshape(6, 6).astype(x.dtype)


def _pool_loops(x, t):
    total, g = x.dtype.type(0), np.zeros_like(x)
    for i in range(3):
        for j in range(3):
            block = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            a, b = np.unravel_index(block.argmax(), (2, 2))
            total += t[i, j] * block[a, b]
            g[2 * i + a, 2 * j + b] = t[i, j]
    return total, g


def _pool_greedy(x, t):
    m = np.kron(x.reshape(3, 2, 3, 2).max((1, 3)), np.ones((2, 2), x.dtype))
    return _pool(x, t)[0], np.kron(t, np.ones((2, 2), x.dtype)) * (x == m)


def _pool_tied(x):
    blocks = x.reshape(3, 2, 3, 2)
    tied = blocks == blocks.max((1, 3), keepdims=True)
    return tied.reshape(6, 6), np.broadcast_to(tied.sum((1, 3), keepdims=True), tied.shape).reshape(6, 6)


def _pool_interval(x, t):
    tied, count = _pool_tied(x)
    whole = np.kron(t, np.ones((2, 2), t.dtype)) * tied
    return np.where(count > 1, 0, whole), whole


def _pool_shares(x, t):
    tied, _ = _pool_tied(x)
    block = np.kron(np.arange(9).reshape(3, 3), np.ones((2, 2), int))
    return [(0, tied & (block == n), float(t.ravel()[n])) for n in range(9)]


MAX_POOL = Entry(
    "max-pool over tied windows",
    _pool_loss,
    _pool_example,
    (_pool, _pool_loops),
    wrong={"each tied entry gets the whole": _pool_greedy},
    interval=_pool_interval,
    shares=_pool_shares,
)


def _sort_example(rng):
    return np.array([2.0, 0.5, 2.0, -1.0, 3.0, 0.0, 1.0, -2.0]), np.sort(rng.random(8)) * 4


def _sort(x, t):
    order = np.argsort(x, kind="stable")
    g = np.empty_like(x)
    g[order] = t
    return t @ x[order], g


def _sort_ranks(x, t):
    below, equal = (x[None] < x[:, None]).sum(1), (x[None] == x[:, None]).sum(1)
    sums = np.concatenate([[0], np.cumsum(t)]).astype(x.dtype)
    g = np.array([t[b : b + e].sum() / e for b, e in zip(below, equal, strict=True)], x.dtype)
    return (t * np.sort(x)).sum() + 0 * sums[0], g


def _sort_interval(x, t):
    below, equal = (x[None] < x[:, None]).sum(1), (x[None] == x[:, None]).sum(1)
    return t[below], t[below + equal - 1]


SORT = Entry(
    "weighted sorted values, two equal",
    lambda x, t: t @ jnp.sort(x),
    _sort_example,
    (_sort, _sort_ranks),
    wrong={"the permutation not undone": lambda x, t: (_sort(x, t)[0], t[np.argsort(x, kind="stable")])},
    interval=_sort_interval,
    shares=lambda x, t: [(0, x == 2, float(np.sort(t)[5:7].sum()))],
)


def _median(x, t):
    order = np.argsort(x, 1)
    g = np.zeros_like(x)
    for k in (3, 4):
        np.put_along_axis(g, order[:, k : k + 1], t[:, None] / 2, 1)
    return (t * np.median(x, 1)).sum().astype(x.dtype), g


def _median_ranks(x, t):
    ranks = (x[:, None, :] < x[:, :, None]).sum(2)
    middle = (ranks == 3) | (ranks == 4)
    return np.sum(t[:, None] * x * middle) / 2, t[:, None] * middle / 2


MEDIAN = Entry(
    "median of an even number",
    lambda x, t: jnp.sum(t * jnp.median(x, axis=1)),
    lambda rng: (rng.permuted(np.arange(40.0).reshape(5, 8), axis=1), 0.5 + rng.random(5)),
    (_median_ranks, _median),
    wrong={
        "one of the two gets all": lambda x, t: (
            _median(x, t)[0],
            _median(x, t)[1] * 2 * ((x[:, None, :] < x[:, :, None]).sum(2) == 3),
        )
    },
)
