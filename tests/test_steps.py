"""Steps of NumPy against XLA: the same results, also for NaN, infinities, zeros and ties."""

import pickle
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from autograd_ref.compiling.options import quick_options
from autograd_ref.compiling.steps import MOST_KEPT, Steps, steps_of

rng = np.random.default_rng(0)
ODD = np.array(
    [0.0, -0.0, 1.0, -1.0, 2.0, 2.0, 0.5, -0.5, 1.5, 2.5, -1.5, 7.25, np.inf, -np.inf, np.nan, 3e-5]
)
X = np.concatenate([ODD, rng.standard_normal(8)]).reshape(2, 3, 4)
Y = np.concatenate([rng.standard_normal(8), ODD]).reshape(2, 3, 4)
A, B = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((5, 2, 6, 3))
INTEGERS = np.array([[3, -1, 0, 7], [2, 2, -5, 1]])


def elementwise(x, y):
    unary = (
        lax.abs, lax.acos, lax.acosh, lax.asin, lax.asinh, lax.atan, lax.atanh, lax.cbrt, lax.ceil, lax.cos,
        lax.cosh, lax.exp, lax.exp2, lax.expm1, lax.floor, lax.is_finite, lax.log, lax.log1p, lax.logistic,
        lax.neg, lax.rsqrt, lax.sin, lax.sinh, lax.sqrt, lax.square, lax.tan, lax.tanh, jnp.round,
        lambda x: x**2, lambda x: x**3, lambda x: x**-1, lambda x: lax.clamp(-0.75, x, 1.0),
        lambda x: lax.sign(jnp.where(x == 0, 1.0, x)), lax.stop_gradient,
        lambda x: ~(x > 0), lambda x: (x != 1).astype(int), lambda x: x.astype(bool),
    )  # fmt: skip
    binary = (
        lax.add, lax.atan2, lax.div, lax.eq, lax.ge, lax.gt, lax.le, lax.lt, lax.max, lax.min, lax.mul,
        lax.ne, lax.pow, lax.rem, lax.sub, lambda x, y: jnp.where(x > y, x, y),
        lambda x, y: (x > 0) & (y > 0),
        lambda x, y: (x > 0) | (y > 0), lambda x, y: (x > 0) ^ (y > 0),
    )  # fmt: skip
    return [*(each(x) for each in unary), *(each(x, y) for each in binary)]


def shaped(x, y, a, b, integers):
    return [
        jnp.sum(x, axis=(0, 2)), jnp.max(x), jnp.min(y, axis=1), jnp.prod(a, axis=-1), jnp.any(x > 1, axis=0),
        jnp.all(x > 1, axis=(1, 2)), jnp.cumsum(a, axis=1), lax.cumsum(a, 2, reverse=True),
        jnp.cumprod(a, axis=2), lax.cummax(x, 0), lax.cummin(x, 2, reverse=True), jnp.sort(y, axis=1),
        x.reshape(6, 4), a.transpose(2, 0, 3, 1), x[None, :, ::2, 1:3], jnp.flip(x, (0, 2)),
        *jnp.split(a, [1, 3], axis=2), jnp.broadcast_to(x[:, :1], (7, 2, 3, 4)),
        jnp.concatenate([x, y, x], 1), jnp.tile(x, (2, 1, 3)), jnp.tile(y[0, 0], 2),
        jnp.pad(a, ((0, 0), (1, 2), (0, 3), (0, 0)), constant_values=2.0),
        lax.iota(float, 5), lax.broadcasted_iota(int, (2, 3), 1), jnp.tensordot(a, b, axes=([0, 3], [1, 0])),
        jnp.tensordot(a[0, 0], b[:, 0], 1),
        lax.dot_general(a, b, (((1,), (3,)), ((3, 0), (0, 1)))), a[0, 0, 0] @ b[:, 0, 0], b[0, 0, 0, 0] * x,
        integers + 1, -integers * integers, jnp.abs(integers), jnp.sign(integers), jnp.sum(integers, axis=0),
        jnp.minimum(integers, 2), lax.reduce_and(integers, (0,)), lax.reduce_or(integers, (1,)), integers & 3,
        ~integers, integers.astype(float),
        jnp.cumsum(integers, axis=1),
    ]  # fmt: skip


@pytest.mark.parametrize(("function", "arguments"), [(elementwise, (X, Y)), (shaped, (X, Y, A, B, INTEGERS))])
def test_steps_give_what_xla_gives(function, arguments):
    with jax.enable_x64(True), warnings.catch_warnings():
        warnings.simplefilter("error")
        traced = jax.jit(function, compiler_options=quick_options()).trace(*arguments)
        steps = pickle.loads(pickle.dumps(steps_of(traced.jaxpr)))
        found, right = steps(jnp.asarray(arguments[0]), *arguments[1:]), traced.lower().compile()(*arguments)
    for i, (a, b) in enumerate(zip(found, right, strict=True)):
        assert (a.shape, a.dtype) == (b.shape, b.dtype), i
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15, err_msg=str(i))
        if a.dtype == float:  # 1/0 and 1/-0 differ
            assert np.array_equal(np.signbit(a) & (a == 0), np.signbit(b) & (np.asarray(b) == 0)), i


def test_steps_leave_out_what_is_unused_equal_or_small_and_constant():
    def function(x):
        jnp.exp(x)
        return [jnp.sin(x) + jnp.sin(x) + jnp.cos(jnp.ones(3)), jnp.ones(MOST_KEPT + 1)]

    with jax.enable_x64(True):
        steps = steps_of(jax.make_jaxpr(function)(np.ones(3)))
    assert [each.__name__ for each, *_ in steps._steps[:-1]] == ["sin", "add", "add"]
    assert all(each is None or each.size <= MOST_KEPT for each in steps._values)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: jax.scipy.special.digamma(x),
        lambda x: x.astype(int),
        lambda x: x.astype(jnp.float32),
        lambda x: lax.complex(x, x),
        lambda x: x[:0],
        lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO),
        lambda x: lax.pad(x, 0.0, [(0, 0, 1)]),
        lambda x: lax.fori_loop(0, 3, lambda _, x: x * x, x),
    ],
)
def test_operations_that_numpy_computes_differently_are_left_to_xla(function):
    with jax.enable_x64(True):
        assert steps_of(jax.make_jaxpr(function)(np.ones(3))) is None
        assert isinstance(steps_of(jax.make_jaxpr(jnp.sin)(np.ones(3))), Steps)
