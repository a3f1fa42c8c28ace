"""Gradients in low precision, terms that cancel, and values that rounding hides."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from field import functions as f
from field.functions import Case
from some_quick import some_quick

from autograd_ref import check_gradients
from autograd_ref.crosscheck.function.check import check_gradients_at


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inside", "dtype", "right"),
    [(np.float32, "float64", True), (np.float16, "float32", None), (np.float64, "float64", True)],
)
def test_hand_in_lower_precision_is_judged_by_that_precision(inside, dtype, right):
    def example(rng):
        return rng.normal(size=(3, 2)), rng.normal(size=(4, 3))

    report = Case(f.low_inside(inside), f.squares_loss, example).check(dtype=dtype)
    assert report.ok is right, str(report)
    assert ("low-precision" in [each.id for each in report.warnings]) is (np.dtype(inside) != dtype)


@pytest.mark.slow
def test_a_wrong_gradient_is_not_taken_for_low_precision():
    def hand(w, x):
        loss, grad = f.low_inside(np.float32)(w, x)
        return loss, 1.001 * grad

    def example(rng):
        return rng.normal(size=(3, 2)), rng.normal(size=(4, 3))

    assert Case(hand, f.squares_loss, example).check(dtype="float64").ok is False


@pytest.mark.slow
def test_a_reference_in_low_precision_shows_nothing():
    def reference(w, x):
        return (jnp.sum((x.astype(jnp.bfloat16) @ w.astype(jnp.bfloat16)) ** 2) / 2).astype(x.dtype)

    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(3, 2)), rng.normal(size=(4, 3))
    report = check_gradients(lambda w, x: (np.sum((x @ w) ** 2) / 2, 0 * w), reference, w, x)
    assert report.ok is not True
    assert "by finite difference" not in str(report)


@pytest.mark.slow
@pytest.mark.parametrize("offset", [1e7, 1e5])
def test_a_zero_gradient_that_rounding_hides_is_never_right(offset):
    y = np.arange(8) % 5

    def hand(s):
        m = s.max(axis=1, keepdims=True)
        loss = m[:, 0] + np.log(np.exp(s - m).sum(axis=1))
        return np.mean(loss - s[np.arange(8), y]), 0 * s

    def reference(s):
        return jnp.mean(jax.nn.logsumexp(s, axis=1) - s[jnp.arange(8), y])

    s = offset + np.random.default_rng(0).normal(size=(8, 5))
    assert check_gradients(hand, reference, s, dtype="float32").ok is not True
    assert check_gradients(hand, reference, s, dtype="float32", points=1).ok is not True


@pytest.mark.slow
def test_terms_that_cancel_leave_zero_to_be_judged():
    """A bias before a normalisation."""

    def reference(p, X):
        Z = X * p["w"][None, :] + p["b"][None, :]
        return jnp.sum(((Z - Z.mean(axis=0)[None, :]) * X) ** 2)

    def hand(wrong, p, X):
        Z = X * p["w"] + p["b"]
        C = Z - Z.mean(axis=0)
        dC = 2 * C * X * X
        dZ = dC - dC.mean(axis=0)
        return np.sum((C * X) ** 2), {"w": (dZ * X).sum(axis=0), "b": dZ.sum(axis=0) + wrong}

    rng = np.random.default_rng(0)
    p, X = {"w": rng.normal(size=3), "b": rng.normal(size=3)}, rng.normal(size=(6, 3))
    for dtype in ("float64", "float32"):
        assert check_gradients(lambda p, X: hand(0, p, X), reference, p, X, dtype=dtype).ok is True
        report = check_gradients(lambda p, X: hand(X.dtype.type(1e-3), p, X), reference, p, X, dtype=dtype)
        assert report.ok is False


def by_normaliser(x):
    loss = x.max() + np.log(np.exp(x - x.max()).sum())
    return loss, np.exp(x - loss)


def by_maximum(x):
    e = np.exp(x - x.max())
    return x.max() + np.log(e.sum()), e / e.sum()


@pytest.mark.slow
def test_a_tie_of_huge_numbers_is_judged():
    """Beside a tie at 1e30 a softmax is 0 or 1, whatever it is at the tie: each tied entry got the whole."""
    x = 1e30 * np.array([1.0, 1.0, 0.5, 1.0, 0.0])
    report = check_gradients(by_normaliser, jax.nn.logsumexp, x)
    assert report.ok is False
    assert report.quantities[-1].automatic == pytest.approx(1 / 3)
    assert check_gradients(by_maximum, jax.nn.logsumexp, x).ok is True


@pytest.mark.slow
def test_given_point_hidden_by_rounding_is_not_judged():
    """Logits that differ by their last digit: beside them a softmax is 0 or 1."""
    x = 1e17 + 16 * np.array([0.0, 1.0, -1.0, 0.0])
    report = check_gradients(by_maximum, jax.nn.logsumexp, x)
    assert report.ok is None
    assert "at the given point rounding in float64 hides" in str(report)


def test_given_point_at_an_optimum_is_judged_by_its_neighbours():
    X = np.random.default_rng(0).normal(size=(20, 3))
    w = np.array([0.3, -1.7, 0.9])

    def hand(w, X, t):
        r = X @ w - t
        return r @ r, 2 * X.T @ r

    assert check_gradients(hand, lambda w, X, t: jnp.sum((X @ w - t) ** 2), w, X, X @ w).ok is True


CANCELLING = np.array([-60.0, -36.0, -20.0, -5.0, 0.0, 3.0, 40.0])


@pytest.mark.parametrize("dtype", some_quick(["float32", "float64"]))
@pytest.mark.parametrize("right", [True, False])
def test_cancelling_formula_is_recognised_in_finer_precision(dtype, right):
    """Both are off by less than rounding to the largest entry; the second is so in every precision."""
    x = CANCELLING if right else np.array([-12.0 if dtype == "float32" else -30.0, 0.0, 5.0])

    def hand(x):
        grad = (1 + np.tanh(x / 2)) / 2 if right else 1 / (1 + np.exp(-x))
        grad[0] *= 1 if right else 1.001
        return np.logaddexp(0, x).sum(), grad

    assert check_gradients(hand, lambda x: jnp.sum(jax.nn.softplus(x)), x, dtype=dtype).ok is right


def test_entries_whose_squares_underflow_are_judged():
    x = np.array([-380.0, -390.0, 0.5])

    def hand(x):
        return np.exp(x).sum(), np.exp(x / 4) ** 4

    assert check_gradients(hand, lambda x: jnp.sum(jnp.exp(x)), x).ok is True


@pytest.mark.parametrize("dtype", some_quick(["float64", "float32"]))
@pytest.mark.parametrize(("factor", "right"), [(1, True), (1.001, False)])
def test_cancellation_in_an_update_is_not_a_mistake(dtype, factor, right):
    def hand(p, x, y):
        loss, dW, db = f.affine_by_hand(p["W"], p["b"], x, y)
        W = 10 * p["W"]
        return loss, {"W": factor * (W - (W - 0.005 * dW)) / 0.005, "b": db}

    report = check_gradients_at(
        hand, f.affine_loss, [f.affine_example(seed) for seed in range(3)], dtype=dtype
    )
    assert report.ok is right, str(report)
