"""Entries of many sizes in one array."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.checkers.zoo.entry import Entry

SCALES = np.array([1e7, 1e7, 1e7, 1.0, 10.0, 1e4])


def _quadratic(x, s):
    return (s * x * x).sum(), 2 * s * x


def _quadratic_roots(x, s):
    r = np.sqrt(s)
    y = r * x
    return y @ y, r * (y + y)


def _last_sign(x, s):
    loss, g = _quadratic(x, s)
    g[:3] *= x.dtype.type(0.96)
    return loss, g


PACKED_QUADRATIC = Entry(
    "one vector, gradients from 1 to 1e7",
    lambda x, s: jnp.sum(s * x**2),
    lambda rng: (np.array([0.3, -0.7, 1.1, 0.9, -2.0, 0.5]), SCALES),
    (_quadratic, _quadratic_roots),
    wrong={"the large ones 4 % short": _last_sign},
)


def _decay_loss(p, t, y):
    r = p[0] * jnp.exp(-p[1] * t) + p[2] - y
    return jnp.mean(r**2)


def _decay(p, t, y):
    a, k, c = p
    e = np.exp(-k * t)
    r = a * e + c - y
    return np.mean(r * r), np.stack([(r * e).mean(), -(r * a * t * e).mean(), r.mean()]) * 2


def _decay_jacobian(p, t, y):
    e = np.exp(-t * p[1])
    J = np.stack([e, -p[0] * t * e, np.ones_like(t)], 1)
    r = e * p[0] + p[2] - y
    return (r @ r) / len(t), J.T @ r / (len(t) / 2)


def _decay_example(rng):
    t = np.linspace(0, 4000, 40)
    return np.array([1e4, 1e-3, -30.0]), t, 9e3 * np.exp(-1.2e-3 * t) + 50 * rng.normal(size=40)


DECAY = Entry(
    "exponential decay, units from 1e-3 to 1e4", _decay_loss, _decay_example, (_decay, _decay_jacobian)
)


def _logistic(w, X, y):
    z = X @ w
    p = np.where(z >= 0, 1, np.exp(-np.abs(z))) / (1 + np.exp(-np.abs(z)))
    return np.mean(np.logaddexp(0, z) - y * z), X.T @ (p - y) / len(y)


def _logistic_loop(w, X, y):
    total, g = w.dtype.type(0), np.zeros_like(w)
    for x, label in zip(X, y, strict=True):
        m = (1 - 2 * label) * sum(x * w)
        total += np.log1p(np.exp(-abs(m))) + max(m, w.dtype.type(0))
        g += (1 - 2 * label) * (1 + np.tanh(m / 2)) / 2 * x
    return total / len(y), g / len(y)


def _features(rng):
    scale = 10.0 ** np.array([-3, -2, -1, 0, 2, 4])
    X = rng.normal(size=(20, 6)) * scale
    return rng.normal(size=6) / scale, X, (rng.random(20) < 0.5).astype(float)


FEATURE_SCALES = Entry(
    "logistic regression, features from 1e-3 to 1e4",
    lambda w, X, y: jnp.mean(jnp.logaddexp(0.0, X @ w) - y * (X @ w)),
    _features,
    (_logistic, _logistic_loop),
)


def _rosenbrock(x):
    a, b = x[:-1], x[1:]
    g = np.zeros_like(x)
    g[:-1] = -400 * a * (b - a * a) - 2 * (1 - a)
    g[1:] += 200 * (b - a * a)
    return (100 * (b - a * a) ** 2 + (1 - a) ** 2).sum(), g


def _rosenbrock_loop(x):
    total, g = x.dtype.type(0), np.zeros_like(x)
    for i in range(len(x) - 1):
        u, v = x[i + 1] - x[i] ** 2, 1 - x[i]
        total += 100 * u * u + v * v
        g[i] -= 2 * v + 4 * x[i] * 100 * u
        g[i + 1] += 2 * 100 * u
    return total, g


ROSENBROCK = Entry(
    "Rosenbrock's function in 100 dimensions, near its valley",
    lambda x: jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2),
    lambda rng: (1 + 0.1 * rng.normal(size=100),),
    (_rosenbrock, _rosenbrock_loop),
)


def _tiny(x, t):
    return x.dtype.type(1e-28) * (t * x * x).sum(), 2 * x.dtype.type(1e-28) * t * x


def _tiny_roots(x, t):
    small = x.dtype.type(1e-14)
    return np.dot(t * (small * x), small * x), (t * (small * x) + t * (small * x)) * small


TINY = Entry(
    "gradients of 1e-28",
    lambda x, t: 1e-28 * jnp.sum(t * x**2),
    lambda rng: (rng.normal(size=12), rng.normal(size=12)),
    (_tiny, _tiny_roots),
)


def _packed_loss(p, X, y):
    W, b, v = p[:12].reshape(3, 4), p[12:16], p[16:20]
    h = jnp.tanh(X @ W + b)
    return jnp.mean((h @ v * 1e3 - y) ** 2) + 1e-3 * p[20] ** 2


def _packed(p, X, y):
    W, b, v = p[:12].reshape(3, 4), p[12:16], p[16:20]
    h = np.tanh(X @ W + b)
    r = h @ v * 1000 - y
    do = 2 * r / len(y) * 1000
    dz = do[:, None] * v * (1 - h * h)
    g = [(X.T @ dz).ravel(), dz.sum(0), h.T @ do, 2 * p.dtype.type(1e-3) * p[20:]]
    return np.mean(r * r) + p.dtype.type(1e-3) * p[20] ** 2, np.concatenate(g)


def _packed_samples(p, X, y):
    g, total = np.zeros_like(p), p.dtype.type(0)
    for x, target in zip(X, y, strict=True):
        h = np.tanh(np.append(x, p.dtype.type(1)) @ p[:16].reshape(4, 4))
        r = sum(h * p[16:20]) * 1000 - target
        do = 2000 * r
        total += r * r
        g[16:20] += do * h
        g[:16] += np.outer(np.append(x, 1), do * p[16:20] * (1 - h) * (1 + h)).ravel()
    g, small = g / len(y), p.dtype.type(1e-3)
    g[20] = (small + small) * p[20]
    return total / len(y) + small * p[20] * p[20], g.astype(p.dtype)


PACKED_NETWORK = Entry(
    "a network's parameters in one vector, in three units",
    _packed_loss,
    lambda rng: (rng.normal(size=21), rng.normal(size=(10, 3)), 1e3 * rng.normal(size=10)),
    (_packed, _packed_samples),
)


def _huge_and_small(x, y):
    return (np.exp(x) * y).sum(), np.exp(x) * y


def _huge_and_small_parts(x, y):
    half = np.exp(x / 2)
    return np.dot(half * y, half), half * y * half


EXPONENTIALS = Entry(
    "exponentials from 1e-13 to 1e13",
    lambda x, y: jnp.sum(jnp.exp(x) * y),
    lambda rng: (np.linspace(-30, 30, 13), rng.normal(size=13)),
    (_huge_and_small, _huge_and_small_parts),
)


def _softplus_scale(p, x):
    s = np.logaddexp(0, p)
    z = x / s
    sigma = np.where(p >= 0, 1, np.exp(-np.abs(p))) / (1 + np.exp(-np.abs(p)))
    return (np.log(s) + z * z / 2).mean(), (1 - z * z) / s * sigma / p.size


def _softplus_scale_loop(p, x):
    total, g = p.dtype.type(0), np.zeros_like(p)
    for i, (a, b) in enumerate(zip(p, x, strict=True)):
        s = np.log1p(np.exp(-abs(a))) + max(a, p.dtype.type(0))
        total += np.log(s) + b * b / (2 * s * s)
        g[i] = (1 / s - b * b / s**3) / (1 + np.exp(-a))
    return total / p.size, g / p.size


SOFTPLUS_SCALES = Entry(
    "scales behind softplus, from 1e-4 to 30",
    lambda p, x: jnp.mean(jnp.log(jax.nn.softplus(p)) + (x / jax.nn.softplus(p)) ** 2 / 2),
    lambda rng: (np.linspace(-9, 30, 14), rng.normal(size=14)),
    (_softplus_scale, _softplus_scale_loop),
)
