"""Cases from the field, as functions with a reference: every kind of fault gets the right verdict."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from field import functions as f
from field.functions import Case
from some_quick import some_quick

from autograd_ref import NotJudged, check_gradients
from autograd_ref.arithmetic.rounding_bounds import RoundedFunction
from autograd_ref.crosscheck.function.check import check_gradients_at
from autograd_ref.crosscheck.function.gradient_check import GradientCheck
from autograd_ref.crosscheck.function.known_points import KnownPoints
from autograd_ref.crosscheck.function.points import moved_points

RIGHT, WRONG, NOT_JUDGED = True, False, None

STOPPED = f.stopped_example


def in_jax_example(rng):
    return rng.normal(size=(5, 3)), rng.normal(size=(4, 5))


def factor_example(rng):
    return {"rho": np.ones(1), "x": np.ones(4)}, rng.normal(size=(4, 4))


def borrows_the_loss(pred, label):
    return f.distance_loss(pred, label), pred - label


CASES = {
    "dropout": (RIGHT, Case(f.dropout, f.dropout_loss, f.dropout_example)),
    "dropout, no mask back": (WRONG, Case(f.dropout_without_mask_back, f.dropout_loss, f.dropout_example)),
    "dropout, fresh mask": (WRONG, Case(f.dropout_with_fresh_mask, f.dropout_loss, f.dropout_example)),
    **{f"memory walked, {layout}": (WRONG, f.laid_out(layout)) for layout in f.LAYOUTS},
    "cumprod by division": (WRONG, Case(f.cumprod_by_division, f.cumprod_loss, f.cumprod_example)),
    "cumprod, silently zero": (WRONG, Case(f.cumprod_silently_zero, f.cumprod_loss, f.cumprod_example)),
    "cumprod": (RIGHT, Case(f.cumprod, f.cumprod_loss, f.cumprod_example)),
    "a factor of 1": (WRONG, Case(f.factor_hidden, f.factor_loss, factor_example)),
    "a hinge that never opens": (NOT_JUDGED, Case(f.hinge, f.hinge_loss, f.spread_out(1.0))),
    "a hinge that opens": (WRONG, Case(f.hinge, f.hinge_loss, f.spread_out(0.3))),
    "log-sum-exp at 1e50": (WRONG, Case(f.lse, jax.nn.logsumexp, lambda rng: (np.array([1e50, 1e50]),))),
    "another formula at 1e50": (
        WRONG,
        Case(f.negative_binomial, lambda x: x[0] * jnp.log(0.8 / 1.8), lambda rng: (np.array([1e50, 1e50]),)),
    ),
    "JAX by hand": (RIGHT, Case(f.in_jax(f.softplus), f.softplus_loss, in_jax_example)),
    "JAX by hand, wrong": (
        WRONG,
        Case(f.in_jax(f.softplus_without_cotangent), f.softplus_loss, in_jax_example),
    ),
    "a wrong rule on both sides": (
        WRONG,
        Case(jax.value_and_grad(f.shared_rule), f.shared_rule, lambda rng: (rng.normal(size=4),)),
    ),
    "half stopped": (RIGHT, Case(f.half_stopped, f.stopped_loss, STOPPED)),
    "stop forgotten": (WRONG, Case(f.not_stopped, f.stopped_loss, STOPPED)),
    "straight through": (RIGHT, Case(f.straight_through, f.straight_through_loss, STOPPED)),
    "reversal": (WRONG, Case(f.reversal, f.reversal_loss, STOPPED)),
    "a loss of shape (1,)": (RIGHT, Case(f.squares, f.squares_loss, f.squares_example)),
    "clipped": (WRONG, Case(f.squares_clipped, f.squares_loss, f.wide_squares_example)),
    "the reference's loss": (
        RIGHT,
        Case(borrows_the_loss, f.distance_loss, f.distance_example),
    ),
    "no loss": (RIGHT, Case(lambda pred, label: (None, pred - label), f.distance_loss, f.distance_example)),
    "dead": (
        NOT_JUDGED,
        Case(
            lambda w, x: (0.0, 0 * w),
            lambda w, x: jnp.sum(jnp.maximum(0.0, x @ w - 100.0)),
            lambda rng: (rng.normal(size=3), rng.normal(size=(5, 3))),
        ),
    ),
    "packed": (WRONG, Case(f.packed, lambda x, s: jnp.sum(s * x**2), f.packed_example)),
}


@pytest.mark.parametrize("name", some_quick(CASES, 3))
def test_field_cases_get_the_right_verdict(name):
    right, case = CASES[name]
    report = case.check(dtype="float64")
    assert report.ok is right, str(report)
    assert report.points == (1 if name == "dropout, fresh mask" else 3)


@pytest.mark.parametrize("name", some_quick(["packed", "dropout", "JAX by hand", "half stopped"]))
def test_field_cases_in_float32_get_the_right_verdict(name):
    right, case = CASES[name]
    report = case.check(dtype="float32")
    assert report.ok is right, str(report)


@pytest.mark.slow
def test_the_hand_runs_in_the_precision_that_is_checked_whatever_the_switch():
    case = CASES["JAX by hand"][1]
    with jax.enable_x64(True):
        assert case.check(dtype="float64").ok
        assert case.check(dtype="float32").ok


def test_intended_rule_passes_as_a_surrogate():
    assert CASES["reversal"][1].check(dtype="float64", surrogate=True).ok


@pytest.mark.slow
def test_intended_stop_is_a_warning():
    for name in ("half stopped", "straight through", "stop forgotten"):
        report = CASES[name][1].check(dtype="float64")
        assert [each.id for each in report.warnings] == ["gradient-stopped"]
        assert all(each.odd_one_out != "automatic" for each in report.quantities)


def test_gradient_wrong_only_beside_the_given_point_is_reported():
    report = CASES["a factor of 1"][1].check(dtype="float64")
    assert "Right at the first example, wrong at example 2, moved." in report.signature
    assert "points=1" in report.signature
    report = CASES["log-sum-exp at 1e50"][1].check(dtype="float64")
    assert report.ok is False
    assert "Right at" not in (report.signature or "")


def test_result_must_be_a_loss_and_gradients():
    message = r"hand must return \(loss, grads\), or \(None, grads\) .* not an array of shape \(2,\)"
    with pytest.raises(NotJudged, match=message):
        check_gradients(lambda w: 2 * w, lambda w: jnp.sum(w**2), np.array([1.0, 2.0]))


# Ties and kinks.


@pytest.mark.parametrize("activation", some_quick([lambda x: jnp.maximum(x, 0), jax.nn.relu]))
@pytest.mark.parametrize(
    ("slope", "right"),
    [(0.0, True), (0.5, True), (1.0, True), (1.5, False), (2.4, False), (-1.4, False), (1.0 + 1e-9, False)],
)
def test_only_the_interval_is_right_at_a_tie(activation, slope, right):
    def hand(x):
        return np.sum(np.maximum(x, 0)), np.where(x == 0, slope, x > 0)

    report = check_gradients(hand, lambda x: jnp.sum(activation(x)), np.array([0.0, 1.0, -1.0]))
    assert report.ok is right, str(report)


@pytest.mark.parametrize("activation", some_quick([lambda x: jnp.maximum(x, 0), jax.nn.relu]))
@pytest.mark.parametrize("grad", [[0.5, 0.5, 1 + 1e-12, 0], [0.5, 0.5, 1, 1e-12]])
def test_tie_does_not_hide_mistakes_in_other_entries(activation, grad):
    def hand(x):
        at_ties = np.array(grad) if (x == [0, 0, 1, -1]).all() else (x > 0).astype(float)
        return np.sum(np.maximum(x, 0)), at_ties

    report = check_gradients(hand, lambda x: jnp.sum(activation(x)), np.array([0.0, 0.0, 1.0, -1.0]))
    assert report.ok is False


@pytest.mark.parametrize("count", some_quick([3, 2, 7]))
@pytest.mark.parametrize("share", ["all", "first", "last", "equal", "none", "more", "less"])
def test_shares_of_several_maxima_sum_to_one(count, share):
    def hand(x):
        tied = np.flatnonzero(x == x.max())
        if len(tied) < count:
            return x.max(), np.eye(len(x))[tied[0]]
        grad = np.zeros(len(x))
        grad[tied] = {"all": 1, "equal": 1 / count, "more": 1.1 / count, "less": 0.9 / count}.get(share, 0)
        if share in ("first", "last"):
            grad[tied[0 if share == "first" else -1]] = 1
        return x.max(), grad

    report = check_gradients(hand, jnp.max, np.array([1.0, *[2.0] * count]))
    assert report.ok is (share in ("first", "last", "equal")), str(report)


@pytest.mark.slow
def test_apparent_kink_leaves_no_interval():
    """Softplus by a maximum and an absolute value, whose kinks cancel: its slope at 0 is a half."""

    def reference(x):
        return jnp.sum(jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x))))

    def hand(slope, x):
        return np.sum(np.logaddexp(x, 0)), np.where(x == 0, slope, 1 / (1 + np.exp(-x)))

    x = np.array([0.0, 1.0, -2.0])
    assert check_gradients(lambda x: hand(0.5, x), reference, x).ok is True
    assert check_gradients(lambda x: hand(0.0, x), reference, x).ok is False
    assert check_gradients(lambda x: hand(1.0, x), reference, x).ok is False


@pytest.mark.slow
def test_the_gradient_by_a_parameter_that_is_not_used_is_zero():
    def hand(wrong, p):
        return np.sum(p["a"] ** 2), {"a": 2 * p["a"], "b": 0 * p["b"] + wrong}

    p = {"a": np.ones(2), "b": np.ones(2)}
    assert check_gradients(lambda p: hand(0, p), lambda p: jnp.sum(p["a"] ** 2), p).ok is True
    assert check_gradients(lambda p: hand(1e-9, p), lambda p: jnp.sum(p["a"] ** 2), p).ok is False


# State, layout, tolerance.


def test_running_mean_is_state_but_a_changed_input_is_not():
    def normalised(w, x, mean):
        mean += x.mean(axis=0)
        return np.sum((x @ w) ** 2) / 2, x.T @ (x @ w)

    rng = np.random.default_rng(0)
    given = rng.normal(size=(3, 2)), rng.normal(size=(4, 3)), np.zeros(3)
    report = check_gradients(normalised, lambda w, x, mean: jnp.sum((x @ w) ** 2) / 2, *given)
    assert report.ok is True
    assert [each.id for each in report.warnings] == ["state-changed"]
    report = check_gradients(
        normalised, lambda w, x, mean: jnp.sum((x @ w) ** 2) / 2 + 0 * mean.sum(), *given
    )
    assert report.first_wrong == "args"


def test_tolerance_widens_and_says_so():
    def hand(w):
        return np.sum(w**2), 2 * w * (1 + 1e-4)

    w = np.array([1.0, -2.0])
    assert check_gradients(hand, lambda w: jnp.sum(w**2), w).ok is False
    report = check_gradients(hand, lambda w: jnp.sum(w**2), w, tolerance=1e-3)
    assert report.ok is True
    assert "tolerance" in report.signature


@pytest.mark.slow
def test_points_of_the_same_shapes_share_one_trace():
    traced = []

    def reference(w, x, y):
        traced.append(1)
        return jnp.sum(((x @ w) * y[:, None]) ** 2)

    def hand(w, x, y):
        r = (x @ w) * y[:, None]
        return np.sum(r**2), x.T @ (2 * r * y[:, None])

    def example(rng):
        return rng.normal(size=(3, 2)), rng.normal(size=(4, 3)), rng.normal(size=4)

    assert Case(hand, reference, example).check(count=1).ok
    once, traced[:] = len(traced), []
    assert Case(hand, reference, example).check().ok
    assert len(traced) == once


@pytest.mark.slow
@pytest.mark.parametrize("value", some_quick([-1e30, -np.inf]))
@pytest.mark.parametrize("dtype", some_quick(["float32", "float64"]))
def test_a_masked_row_is_judged(value, dtype):
    """A causal softmax, and a row of scores that is masked throughout; with −inf no row is."""
    mask = np.tri(5, dtype=bool)
    mask[3] &= value == -np.inf

    def hand(s):
        z = np.where(mask, s, s.dtype.type(value))
        e = np.exp(z - z.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        return np.sum(p**2), np.where(mask, 2 * p * (p - np.sum(p * p, axis=1, keepdims=True)), 0)

    def reference(s):
        return jnp.sum(jax.nn.softmax(jnp.where(mask, s, value), axis=1) ** 2)

    report = check_gradients(hand, reference, np.random.default_rng(0).normal(size=(5, 5)), dtype=dtype)
    assert report.ok is True, str(report)


ROW = np.tri(4, dtype=bool)
ROW[2] = False
KEYS = np.random.default_rng(0).normal(size=(4, 3))


def added_mask(value):
    """Attention whose mask is added, with a row that is masked throughout; hand, and its reference."""

    def hand(q, k, wrong=1.0):
        s = q @ k.T + np.where(ROW, 0, value).astype(q.dtype)
        e = np.exp(s - s.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        t = np.arange(16, dtype=q.dtype).reshape(4, 4)
        ds = p * (t - np.sum(p * t, axis=1, keepdims=True))
        dq = ds @ k
        dq[2] *= q.dtype.type(wrong)
        return np.sum(p * t), dq

    def reference(q, k):
        s = q @ k.T + jnp.where(ROW, 0.0, value)
        return jnp.sum(jax.nn.softmax(s, axis=1) * jnp.arange(16.0).reshape(4, 4))

    return hand, reference


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "dtype"),
    [(-1e4, "float32"), (-1e9, "float32"), (-1e30, "float64"), (float(np.finfo(np.float32).min), "float32")],
)
def test_a_mask_that_swallows_a_row_is_judged(value, dtype):
    hand, reference = added_mask(value)
    q = np.random.default_rng(1).normal(size=(4, 3))
    known, points = KnownPoints(reference, np.dtype(dtype), 0), moved_points(q, (KEYS,), 3, dtype, 0)
    for factor in (1.0, 1.05, -1.0):
        way = partial(hand, wrong=factor)
        found = GradientCheck(way, known, np.dtype(dtype), 0, "hand", False, 0.0).report(points)
        assert found.ok is (factor == 1), factor


def test_a_reference_is_measured_once_for_all_hands(monkeypatch):
    measured = []
    measure = RoundedFunction.measure
    monkeypatch.setattr(
        RoundedFunction, "measure", lambda *args, **few: measured.append(1) or measure(*args, **few)
    )
    known = KnownPoints(lambda x: jnp.sum(x**2), np.dtype("float64"), 0)
    points = moved_points(np.ones(3), (), 3, "float64", 0)
    for factor, right in [(2, True), (3, False)]:
        hand = partial(lambda factor, x: (np.sum(x**2), factor * x), factor)
        check = GradientCheck(hand, known, np.dtype("float64"), 0, "squares", False, 0.0)
        assert check.report(points).ok is right
    assert len(measured) == 3


# Other ways to hand gradients over.


def test_gradients_of_a_list_may_follow_the_loss():
    def hand(p, x, y):
        return f.affine_by_hand(*p, x, y)

    assert check_gradients_at(hand, f.affine_loss, [f.affine_example(0, list)]).ok


@pytest.mark.parametrize(("factor", "right"), [(1, True), (2, False)])
def test_a_gradient_may_be_named_after_its_parameter(factor, right):
    def hand(p, x, y):
        loss, dW, db = f.affine_by_hand(p["W"], p["b"], x, y)
        return loss, {"dW": factor * dW, "db": db}

    report = check_gradients_at(hand, f.affine_loss, [f.affine_example(0)])
    assert report.ok is right
    assert report.first_wrong == (None if right else "dW")


def test_separate_gradients_of_a_dict_get_the_expected_form():
    def hand(p, x, y):
        return f.affine_by_hand(p["W"], p["b"], x, y)

    with pytest.raises(NotJudged, match=r"\(loss, grads\), grads a dict with W, b, .* not a tuple of 3"):
        check_gradients_at(hand, f.affine_loss, [f.affine_example(0)])


def test_a_new_key_that_cannot_be_sorted_is_state():
    def hand(p, x, y, cache):
        cache[0], cache["loss"] = x, 1.0
        loss, dW, db = f.affine_by_hand(p["W"], p["b"], x, y)
        return loss, {"W": dW, "b": db}

    report = check_gradients_at(hand, lambda p, x, y, _: f.affine_loss(p, x, y), [(*f.affine_example(0), {})])
    assert report.ok
    assert [fault.id for fault in report.warnings]
