"""Layers as people write them: convolution, recurrence, attention, embeddings; dead ones and unused ones."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.checkers.zoo.entry import Entry


def _conv_loss(p, x, t):
    y = jax.lax.conv_general_dilated(x, p["w"], (1, 1), "VALID") + p["b"][None, :, None, None]
    return jnp.sum(t * jnp.tanh(y))


def _conv_windows(p, x, t):
    w, b = p["w"], p["b"]
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    y = np.tanh(np.einsum("nchwij,kcij->nkhw", windows, w) + b[:, None, None])
    d = t * (1 - y * y)
    return (t * y).sum(), {"b": d.sum((0, 2, 3)), "w": np.einsum("nkhw,nchwij->kcij", d, windows)}


def _conv_shifts(p, x, t):
    w, b = p["w"], p["b"]
    h, v = t.shape[2:]
    z = np.zeros_like(t) + b[:, None, None]
    for i in range(3):
        for j in range(3):
            z += np.tensordot(x[:, :, i : i + h, j : j + v], w[:, :, i, j], ([1], [1])).transpose(0, 3, 1, 2)
    y = np.tanh(z)
    d = t / np.cosh(z) ** 2
    dw = np.zeros_like(w)
    for i in range(3):
        for j in range(3):
            dw[:, :, i, j] = np.tensordot(d, x[:, :, i : i + h, j : j + v], ([0, 2, 3], [0, 2, 3]))
    return np.dot(t.ravel(), y.ravel()), {"b": np.add.reduce(d, axis=(3, 2, 0)), "w": dw}


def _conv_flipped(p, x, t):
    loss, g = _conv_windows(p, x, t)
    return loss, {**g, "w": g["w"][:, :, ::-1, ::-1]}


CONVOLUTION = Entry(
    "convolution",
    _conv_loss,
    lambda rng: (
        {"w": 0.3 * rng.normal(size=(3, 2, 3, 3)), "b": rng.normal(size=3)},
        rng.normal(size=(2, 2, 6, 6)),
        rng.normal(size=(2, 3, 4, 4)),
    ),
    (_conv_windows, _conv_shifts),
    wrong={"kernel flipped": _conv_flipped},
)

D, H, L = 3, 4, 5


def _sigmoid(x):
    return (1 + np.tanh(x / 2)) / 2


def _lstm_loss(p, x, t):
    def step(carry, xt):
        h, c = carry
        a = xt @ p["Wx"] + h @ p["Wh"] + p["b"]
        i, f, o = jax.nn.sigmoid(a[:H]), jax.nn.sigmoid(a[H : 2 * H]), jax.nn.sigmoid(a[2 * H : 3 * H])
        c = f * c + i * jnp.tanh(a[3 * H :])
        return (o * jnp.tanh(c), c), o * jnp.tanh(c)

    return jnp.sum(t * jax.lax.scan(step, (jnp.zeros(H), jnp.zeros(H)), x)[1])


def _lstm(p, x, t, keep=1):
    h, c, cache, total = np.zeros(H, x.dtype), np.zeros(H, x.dtype), [], x.dtype.type(0)
    for xt, tt in zip(x, t, strict=True):
        a = xt @ p["Wx"] + h @ p["Wh"] + p["b"]
        i, f, o, g = _sigmoid(a[:H]), _sigmoid(a[H : 2 * H]), _sigmoid(a[2 * H : 3 * H]), np.tanh(a[3 * H :])
        new = f * c + i * g
        cache.append((xt, h, c, new, i, f, o, g))
        h, c = o * np.tanh(new), new
        total += tt @ h
    grads, dh, dc = {k: np.zeros_like(each) for k, each in p.items()}, np.zeros_like(h), np.zeros_like(c)
    for (xt, before, c, new, i, f, o, g), tt in zip(cache[::-1], t[::-1], strict=True):
        dh = dh + tt
        th = np.tanh(new)
        dc = dc + dh * o * (1 - th * th)
        da = np.concatenate(
            [dc * g * i * (1 - i), dc * c * f * (1 - f), dh * th * o * (1 - o), dc * i * (1 - g * g)]
        )
        grads["Wx"] += np.outer(xt, da)
        grads["Wh"] += np.outer(before, da)
        grads["b"] += da
        dh, dc = p["Wh"] @ da, keep * dc * f
    return total, grads


def _lstm_joined(p, x, t):
    """All weights in one matrix, gates by exponentials, gradients by one product over all steps."""
    W = np.concatenate([p["Wx"], p["Wh"], p["b"][None]])
    one, h, c = np.ones(1, x.dtype), np.zeros(H, x.dtype), np.zeros(H, x.dtype)
    inputs, gates, cells, hidden = [], [], [c], []
    for xt in x:
        z = np.concatenate([xt, h, one])
        a = (z[:, None] * W).sum(0).reshape(4, H)
        s = 1 / (1 + np.exp(-a[:3]))
        g = 1 - 2 / (np.exp(2 * a[3]) + 1)
        c = s[1] * c + s[0] * g
        h = s[2] * np.tanh(c)
        inputs.append(z), gates.append((s, g)), cells.append(c), hidden.append(h)
    das, dh, dc = [], np.zeros(H, x.dtype), np.zeros(H, x.dtype)
    for n in range(len(x) - 1, -1, -1):
        (i, f, o), g = gates[n]
        dh = dh + t[n]
        dc = dc + dh * o / np.cosh(cells[n + 1]) ** 2
        da = np.stack(
            [
                dc * g * i * (1 - i),
                dc * cells[n] * f * (1 - f),
                dh * np.tanh(cells[n + 1]) * o * (1 - o),
                dc * i * (1 - g) * (1 + g),
            ]
        )
        das.insert(0, da.ravel())
        dh, dc = W[D : D + H] @ da.ravel(), dc * f
    dW = np.einsum("ni,nj->ij", np.stack(inputs), np.stack(das))
    return (t * np.stack(hidden)).sum(), {"Wx": dW[:D], "Wh": dW[D:-1], "b": dW[-1]}


LSTM = Entry(
    "LSTM over five steps",
    _lstm_loss,
    lambda rng: (
        {
            "Wx": rng.normal(size=(D, 4 * H)),
            "Wh": 0.5 * rng.normal(size=(H, 4 * H)),
            "b": rng.normal(size=4 * H),
        },
        rng.normal(size=(L, D)),
        rng.normal(size=(L, H)),
    ),
    (_lstm, _lstm_joined),
    wrong={"no gradient from cell to cell": lambda p, x, t: _lstm(p, x, t, keep=0)},
)

T, M = 6, 4


def _attention_loss(p, x, t):
    q, k, v = x @ p["Wq"] + p["bq"], x @ p["Wk"] + p["bk"], x @ p["Wv"]
    return jnp.sum(t * (jax.nn.softmax(q @ k.T / 2) @ v))


def _attention(p, x, t):
    q, k, v = x @ p["Wq"] + p["bq"], x @ p["Wk"] + p["bk"], x @ p["Wv"]
    s = q @ k.T / 2
    e = np.exp(s - s.max(1, keepdims=True))
    P = e / e.sum(1, keepdims=True)
    dP = t @ v.T
    dS = P * (dP - (P * dP).sum(1, keepdims=True)) / 2
    dq, dk, dv = dS @ k, dS.T @ q, P.T @ t
    g = {"Wq": x.T @ dq, "Wk": x.T @ dk, "Wv": x.T @ dv, "bq": dq.sum(0), "bk": dk.sum(0)}
    return (t * (P @ v)).sum(), g


def _attention_jacobian(p, x, t):
    q, k, v = (np.einsum("nd,dm->nm", x, p[w]) for w in ("Wq", "Wk", "Wv"))
    q, total, g = q + p["bq"], x.dtype.type(0), {n: np.zeros_like(each) for n, each in p.items()}
    for n in range(T):
        s = k @ q[n] / 2  # the keys' bias adds the same to every score
        w = np.exp(s - np.logaddexp.reduce(s))
        total += t[n] @ (w @ v)
        ds = (np.diag(w) - np.outer(w, w)) @ (v @ t[n]) / 2
        g["Wq"] += np.outer(x[n], k.T @ ds)
        g["bq"] += k.T @ ds
        g["Wk"] += np.outer(x.T @ ds, q[n])
        g["Wv"] += np.outer(x.T @ w, t[n])
    return total, g


KEY_BIAS = Entry(
    "attention with a bias of the keys, which cancels",
    _attention_loss,
    lambda rng: (
        {
            **{w: rng.normal(size=(M, M)) for w in ("Wq", "Wk", "Wv")},
            "bq": rng.normal(size=M),
            "bk": rng.normal(size=M),
        },
        rng.normal(size=(T, M)),
        rng.normal(size=(T, M)),
    ),
    (_attention_jacobian, _attention),
    wrong={
        "dWq and dWk exchanged": lambda p, x, t: (
            lambda loss, g: (loss, {**g, "Wq": g["Wk"], "Wk": g["Wq"]})
        )(*_attention(p, x, t))
    },
)


def _embedding_loss(p, ids, t):
    return jnp.sum(t * jnp.tanh(p["E"][ids] @ p["W"]))


def _embedding(p, ids, t):
    e = p["E"][ids]
    y = np.tanh(e @ p["W"])
    d = t * (1 - y * y)
    dE = np.zeros_like(p["E"])
    np.add.at(dE, ids, d @ p["W"].T)
    return (t * y).sum(), {"E": dE, "W": e.T @ d}


def _embedding_one_hot(p, ids, t):
    hot = np.eye(len(p["E"]), dtype=t.dtype)[ids]
    y = np.tanh(hot @ p["E"] @ p["W"])
    d = t * (1 - y) * (1 + y)
    return np.einsum("nd,nd->", t, y), {
        "E": np.einsum("nv,nk,dk->vd", hot, d, p["W"]),
        "W": p["E"].T @ (hot.T @ d),
    }


def _embedding_overwritten(p, ids, t):
    loss, g = _embedding(p, ids, t)
    e = p["E"][ids]
    dE = np.zeros_like(p["E"])
    dE[ids] = (t * (1 - np.tanh(e @ p["W"]) ** 2)) @ p["W"].T
    return loss, {**g, "E": dE}


EMBEDDING = Entry(
    "embeddings, rows repeated and unused",
    _embedding_loss,
    lambda rng: (
        {"E": rng.normal(size=(8, 3)), "W": rng.normal(size=(3, 4))},
        np.array([1, 5, 1, 1, 0, 7, 5, 1]),
        rng.normal(size=(8, 4)),
    ),
    (_embedding, _embedding_one_hot),
    wrong={"repeated rows overwritten": _embedding_overwritten},
)


def _net_loss(p, x, t):
    return jnp.mean((jax.nn.relu(x @ p["W1"] + p["b1"]) @ p["w2"] - t) ** 2)


def _net(p, x, t):
    z = x @ p["W1"] + p["b1"]
    h = np.maximum(z, 0)
    r = h @ p["w2"] - t
    d = 2 * r / len(t)
    dz = np.outer(d, p["w2"]) * (z > 0)
    return (r * r).mean(), {"W1": x.T @ dz, "b1": dz.sum(0), "w2": h.T @ d}


def _net_samples(p, x, t):
    total, g = x.dtype.type(0), {k: np.zeros_like(each) for k, each in p.items()}
    for a, target in zip(x, t, strict=True):
        z = np.einsum("d,dh->h", a, p["W1"]) + p["b1"]
        on = z > 0
        r = (z * on) @ p["w2"] - target
        total += r * r / len(t)
        g["w2"] += 2 * r * z * on / len(t)
        g["b1"] += 2 * r * p["w2"] * on / len(t)
        g["W1"] += np.outer(a, 2 * r * p["w2"] * on) / len(t)
    return total, g


def _half_dead(rng):
    p = {"W1": rng.normal(size=(4, 6)), "b1": rng.normal(size=6), "w2": rng.normal(size=6)}
    p["b1"][:3] = -100
    return p, rng.normal(size=(9, 4)), rng.normal(size=9)


HALF_DEAD = Entry("half of the units dead", _net_loss, _half_dead, (_net, _net_samples))


def _only_dead(p, x, t):
    loss, g = _net(p, x, t)
    return loss, {k: g[k] for k in ("W1", "b1")}


def _dead_loss(p, x, w, t):
    return jnp.mean((jax.nn.relu(x @ p["W1"] + p["b1"]) @ w - t) ** 2)


def _dead(p, x, w, t):
    return _only_dead({**p, "w2": w}, x, t)


def _dead_samples(p, x, w, t):
    loss, g = _net_samples({**p, "w2": w}, x, t)
    return loss, {k: g[k] for k in ("W1", "b1")}


DEAD = Entry(
    "a network all of whose units are dead",
    _dead_loss,
    lambda rng: (
        {"W1": rng.normal(size=(4, 6)), "b1": np.full(6, -100.0)},
        rng.normal(size=(9, 4)),
        rng.normal(size=6),
        rng.normal(size=9),
    ),
    (_dead, _dead_samples),
    dead=True,
)


def _hinge_loss(w, A, y):
    return jnp.mean(jnp.maximum(1 - y * (A @ w), 0))


def _hinge(w, A, y):
    m = 1 - y * (A @ w)
    return np.maximum(m, 0).mean(), -(A.T @ (y * (m > 0))) / len(y)


def _hinge_rows(w, A, y):
    g = np.zeros_like(w)
    for a, label in zip(A, y, strict=True):
        if label * np.dot(a, w) < 1:
            g -= label * a / len(y)
    return np.clip(1 - y * (A * w).sum(1), 0, None).sum() / len(y), g


def _separated(rng):
    A = rng.normal(size=(10, 3))
    w = np.array([20.0, -30.0, 10.0])
    A += np.sign(A @ w)[:, None] * w / 100
    return w, A, np.sign(A @ w)


HINGE_NEVER_OPEN = Entry(
    "a hinge that never opens", _hinge_loss, _separated, (_hinge, _hinge_rows), dead=True
)


def _unused_loss(p, x, t):
    return jnp.mean((x @ p["used"] - t) ** 2)


def _unused(p, x, t):
    r = x @ p["used"] - t
    return (r * r).mean(), {"spare": np.zeros_like(p["spare"]), "used": 2 * x.T @ r / len(t)}


def _unused_gram(p, x, t):
    r = np.einsum("nd,d->n", x, p["used"]) - t
    g = {name: p[name] * 0 for name in p}
    for row, each in zip(x, r, strict=True):
        g["used"] += 2 / x.dtype.type(len(t)) * each * row
    return np.dot(r, r) / len(t), g


UNUSED = Entry(
    "a parameter that the loss does not use",
    _unused_loss,
    lambda rng: (
        {"spare": rng.normal(size=(3, 2)), "used": rng.normal(size=5)},
        rng.normal(size=(9, 5)),
        rng.normal(size=9),
    ),
    (_unused, _unused_gram),
)
