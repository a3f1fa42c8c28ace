"""Ties and kinks, where the derivative may be any value between two, and is unique everywhere else."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.checkers.zoo.entry import Entry

X = np.array([0.0, 1.0, -1.0, 0.0, 2.5, -0.5, 0.25, -3.0])


def _ones(rng):
    return X.copy(), 0.5 + rng.random(8)


def _slopes(below, above, where=0.0):
    """Return the interval of a sum of t·f(x) with a kink."""

    def interval(x, t):
        left, right = t * np.where(x > where, above, below), t * np.where(x >= where, above, below)
        return np.minimum(left, right), np.maximum(left, right)

    return interval


def _shifted_tie(value):
    """Change only the entries on the kink, to a value times t."""
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
    wrong={
        "sign of the labels forgotten": lambda w, A, y: (
            _hinge(w, A, y)[0],
            -(A.T @ (1 - y * (A @ w) > 0)).astype(w.dtype) / len(y),
        )
    },
    interval=_hinge_interval,
)


def _lasso_example(rng):
    w = np.array([0.0, 1.5, 0.0, -2.0, 0.5, 0.0])
    return w, rng.normal(size=(20, 6)), rng.normal(size=20)


def _lasso(w, A, y):
    r = A @ w - y
    return (r @ r) / 40 + np.abs(w).sum() / 2, A.T @ r / 20 + np.sign(w) / 2


def _lasso_gram(w, A, y):
    G, c = A.T @ A / 20, A.T @ y / 20
    return w @ G @ w / 2 - c @ w + y @ y / 40 + np.abs(w).sum() / 2, G @ w - c + np.where(
        w >= 0, w.dtype.type(0.5), w.dtype.type(-0.5)
    )


def _lasso_interval(w, A, y):
    g = A.T @ (A @ w - y) / 20
    return g + np.where(w > 0, w.dtype.type(0.5), w.dtype.type(-0.5)), g + np.where(
        w >= 0, w.dtype.type(0.5), w.dtype.type(-0.5)
    )


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
    loss, z, h, d, _ = _padded_parts(p, x, y)
    dz = np.where(z >= 0, np.einsum("nc,hc->nh", d, p["W2"]), 0)
    ones = np.ones(B, x.dtype)
    return loss, {
        "W1": np.einsum("nd,nh->dh", x, dz),
        "b1": ones @ dz,
        "W2": np.einsum("nh,nc->hc", h, d),
        "b2": ones @ d,
    }


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
