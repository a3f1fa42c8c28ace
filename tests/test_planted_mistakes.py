"""Mistakes planted in the hand-derived code turn the comparison red in the right quantities only."""

import dataclasses

import numpy as np
import pytest

from autograd_ref.crosscheck.comparison import GRADIENTS, compare_gradients, compare_trace
from autograd_ref.crosscheck.problems import digits_problem, random_problem
from handgrad import layers, two_layer_net
from handgrad.activations import ACTIVATIONS

ALL_FOUR = {"dW2", "db2", "dW1", "db1"}


def notes_penalty(W, reg, c=2.0):
    return W.dtype.type(2 * reg) * W


def bias_mean_params(dz, x):
    return x.T @ dz, dz.mean(axis=0)


def bias_mean(dz, x, W):
    return dz @ W.T, *bias_mean_params(dz, x)


def no_one_hot(probs, y):
    return probs / len(y)


def not_divided(probs, y):
    dscores = probs.copy()
    dscores[np.arange(len(y)), y] -= 1
    return dscores


def alias_of_probs(probs, y):
    dscores = probs
    dscores[np.arange(len(y)), y] -= 1
    return dscores / len(y)


def ones(z):
    return np.ones_like(z)


def inverted(z):
    return (z <= 0).astype(z.dtype)


def with_slope(derivative, name="relu"):
    """The table of activations with another derivative in it."""
    return {**ACTIVATIONS, name: ACTIVATIONS[name]._replace(derivative=derivative)}


# What is replaced, by what, and which quantities are wrong: stage by stage, and from end to end.
MISTAKES = {
    "the course notes' own gradient": (
        {"l2_penalty_backward": notes_penalty}, {"dW2", "dW1"}, {"dW2", "dW1"},
    ),
    "no mask": ({"ACTIVATIONS": with_slope(ones)}, {"dz1"}, {"dW1", "db1"}),
    "inverted mask": ({"ACTIVATIONS": with_slope(inverted)}, {"dz1"}, {"dW1", "db1"}),
    "missing 1/N": ({"softmax_cross_entropy_backward": not_divided}, {"dscores"}, ALL_FOUR),
    "bias mean instead of sum": (
        {"affine_backward": bias_mean, "affine_backward_params": bias_mean_params},
        {"db2", "db1"}, {"db2", "db1"},
    ),
    "no one-hot": ({"softmax_cross_entropy_backward": no_one_hot}, {"dscores"}, ALL_FOUR),
    "one-hot subtracted from an alias of probs": (
        {"softmax_cross_entropy_backward": alias_of_probs}, {"probs"}, set(),
    ),
}  # fmt: skip


def wrong(comparison):
    return {quantity.name for quantity in comparison.quantities if not quantity.ok}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("replaced", "stages", "whole"), MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_is_red_where_it_is_made_and_only_there(monkeypatch, replaced, stages, whole, dtype):
    problem = random_problem(np.random.default_rng(0), (7, 5, 6, 4), dtype=dtype)
    for name, mistaken in replaced.items():
        monkeypatch.setattr(two_layer_net, name, mistaken)
    net = problem.net()
    trace = net.trace(problem.X, problem.y, problem.reg)
    assert wrong(compare_trace(problem, trace)) == stages
    found = compare_gradients(problem, *net.loss(problem.X, problem.y, problem.reg))
    assert wrong(found) == whole
    in_order = [name for name in GRADIENTS if name in whole]
    assert found.first_wrong == (in_order[0] if in_order else None)


# JAX compiles every activation anew.
SOME_SLOW = [pytest.param(name, marks=() if name == "relu" else pytest.mark.slow) for name in ACTIVATIONS]


@pytest.mark.parametrize("name", SOME_SLOW)
def test_a_wrong_derivative_of_each_activation_is_red(monkeypatch, name):
    """The derivative takes the output instead of the input; relu and leaky_relu exchange theirs."""
    other = {"relu": "leaky_relu", "leaky_relu": "relu"}.get(name)
    forward, right = ACTIVATIONS[name]
    wrong_one = (lambda z: right(forward(z))) if other is None else ACTIVATIONS[other].derivative
    problem = random_problem(np.random.default_rng(0), (7, 5, 6, 4))
    problem = dataclasses.replace(problem, activation=name)
    monkeypatch.setattr(two_layer_net, "ACTIVATIONS", with_slope(wrong_one, name))
    trace = problem.net().trace(problem.X, problem.y, problem.reg)
    assert wrong(compare_trace(problem, trace)) == {"dz1"}
    found = compare_gradients(problem, *problem.net().loss(problem.X, problem.y, problem.reg))
    assert wrong(found) == {"dW1", "db1"}


@pytest.mark.parametrize("name", sorted(ALL_FOUR))
def test_a_gradient_off_by_a_billionth_is_caught(name):
    problem = digits_problem()
    trace = problem.net().trace(problem.X, problem.y, problem.reg)
    trace = {**trace, name: trace[name] * (1 + 1e-9)}
    assert wrong(compare_trace(problem, trace)) == {name}
    grads = {q: trace[f"d{q}"] for q in problem.params}
    assert wrong(compare_gradients(problem, trace["loss"], grads)) == {name}


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-3), ("float64", 1e-10)])
@pytest.mark.parametrize(
    "name", ["z1", "scores", "probs", "dscores", "dW2", "db2", "dh1", "dz1", "dW1", "db1"]
)
def test_one_entry_of_median_size_is_caught_at_the_size_of_cifar10(big_traces, name, dtype, error):
    problem, trace = big_traces[dtype]
    size = np.abs(trace[name])
    middle = np.argsort(size, axis=None)[np.count_nonzero(size == 0) + np.count_nonzero(size) // 2]
    index = np.unravel_index(middle, size.shape)
    assert size[index] > 0
    planted = {**trace, name: trace[name].copy()}
    planted[name][index] *= 1 + error
    comparison = compare_trace(problem, planted)
    found = {quantity.name: quantity for quantity in comparison.quantities}
    assert not found[name].ok
    assert found[name].index == index
    assert found[name].resolution <= error


@pytest.fixture(scope="module")
def big_traces():
    problem = random_problem(np.random.default_rng(0), (200, 3072, 150, 10))
    return {
        dtype: (cast, cast.net().trace(cast.X, cast.y, cast.reg))
        for dtype in ("float32", "float64")
        for cast in [problem.astype(dtype)]
    }


def test_the_notes_gradient_is_off_by_two_reg_w():
    """Their published code has 2·reg·W under the loss 2·reg·‖W‖²: short by exactly 2·reg·W."""
    problem = random_problem(np.random.default_rng(0), (7, 5, 6, 4))
    W = problem.params["W1"]
    right = layers.l2_penalty_backward(W, problem.reg)
    np.testing.assert_array_equal(right - notes_penalty(W, problem.reg), 2 * problem.reg * W)
