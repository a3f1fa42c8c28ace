"""The fused step: the mathematics of the plain path and of JAX, without an allocation."""

import tracemalloc

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sgd_steps import (
    DTYPES,
    KINDS,
    deviation_over_steps,
    jax_step,
    largest_ratio,
    make,
    masked_values,
    plain_step,
    rounding_of_step,
)

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.crosscheck.bounds import chained_bounds
from autograd_ref.two_layer_net import adjoints
from handgrad.activations import ACTIVATIONS
from handgrad.data.minibatches import Minibatch
from handgrad.dropout import dropout_backward, dropout_forward
from handgrad.fused.layout import Layout
from handgrad.fused.sgd import Sgd
from handgrad.layers import (
    affine_backward,
    affine_backward_params,
    affine_forward,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from handgrad.objective import Objective
from handgrad.two_layer_net import trace_gradients


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_many_steps_agree_with_the_plain_path_and_with_jax(kind, dtype):
    params, X, y = make(40, 5, 4, 3, dtype, seed=3)
    sgd = Sgd(params, 6, reg=0.05, **KINDS[kind])
    assert max(deviation_over_steps(sgd, dtype, kind, params, X, y, steps=8)) <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [{"reg": 0.05 * (1 + 1e-3)}, {"reg": 0.025}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
)
def test_bound_catches_a_slightly_different_step(fault):
    params, X, y = make(40, 5, 4, 3, np.float32, seed=3)
    kind = "nesterov" if fault == {"momentum": 0.9} else "classical" if "nesterov" in fault else "plain"
    sgd = Sgd(params, 6, **{"reg": 0.05, **fault})
    assert min(deviation_over_steps(sgd, np.float32, kind, params, X, y, steps=8)) > 1


@settings(max_examples=40)
@given(
    N=st.integers(1, 40), D=st.integers(1, 40), H=st.integers(1, 40), C=st.integers(1, 12),
    seed=st.integers(0, 99), dtype=st.sampled_from(DTYPES), kind=st.sampled_from(sorted(KINDS)),
)  # fmt: skip
def test_a_step_of_any_shape_agrees_with_the_plain_path(N, D, H, C, seed, dtype, kind):
    check_one_step(N, D, H, C, dtype, kind, seed)


# The others do less of what Nesterov's does.
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind == "nesterov" else pytest.mark.slow) for kind in KINDS]
)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "layout",
    [
        Layout("F", "packed", "packed"),
        Layout("C", "packed", "packed"),
        Layout("C", "unpacked", "packed"),
        Layout("C", "unpacked", "unpacked"),
        Layout("C", "packed", "numpy"),
        Layout("F", "packed", "numpy"),
        Layout("C", "row", "row"),
        Layout("F", "row", "row"),
    ],
)
def test_a_step_in_every_layout_agrees_with_the_plain_path(layout, dtype, kind, monkeypatch):
    monkeypatch.setattr("handgrad.fused.sgd.choose_layout", lambda *_: layout)
    check_one_step(1 if "row" in layout else 70, 300, 170, 10, dtype, kind, 0)


@pytest.mark.parametrize("way", ["packed", "unpacked", "numpy", "row"])
def test_minibatch_is_read_again_in_every_step(way, monkeypatch):
    forward = "packed" if way == "numpy" else way
    monkeypatch.setattr("handgrad.fused.sgd.choose_layout", lambda *_: Layout("C", forward, way))
    params, X, y = make(9, 30, 20, 3, np.float32)
    N = 1 if way == "row" else 3
    reused, fresh = Sgd(params, N, reg=0.05), Sgd(params, N, reg=0.05)
    buffer = np.empty_like(X[:N])
    for start in range(0, 9, N):
        rows = slice(start, start + N)
        buffer[...] = X[rows]
        assert reused.step(buffer, y[rows], 0.1) == fresh.step(X[rows].copy(), y[rows], 0.1)
    for name, q in reused.params.items():
        np.testing.assert_array_equal(q, fresh.params[name])


def check_one_step(N, D, H, C, dtype, kind, seed):
    options = {"momentum": 0.0, "nesterov": False, **KINDS[kind]}
    params, X, y = make(N, D, H, C, dtype, seed)
    sgd = Sgd(params, N, reg=0.05, **KINDS[kind])
    speeds = np.random.default_rng(seed + 1)
    for v in sgd.velocity.values():
        v[...] = speeds.standard_normal(v.shape) / 10
    before = jax.tree.map(lambda a: np.array(a, np.float64), (sgd.params, sgd.velocity))
    X64 = X.astype(np.float64)
    values = trace_gradients(before[0], X64, y, 0.05)
    bounds = chained_bounds(values, dtype, Objective(0.05))
    if bounds.kinks:
        return  # what a unit at its kink may do is for the bounds' own tests
    loss = sgd.step(X, y, 0.1)
    after = plain_step(*before, X64, y, 0.1, 0.05, **options)
    allowed = rounding_of_step(before, values, bounds, 0.1, 0.05, options["momentum"], dtype)
    assert largest_ratio((sgd.params, sgd.velocity), after[:2], jax.tree.map(lambda e: 2 * e, allowed)) <= 1
    assert abs(loss - after[2]) <= bounds.radius["loss"]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_step_with_every_activation_agrees_with_the_plain_path_and_jax(name, dtype):
    params, X, y = make(7, 5, 6, 4, dtype)
    sgd = Sgd(params, 7, reg=0.05, activation=name)
    loss = sgd.step(X, y, 0.1)
    plain = trace_gradients(params, X, y, 0.05, name)
    exact, X64 = jax.tree.map(lambda a: a.astype(np.float64), (params, X))
    objective = Objective(0.05, activation=name)
    automatic = adjoints(exact, X64, y, objective)
    bounds = chained_bounds(automatic, dtype, objective)
    assert not bounds.kinks
    assert abs(loss - automatic["loss"]) <= bounds.radius["loss"]
    assert abs(loss - plain["loss"]) <= 2 * bounds.radius["loss"]
    u = 8 * (unit_roundoff(dtype) + unit_roundoff(np.float64))
    for q, value in exact.items():
        rounding = 0.1 * bounds.radius[f"d{q}"] + u * (0.1 * np.abs(automatic[f"d{q}"]) + np.abs(value))
        for gradient, computations in ((automatic[f"d{q}"], 1), (plain[f"d{q}"], 2)):
            off = np.abs(sgd.params[q] - (value - 0.1 * gradient))
            assert (off <= computations * rounding).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_dropout_with_every_activation(name):
    """A dropped unit passes nothing forward or back; a kept one passes twice its part."""
    params, X, y = make(7, 5, 6, 4, np.float64)
    sgd = Sgd(params, 7, activation=name, dropout=0.5, rng=np.random.default_rng(0))
    sgd.step(X, y, 0.1)
    activate, derivative = ACTIVATIONS[name]
    z1 = affine_forward(X, params["W1"], params["b1"])
    h1 = dropout_forward(activate(z1), sgd.mask)
    _, probs = softmax_cross_entropy_forward(affine_forward(h1, params["W2"], params["b2"]), y)
    dh1, dW2, _ = affine_backward(softmax_cross_entropy_backward(probs, y), h1, params["W2"])
    dW1, _ = affine_backward_params(dropout_backward(dh1, sgd.mask) * derivative(z1), X)
    np.testing.assert_allclose(sgd.params["W1"], params["W1"] - 0.1 * dW1, rtol=0, atol=1e-14)
    np.testing.assert_allclose(sgd.params["W2"], params["W2"] - 0.1 * dW2, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout_agrees_with_jax_under_the_same_mask(dtype):
    params, X, y = make(12, 9, 16, 4, dtype)
    sgd = Sgd(params, 12, reg=0.05, dropout=0.5, rng=np.random.default_rng(0))
    loss = sgd.step(X, y, 0.1)
    assert set(np.unique(sgd.mask)) == {0, 2}
    params, X = jax.tree.map(lambda a: a.astype(np.float64), (params, X))
    mask = sgd.mask.astype(np.float64)
    exact, _, exact_loss = jax_step(params, {}, X, y, 0.1, 0.05, mask=mask)
    # The bound belongs to a network without dropout. Here h1 is multiplied by 0 or 2: an error at most
    # doubles in the forward pass, and again in the backward pass.
    values = masked_values(params, X, y, 0.05, mask)
    radius = chained_bounds(values, dtype, Objective(0.05)).radius
    u = 8 * (unit_roundoff(dtype) + unit_roundoff(np.float64))
    for name, q in params.items():
        rounding = u * (0.1 * np.abs(values[f"d{name}"]) + 2 * np.abs(q))
        assert (np.abs(sgd.params[name] - exact[name]) <= 4 * 0.1 * radius[f"d{name}"] + rounding).all()
        # The layers' backward pair, too.
        np.testing.assert_allclose(q - 0.1 * values[f"d{name}"], exact[name], rtol=0, atol=1e-14)
    assert abs(loss - exact_loss) <= 4 * radius["loss"]


@pytest.mark.parametrize("kind", KINDS)
def test_saved_state_continues_bit_for_bit(kind):
    params, X, y = make(8, 5, 6, 3, np.float32)
    options = {"reg": 0.01, "dropout": 0.3, **KINDS[kind]}
    first = Sgd(params, 8, rng=np.random.default_rng(7), **options)
    for _ in range(3):
        first.step(X, y, 0.1)
    second = Sgd(
        {name: q.copy() for name, q in first.params.items()}, 8, rng=np.random.default_rng(0), **options
    )
    second.rng.bit_generator.state = first.rng.bit_generator.state
    second.steps = first.steps
    for name, v in first.velocity.items():
        second.velocity[name][...] = v
    for _ in range(3):
        assert first.step(X, y, 0.1) == second.step(X, y, 0.1)
    for name, q in first.params.items():
        np.testing.assert_array_equal(q, second.params[name])
    assert first.steps == second.steps == 6


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "options", [*KINDS.values(), {"dropout": 0.5, "rng": np.random.default_rng(0), "activation": "gelu_tanh"}]
)
def test_after_the_first_step_nothing_of_array_size_is_allocated(options, dtype):
    N, D, H, C = 200, 300, 100, 10
    params, X, y = make(2000, D, H, C, dtype)
    sgd = Sgd(params, N, reg=0.01, **options)
    pixels = (20 * X).astype(np.int8)
    loads = [
        Minibatch(X, y, N, np.dtype(dtype)),
        Minibatch(pixels, y, N, np.dtype(dtype), mean=X[0], flip=(3, 10, 10), rng=np.random.default_rng(0)),
    ]
    batch = np.random.default_rng(0).integers(0, 2000, N)

    def peak(load):
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        load.gather(batch)
        sgd.step(load.X, load.y, 0.1)
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        for load in loads:
            peak(load)
            assert peak(load) < N * C * np.dtype(dtype).itemsize  # the scores, the smallest matrix of a step
    finally:
        tracemalloc.stop()


def test_the_workspace_is_a_minibatch_and_a_few_times_the_layers_outputs(monkeypatch):
    # Which it is else depends on the processor and on its threads.
    monkeypatch.setattr("handgrad.fused.sgd.choose_layout", lambda *_: Layout("C", "packed", "packed"))
    D, H, C = 300, 100, 10
    params, X, y = make(2000, D, H, C, np.float32)

    def held(N):
        Sgd(params, N, reg=0.01, momentum=0.9)  # what it imports is not its workspace
        tracemalloc.start()
        try:
            workspace = Sgd(params, N, momentum=0.9), Minibatch(X, y, N, np.dtype(np.float32))
            return tracemalloc.get_traced_memory()[0], workspace
        finally:
            tracemalloc.stop()

    (once, _), (twice, _) = held(200), held(400)
    row = 4 * (D + 3 * H + 2 * C) + 8 * 8  # the last are labels, indices, and one number for each row
    assert twice - once <= 200 * row
    weights_and_labels = 2 * 4 * sum(q.size for q in params.values()) + 8 * len(y)
    assert 2 * once - twice <= weights_and_labels + 16_000  # the objects themselves


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"momentum": 1.0}, "momentum must be below 1"),
        ({"momentum": -0.1}, "momentum must be finite and at least 0"),
        ({"dropout": 1.0, "rng": np.random.default_rng(0)}, "dropout must be below 1"),
        ({"dropout": 0.5}, "dropout needs an rng"),
        ({"nesterov": True}, "nesterov needs a momentum above 0"),
        ({"reg": -1.0}, "reg must be finite and at least 0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    params, _, _ = make(4, 5, 6, 3, np.float64)
    with pytest.raises(ValueError, match=message):
        Sgd(params, 4, **arguments)


def test_diverged_step_has_no_finite_loss():
    params, X, y = make(8, 5, 6, 3, np.float32)
    sgd = Sgd(params, 8)
    with np.errstate(all="raise"):
        made_here = Sgd(params, 8)
    losses = [sgd.step(X, y, 1e30) for _ in range(4)]
    assert not np.isfinite(losses[-1])
    np.testing.assert_array_equal([made_here.step(X, y, 1e30) for _ in range(4)], losses)
