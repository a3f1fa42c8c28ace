"""Products of many factors, some of them 0; powers and polynomials."""

import jax.numpy as jnp
import numpy as np

from benchmarks.checkers.zoo.entry import Entry


def _products(x, t):
    """Multiply from both sides: the factors before times the factors after."""
    one = np.ones_like(x[:, :1])
    before = np.concatenate([one, np.cumprod(x, 1)[:, :-1]], 1)
    behind = np.concatenate([np.cumprod(x[:, ::-1], 1)[:, ::-1][:, 1:], one], 1)
    return (t * x.prod(1)).sum(), t[:, None] * before * behind


def _products_left_out(x, t):
    """Compute every product without one of its factors."""
    g = np.stack([np.delete(x, i, 1).prod(1) for i in range(x.shape[1])], 1)
    return t @ (x[:, 0] * x[:, 1:].prod(1)), t[:, None] * g


def _products_divided(x, t):
    with np.errstate(all="ignore"):
        return (t * x.prod(1)).sum(), np.nan_to_num((t * x.prod(1))[:, None] / x)


def _zero_factors(rng):
    x = rng.normal(size=(4, 12))
    x[1, 4] = x[2, 3] = x[2, 9] = 0
    return x, rng.normal(size=4)


PRODUCTS_WITH_ZEROS = Entry(
    "products with no, one and two factors of 0",
    lambda x, t: jnp.sum(t * jnp.prod(x, 1)),
    _zero_factors,
    (_products, _products_left_out),
    wrong={"divided by the factor": _products_divided},
)
MANY_FACTORS = Entry(
    "products of 300 factors near 1",
    lambda x, t: jnp.sum(t * jnp.prod(x, 1)),
    lambda rng: (1 + 0.05 * rng.normal(size=(3, 300)), rng.normal(size=3)),
    (_products, _products_left_out),
)


def _cumulative(x, t):
    left = np.concatenate([[1], np.cumprod(x)[:-1]]).astype(x.dtype)
    tail = np.zeros_like(x)
    tail[-1] = t[-1]
    for i in range(len(x) - 2, -1, -1):
        tail[i] = t[i] + x[i + 1] * tail[i + 1]
    return t @ np.cumprod(x), left * tail


def _cumulative_sums(x, t):
    g = np.zeros_like(x)
    for i in range(len(x)):
        without = x.copy()
        without[i] = 1
        g[i] = np.cumprod(without)[i:] @ t[i:]
    return (t * np.cumprod(x)).sum(), g


def _cumulative_divided(x, t):
    c = np.cumprod(x)
    with np.errstate(all="ignore"):
        return t @ c, np.nan_to_num(np.cumsum((t * c)[::-1])[::-1] / x)


CUMULATIVE_PRODUCT = Entry(
    "a cumulative product through 0",
    lambda x, t: t @ jnp.cumprod(x),
    lambda rng: (np.array([2.0, 1.5, -0.5, 0.0, 3.0, 4.0, 0.25, -1.0]), rng.normal(size=8)),
    (_cumulative, _cumulative_sums),
    wrong={"divided, NaN taken for 0": _cumulative_divided},
)


def _chain_loss(A, t):
    h = jnp.eye(3)
    for i in range(20):
        h = A[i] @ h
    return jnp.sum(t * h)


def _chain(A, t):
    states = [np.eye(3, dtype=A.dtype)]
    for each in A:
        states.append(each @ states[-1])
    d, g = t, np.zeros_like(A)
    for i in range(len(A) - 1, -1, -1):
        g[i], d = d @ states[i].T, A[i].T @ d
    return (t * states[-1]).sum(), g


def _chain_from_left(A, t):
    n = len(A)
    left, right = [np.eye(3, dtype=A.dtype)], [np.eye(3, dtype=A.dtype)]
    for i in range(n - 1, 0, -1):
        left.append(np.einsum("ij,jk->ik", left[-1], A[i]))
    for i in range(n - 1):
        right.append(np.einsum("ij,jk->ik", A[i], right[-1]))
    g = np.stack([np.einsum("ai,ab,jb->ij", left[n - 1 - i], t, right[i]) for i in range(n)])
    return np.einsum("ij,ij->", t, np.einsum("ij,jk,kl->il", left[n - 1], A[0], np.eye(3, dtype=A.dtype))), g


MATRIX_CHAIN = Entry(
    "a product of 20 matrices",
    _chain_loss,
    lambda rng: (0.7 * rng.normal(size=(20, 3, 3)), rng.normal(size=(3, 3))),
    (_chain, _chain_from_left),
)


def _polynomial_loss(c, x, y):
    value = jnp.zeros_like(x)
    for k in range(12):
        value = value * x + c[11 - k]
    return jnp.mean((value - y) ** 2)


def _polynomial(c, x, y):
    value = np.zeros_like(x)
    for each in c[::-1]:
        value = value * x + each
    r = 2 * (value - y) / x.dtype.type(len(x))
    g, power = np.zeros_like(c), np.ones_like(x)
    for k in range(len(c)):
        g[k] = r @ power
        power = power * x
    return np.mean((value - y) ** 2), g


def _polynomial_vander(c, x, y):
    V = np.vander(x, len(c), increasing=True).astype(x.dtype)
    r = V @ c - y
    return (r @ r) / len(x), (r[:, None] * V).mean(0) * 2


POLYNOMIAL = Entry(
    "coefficients of a polynomial of degree 11",
    _polynomial_loss,
    lambda rng: (rng.normal(size=12), rng.uniform(0.2, 3, 30), rng.normal(size=30)),
    (_polynomial, _polynomial_vander),
)


def _power(p, t):
    b, e = p["base"], p["exponent"]
    v = b**e
    return (t * v).sum(), {"base": t * e * b ** (e - 1), "exponent": t * v * np.log(b)}


def _power_logs(p, t):
    b, e = p["base"], p["exponent"]
    log = np.log(b)
    v = np.exp(e * log)
    return np.dot(t, v), {"base": t * v / b * e, "exponent": log * v * t}


POWERS = Entry(
    "powers, bases from 1e-3 to 1e2",
    lambda p, t: jnp.sum(t * p["base"] ** p["exponent"]),
    lambda rng: (
        {"base": 10.0 ** rng.uniform(-3, 2, 9), "exponent": rng.uniform(-1.5, 2, 9)},
        rng.normal(size=9),
    ),
    (_power, _power_logs),
)


def _geometric(x, t):
    m = np.exp(np.log(x).mean(1, keepdims=True))
    return (t * m[:, 0]).sum(), t[:, None] * m / (x * x.dtype.type(x.shape[1]))


def _geometric_roots(x, t):
    roots = x ** x.dtype.type(1 / x.dtype.type(x.shape[1]))
    m = roots.prod(1)
    return np.dot(t, m), np.stack([t[n] * m[n] / x.shape[1] / x[n] for n in range(len(x))])


GEOMETRIC_MEAN = Entry(
    "geometric means over ten orders of magnitude",
    lambda x, t: jnp.sum(t * jnp.exp(jnp.mean(jnp.log(x), 1))),
    lambda rng: (10.0 ** rng.uniform(-5, 5, (4, 10)), rng.normal(size=4)),
    (_geometric, _geometric_roots),
)
