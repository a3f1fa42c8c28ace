"""Bounds measured on the tape: right computations are inside, mistakes outside, and nothing else widens."""

import numpy as np
import pytest
from recorded_corpus import CASES

from autograd_ref.recording import NotRecorded, record
from autograd_ref.recording.bounds import difference, measure


def bounds_of(function, *arguments, **options):
    recording = record(function, *arguments)
    result = recording.result[0] if isinstance(recording.result, tuple) else recording.result
    return measure(recording, recording.value(result), **options).of


def outside(gradient, found):
    """Return the mask of the entries outside the bound."""
    error = np.abs(np.asarray(gradient, np.float64) - found.right.centre)
    slack = 0.0 if found.right.slack is None else found.right.slack
    return error > slack + found.bound


def sizes(found):
    centre = found.right.centre
    return np.maximum(np.abs(centre), np.sqrt(np.mean(centre**2)))


QUICK = ["relu"]
# One object, one loop in time, one that writes here and there; `test_program` judges all the others.
SLOW = ["layer_objects", "gru", "skipgram"]


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_programs_own_gradients_are_inside_and_three_percent_is_outside(name, dtype):
    built = CASES[name](np.random.default_rng(1), dtype)
    recording = record(built.call)
    gradients = built.gradients(recording.result)
    bounds = measure(recording, recording.value(built.loss(recording.result)))
    for path, gradient in gradients.items():
        (found,) = [each for key, each in bounds.of.items() if key.endswith(path)]
        assert not outside(gradient, found).any(), path
        size = sizes(found)
        seen = found.bound < 0.01 * size
        assert seen.all()
        assert outside(gradient + 0.03 * size, found).all()
        assert found.lines == []
        assert not found.cancels


@pytest.mark.parametrize("size", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_two_orders_are_inside_and_the_bound_is_not_far_from_them(size):
    rng = np.random.default_rng(0)
    X, w, t = rng.standard_normal((size, 30)), rng.standard_normal(30), rng.standard_normal(size)
    X, w, t = (each.astype(np.float32) for each in (X, w, t))
    found = bounds_of(lambda w, X, t: 0.5 * np.sum((np.tanh(X @ w) - t) ** 2), w, X, t)["w"]
    h = np.tanh(X @ w)
    by_matrix = X.T @ ((h - t) * (1 - h**2))
    one_by_one = np.zeros_like(w)
    for row, target in zip(X, t, strict=True):
        value = np.float32(0)
        for x, weight in zip(row[::-1], w[::-1], strict=True):
            value += x * weight
        value = np.tanh(value)
        one_by_one += (row * (value - target)) * (1 - value * value)
    errors = []
    for gradient in (by_matrix, one_by_one):
        assert gradient.dtype == np.float32
        assert not outside(gradient, found).any()
        errors.append(np.abs(gradient - found.right.centre))
    # A bound is 16 root mean squares of the drawn errors, and a median error is about a quarter of one: up to
    # twice as much for what the draws add.
    assert np.median(found.bound) < 2 * 16 * 4 * np.median(np.max(errors, axis=0))


def test_one_line_in_float32_is_known_and_widens_what_depends_on_it():
    def loss(W, V, x):
        h = np.tanh((x @ W).astype(np.float32))
        return 0.5 * np.sum(h * h) + np.sum((x @ V) ** 2)

    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 4))
    found = bounds_of(loss, rng.standard_normal((4, 3)), rng.standard_normal((4, 2)), x)
    first = loss.__code__.co_firstlineno
    assert found["W"].lines[0].line == first + 1
    assert {place.line for place in found["W"].lines} == {first + 1, first + 2}
    assert found["V"].lines == []
    assert (found["W"].bound > 1e-8 * sizes(found["W"])).all()
    assert (found["V"].bound < 1e-12 * sizes(found["V"])).all()


@pytest.mark.slow
def test_float32_data_in_float64_code_widens_nothing():
    rng = np.random.default_rng(0)
    found = bounds_of(
        lambda W, x: np.sum((x @ W) ** 2),
        rng.standard_normal((3, 2)),
        np.float32(rng.standard_normal((4, 3))),
    )
    assert (found["W"].bound < 1e-12 * sizes(found["W"])).all()
    assert found["W"].lines == found["x"].lines == []


def test_entries_of_mixed_scales_keep_their_own_bounds():
    scales = np.array([1e7, 1e7, 1e7, 1.0], np.float32)
    x = np.array([0.3, -0.7, 1.1, 0.9], np.float32)
    found = bounds_of(lambda x, s: np.sum(s * x**2), x, scales)["x"]
    assert (found.bound < 1e-5 * np.abs(found.right.centre)).all()
    gradient = 2 * scales * x
    assert not outside(gradient, found).any()
    assert outside(gradient * [1, 1, 1, -1], found).tolist() == [False, False, False, True]


def test_tie_keeps_all_others_sharp_and_has_room_for_both_sides():
    x, w = np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([[2.0, 0.3], [-1.0, 0.4]])
    assert (x @ w)[0, 0] == 0
    found = bounds_of(lambda x, w: np.sum(np.maximum(x @ w, 0) * np.array([1.0, 3.0])), x, w)
    for side in (0.0, 0.5, 1.0):
        dz = np.where(x @ w > 0, 1.0, np.where(x @ w == 0, side, 0.0)) * [1.0, 3.0]
        assert not outside(dz @ w.T, found["x"]).any()
        assert not outside(x.T @ dz, found["w"]).any()
    beyond = np.where(x @ w > 0, 1.0, np.where(x @ w == 0, 2.4, 0.0)) * [1.0, 3.0]
    assert outside(x.T @ beyond, found["w"]).tolist() == [[True, False], [True, False]]
    assert max(found["x"].bound.max(), found["w"].bound.max()) < 1e-13


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradient_that_cancels_to_0_is_recognised(dtype):
    def loss(b, W, unused, dead, x):
        z = x @ W + b
        z = (z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5)
        return (
            np.sum(np.sin(z) * np.arange(z.size).reshape(z.shape)) + np.sum(np.maximum(dead, 0)) + x[0, 0] * 0
        )

    rng = np.random.default_rng(0)
    given = (rng.standard_normal(3), rng.standard_normal((4, 3)), np.ones(2), -np.ones(2))
    found = bounds_of(
        loss, *(each.astype(dtype) for each in given), rng.standard_normal((6, 4)).astype(dtype)
    )
    assert found["b"].cancels
    assert not outside(np.zeros(3), found["b"]).any()
    assert not found["W"].cancels
    assert not found["dead"].cancels
    assert "unused" not in found


@pytest.mark.slow
def test_gradient_lost_in_rounding_does_not_count_as_cancelling():
    def loss(W, x):
        h = x
        for _ in range(300):
            h = np.tanh(h @ W)
        return np.sum(h**2)

    rng = np.random.default_rng(0)
    W = 0.4 * rng.standard_normal((30, 30))
    found = bounds_of(loss, W, rng.standard_normal((20, 30)))["W"]
    assert (found.bound > np.abs(found.right.centre)).all()
    assert not found.cancels


def test_a_gradient_by_hand_is_granted_its_own_rounding():
    def step(x):
        s = 1 / (1 + np.exp(-x))
        return np.sum(s), s * (1 - s)

    recording = record(step, np.array([20.0, -30.0, 1.0]))
    loss, gradient = (recording.value(each) for each in recording.result)
    alone = measure(recording, loss).of["x"]
    together = measure(recording, loss, by_hand={"x": gradient}).of["x"]
    assert outside(recording.result[1], alone).tolist() == [True, False, False]
    assert not outside(recording.result[1], together).any()
    assert (together.bound < 1e-5 * np.abs(together.right.centre)).all()
    with pytest.raises(ValueError, match=r"the gradient for x has shape \(\), not \(3,\)"):
        measure(recording, loss, by_hand={"x": loss})


@pytest.mark.slow
def test_float32_in_the_backward_pass_is_reported_with_its_line():
    def step(x):
        y = np.tanh(x)
        slope = (1 - y * y).astype(np.float32)
        return np.sum(y), slope * 1.0

    recording = record(step, np.linspace(-1, 1, 4))
    loss, gradient = (recording.value(each) for each in recording.result)
    found = measure(recording, loss, by_hand={"x": gradient}).of["x"]
    assert found.lines[0].line == step.__code__.co_firstlineno + 2
    assert not outside(recording.result[1], found).any()


def test_sums_of_what_was_moved_are_granted_their_rounding():
    rng = np.random.default_rng(0)
    table, rows = rng.standard_normal((3, 2)).astype(np.float32), rng.integers(0, 2, 500)

    def loss(E):
        out = np.zeros((500, 2), np.float32)
        out[...] = E[rows]
        out += np.concatenate([E[2:], E[2:]]).repeat(250, axis=0) + np.broadcast_to(E[0], (500, 2))
        return np.sum(np.tanh(out))

    found = bounds_of(loss, table)["E"]
    slope = 1 - np.tanh(table[rows] + table[2] + table[0]) ** 2
    gradient = np.zeros_like(table)
    for row, each in zip(rows, slope, strict=True):
        gradient[row] += each
        gradient[2] += each
        gradient[0] += each
    assert not outside(gradient, found).any()
    assert (found.bound < 1e-3 * sizes(found)).all()


def test_views_of_one_memory_have_their_parts_of_its_gradient():
    theta = np.linspace(0.1, 1.2, 12)
    params = {"W": theta[:6].reshape(2, 3), "b": theta[6:9], "all": theta}
    found = bounds_of(
        lambda params: np.sum(np.tanh(params["W"] * params["b"])) + params["all"][7] ** 2, params
    )
    slope = 1 - np.tanh(params["W"] * params["b"]) ** 2
    by_b = (slope * params["W"]).sum(0) + 2 * theta[7] * np.eye(3)[1]
    assert not outside(slope * params["b"], found["params['W']"]).any()
    assert not outside(by_b, found["params['b']"]).any()
    everything = np.concatenate([(slope * params["b"]).ravel(), by_b, np.zeros(3)])
    assert not outside(everything, found["params['all']"]).any()
    assert outside(1.001 * by_b, found["params['b']"]).all()


@pytest.mark.slow
def test_single_numbers_have_bounds():
    def step(a, b, x):
        h = np.maximum(a - x, 0.0)
        h[1] = b
        e = np.exp(h - h[0])
        return np.sum(e / e.sum() * x) + a * b + np.abs(b), np.exp(a)

    given = np.array(0.5), np.array(0.0), np.array([0.5, 0.1, -2.0])
    recording = record(step, *given)
    loss, other = (recording.value(each) for each in recording.result)
    found = measure(recording, loss, by_hand={"a": other}).of
    assert found["b"].right.slack == 1
    assert all(0 < each.bound.max() < 1e-13 for each in found.values())


@pytest.mark.slow
def test_memory_that_is_filled_entry_by_entry():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(6)

    def loss(x):
        h = np.ones((7, 3))
        for i in range(6):
            for j in range(3):
                h[i + 1, j] = np.tanh(h[i, j]) * x[i] + h[i, j - 1]
        h[2] *= 2.0
        return np.sum(h**2) + np.sum(np.sin(h[::2, 1:]))

    found = bounds_of(loss, x)["x"]
    step = 1e-6 * np.eye(6)
    differences = [(loss(x + each) - loss(x - each)) / 2e-6 for each in step]
    np.testing.assert_allclose(found.right.centre, differences, rtol=1e-7)
    assert (found.bound < 1e-11 * sizes(found)).all()
    assert (found.bound > 1e-15 * sizes(found)).all()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bounds_and_fewer_draws_wider_ones():
    recording = record(lambda x: np.sum(np.tanh(x) ** 2), np.linspace(0.1, 2, 50))
    loss = recording.value(recording.result)
    first, again, other = (measure(recording, loss, seed=seed).of["x"].bound for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.median(measure(recording, loss, draws=4).of["x"].bound) > 5 * np.median(first)
    assert measure(recording, loss, leaves=[]).of == {}


def test_difference_of_plain_runs():
    state = {"calls": 0}

    def loss(w, x):
        state["calls"] += 1
        w *= 1.0
        return np.sum(np.sin(w * x)) + np.abs(w[2]), w

    w, x = np.array([0.3, 2.0, 0.0]), np.array([1.0, 2.0, 3.0])
    before = w.copy()
    recording = record(loss, w, x)
    value = recording.value(recording.result[0])
    found = difference(recording, value, {"w": np.array([0.0, 1.0, 0.0])})
    assert abs(found.value - 2 * np.cos(4.0)) < found.error < 1e-6
    both = difference(recording, lambda result: result[0], {"w": np.array([1.0, 0, 0]), "x": np.ones(3)})
    expected = np.cos(0.3) + np.sum(before * np.cos(before * x))
    assert abs(both.value - expected) < both.error < 1e-6
    assert difference(recording, value, {"w": np.array([0.0, 0.0, 1.0])}) is None
    np.testing.assert_array_equal(w, before)
    with pytest.raises(NotRecorded, match="the call neither returns nor stores the loss"):
        difference(recording, recording.tape.values[-2], {"w": np.ones(3)})
    assert state["calls"] == 1


def test_difference_at_a_staircase_is_undefined():
    recording = record(lambda x: np.sum(np.round(x)), np.array([0.499, 0.7]))
    loss = recording.value(recording.result)
    assert difference(recording, loss, {"x": np.array([1.0, 0.0])}) is None
