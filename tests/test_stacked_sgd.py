"""Many networks in one step: each takes the steps that it would take alone."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree
from sgd_steps import DTYPES, largest_ratio, make, rounding_of_step

from autograd_ref import training as reference
from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.crosscheck.bounds import chained_bounds
from autograd_ref.two_layer_net import precision
from handgrad.activations import ACTIVATIONS
from handgrad.fused.sgd import Sgd
from handgrad.fused.stacked_sgd import StackedSgd
from handgrad.objective import Objective
from handgrad.two_layer_net import trace_gradients

# Hidden units, activation, learning rate, penalty. The product of the third network's decays 1 - 4·lr·reg is
# below SMALL after 4 steps; the fourth network's decay is 0, and the fifth's is negative.
NETWORKS = [
    (4, "relu", 0.1, 0.05),
    (4, "relu", 0.05, 0.0),
    (3, "tanh", 0.2, 1.0),
    (3, "tanh", 0.25, 1.0),
    (4, "relu", 0.1, 3.0),
]


ONE_OF_EACH = "relu", "tanh", "relu"


@jax.jit
def jacobian(params, X, y, lr, objective):
    """The absolute values of the derivatives of all parameters after a step with respect to all before it."""
    flat, unravel = ravel_pytree(params)

    def move(flat):
        return ravel_pytree(reference.step(unravel(flat), {}, X, y, lr, objective)[0])[0]

    return abs(jax.jacfwd(move)(flat))


def plain_step(params, trace, lr):
    """The textbook's step along the gradients of the plain path."""
    return {name: q - lr * trace[f"d{name}"] for name, q in params.items()}


def errors_after(params, X, y, batches, activation, lr, reg, dtype):
    """A bound on the error of the parameters after steps in the given dtype.

    As in `test_sgd`, with one addition: the stack's W1 is s·V, whose product with s is rounded once in z1 and
    once when it is read, as if every entry of W1 were off by 2u before each step and after the last.
    """
    u = 2 * (unit_roundoff(dtype) + unit_roundoff(np.float64))
    exact = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    error = jax.tree.map(np.zeros_like, exact)
    objective = Objective(reg, activation=activation)
    for batch in batches:
        X64 = X[batch].astype(np.float64)
        error["W1"] = error["W1"] + u * np.abs(exact["W1"])
        values = trace_gradients(exact, X64, y[batch], reg, activation)
        bounds = chained_bounds(values, dtype, objective)
        z1_error = bounds.radius["z1"] + np.abs(X64) @ error["W1"] + error["b1"]
        assert (np.abs(values["z1"]) > 2 * z1_error).all(), "too close to a kink to be judged"
        added, _ = rounding_of_step((exact, {}), values, bounds, lr, reg, 0.0, dtype)
        with precision(np.float64):
            carried = jacobian(exact, X64, y[batch], lr, objective) @ ravel_pytree(error)[0]
            error = jax.tree.map(np.asarray, ravel_pytree(error)[1](carried + ravel_pytree(added)[0]))
        exact = plain_step(exact, values, lr)
    error["W1"] = error["W1"] + u * np.abs(exact["W1"])
    return error


def train_both(dtype, steps, fault=0.0):
    """The parameters of each network from the stack and alone, and how far they may be apart."""
    starts = [make(40, 5, H, 3, dtype, seed=number)[0] for number, (H, *_) in enumerate(NETWORKS)]
    _, X, y = make(40, 5, 1, 3, dtype, seed=3)
    batches = np.random.default_rng(1).integers(0, len(y), (steps, 6))
    _, activations, lrs, regs = zip(*NETWORKS, strict=True)
    stack = StackedSgd(starts, 6, regs=[reg * (1 + fault) for reg in regs], activations=activations)
    for batch in batches:
        stack.step(X[batch], y[batch], lrs)
    found = []
    for number, (start, (_, activation, lr, reg)) in enumerate(zip(starts, NETWORKS, strict=True)):
        alone = Sgd(start, 6, reg=reg, activation=activation)
        for batch in batches:
            alone.step(X[batch], y[batch], lr)
        # Each of the two may be off by that much.
        bound = jax.tree.map(lambda e: 2 * e, errors_after(start, X, y, batches, activation, lr, reg, dtype))
        found.append(largest_ratio(stack.params(number), alone.params, bound))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_network_takes_the_same_steps_as_alone(dtype):
    assert max(train_both(dtype, steps=7)) <= 1


@pytest.mark.slow
def test_bound_catches_a_slightly_different_penalty():
    ratios = train_both(np.float32, steps=7, fault=1e-3)
    assert min(ratio for ratio, network in zip(ratios, NETWORKS, strict=True) if network[-1]) > 1


@settings(max_examples=30)
@given(
    N=st.integers(1, 30), D=st.integers(1, 30), C=st.integers(1, 12), dtype=st.sampled_from(DTYPES),
    networks=st.lists(
        st.tuples(
            st.integers(1, 30), st.sampled_from(sorted(ACTIVATIONS)), st.floats(0.01, 0.3),
            st.sampled_from([0.0, 0.05, 2.0]),
        ), min_size=1, max_size=4,
    ), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_step_of_any_shape_agrees_with_the_plain_path(N, D, C, dtype, networks, seed):
    starts = [make(N, D, H, C, dtype, seed + number)[0] for number, (H, *_) in enumerate(networks)]
    _, X, y = make(N, D, 1, C, dtype, seed)
    _, activations, lrs, regs = zip(*networks, strict=True)
    stack = StackedSgd(starts, N, regs=regs, activations=activations)
    penalties = [stack.penalty(number) for number in range(len(networks))]
    losses = stack.step(X, y, lrs)
    for number, (_, activation, lr, reg) in enumerate(networks):
        params, X64 = jax.tree.map(lambda a: a.astype(np.float64), (starts[number], X))
        values = trace_gradients(params, X64, y, reg, activation)
        bounds = chained_bounds(values, dtype, Objective(reg, activation=activation))
        if bounds.kinks:
            continue  # what a unit at its kink may do is for the bounds' own tests
        after = plain_step(params, values, lr)
        allowed, _ = rounding_of_step((params, {}), values, bounds, lr, reg, 0.0, dtype)
        assert largest_ratio(stack.params(number), after, jax.tree.map(lambda e: 2 * e, allowed)) <= 1
        assert abs(losses[number] + penalties[number] - values["loss"]) <= 2 * bounds.radius["loss"]


def test_diverging_network_does_not_change_a_bit_of_the_others():
    starts = [make(40, 5, H, 3, np.float32, seed=H)[0] for H in (4, 6, 3)]
    _, X, y = make(6, 5, 1, 3, np.float32)
    stacks = [StackedSgd(starts, 6, regs=[0.1] * 3, activations=ONE_OF_EACH) for _ in range(2)]
    with np.errstate(all="ignore"):
        for _ in range(20):
            wild = stacks[0].step(X, y, [0.1, 1e30, 0.1])
            tame = stacks[1].step(X, y, [0.1, 0.1, 0.1])
    assert np.isfinite(wild).tolist() == [True, False, True]
    assert np.isfinite(tame).all()
    for number in (0, 2):
        for name, q in stacks[0].params(number).items():
            np.testing.assert_array_equal(q, stacks[1].params(number)[name])


def test_finished_networks_stay_and_the_others_continue():
    starts = [make(40, 5, H, 3, np.float64, seed=H)[0] for H in (4, 6, 3)]
    _, X, y = make(6, 5, 1, 3, np.float64)
    stack, all_along = (
        StackedSgd(starts, 6, regs=[0.1, 0.2, 0.3], activations=ONE_OF_EACH) for _ in range(2)
    )
    for step in range(6):
        if step == 3:
            stack.keep(2)
        assert stack.step(X, y, [0.1, 0.2, 0.3][: stack.count]).shape == (stack.count,)
        all_along.step(X, y, [0.1, 0.2, 0.3])
    for number in (0, 1):
        for name, q in stack.params(number).items():
            np.testing.assert_allclose(q, all_along.params(number)[name], rtol=1e-12)
