"""Right and wrong custom rules, and derivatives that are stopped or replaced on purpose."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.checkers.zoo.entry import Entry


@jax.custom_vjp
def _softplus(x):
    return jnp.logaddexp(x, 0.0)


_softplus.defvjp(lambda x: (_softplus(x), x), lambda x, g: (g * jax.nn.sigmoid(x),))


@jax.custom_vjp
def _careless(x):
    return jnp.logaddexp(x, 0.0)


_careless.defvjp(lambda x: (_careless(x), x), lambda x, g: (jax.nn.sigmoid(x),))


@jax.custom_vjp
def _square(x):
    return x * x


_square.defvjp(lambda x: (x * x, x), lambda x, g: (g * x,))


def _example(rng):
    return rng.normal(size=(5, 3)), rng.normal(size=(4, 5))


def _net(w, x):
    z = x @ w
    s = np.logaddexp(z, 0)
    return (s * s).sum(), x.T @ (2 * s * (1 + np.tanh(z / 2)) / 2)


def _net_rows(w, x):
    total, g = x.dtype.type(0), np.zeros_like(w)
    for row in x:
        z = (row[:, None] * w).sum(0)
        s = np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0)
        total += s @ s
        g += np.outer(row, 2 * s / (1 + np.exp(-z)))
    return total, g


def _net_loss(w, x):
    return jnp.sum(_softplus(x @ w) ** 2)


def _jax_hand(function):
    return lambda w, x: jax.value_and_grad(lambda w: jnp.sum(function(x @ w) ** 2))(w)


RIGHT_RULE = Entry(
    "a right custom rule in the reference",
    _net_loss,
    _example,
    (_net, _net_rows),
    wrong={"a rule without its cotangent": _jax_hand(_careless)},
)
JAX_HAND = Entry(
    "a hand written in JAX with a custom rule",
    lambda w, x: jnp.sum(jnp.logaddexp(x @ w, 0.0) ** 2),
    _example,
    (_net, _jax_hand(_softplus)),
    wrong={"a rule without its cotangent": _jax_hand(_careless)},
)


def _squares(x):
    return (x * x).sum(), 2 * x


def _squares_loop(x):
    g = np.zeros_like(x)
    for i, each in enumerate(x):
        g[i] = each + each
    return np.dot(x, x), g


def _squares_loss(x):
    return jnp.sum(_square(x))


WRONG_RULE = Entry(
    "a wrong custom rule in the reference",
    _squares_loss,
    lambda rng: (rng.normal(size=6),),
    (_squares, _squares_loop),
    wrong={
        "the same wrong rule by hand": lambda x: ((x * x).sum(), x.copy()),
        "the same wrong rule in JAX": lambda x: jax.value_and_grad(_squares_loss)(x),
    },
    misled=True,
)


def _target_example(rng):
    return rng.normal(size=4), rng.normal(size=(6, 4)), rng.normal(size=(6, 4))


def _target_loss(w, x, x2):
    return 0.5 * jnp.sum((x @ w - 0.9 * jax.lax.stop_gradient(x2 @ w)) ** 2)


def _target(w, x, x2):
    e = x @ w - w.dtype.type(0.9) * (x2 @ w)
    return (e @ e) / 2, x.T @ e


def _target_rows(w, x, x2):
    total, g = w.dtype.type(0), np.zeros_like(w)
    for a, b in zip(x, x2, strict=True):
        e = np.dot(a - b * w.dtype.type(0.9), w)
        total += e * e / 2
        g += e * a
    return total, g


def _target_value(w, x, x2, stopped):
    from mpmath import mpf

    return sum((a @ w - mpf("0.9") * (b @ stopped)) ** 2 for a, b in zip(x, x2, strict=True)) / 2


def _differentiated(w, x, x2):
    e = x @ w - w.dtype.type(0.9) * (x2 @ w)
    return (e @ e) / 2, (x - w.dtype.type(0.9) * x2).T @ e


STOPPED_TARGET = Entry(
    "a target whose gradient is stopped",
    _target_loss,
    _target_example,
    (_target, _target_rows),
    wrong={"the target differentiated": _differentiated},
    value=_target_value,
    stopped=True,
)


def _rounded_loss(w, x):
    q = w + jax.lax.stop_gradient(jnp.round(w * 4) / 4 - w)
    return 0.5 * jnp.sum((x @ q) ** 2)


def _rounded(w, x):
    e = x @ (np.round(w * 4) / 4)
    return (e @ e) / 2, x.T @ e


def _rounded_gram(w, x):
    q = np.rint(4 * w) / 4
    G = x.T @ x
    return q @ G @ q / 2, G @ q


def _rounded_value(w, x, stopped):
    q = w + np.array([np.rint(float(4 * each)) / 4 for each in stopped]) - stopped
    return sum((row @ q) ** 2 for row in x) / 2


STRAIGHT_THROUGH = Entry(
    "a straight-through estimator",
    _rounded_loss,
    lambda rng: (rng.normal(size=5), rng.normal(size=(7, 5))),
    (_rounded, _rounded_gram),
    wrong={"zero, as rounding has it": lambda w, x: (_rounded(w, x)[0], 0 * w)},
    value=_rounded_value,
    stopped=True,
)


@jax.custom_vjp
def _reverse(x):
    return x


_reverse.defvjp(lambda x: (x, None), lambda _, g: (-g,))


def _reversed_value(w, x, stopped):
    """Return the surrogate whose derivative is the reversed gradient."""
    return -sum((row @ w) ** 2 for row in x) / 2


def _reversed_hand(w, x):
    e = x @ w
    return (e @ e) / 2, -(x.T @ e)


def _reversed_gram(w, x):
    G = x.T @ x
    return w @ G @ w / 2, -(G @ w)


GRADIENT_REVERSAL = Entry(
    "a reversed gradient, called a surrogate",
    lambda w, x: 0.5 * jnp.sum((x @ _reverse(w)) ** 2),
    lambda rng: (rng.normal(size=5), rng.normal(size=(7, 5))),
    (_reversed_hand, _reversed_gram),
    value=_reversed_value,
    stopped=True,
    options={"surrogate": True},
)
