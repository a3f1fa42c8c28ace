"""The heart of the project: every quantity by hand equals the automatic one, to rounding.

Two comparisons, both within the derived bounds of `autograd_ref.crosscheck.bounds`: stage by stage, each
stage fed the hand's own upstream values, and end to end. The reference is computed in float64 throughout.
Subnormal numbers stay out of it: XLA flushes them to zero on the CPU, and the bounds have a floor there.
"""

import dataclasses

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_ref.crosscheck.comparison import compare_gradients, compare_trace
from autograd_ref.crosscheck.finite_differences import difference, whole_loss
from autograd_ref.crosscheck.problems import digits_problem, random_problem, toy_problem
from autograd_ref.two_layer_net import QUANTITIES, adjoints, value_and_grad
from handgrad.activations import ACTIVATIONS
from handgrad.two_layer_net import PARAMETERS

DTYPES = ["float64", "float32"]

# N, D, H, C: all different; each of them 1; H = C and D = H, where a missing transpose would hide.
SIZES = {
    "all different": (7, 5, 6, 4),
    "N = 1": (1, 5, 6, 4),
    "D = 1": (7, 1, 6, 4),
    "H = 1": (7, 5, 1, 4),
    "C = 1": (7, 5, 6, 1),
    "all 1": (1, 1, 1, 1),
    "H = C": (7, 5, 4, 4),
    "D = H": (7, 5, 5, 4),
    "all equal": (4, 4, 4, 4),
}


def assert_equal_gradients(problem):
    """Both comparisons, each of them to the end."""
    net = problem.net()
    trace = net.trace(problem.X, problem.y, problem.reg)
    stages = compare_trace(problem, trace)
    assert [quantity.name for quantity in stages.quantities] == list(QUANTITIES)
    whole = compare_gradients(problem, *net.loss(problem.X, problem.y, problem.reg))
    for comparison in (stages, whole):
        wrong = [quantity for quantity in comparison.quantities if not quantity.ok]
        assert not wrong, wrong
    for name in QUANTITIES:
        assert np.isfinite(trace[name]).all(), name


# JAX compiles every size anew: `test_both_agree_in_combinations_of_hard_places` has the others.
QUICK = ("all different", "all equal")
FLOAT32_SLOW = ["float64", pytest.param("float32", marks=pytest.mark.slow)]  # of the reference itself
DIGITS_SLOW = [toy_problem, pytest.param(digits_problem, marks=pytest.mark.slow)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reg", [0.0, 1e-12, 0.09, 10.0])
@pytest.mark.parametrize("name", QUICK)
def test_both_agree_for_all_sizes_and_penalties(name, reg, dtype):
    rng = np.random.default_rng(sum(SIZES[name]))
    assert_equal_gradients(random_problem(rng, SIZES[name], reg=reg, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("problem", DIGITS_SLOW)
def test_both_agree_on_toy_problem_and_digits(problem, dtype):
    assert_equal_gradients(problem().astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "layout", [np.ascontiguousarray, np.asfortranarray, lambda A: np.repeat(A, 2, axis=-1)[..., ::2]]
)
def test_both_agree_in_every_memory_layout(layout, dtype):
    problem = random_problem(np.random.default_rng(0), SIZES["all different"], dtype=dtype)
    params = {name: layout(value) for name, value in problem.params.items()}
    # Not `Problem.net`, which would copy the layout away.
    net = problem.net()
    net.params = params
    laid_out = dataclasses.replace(problem, X=layout(problem.X), params=params)
    trace = net.trace(laid_out.X, laid_out.y, laid_out.reg)
    assert compare_trace(laid_out, trace).ok


def change(problem, **arrays):
    params = {name: arrays.get(name, value) for name, value in problem.params.items()}
    X = arrays.get("X", problem.X)
    return dataclasses.replace(problem, params=params, X=X)


def dead_units(problem):
    b1 = problem.params["b1"].copy()
    b1[::2] = -100
    return change(problem, b1=b1)


def on_the_kink(problem):
    X, b1 = problem.X.copy(), problem.params["b1"].copy()
    X[::2] = 0
    b1[:3] = 0
    return change(problem, X=X, b1=b1)


def huge_logits(problem):
    b2 = np.resize(np.array([1e4, -1e4], problem.dtype), problem.params["b2"].shape)
    return change(problem, b2=b2)


def underflowing_probabilities(problem):
    b2 = np.resize(np.array([0.0, -200.0, -900.0], problem.dtype), problem.params["b2"].shape)
    return change(problem, b2=b2)


def tied_scores(problem):
    return change(problem, W2=np.zeros_like(problem.params["W2"]), b2=np.zeros_like(problem.params["b2"]))


def tiny_weights(problem):
    return change(
        problem, **{name: value * problem.dtype.type(1e-8) for name, value in problem.params.items()}
    )


def saturated(problem):
    return change(problem, X=problem.X * problem.dtype.type(8))


def large_inputs(problem):
    return change(problem, X=problem.X * problem.dtype.type(1e4))


HARD = [
    dead_units,
    on_the_kink,
    huge_logits,
    underflowing_probabilities,
    tied_scores,
    tiny_weights,
    large_inputs,
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hard", HARD)
def test_both_agree_in_the_hard_places(hard, dtype):
    problem = random_problem(np.random.default_rng(1), SIZES["all different"], dtype=dtype)
    assert_equal_gradients(hard(problem))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "relu"])
def test_both_agree_for_every_activation(name):
    """The sizes are one, so that JAX compiles each activation once; the reference is float64 for both."""
    for dtype in DTYPES:
        problem = random_problem(np.random.default_rng(3), SIZES["all different"], dtype=dtype)
        problem = dataclasses.replace(problem, activation=name)
        assert_equal_gradients(problem)
        for harden in (saturated, *HARD):
            problem = dataclasses.replace(problem, X=-problem.X, reg=2 * problem.reg)
            assert_equal_gradients(harden(problem))


@pytest.mark.slow
@given(
    sizes=st.sampled_from(list(SIZES.values())),
    reg=st.sampled_from([0.0, 1e-12, 0.09, 10.0]),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**32 - 1),
    hard=st.lists(st.sampled_from(HARD), unique=True, max_size=3),
)
@settings(max_examples=200)
def test_both_agree_in_combinations_of_hard_places(sizes, reg, dtype, seed, hard):
    problem = random_problem(np.random.default_rng(seed), sizes, reg=reg, dtype=dtype)
    for harden in hard:
        problem = harden(problem)
    assert_equal_gradients(problem)


@pytest.mark.parametrize("dtype", FLOAT32_SLOW)
def test_on_the_kink_both_sides_take_slope_0(dtype):
    """The bound leaves the slope at 0 open, since others may choose it; the two sides here do not differ."""
    problem = random_problem(np.random.default_rng(2), SIZES["all different"], dtype=dtype)
    problem = change(problem, X=np.zeros_like(problem.X), b1=np.zeros_like(problem.params["b1"]))
    trace = problem.net().trace(problem.X, problem.y)
    automatic = adjoints(problem.params, problem.X, problem.y, problem.objective)
    assert trace["dh1"].all()
    assert not trace["z1"].any()
    assert not trace["dz1"].any()
    assert not automatic["dz1"].any()


@pytest.mark.parametrize("dtype", FLOAT32_SLOW)
def test_the_reference_computes_in_the_dtype_it_is_given(dtype):
    problem = toy_problem().astype(dtype)
    loss, grads = value_and_grad(problem.params, problem.X, problem.y, problem.objective)
    every = adjoints(problem.params, problem.X, problem.y, problem.objective)
    computed = [loss, *grads.values(), *(every[name] for name in QUANTITIES)]
    assert {value.dtype for value in computed} == {np.dtype(dtype)}
    assert not jax.config.jax_enable_x64


def test_taps_give_the_gradient_that_grad_gives():
    problem = toy_problem()
    loss, grads = value_and_grad(problem.params, problem.X, problem.y, problem.objective)
    every = adjoints(problem.params, problem.X, problem.y, problem.objective)
    assert compare_gradients(problem, loss, grads).ok
    assert compare_gradients(problem, every.loss, every.grads).ok


@pytest.mark.parametrize("make", DIGITS_SLOW)
def test_finite_differences_along_random_directions_agree_with_both(make):
    """sum(grad · direction) is the derivative of the loss along the direction."""
    problem = make()
    net, rng = problem.net(), np.random.default_rng(0)
    _, by_hand = net.loss(problem.X, problem.y, problem.reg)
    _, automatic = value_and_grad(problem.params, problem.X, problem.y, problem.objective)
    for _ in range(5):
        direction = {q: rng.standard_normal(value.shape) for q, value in problem.params.items()}
        h = 2.0**-19  # short enough that no unit of these problems crosses its kink

        def loss_at(step, direction=direction):
            net.params = {q: value + step * direction[q] for q, value in problem.params.items()}
            return net.loss(problem.X, problem.y, problem.reg)[0]

        f = [loss_at(step) for step in (h, -h, 2 * h, -2 * h)]
        near, far = (f[0] - f[1]) / (2 * h), (f[2] - f[3]) / (4 * h)
        # Truncation, seen from its growth with the step, and the rounding of the two losses.
        error = abs(near - far) + 100 * np.finfo(float).eps * abs(f[0]) / h
        assert error < 1e-5 * abs(near)
        for grads in (by_hand, automatic):
            along = sum(np.vdot(grads[q], direction[q]) for q in PARAMETERS)
            assert abs(along - near) <= error


@pytest.mark.parametrize("name", ["dW1", "db1", "dW2", "db2"])
def test_finite_differences_of_single_entries_agree(name):
    problem = toy_problem()
    trace = adjoints(problem.params, problem.X, problem.y, problem.objective)
    for index in np.ndindex(trace[name].shape):
        witness = difference(name, index, trace, problem.objective, whole_loss)
        assert abs(witness.value - trace[name][index]) <= witness.error
        assert witness.error < 1e-7
