"""References that compute in a lower precision than the checked one."""

import jax.numpy as jnp
import ml_dtypes
import numpy as np

from benchmarks.checkers.zoo.entry import Entry


def _example(rng):
    return rng.normal(size=(5, 3)), rng.normal(size=(8, 5))


def _exact(w, x):
    y = np.tanh(x @ w)
    return (y * y).sum(), x.T @ (2 * y * (1 - y * y))


def _samples(w, x):
    total, g = x.dtype.type(0), np.zeros_like(w)
    for row in x:
        y = np.tanh(np.einsum("d,dk->k", row, w))
        total += y @ y
        g += np.outer(row, 2 * y * (1 - y) * (1 + y))
    return total, g


def _inside(dtype):
    """Return a hand that computes everything between parameters and gradient in a lower precision."""

    def hand(w, x):
        a, b = w.astype(dtype), x.astype(dtype)
        y = np.tanh((b[:, :, None] * a[None]).sum(1, dtype=dtype))
        d = (2 * y * (1 - y * y)).astype(dtype)
        g = (b[:, :, None] * d[:, None]).sum(0, dtype=dtype)
        return (y * y).sum(dtype=dtype).astype(w.dtype), g.astype(w.dtype)

    return hand


def _entry(name, reference, dtype):
    def loss(w, x):
        y = jnp.tanh(x.astype(reference) @ w.astype(reference))
        return jnp.sum(y**2)

    return Entry(name, loss, _example, (_exact, _samples, _inside(dtype)))


BFLOAT16 = _entry("bfloat16 inside", jnp.bfloat16, ml_dtypes.bfloat16)
FLOAT16 = _entry("float16 inside", jnp.float16, np.float16)
FLOAT32 = _entry("float32 inside", jnp.float32, np.float32)


def _scaled_loss(w, x):
    y = jnp.tanh((x.astype(jnp.float16) @ w.astype(jnp.float16)).astype(x.dtype))
    return jnp.sum(y**2)


def _half_product(w, x):
    y = np.tanh((x.astype(np.float16) @ w.astype(np.float16)).astype(x.dtype))
    d = (2 * y * (1 - y * y)).astype(np.float16)
    return (y * y).sum(), (x.astype(np.float16).T @ d).astype(x.dtype)


HALF_PRODUCT = Entry("a product in float16 inside", _scaled_loss, _example, (_exact, _samples, _half_product))
