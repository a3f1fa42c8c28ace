"""Sums over many terms: up to 10⁶, cancelling, cumulative."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.checkers.zoo.entry import Entry

MANY = 1_000_000


def _products(w, a, b, c, d):
    return (w * (a * b - c * d)).sum(), a * b - c * d


def _products_factored(w, a, b, c, d):
    g = (a - c) * b + c * (b - d)
    return np.dot(w, g), g


def _factors(n):
    return lambda rng: (rng.normal(size=n), *rng.normal(size=(4, n)))


CANCELLING_PRODUCTS = Entry(
    "ab − cd, 10⁶ entries",
    lambda w, a, b, c, d: jnp.sum(w * (a * b - c * d)),
    _factors(MANY),
    (_products, _products_factored),
)


def _near_example(rng):
    a, b = rng.normal(size=(2, 20_000))
    return rng.normal(size=20_000), a, b, a * (1 + 1e-2 * rng.normal(size=20_000)), b


NEARLY_CANCELLING_PRODUCTS = Entry(
    "ab − cd with c near a and d near b, 20,000 entries",
    lambda w, a, b, c, d: jnp.sum(w * (a * b - c * d)),
    _near_example,
    (_products, _products_factored),
)


def _regression(w, X, t):
    r = X @ w - t
    return np.mean(r * r), 2 * (X.T @ r) / len(t)


def _regression_blocks(w, X, t):
    loss, g = X.dtype.type(0), np.zeros_like(w)
    for rows in np.array_split(np.arange(len(t)), 100):
        r = np.einsum("nd,d->n", X[rows], w) - t[rows]
        loss += (r @ r) / len(t)
        g += np.einsum("nd,n->d", X[rows], r) * (2 / len(t))
    return loss, g


LEAST_SQUARES = Entry(
    "least squares, 10⁶ terms in each sum",
    lambda w, X, t: jnp.mean((X @ w - t) ** 2),
    lambda rng: (rng.normal(size=4), rng.normal(size=(MANY, 4)) + 0.5, rng.normal(size=MANY)),
    (_regression, _regression_blocks),
)


def _normal(p, x):
    mean, log_scale = p
    z = (x - mean) * np.exp(-log_scale)
    g = np.array([-z.sum() * np.exp(-log_scale), len(x) - (z * z).sum()]) / len(x)
    return log_scale + (z * z).mean() / 2, g.astype(p.dtype)


def _normal_moments(p, x):
    mean, scale = p[0], np.exp(p[1])
    first = x.mean()
    apart, second = first - mean, np.mean((x - first) ** 2) + (first - mean) ** 2
    ratio = second / scale**2
    return p[1] + ratio / 2, np.stack([-apart / scale**2, 1 - ratio])


NORMAL_LIKELIHOOD = Entry(
    "normal likelihood of 10⁶ observations",
    lambda p, x: p[1] + jnp.mean(((x - p[0]) * jnp.exp(-p[1])) ** 2) / 2,
    lambda rng: (np.array([2.75, 0.25]), 3 + 2 * rng.normal(size=MANY)),
    (_normal, _normal_moments),
)


def _variance(x):
    c = x - x.mean()
    return (c * c).mean(), 2 * c / x.size


def _variance_from_first(x):
    s = x - x[0]
    c = s - s.sum() / x.size
    return np.dot(c, c) / x.size, c * (2 / x.size)


VARIANCE = Entry(
    "variance of 10⁵ entries near 1,000",
    lambda x: jnp.var(x),
    lambda rng: (1000 + rng.normal(size=100_000),),
    (_variance, _variance_from_first),
)


def _cumulative(x, t):
    c = np.cumsum(x)
    return t @ (c * c), 2 * np.cumsum((t * c)[::-1])[::-1]


def _cumulative_loop(x, t):
    c, running = np.empty_like(x), x.dtype.type(0)
    for i, each in enumerate(x):
        running = running + each
        c[i] = running
    whole, g = 2 * (t * c).sum(), np.empty_like(x)
    for i in range(len(x)):
        g[i] = whole
        whole = whole - 2 * t[i] * c[i]
    return (t * c * c).sum(), g


CUMULATIVE_SUM = Entry(
    "squares of a cumulative sum, 1,000 terms",
    lambda x, t: t @ jnp.cumsum(x) ** 2,
    lambda rng: (rng.normal(size=1000), 1 + rng.random(1000)),
    (_cumulative, _cumulative_loop),
)


def _alternating(x, s):
    return (s * x * x).sum(), 2 * s * x


def _alternating_halves(x, s):
    return ((x[::2] - x[1::2]) * (x[::2] + x[1::2])).sum(), np.where(s > 0, x + x, -x - x)


def _pairs(rng):
    x = np.repeat(rng.normal(size=50_000), 2)
    return x, np.tile([1.0, -1.0], 50_000)


ALTERNATING_SQUARES = Entry(
    "a loss that cancels, 10⁵ gradients that do not",
    lambda x, s: jnp.sum(s * x**2),
    _pairs,
    (_alternating, _alternating_halves),
)


def _long_softmax(x):
    e = np.exp(x - x.max())
    return np.log(e.sum()) + x.max(), e / e.sum()


def _long_softmax_logs(x):
    m = np.median(x)
    log = np.log(np.add.reduce(np.exp(x - m).reshape(-1, 100), axis=0).sum())
    return m + log, np.exp((x - m) - log)


LONG_LOG_SUM_EXP = Entry(
    "log-sum-exp of 10⁵ entries",
    lambda x: jax.nn.logsumexp(x),
    lambda rng: (3 * rng.normal(size=100_000),),
    (_long_softmax, _long_softmax_logs),
)


def _trend(p, x):
    t = np.arange(len(x), dtype=x.dtype) / len(x)
    r = p[0] + p[1] * t + p[2] * t * t - x
    return (r * r).mean() / 2, np.stack([r.mean(), (r * t).mean(), (r * t * t).mean()])


def _trend_design(p, x):
    t = np.arange(len(x)).astype(x.dtype) / len(x)
    A = np.stack([np.ones_like(t), t, t * t])
    r = p @ A - x
    return np.dot(r, r) / (2 * len(x)), A @ r / len(x)


def _trend_loss(p, x):
    t = jnp.arange(x.shape[0]) / x.shape[0]
    return jnp.mean((p[0] + p[1] * t + p[2] * t**2 - x) ** 2) / 2


TREND = Entry(
    "a quadratic trend through 10⁶ points",
    _trend_loss,
    lambda rng: (rng.normal(size=3), rng.normal(size=MANY)),
    (_trend, _trend_design),
)
