"""Ties and kinks: the derivative is open between two values there, and sharp everywhere else."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.checkers.zoo.entry import Entry

X = np.array([0.0, 1.0, -1.0, 0.0, 2.5, -0.5, 0.25, -3.0])


def _ones(rng):
    return X.copy(), 0.5 + rng.random(8)


def _slopes(below, above, where=0.0):
    """The interval of a sum of t·f(x) with a kink."""

    def interval(x, t):
        left, right = t * np.where(x > where, above, below), t * np.where(x >= where, above, below)
        return np.minimum(left, right), np.maximum(left, right)

    return interval


def _shifted_tie(value):
    """All is right but for the entries on the kink, which get a value times t."""
    return lambda x, t: (_relu(x, t)[0], np.where(x == 0, value * t, _relu(x, t)[1]))


def _relu(x, t):
    return (t * np.maximum(x, 0)).sum(), t * (x > 0)


def _relu_closed(x, t):
    return (t * (x + np.abs(x)) / 2).sum(), np.where(x >= 0, t, 0)


def _relu_half(x, t):
    return np.dot(t, np.where(x > 0, x, 0)), t * (1 + np.sign(x)) / 2


RELU_WRONG = {f"{value:g} at the kink": _shifted_tie(value) for value in (1.5, 2.4, -1.4, -0.1)}
RELU_MAXIMUM = Entry(
    "jnp.maximum(x, 0) at 0",
    lambda x, t: jnp.sum(t * jnp.maximum(x, 0)),
    _ones,
    (_relu, _relu_closed, _relu_half),
    RELU_WRONG,
    interval=_slopes(0.0, 1.0),
)
RELU = Entry(
    "jax.nn.relu(x) at 0",
    lambda x, t: jnp.sum(t * jax.nn.relu(x)),
    _ones,
    (_relu, _relu_closed, _relu_half),
    RELU_WRONG,
    interval=_slopes(0.0, 1.0),
)


def _leaky(x, t):
    return (t * np.where(x > 0, x, x / 8)).sum(), t * np.where(x > 0, x.dtype.type(1), x.dtype.type(0.125))


def _leaky_maximum(x, t):
    return np.dot(t, np.maximum(x, x * x.dtype.type(0.125))), (t + 7 * t * (x >= 0)) / 8


LEAKY_RELU = Entry(
    "leaky ReLU at 0",
    lambda x, t: jnp.sum(t * jnp.where(x > 0, x, x / 8)),
    _ones,
    (_leaky, _leaky_maximum),
    interval=_slopes(0.125, 1.0),
)


def _absolute(x, t):
    return (t * np.abs(x)).sum(), t * np.sign(x)


def _absolute_one_sided(x, t):
    return np.dot(t, np.maximum(x, -x)), np.where(x < 0, -t, t)


ABSOLUTE = Entry(
    "|x| at 0",
    lambda x, t: jnp.sum(t * jnp.abs(x)),
    _ones,
    (_absolute, _absolute_one_sided),
    interval=_slopes(-1.0, 1.0),
)


def _clip_example(rng):
    return np.array([1.0, -1.0, 0.5, 2.0, -3.0, 0.25, -0.75, 1.0]), 0.5 + rng.random(8)


def _clip(x, t):
    return (t * np.clip(x, -1, 1)).sum(), t * (np.abs(x) < 1)


def _clip_closed(x, t):
    return np.dot(t, np.minimum(np.maximum(x, -1), 1)), np.where((x >= -1) & (x <= 1), t, 0)


CLIP = Entry(
    "clip at its ends",
    lambda x, t: jnp.sum(t * jnp.clip(x, -1, 1)),
    _clip_example,
    (_clip, _clip_closed),
    interval=lambda x, t: (t * (np.abs(x) < 1), t * (np.abs(x) <= 1)),
)

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
        "tied entries get half each": _row_maximum(lambda tied: np.where(tied.sum(1, keepdims=True) > 1, tied / 2, tied)),
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


def _hinge_example(rng):
    A = rng.integers(-4, 5, (12, 5)) / 4
    w = np.array([0.5, -1.0, 0.25, 2.0, -0.5])
    A[:4, 0] = (1 - A[:4, 1:] @ w[1:]) / w[0]  # margin 1, exactly
    y = np.ones(12)
    y[4::2] = -1
    return w, A, y


def _hinge(w, A, y):
    m = 1 - y * (A @ w)
    return np.maximum(m, 0).mean(), -(A.T @ (y * (m > 0))) / len(y)


def _hinge_loop(w, A, y):
    total, g = w.dtype.type(0), np.zeros_like(w)
    for a, label in zip(A, y, strict=True):
        m = 1 - label * sum(a * w)
        if m >= 0:
            total += m / len(y)
            g -= label * a / len(y)
    return total, g


def _hinge_interval(w, A, y):
    m = 1 - y * (A @ w)
    terms = -(A * y[:, None]) / len(y)
    sure, tied = terms[m > 0].sum(0), terms[m == 0]
    return sure + np.minimum(tied, 0).sum(0), sure + np.maximum(tied, 0).sum(0)


HINGE = Entry(
    "hinge with margins of exactly 1",
    lambda w, A, y: jnp.mean(jnp.maximum(1 - y * (A @ w), 0)),
    _hinge_example,
    (_hinge, _hinge_loop),
    wrong={"sign of the labels forgotten": lambda w, A, y: (_hinge(w, A, y)[0], -(A.T @ (1 - y * (A @ w) > 0)).astype(w.dtype) / len(y))},
    interval=_hinge_interval,
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
    wrong={"one of the two gets all": lambda x, t: (_median(x, t)[0], _median(x, t)[1] * 2 * ((x[:, None, :] < x[:, :, None]).sum(2) == 3))},
)


def _lasso_example(rng):
    w = np.array([0.0, 1.5, 0.0, -2.0, 0.5, 0.0])
    return w, rng.normal(size=(20, 6)), rng.normal(size=20)


def _lasso(w, A, y):
    r = A @ w - y
    return (r @ r) / 40 + np.abs(w).sum() / 2, A.T @ r / 20 + np.sign(w) / 2


def _lasso_gram(w, A, y):
    G, c = A.T @ A / 20, A.T @ y / 20
    return w @ G @ w / 2 - c @ w + y @ y / 40 + np.abs(w).sum() / 2, G @ w - c + np.where(w >= 0, w.dtype.type(0.5), w.dtype.type(-0.5))


def _lasso_interval(w, A, y):
    g = A.T @ (A @ w - y) / 20
    return g + np.where(w > 0, w.dtype.type(0.5), w.dtype.type(-0.5)), g + np.where(w >= 0, w.dtype.type(0.5), w.dtype.type(-0.5))


LASSO = Entry(
    "lasso with weights of 0",
    lambda w, A, y: jnp.sum((A @ w - y) ** 2) / 40 + jnp.sum(jnp.abs(w)) / 2,
    _lasso_example,
    (_lasso, _lasso_gram),
    wrong={"penalty forgotten": lambda w, A, y: (_lasso(w, A, y)[0], A.T @ (A @ w - y) / 20)},
    interval=_lasso_interval,
)

B, V, H = 8, 5, 6


def _padded_example(rng):
    x = rng.normal(size=(B, V))
    x[6:] = 0
    p = {"W1": rng.normal(size=(V, H)), "W2": rng.normal(size=(H, 3)), "b1": np.zeros(H), "b2": np.zeros(3)}
    return p, x, rng.integers(0, 3, B)


def _padded_loss(p, x, y):
    h = jnp.maximum(x @ p["W1"] + p["b1"], 0)
    return -jnp.mean(jax.nn.log_softmax(h @ p["W2"] + p["b2"])[jnp.arange(B), y])


def _padded_parts(p, x, y):
    z = x @ p["W1"] + p["b1"]
    h = np.maximum(z, 0)
    s = h @ p["W2"] + p["b2"]
    s = s - s.max(1, keepdims=True)
    logp = s - np.log(np.exp(s).sum(1, keepdims=True))
    d = np.exp(logp)
    d[np.arange(B), y] -= 1
    d /= B
    return -logp[np.arange(B), y].mean(), z, h, d, d @ p["W2"].T


def _padded(p, x, y):
    loss, z, h, d, dh = _padded_parts(p, x, y)
    dz = dh * (z > 0)
    return loss, {"W1": x.T @ dz, "b1": dz.sum(0), "W2": h.T @ d, "b2": d.sum(0)}


def _padded_closed(p, x, y):
    loss, z, h, d, dh = _padded_parts(p, x, y)
    dz = np.where(z >= 0, np.einsum("nc,hc->nh", d, p["W2"]), 0)
    ones = np.ones(B, x.dtype)
    return loss, {"W1": np.einsum("nd,nh->dh", x, dz), "b1": ones @ dz, "W2": np.einsum("nh,nc->hc", h, d), "b2": ones @ d}


def _padded_interval(p, x, y):
    _, z, h, d, dh = _padded_parts(p, x, y)
    dz = dh * (z > 0)
    tied = dh * (z == 0)
    g = {"W1": x.T @ dz, "W2": h.T @ d, "b2": d.sum(0)}
    low, high = np.minimum(tied, 0).sum(0), np.maximum(tied, 0).sum(0)
    return {**g, "b1": dz.sum(0) + low}, {**g, "b1": dz.sum(0) + high}


def _padded_mean(p, x, y):
    loss, g = _padded(p, x, y)
    return loss, {**g, "b1": g["b1"] / B}


PADDED_NETWORK = Entry(
    "a padded batch and biases of 0",
    _padded_loss,
    _padded_example,
    (_padded, _padded_closed),
    wrong={"db1 a mean": _padded_mean},
    interval=_padded_interval,
)
