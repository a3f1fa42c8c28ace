"""Gradients as people wrote them and asked about them: each a hand, a reference and an example."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.lib.stride_tricks import as_strided

from autograd_ref.crosscheck.function.check import check_gradients_at


class Case(NamedTuple):
    """A gradient: hand(params, *args), reference(params, *args), example(rng) -> (params, *args)."""

    hand: object
    reference: object
    example: object

    def check(self, count=3, seed=0, **options):
        """The verdict at some examples."""
        rng = np.random.default_rng(seed)
        points = [self.example(rng) for _ in range(count)]
        return check_gradients_at(self.hand, self.reference, points, **options)


# Dropout with a JAX key among the arguments.


def mask_of(key):
    return np.asarray(jax.random.bernoulli(key, 0.7, (10, 8))) / 0.7


def dropped_out(p, x, mask, back):
    z = np.tanh(x @ p["W"])
    o = (z * mask) @ p["v"]
    da = np.outer(2 * o, p["v"]) * back
    return np.sum(o**2), {"W": x.T @ (da * (1 - z**2)), "v": (z * mask).T @ (2 * o)}


def dropout(p, x, key):
    return dropped_out(p, x, mask_of(key).astype(x.dtype), mask_of(key).astype(x.dtype))


def dropout_without_mask_back(p, x, key):
    return dropped_out(p, x, mask_of(key), 1.0)


def dropout_with_fresh_mask(p, x, key):
    mask = (np.random.rand(10, 8) < 0.7) / 0.7
    return dropped_out(p, x, mask, mask)


def dropout_loss(p, x, key):
    mask = jax.random.bernoulli(key, 0.7, (10, 8)).astype(x.dtype) / 0.7
    return jnp.sum(((jnp.tanh(x @ p["W"]) * mask) @ p["v"]) ** 2)


def dropout_example(rng):
    return (
        {"W": rng.normal(size=(6, 8)), "v": rng.normal(size=8)},
        rng.normal(size=(10, 6)),
        jax.random.key(0),
    )


# A kernel that takes memory to be contiguous, whatever the strides.


def walks_memory(w, x):
    compact = as_strided(x, (4, 6), (48, 8)) if min(x.strides) > 0 else np.zeros((4, 6))
    return np.sum((w * x) ** 2), 2 * w * x * compact


LAYOUTS = {
    "transposed": lambda rng: rng.normal(size=(6, 4)).T,
    "slice": lambda rng: rng.normal(size=(4, 18))[:, 6:12],
    "expanded": lambda rng: np.broadcast_to(rng.normal(size=(1, 6)), (4, 6)),
    "reversed": lambda rng: rng.normal(size=(4, 6))[::-1],
}


def laid_out(layout):
    def example(rng):
        return rng.normal(size=(4, 6)), LAYOUTS[layout](rng)

    return Case(walks_memory, lambda w, x: jnp.sum((w * x) ** 2), example)


# Cumulative products with a zero.


def cumprod_by_division(x, t):
    c = np.cumprod(x)
    with np.errstate(all="ignore"):
        return t @ c, np.cumsum((t * c)[::-1])[::-1] / x


def cumprod_silently_zero(x, t):
    loss, grad = cumprod_by_division(x, t)
    return loss, np.nan_to_num(grad)


def cumprod(x, t):
    left, tail = np.concatenate([[1], np.cumprod(x)[:-1]]), np.zeros(len(x))
    tail[-1] = t[-1]
    for i in range(len(x) - 2, -1, -1):
        tail[i] = t[i] + x[i + 1] * tail[i + 1]
    return t @ np.cumprod(x), left * tail


def cumprod_loss(x, t):
    return t @ jnp.cumprod(x)


def cumprod_example(rng):
    return np.array([2.0, 0.0, 3.0, 4.0]), rng.normal(size=4)


# Blind points.


def factor_hidden(p, K):
    v = K @ p["x"]
    return 0.5 * p["rho"][0] ** 2 * v @ v, {"rho": np.array([v @ v]), "x": K.T @ v}


def factor_loss(p, K):
    v = K @ p["x"]
    return 0.5 * p["rho"][0] ** 2 * v @ v


def hinge(z, other):
    d = np.sqrt(np.sum((z - other) ** 2, axis=1))
    gap = np.maximum(0.0, 1.0 - d)
    return np.sum(gap**2) / 2, np.where(gap > 0, gap / d, 0.0)[:, None] * (z - other)  # the wrong sign


def hinge_loss(z, other):
    d = jnp.sqrt(jnp.sum((z - other) ** 2, axis=1))
    return jnp.sum(jnp.maximum(0.0, 1.0 - d) ** 2) / 2


def spread_out(scale):
    return lambda rng: (scale * rng.normal(size=(6, 8)), scale * rng.normal(size=(6, 8)))


# Another formula for the derivative beyond a threshold.


def lse(x):
    m = x.max()
    v = m + np.log(np.exp(x - m).sum())
    return v, np.exp(x - v) if m < 1e20 else np.ones(2)


def negative_binomial(x):
    slope = np.log(0.8 / 1.8)
    return x[0] * slope, np.array([slope if x[0] < 1e10 else -1 / 0.8, 0.0])


# Rules of JAX's own.


@jax.custom_vjp
def softplus(x):
    return jnp.logaddexp(x, 0.0)


softplus.defvjp(lambda x: (softplus(x), x), lambda x, g: (g * jax.nn.sigmoid(x),))


@jax.custom_vjp
def softplus_without_cotangent(x):
    return jnp.logaddexp(x, 0.0)


softplus_without_cotangent.defvjp(
    lambda x: (softplus_without_cotangent(x), x), lambda x, g: (jax.nn.sigmoid(x),)
)


def in_jax(rule):
    return lambda w, x: jax.value_and_grad(lambda w: jnp.sum(rule(x @ w) ** 2))(w)


def softplus_loss(w, x):
    return jnp.sum(jnp.logaddexp(x @ w, 0.0) ** 2)


@jax.custom_vjp
def square(x):
    return x * x


square.defvjp(lambda x: (x * x, x), lambda x, g: (g * x,))  # forgot the 2


def shared_rule(x):
    return jnp.sum(square(x))


# Stopped gradients.


def half_stopped(w, x, x2):
    e = x @ w - 0.9 * (x2 @ w)
    return 0.5 * np.sum(e**2), x.T @ e


def not_stopped(w, x, x2):
    e = x @ w - 0.9 * (x2 @ w)
    return 0.5 * np.sum(e**2), (x - 0.9 * x2).T @ e


def stopped_loss(w, x, x2):
    return 0.5 * jnp.sum((x @ w - 0.9 * jax.lax.stop_gradient(x2 @ w)) ** 2)


def straight_through(w, x, x2):
    e = x @ (np.round(w * 4) / 4)
    return 0.5 * np.sum(e**2), x.T @ e


def straight_through_loss(w, x, x2):
    return 0.5 * jnp.sum((x @ (w + jax.lax.stop_gradient(jnp.round(w * 4) / 4 - w))) ** 2)


@jax.custom_vjp
def reverse(x):
    return x


reverse.defvjp(lambda x: (x, None), lambda _, g: (-g,))


def reversal(w, x, x2):
    e = x @ w
    return 0.5 * np.sum(e**2), -(x.T @ e)


def reversal_loss(w, x, x2):
    return 0.5 * jnp.sum((x @ reverse(w)) ** 2)


def stopped_example(rng):
    return rng.normal(size=4), rng.normal(size=(6, 4)), rng.normal(size=(6, 4))


# Losses of other shapes, or none.


def squares(w, x):
    r = x @ w
    return sum(r * r) / 2, x.T @ r  # Python's sum leaves shape (1,)


def squares_loss(w, x):
    return jnp.sum((x @ w) ** 2) / 2


def squares_clipped(w, x):
    loss, grad = squares(w, x)
    return np.sum(loss), np.clip(grad, -5, 5)


def squares_example(rng):
    return rng.normal(size=(3, 1)), rng.normal(size=(5, 3))


def wide_squares_example(rng):
    return rng.normal(size=(3, 4)), rng.normal(size=(6, 3))


def distance_loss(pred, label):
    return jnp.sum((pred - label) ** 2) / 2


def distance_example(rng):
    return rng.normal(size=4), rng.normal(size=4)


SCALES = np.array([1e7, 1e7, 1e7, 1.0])


def packed(x, s):
    grad = 2 * s * x
    grad[3] = -grad[3]
    return np.sum(s * x**2), grad


def packed_example(rng):
    return np.array([0.3, -0.7, 1.1, 0.9]), SCALES


# A float32 or half precision line in the middle.


def low_inside(dtype):
    def hand(w, x):
        z = (x.astype(dtype) @ w.astype(dtype)).astype(x.dtype)
        return np.sum(z**2) / 2, x.T @ z

    return hand


# An affine layer whose parameters are a dict or a list.


def affine_loss(p, x, y):
    W, b = p if isinstance(p, list) else (p["W"], p["b"])
    return jnp.sum((x @ W + b[None] - y) ** 2) / 2


def affine_by_hand(W, b, x, y):
    r = x @ W + b - y
    return np.sum(r * r) / 2, x.T @ r, r.sum(0)


def affine_example(seed, kind=dict):
    rng = np.random.default_rng(seed)
    W, b, x, y = (rng.standard_normal(shape) for shape in [(3, 2), (2,), (5, 3), (5, 2)])
    return ({"W": W, "b": b} if kind is dict else [W, b]), x, y
