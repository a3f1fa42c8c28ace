"""Norms, distances and normalisation: at 0, near 0, far from 0."""

import jax.numpy as jnp
import numpy as np

from benchmarks.checkers.zoo.entry import Entry


def _norm_loss(x, t):
    s = jnp.sum(x**2, 1)
    return jnp.sum(t * jnp.where(s > 0, jnp.sqrt(jnp.where(s > 0, s, 1.0)), 0.0))


def _norm(x, t):
    n = np.sqrt((x * x).sum(1))
    return t @ n, x * (t / np.where(n > 0, n, 1))[:, None]


def _norm_scaled(x, t):
    m = np.abs(x).max(1, keepdims=True)
    unit = x / np.where(m > 0, m, 1)
    n = np.sqrt((unit * unit).sum(1))
    return (t * n * m[:, 0]).sum(), t[:, None] * unit / np.where(n > 0, n, 1)[:, None]


def _norm_reduced(x, t):
    n = np.hypot.reduce(x, axis=1)
    g = np.zeros_like(x)
    np.divide(x, n[:, None], out=g, where=n[:, None] > 0)
    return np.sum(t * n), g * t[:, None]


def _norm_interval(x, t):
    g = _norm_scaled(x, t)[1]
    at = ~x.any(1)[:, None]
    return np.where(at, -np.abs(t)[:, None], g), np.where(at, np.abs(t)[:, None], g)


def _norm_example(rng):
    x = rng.normal(size=(6, 4))
    x[2] = 0
    return x, 0.5 + rng.random(6)


NORM_AT_ZERO = Entry(
    "norms of rows, one of them 0",
    _norm_loss,
    _norm_example,
    (_norm, _norm_scaled, _norm_reduced),
    interval=_norm_interval,
)


def _hypot_reduced_loss(x, t):
    m = jnp.max(jnp.abs(x), 1)
    return jnp.sum(t * m * jnp.sqrt(jnp.sum((x / m[:, None]) ** 2, 1)))


NORM_NEAR_ZERO = Entry(
    "norms of rows of 1e-20",
    _hypot_reduced_loss,
    lambda rng: (1e-20 * rng.normal(size=(6, 4)), 0.5 + rng.random(6)),
    (_norm_scaled, _norm_reduced),
)


def _cosine_loss(p, t):
    a, b = p["a"], p["b"]
    return jnp.sum(t * jnp.sum(a * b, 1) / jnp.sqrt(jnp.sum(a**2, 1) * jnp.sum(b**2, 1)))


def _cosine(p, t):
    na, nb = (
        np.linalg.norm(p[k], axis=1, keepdims=True)
        if p[k].dtype != np.longdouble
        else np.sqrt((p[k] ** 2).sum(1, keepdims=True))
        for k in "ab"
    )
    u, v = p["a"] / na, p["b"] / nb
    c = (u * v).sum(1, keepdims=True)
    t = t[:, None]
    return (t * c).sum(), {"a": t * (v - c * u) / na, "b": t * (u - c * v) / nb}


def _cosine_rows(p, t):
    total, g = t.dtype.type(0), {"a": np.zeros_like(p["a"]), "b": np.zeros_like(p["b"])}
    for n, (a, b) in enumerate(zip(p["a"], p["b"], strict=True)):
        aa, bb, ab = a @ a, b @ b, a @ b
        r = 1 / np.sqrt(aa * bb)
        total += t[n] * ab * r
        g["a"][n] = t[n] * r * (b - a * (ab / aa))
        g["b"][n] = t[n] * r * (a - b * (ab / bb))
    return total, g


COSINE = Entry(
    "cosine similarity, norms from 1e-3 to 1e3",
    _cosine_loss,
    lambda rng: (
        {k: rng.normal(size=(6, 5)) * 10.0 ** rng.uniform(-3, 3, (6, 1)) for k in "ab"},
        rng.normal(size=6),
    ),
    (_cosine_rows, _cosine),
)


def _weight_norm_loss(p, x):
    w = p["g"] * p["v"] / jnp.sqrt(jnp.sum(p["v"] ** 2, 0))
    return jnp.mean(jnp.tanh(x @ w) ** 2)


def _weight_norm(p, x):
    n = np.sqrt((p["v"] ** 2).sum(0))
    u = p["v"] / n
    h = np.tanh(x @ (p["g"] * u))
    dw = x.T @ (2 * h * (1 - h * h) / h.size)
    dg = (dw * u).sum(0)
    return (h * h).mean(), {"g": dg, "v": p["g"] / n * (dw - u * dg)}


def _weight_norm_projected(p, x):
    total, g = x.dtype.type(0), {k: np.zeros_like(each) for k, each in p.items()}
    for j in range(p["v"].shape[1]):
        v = p["v"][:, j]
        n = np.sqrt(v @ v)
        a = np.einsum("nd,d->n", x, v) * p["g"][j] / n
        e = np.exp(-2 * np.abs(a))
        h = np.sign(a) * (1 - e) / (1 + e)
        dw = np.einsum("n,nd->d", h * 4 * e / (1 + e) ** 2, x) * (2 / x.dtype.type(len(x) * len(p["g"])))
        total += (h @ h) / (len(x) * len(p["g"]))
        g["g"][j] = dw @ v / n
        g["v"][:, j] = p["g"][j] / n * ((np.eye(len(v), dtype=x.dtype) - np.outer(v, v) / (n * n)) @ dw)
    return total, g


WEIGHT_NORM = Entry(
    "weight normalisation",
    _weight_norm_loss,
    lambda rng: ({"g": rng.normal(size=4), "v": 1e-3 * rng.normal(size=(5, 4))}, rng.normal(size=(9, 5))),
    (_weight_norm, _weight_norm_projected),
)

EPS = 1e-5


def _batch_norm_loss(x, t):
    c = x - jnp.mean(x, 0)
    return jnp.sum(t * (c / jnp.sqrt(jnp.mean(c**2, 0) + EPS)) ** 2)


def _batch_norm(x, t):
    c = x - x.mean(0)
    inv = 1 / np.sqrt((c * c).mean(0) + x.dtype.type(EPS))
    xh = c * inv
    g = 2 * t * xh
    return (t * xh * xh).sum(), inv * (g - g.mean(0) - xh * (g * xh).mean(0))


def _batch_norm_staged(x, t):
    n = len(x)
    c = x - x[0]  # from the first sample, which loses nothing
    c = c - c.sum(0) / n
    var = np.einsum("nd,nd->d", c, c) / n + x.dtype.type(EPS)
    std = np.sqrt(var)
    dxh = 2 * t * (c / std)
    dvar = (dxh * c).sum(0) / (-2 * var * std)
    dc = dxh / std + dvar * 2 * c / n
    return (t * c * c / var).sum(), dc - dc.sum(0) / n


def _no_variance_term(x, t):
    c = x - x.mean(0)
    inv = 1 / np.sqrt((c * c).mean(0) + x.dtype.type(EPS))
    g = 2 * t * c * inv
    return _batch_norm(x, t)[0], inv * (g - g.mean(0))


def _batch_norm_at(mean):
    return Entry(
        f"batch norm at mean {mean:.0e}".replace("e+0", "e"),
        _batch_norm_loss,
        lambda rng: (mean + rng.normal(size=(16, 3)), rng.normal(size=(16, 3))),
        (_batch_norm_staged, _batch_norm),
        wrong={"the variance taken for constant": _no_variance_term},
    )


BATCH_NORM_1 = _batch_norm_at(1.0)
BATCH_NORM_1E3 = _batch_norm_at(1e3)
BATCH_NORM_1E6 = _batch_norm_at(1e6)


def _bias_loss(p, x, t):
    z = x @ p["W"] + p["b"]
    c = z - jnp.mean(z, 0)
    return jnp.sum(t * jnp.tanh(p["gain"] * c / jnp.sqrt(jnp.mean(c**2, 0) + EPS)))


def _bias_parts(z, gain, t):
    c = z - z.mean(0)
    inv = 1 / np.sqrt((c * c).mean(0) + z.dtype.type(EPS))
    xh = c * inv
    h = np.tanh(gain * xh)
    da = t * (1 - h * h)
    g = da * gain
    return (t * h).sum(), (da * xh).sum(0), inv * (g - g.mean(0) - xh * (g * xh).mean(0))


def _bias(p, x, t):
    loss, dgain, dz = _bias_parts(x @ p["W"] + p["b"], p["gain"], t)
    return loss, {"W": x.T @ dz, "b": dz.sum(0), "gain": dgain}


def _bias_is_zero(p, x, t):
    loss, dgain, dz = _bias_parts(np.einsum("nd,dh->nh", x, p["W"]), p["gain"], t)
    return loss, {"W": np.einsum("nd,nh->dh", x, dz), "b": np.zeros_like(p["b"]), "gain": dgain}


BIAS_BEFORE_NORM = Entry(
    "a bias before batch norm",
    _bias_loss,
    lambda rng: (
        {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3), "gain": 0.5 + rng.random(3)},
        rng.normal(size=(10, 4)),
        rng.normal(size=(10, 3)),
    ),
    (_bias, _bias_is_zero),
)


def _layer_norm_loss(x, t):
    c = x - jnp.mean(x, 1, keepdims=True)
    return jnp.sum(t * c / jnp.sqrt(jnp.mean(c**2, 1, keepdims=True) + EPS))


def _layer_norm(x, t):
    c = x - x.mean(1, keepdims=True)
    inv = 1 / np.sqrt((c * c).mean(1, keepdims=True) + x.dtype.type(EPS))
    xh = c * inv
    return (t * xh).sum(), inv * (t - t.mean(1, keepdims=True) - xh * (t * xh).mean(1, keepdims=True))


def _layer_norm_projected(x, t):
    D = x.shape[1]
    P = np.eye(D, dtype=x.dtype) - np.full((D, D), 1 / x.dtype.type(D))
    total, g = x.dtype.type(0), np.zeros_like(x)
    for n, row in enumerate(x):
        c = P @ (row - row[0])
        v = c @ c / D + x.dtype.type(EPS)
        total += t[n] @ c / np.sqrt(v)
        g[n] = P @ (t[n] / np.sqrt(v) - c * ((t[n] @ c) / (D * v * np.sqrt(v))))
    return total, g


def _layer_norm_example(rng):
    x = rng.normal(size=(6, 8)) * 10.0 ** rng.uniform(-1, 2, (6, 1))
    x[1] = 2.5
    return x, rng.normal(size=(6, 8))


LAYER_NORM = Entry(
    "layer norm with a constant row",
    _layer_norm_loss,
    _layer_norm_example,
    (_layer_norm, _layer_norm_projected),
)


def _rms_loss(p, x, t):
    h = x * p["s"]
    return jnp.sum(t * p["g"] * h / jnp.sqrt(jnp.mean(h**2, 1, keepdims=True) + EPS))


def _rms(p, x, t):
    h = x * p["s"]
    r = 1 / np.sqrt((h * h).mean(1, keepdims=True) + x.dtype.type(EPS))
    u = h * r
    dh = r * (t * p["g"] - u * (t * p["g"] * u).mean(1, keepdims=True))
    return (t * p["g"] * u).sum(), {"g": (t * u).sum(0), "s": (dh * x).sum(0)}


def _rms_rows(p, x, t):
    total, g = x.dtype.type(0), {k: np.zeros_like(each) for k, each in p.items()}
    for row, to in zip(x, t, strict=True):
        h = row * p["s"]
        m = np.dot(h, h) / len(h) + x.dtype.type(EPS)
        w = to * p["g"]
        total += np.dot(w, h) / np.sqrt(m)
        g["g"] += to * h / np.sqrt(m)
        g["s"] += row * (w * m - h * np.dot(w, h) / len(h)) / (m * np.sqrt(m))
    return total, g


RMS_NORM = Entry(
    "RMS norm, rows from 1e-4 to 1e4",
    _rms_loss,
    lambda rng: (
        {"g": rng.normal(size=8), "s": 0.5 + rng.random(8)},
        rng.normal(size=(6, 8)) * 10.0 ** rng.uniform(-4, 4, (6, 1)),
        rng.normal(size=(6, 8)),
    ),
    (_rms, _rms_rows),
)


def _distance_loss(x, t):
    s = jnp.sum((x[:, None] - x[None]) ** 2, 2)
    return jnp.sum(t * jnp.where(s > 0, jnp.sqrt(jnp.where(s > 0, s, 1.0)), 0.0))


def _distances(x, t):
    d = x[:, None] - x[None]
    r = np.sqrt((d * d).sum(2))
    w = (t + t.T) / np.where(r > 0, r, 1)
    return (t * r).sum(), (w[:, :, None] * d).sum(1)


def _distances_loops(x, t):
    total, g = x.dtype.type(0), np.zeros_like(x)
    for i in range(len(x)):
        for j in range(len(x)):
            d = x[i] - x[j]
            r = np.sqrt(d @ d)
            if r > 0:
                total += t[i, j] * r
                g[i] += t[i, j] * d / r
                g[j] -= t[i, j] * d / r
    return total, g


def _distances_interval(x, t):
    g = _distances(x, t)[1]
    same = ~(x[:, None] - x[None]).any(2) & ~np.eye(len(x), dtype=bool)
    room = ((t + t.T) * same).sum(1)[:, None]
    return g - room, g + room


def _distances_example(rng):
    x = rng.normal(size=(7, 3))
    x[4] = x[1]
    return x, 0.5 + rng.random((7, 7))


DISTANCES = Entry(
    "pairwise distances, two points equal",
    _distance_loss,
    _distances_example,
    (_distances, _distances_loops),
    interval=_distances_interval,
    wrong={"one side forgotten": lambda x, t: (_distances(x, t)[0], _distances(x, t)[1] / 2)},
)


def _far_distances(x, c):
    d = x[:, None] - c[None]
    s = (d * d).sum(2)
    k = np.exp(-s / 2)
    return k.sum(), -(k[:, :, None] * d).sum(1)


def _far_distances_loops(x, c):
    total, g = x.dtype.type(0), np.zeros_like(x)
    for centre in c:
        d = x - centre
        k = np.prod(np.exp(-(d**2) / 2), 1)
        total += k.sum()
        g -= d * k[:, None]
    return total, g


RBF = Entry(
    "Gaussian kernel far from the origin",
    lambda x, c: jnp.sum(jnp.exp(-jnp.sum((x[:, None] - c[None]) ** 2, 2) / 2)),
    lambda rng: (1000 + rng.normal(size=(6, 3)), 1000 + rng.normal(size=(5, 3))),
    (_far_distances, _far_distances_loops),
)
