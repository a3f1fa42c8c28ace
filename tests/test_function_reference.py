"""Kinks, references that are wrong themselves, and unusual arguments."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from some_quick import some_quick

from autograd_ref import NotJudged, assert_gradients, check_gradients
from autograd_ref.crosscheck.function.check import check_gradients_at


def wrong(report):
    return {quantity.name for quantity in report.quantities if not quantity.ok}


class Holder:
    """Compares as a dataclass of arrays does: not at all."""

    def __init__(self, name):
        self.name = name

    def __eq__(self, other):
        raise ValueError("the truth value of an array is ambiguous")


def square(x):
    return jnp.sum(x**2)


def square_by_hand(x):
    return np.sum(x**2), 2 * x


# Kinks.


@pytest.mark.parametrize(("slope", "right"), [(0, True), (0.5, True), (1, True), (-0.1, False), (1.1, False)])
@pytest.mark.parametrize("dtype", some_quick(["float32", "float64"]))
def test_on_a_kink_any_slope_between_the_two_sides_is_right(slope, right, dtype):
    """z = X @ w is exactly 0 in the first sample; the others are ordinary."""

    def hand(w, X):
        z = X @ w
        dz = np.where(z == 0, slope, z > 0)
        return np.sum(np.maximum(z, 0)), (dz @ X).astype(w.dtype)

    X = np.array([[1.0, 1.0, 0.0], [2.0, 1.0, 3.0], [0.5, 0.2, -2.0]])
    report = check_gradients(
        hand, lambda w, X: jnp.sum(jax.nn.relu(X @ w)), np.array([1.0, -1, 0.3]), X, dtype=dtype
    )
    assert report.ok is right
    assert report.quantities[1].resolution < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("unit", [1.0, 0.1])  # tenths: what is 0 on paper is within rounding of it
def test_many_kinks_at_once_raise_no_false_alarm(unit):
    rng = np.random.default_rng(0)
    p = {"W": unit * rng.integers(-2, 3, (4, 5)), "b": np.zeros(5)}
    X, T = (
        np.concatenate([np.zeros((4, 4)), unit * rng.integers(-2, 3, (8, 4))]),
        rng.standard_normal((12, 5)),
    )

    def hand(slope, p, X, T):
        z = np.einsum("nd,dh->nh", X[:, ::-1], p["W"][::-1]) + p["b"]
        dz = T * np.where(z == 0, slope, z > 0)
        return np.sum(T * np.maximum(z, 0)), {"W": X.T @ dz, "b": dz.sum(axis=0)}

    for slope in (0, 0.5, 1):
        assert_gradients(
            partial(hand, slope),
            lambda p, X, T: jnp.sum(T * jax.nn.relu(X @ p["W"] + p["b"][None, :])),
            *(p, X, T),
            name="tied",
        )


@pytest.mark.slow
def test_an_entry_that_depends_on_no_kink_is_judged_as_sharply_beside_one_that_does():
    def hand(w):
        grad = np.sign(w) + 2 * w
        grad[3] *= 1 + 1e-12
        return np.sum(np.abs(w)) + np.sum(w**2), grad

    report = check_gradients(
        hand, lambda w: jnp.sum(jnp.abs(w)) + square(w), np.array([0, 0.5, 0, -2.0, 1.5])
    )
    assert wrong(report) == {"dparams"}
    assert report.quantities[1].index == (3,)


# The reference may be wrong.


@jax.custom_vjp
def cube_sum(x):
    return jnp.sum(x**3)


cube_sum.defvjp(lambda x: (cube_sum(x), x), lambda x, g: (2 * g * x**2,))


def test_a_wrong_reference_is_found():
    report = check_gradients(lambda x: (np.sum(x**3), 3 * x**2), cube_sum, np.array([0.5, -1.5, 2.0]))
    assert report.first_wrong == "dparams"
    assert report.quantities[1].odd_one_out == "automatic"
    assert "the reference's" in str(report)
    assert "odd one out" in str(report)
    assert report.signature is None


def test_a_mistake_that_both_sides_share_is_found():
    report = check_gradients(lambda x: (np.sum(x**3), 2 * x**2), cube_sum, np.array([0.5, -1.5, 2.0]))
    assert (report.ok, report.first_wrong) == (False, "dparams")
    assert report.quantities[1].odd_one_out == "both"
    assert "contradict both" in str(report)
    surrogate = check_gradients(
        lambda x: (np.sum(x**3), 2 * x**2), cube_sum, np.array([0.5, -1.5, 2.0]), surrogate=True
    )
    assert surrogate.ok
    assert "surrogate" in str(surrogate)


def test_stopped_gradient_is_accepted_as_intended():
    def reference(x):
        return jnp.sum(x**2 * jax.lax.stop_gradient(x))

    x = np.array([0.5, -1.5, 2.0])
    report = check_gradients(lambda x: (np.sum(x**3), 2 * x**2), reference, x)
    assert report.ok
    assert [each.id for each in report.warnings] == ["gradient-stopped"]
    report = check_gradients(lambda x: (np.sum(x**3), 3 * x**2), reference, x)
    assert report.first_wrong == "dparams"
    assert report.quantities[1].odd_one_out is None


@pytest.mark.slow
def test_hand_with_another_loss_is_compared_with_its_own():
    x = np.array([0.5, -1.5, 2.0])
    report = check_gradients(lambda x: (np.sum(x**2) / 2, x), square, x)
    assert report.first_wrong == "loss"
    assert "loss is 0.5 times the right one" in report.signature
    assert "agrees with finite differences of the hand's own loss" in report.signature
    report = check_gradients(lambda x: (np.sum(x**2) / 2, 3 * x), square, x)
    assert report.first_wrong == "loss"
    assert "does not belong to the hand's own loss either" in report.signature


# What else people bring along.


@pytest.mark.parametrize("where", ["params", "args"])
def test_keys_that_cannot_be_sorted_are_one_sentence(where):
    mixed = {"a": np.ones(2), 1: np.ones(2)}
    given = (mixed,) if where == "params" else (np.ones(2), mixed)
    with pytest.raises(NotJudged, match=f"{where}: JAX sorts the keys"):
        check_gradients(lambda p, *_: (1.0, p), lambda p, *_: 1.0, *given)


@pytest.mark.parametrize(
    "reference", [lambda x: jnp.sum(x) if x[0] > 0 else jnp.sum(x**2), lambda x: float(jnp.sum(x))]
)
def test_untraceable_reference_gets_advice(reference):
    with pytest.raises(NotJudged, match=r"reference cannot be traced by JAX: line \d+: .*jnp\.where instead"):
        check_gradients(square_by_hand, reference, np.ones(3))


def test_a_wrong_rule_beside_a_stop_is_wrong():
    @jax.custom_vjp
    def squared(x):
        return x**2

    squared.defvjp(lambda x: (x**2, x), lambda x, g: (g * x,))
    report = check_gradients(
        lambda x: (np.sum(x**2 * np.exp(x)), x * np.exp(x)),
        lambda x: jnp.sum(squared(x) * jax.lax.stop_gradient(jnp.exp(x))),
        np.array([0.5, -1.5, 2.0]),
    )
    assert report.ok is False


@pytest.mark.slow
def test_a_loss_that_differs_beside_the_given_point_only_is_said():
    def by_hand(s):
        w, v = np.linalg.eigh(s)
        return np.sum(w**3), 3 * v @ np.diag(w**2) @ v.T

    s = np.array([[1.0, 0.5], [0.5, -2.0]])
    report = check_gradients(by_hand, lambda s: jnp.sum(jnp.linalg.eigvalsh(s) ** 3), s)
    assert report.first_wrong == "loss"
    assert "Right at the given point, wrong at moved point 1" in report.signature
    assert "points=1" in report.signature


def test_settings_that_hand_leaves_behind_do_not_stop_the_check():
    def raising(x):
        np.seterr(all="raise")
        return square_by_hand(x)

    before = np.geterr()
    assert check_gradients(raising, square, np.array([1.0, 2.0], np.float32)).ok
    assert np.geterr() == before


@pytest.mark.slow
@pytest.mark.parametrize("others", [[np.array([each]) for each in "abc"], [Holder(each) for each in "abc"]])
def test_arguments_that_cannot_be_traced_or_compared_may_differ(others):
    examples = [(np.arange(1.0, 4) + i, other) for i, other in enumerate(others)]
    report = check_gradients_at(lambda x, _: square_by_hand(x), lambda x, _: square(x), examples)
    assert report.ok


@pytest.mark.slow
def test_a_softmax_by_its_normaliser_is_right_at_large_logits():
    def by_hand(s):
        m = s.max(axis=1, keepdims=True)
        log_sum = m + np.log(np.exp(s - m).sum(axis=1, keepdims=True))
        return np.sum(log_sum - s[:, :1]), np.exp(s - log_sum) - np.eye(s.shape[1], dtype=s.dtype)[0]

    s = 1e3 + np.random.default_rng(0).normal(size=(12, 5))
    report = check_gradients(by_hand, lambda s: jnp.sum(jax.nn.logsumexp(s, axis=1) - s[:, 0]), s)
    assert report.ok
