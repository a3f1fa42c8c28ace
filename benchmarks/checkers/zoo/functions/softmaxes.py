"""Softmaxes: extreme logits, smoothed labels, weights, saturation."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.checkers.zoo.entry import Entry

N, C = 12, 5
ROWS = np.arange(N)


def _picked(s, y):
    return jnp.mean(jax.nn.logsumexp(s, 1) - s[jnp.arange(N), y])


def _shifted(s, y):
    s = s - s.max(1, keepdims=True)
    e = np.exp(s)
    p = e / e.sum(1, keepdims=True)
    loss = np.mean(np.log(e.sum(1)) - s[ROWS, y])
    p[ROWS, y] -= 1
    return loss, p / N


def _pairwise(s, y):
    """Compute every probability as 1 over a sum of exponentials of differences."""
    with np.errstate(over="ignore"):
        p = 1 / np.exp(s[:, None, :] - s[:, :, None]).sum(2)
    g = p * (np.arange(C) != y[:, None])
    g[ROWS, y] = -g.sum(1)
    d = s - s[ROWS, y][:, None]
    m = d.max(1)
    return np.mean(m + np.log(np.exp(d - m[:, None]).sum(1))), g / N


def _by_normaliser(s, y):
    m = s.max(1, keepdims=True)
    log_sum = m[:, 0] + np.log(np.exp(s - m).sum(1))
    g = np.exp(s - log_sum[:, None])
    loss = np.mean(log_sum - s[ROWS, y])
    g[ROWS, y] -= 1
    return loss, g / N


def _logits(offset, size=1.0):
    return lambda rng: (offset + size * rng.normal(size=(N, C)), rng.integers(0, C, N))


CROSS_ENTROPY = Entry("cross-entropy", _picked, _logits(0), (_shifted, _pairwise, _by_normaliser))
CROSS_ENTROPY_1E3 = Entry(
    "cross-entropy, logits near 1e3", _picked, _logits(1e3), (_shifted, _pairwise, _by_normaliser)
)


def _value(s, y):
    from mpmath import mp

    return sum(mp.log(sum(mp.exp(each) for each in row)) - row[k] for row, k in zip(s, y, strict=True)) / N


CROSS_ENTROPY_1E7 = Entry(
    "cross-entropy, logits near 1e7",
    _picked,
    _logits(1e7),
    (_shifted, _pairwise, _by_normaliser),
    value=_value,
)
SATURATED = Entry(
    "cross-entropy, logits up to 1e4", _picked, _logits(0, 4e3), (_shifted, _pairwise), value=_value
)


def _huge(x):
    m = x.max()
    e = np.exp(x - m)
    return m + np.log(e.sum()), e / e.sum()


def _huge_pairwise(x):
    with np.errstate(over="ignore"):
        g = 1 / np.exp(x[None, :] - x[:, None]).sum(1)
    return x.max() + np.log(np.exp(x - x.max()).sum()), g


def _naive_huge(x):
    m = x.max()
    v = m + np.log(np.exp(x - m).sum())
    return v, np.exp(x - v)


def _huge_value(x):
    from mpmath import mp

    m = max(x)
    return m + mp.log(sum(mp.exp(each - m) for each in x))


def _huge_entry(size):
    point = np.array([1.0, 1.0, 0.5, 1.0, 0.0, -1.0]) * size
    return Entry(
        f"log-sum-exp at {size:.0e}".replace("e+", "e"),
        lambda x: jax.nn.logsumexp(x),
        lambda rng: (point.copy(),),
        (_huge, _huge_pairwise),
        wrong={"exp(x − loss)": _naive_huge},
        value=_huge_value,
    )


LOG_SUM_EXP_1E30 = _huge_entry(1e30)
LOG_SUM_EXP_1E37 = _huge_entry(1e37)


def _smooth_target(y, dtype, eps=0.1):
    return np.where(np.arange(C) == y[:, None], 1 - eps + eps / C, eps / C).astype(dtype)


def _smoothing_loss(s, y):
    q = jnp.where(jnp.arange(C) == y[:, None], 0.92, 0.02)
    return -jnp.mean(jnp.sum(q * jax.nn.log_softmax(s), 1))


def _smoothing(s, y):
    q = _smooth_target(y, s.dtype)
    s = s - s.max(1, keepdims=True)
    e = np.exp(s)
    z = e.sum(1, keepdims=True)
    return -np.mean((q * (s - np.log(z))).sum(1)), (e / z - q) / N


def _smoothing_rows(s, y):
    loss, g = s.dtype.type(0), np.zeros_like(s)
    for n in range(N):
        q = np.full(C, 0.02, s.dtype)
        q[y[n]] += s.dtype.type(0.9)
        m = s[n].max()
        log = m + np.log(sum(np.exp(each - m) for each in s[n]))
        loss += sum(q * (log - s[n])) / N
        g[n] = (np.exp(s[n] - log) - q) / N
    return loss, g


LABEL_SMOOTHING = Entry(
    "label smoothing",
    _smoothing_loss,
    _logits(3, 2.0),
    (_smoothing, _smoothing_rows),
    wrong={"plain cross-entropy's gradient": lambda s, y: (_smoothing(s, y)[0], _shifted(s, y)[1])},
)


def _weights_example(rng):
    return 3 * rng.normal(size=(N, C)), rng.integers(0, C, N), np.array([1e-3, 1.0, 50.0, 2.0, 0.1])


def _weights_loss(s, y, c):
    w = c[y]
    return jnp.sum(w * (jax.nn.logsumexp(s, 1) - s[jnp.arange(N), y])) / jnp.sum(w)


def _weights(s, y, c):
    w = c[y] / c[y].sum()
    e = np.exp(s - s.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    loss = -(w * np.log(p[ROWS, y])).sum()
    p[ROWS, y] -= 1
    return loss, w[:, None] * p


def _weights_one_hot(s, y, c):
    hot = np.eye(C, dtype=s.dtype)[y]
    w = hot @ c
    lse = np.logaddexp.reduce(s, axis=1)
    return (w @ (lse - (hot * s).sum(1))) / w.sum(), (np.exp(s - lse[:, None]) - hot) * (w / w.sum())[:, None]


CLASS_WEIGHTS = Entry(
    "class weights from 1e-3 to 50",
    _weights_loss,
    _weights_example,
    (_weights, _weights_one_hot),
    wrong={"divided by N": lambda s, y, c: (_weights(s, y, c)[0], _weights(s, y, c)[1] * c[y].sum() / N)},
)


def _entropy_loss(s):
    logp = jax.nn.log_softmax(s)
    return -jnp.sum(jnp.exp(logp) * logp)


def _entropy(s):
    s = s - s.max(1, keepdims=True)
    logp = s - np.log(np.exp(s).sum(1, keepdims=True))
    p = np.exp(logp)
    h = -(p * logp).sum(1, keepdims=True)
    return h.sum(), -p * (logp + h)


def _entropy_covariance(s):
    """Compute the gradient by the covariance of softmax: −(diag p − p pᵀ) log p."""
    g, loss = np.empty_like(s), s.dtype.type(0)
    for n, row in enumerate(s):
        e = np.exp(row - row.max())
        p = e / e.sum()
        logp = (row - row.max()) - np.log(e.sum())
        g[n] = -(np.diag(p) - np.outer(p, p)) @ logp
        loss -= p @ logp
    return loss, g


ENTROPY = Entry(
    "entropy of softmax",
    _entropy_loss,
    lambda rng: (3 * rng.normal(size=(N, C)),),
    (_entropy, _entropy_covariance),
)


def _kl_loss(s, q):
    return jnp.sum(jnp.where(q > 0, q * (jnp.log(jnp.where(q > 0, q, 1.0)) - jax.nn.log_softmax(s)), 0.0))


def _kl_example(rng):
    q = rng.dirichlet(np.ones(C), N)
    q[rng.random((N, C)) < 0.3] = 0
    q[:, 0] += 0.1
    return rng.normal(size=(N, C)), q / q.sum(1, keepdims=True)


def _kl(s, q):
    logp = s - np.logaddexp.reduce(s, axis=1)[:, None]
    logq = np.log(np.where(q > 0, q, 1))
    return (q * (logq - logp)).sum(), np.exp(logp) * q.sum(1, keepdims=True) - q


def _kl_support(s, q):
    e = np.exp(s - s.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    at = q > 0
    return np.sum(q[at] * np.log(q[at] / p[at])), p * (1 + (q.sum(1, keepdims=True) - 1)) - q


KL_DIVERGENCE = Entry("KL divergence from data with zeros", _kl_loss, _kl_example, (_kl, _kl_support))
