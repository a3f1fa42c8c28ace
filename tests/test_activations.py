"""Each activation function and its derivative, against numbers of forty digits, JAX and the fused step."""

import tracemalloc

import jax
import mpmath
import numpy as np
import pytest

from autograd_ref.crosscheck.bounds import CURVATURE, STEEPEST
from autograd_ref.two_layer_net import ACTIVATIONS as REFERENCE
from autograd_ref.two_layer_net import precision
from handgrad import activations
from handgrad.activations import ACTIVATIONS, sigmoid, tanh
from handgrad.fused.activations import FUSED_ACTIVATIONS

NAMES = list(ACTIVATIONS)
DTYPES = [np.float32, np.float64]

mp = mpmath.MPContext()
mp.dps = 40


def logistic(x):
    return 1 / (1 + mp.exp(-x))


def cubic(x):
    return mp.sqrt(8 / mp.pi) * (x + mp.mpf("0.044715") * x**3)


def gelu_tanh_slope(x):
    v = cubic(x)
    dv = mp.sqrt(8 / mp.pi) * (1 + 3 * mp.mpf("0.044715") * x**2)
    return logistic(v) + x * logistic(v) * logistic(-v) * dv


# Function and derivative, from their definitions.
EXACT = {
    "relu": (lambda x: max(x, 0), lambda x: int(x > 0)),
    "leaky_relu": (lambda x: x if x > 0 else 0.01 * x, lambda x: 1 if x > 0 else 0.01),
    "sigmoid": (logistic, lambda x: logistic(x) * logistic(-x)),
    "tanh": (mp.tanh, lambda x: mp.sech(x) ** 2),
    "elu": (lambda x: x if x > 0 else mp.expm1(x), lambda x: 1 if x > 0 else mp.exp(x)),
    "gelu": (lambda x: x * mp.ncdf(x), lambda x: mp.ncdf(x) + x * mp.npdf(x)),
    "gelu_tanh": (lambda x: x * logistic(cubic(x)), gelu_tanh_slope),
    "silu": (lambda x: x * logistic(x), lambda x: logistic(x) * (1 + x * logistic(-x))),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), logistic),
}


def numbers():
    """Numbers from 1e-300 to 1e4 of both signs, denser where the functions bend and at the slopes' roots."""
    rng = np.random.default_rng(0)
    positive = np.concatenate(
        [10.0 ** np.linspace(-300, 4, 60), rng.uniform(0, 40, 60), rng.uniform(0, 3, 60)]
    )
    roots = [-0.7517915246935645, -0.7524614220710163, -1.2784645427610737]
    near = [root + side * 10.0 ** np.linspace(-16, 0, 17) for root in roots for side in (-1, 1)]
    return np.concatenate([positive, -positive, np.linspace(-690, -40, 40), roots, *near])


@pytest.mark.parametrize("name", NAMES)
def test_the_derivative_is_right_to_1e_12_and_the_function_to_rounding(name):
    x = numbers()
    h, slope = (function(x) for function in ACTIVATIONS[name])
    for i, each in enumerate(map(mp.mpf, x.tolist())):
        right, right_slope = (function(each) for function in EXACT[name])
        if abs(right_slope) > 1e-290:
            assert abs(slope[i] - right_slope) <= 1e-12 * abs(right_slope), (x[i], slope[i])
        assert abs(h[i] - right) <= 4 * np.finfo(float).eps * (abs(right) + min(abs(each), 1)), (x[i], h[i])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_everything_is_finite_for_every_finite_input(name, dtype):
    """A floating-point warning would be an error, too."""
    info = np.finfo(dtype)
    sizes = [0, info.smallest_subnormal, info.tiny, 1e-3, 1, 17, 40, 88, 89, 104, 700, 710, 746, 1e4, 1e20]
    z = np.array([*sizes, info.max / 2, info.max], dtype)
    z = np.concatenate([z, -z])
    results = [function(z) for function in ACTIVATIONS[name]]
    h, slope, scratch = z.copy(), np.empty_like(z), np.empty_like(z)
    with np.errstate(over="ignore"):  # as the step does
        FUSED_ACTIVATIONS[name](h, slope, scratch)
    for result in (*results, h, slope):
        assert np.isfinite(result).all()
        assert result.dtype == dtype


@jax.jit
def by_jax(z):
    """Every function and its derivative, in one compilation."""
    return {name: (f(z), jax.vjp(f, z)[1](jax.numpy.ones_like(z))[0]) for name, f in REFERENCE.items()}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_function_and_derivative_agree_with_jax(dtype):
    z = np.concatenate([np.linspace(-30, 30, 401), 10.0 ** np.arange(-30, 4)]).astype(dtype)
    z = z[z != 0]  # a kink, where JAX may choose otherwise
    with precision(dtype):
        for name, (h, slope) in by_jax(jax.numpy.array(z)).items():
            assert_close(z, np.asarray(h), np.asarray(slope), name)


def assert_close(z, h, slope, name):
    """Within rounding, absolute as in the bounds: differences from 1 and products with z are in use."""
    factor = np.minimum(np.abs(z), 8)
    if name == "gelu_tanh":
        factor *= 1 + 3 * activations.GELU_CUBIC * factor**2
    rounding = 4 * np.finfo(z.dtype).eps * (1 + factor)
    assert (np.abs(ACTIVATIONS[name].forward(z) - h) <= rounding + np.finfo(z.dtype).eps * np.abs(h)).all()
    assert (np.abs(ACTIVATIONS[name].derivative(z) - slope) <= rounding).all()


def test_slopes_at_0_match_the_table():
    rows = [line.split("|")[1:-1] for line in activations.__doc__.splitlines() if line.startswith("| `")]
    assert [row[0].strip(" `") for row in rows] == ["relu", "leaky_relu", "elu"]
    table = {row[0].strip(" `"): [float(cell.split()[0]) for cell in row[1:]] for row in rows}
    zero, step = np.zeros(1), np.array([1e-9])
    by_reference = by_jax(jax.numpy.zeros(1))
    for name, (forward, derivative) in ACTIVATIONS.items():
        left = ((forward(zero) - forward(-step)) / step).item()
        right = ((forward(step) - forward(zero)) / step).item()
        ours, reference = derivative(zero).item(), by_reference[name][1].item()
        if name in table:
            np.testing.assert_allclose([left, right, ours, reference], table[name], rtol=0, atol=1e-8)
        else:
            np.testing.assert_allclose([left, right, reference], [ours] * 3, rtol=0, atol=1e-7)
        assert derivative(-zero).item() == ours
    assert jax.grad(lambda x: jax.numpy.maximum(x, 0))(0.0) == 0.5


def test_tanh_is_a_sigmoid():
    z = np.linspace(-20, 20, 101)
    np.testing.assert_allclose(tanh(z), 2 * sigmoid(2 * z) - 1, rtol=0, atol=4e-16)


@pytest.mark.parametrize("name", CURVATURE)
def test_the_bounds_constants_bound_the_derivatives(name):
    z = np.linspace(-9, 9, 20_001)
    slope = ACTIVATIONS[name].derivative(z)
    assert np.abs(slope).max() <= STEEPEST
    second = np.abs(np.diff(slope) / np.diff(z)).max()
    assert 0.9 * CURVATURE[name] < second <= CURVATURE[name]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_fused_activation_matches_the_plain_one_without_allocation(name, dtype):
    z = np.random.default_rng(0).normal(0, 4, (60, 50)).astype(dtype)
    z[0, :2] = 0
    h, slope, scratch = z.copy(), np.empty_like(z), np.empty_like(z)
    FUSED_ACTIVATIONS[name](h, slope, scratch)
    assert_close(z, h, slope, name)
    if name in ("relu", "leaky_relu"):
        np.testing.assert_array_equal(slope, ACTIVATIONS[name].derivative(z))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        FUSED_ACTIVATIONS[name](h, slope, scratch)
        assert tracemalloc.get_traced_memory()[1] - before < z.nbytes
    finally:
        tracemalloc.stop()
