"""Gradients of any function: right ones pass, wrong ones are found, in the hand or the reference."""

import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autograd_ref import NotJudged, Report, assert_gradients, check_gradients


def relu_sum(p, X):
    return jnp.sum(jax.nn.relu(X @ p["W"]) ** 2) + jnp.sum(p["b"] ** 3)


def relu_sum_by_hand(p, X):
    z = np.maximum(X @ p["W"], 0)
    return np.sum(z**2) + np.sum(p["b"] ** 3), {"W": 2 * X.T @ z, "b": 3 * p["b"] ** 2}


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    return {"W": rng.standard_normal((4, 3)), "b": rng.standard_normal(5)}, rng.standard_normal((6, 4))


def wrong(report):
    return {quantity.name for quantity in report.quantities if not quantity.ok}


def square(x):
    return jnp.sum(x**2)


def square_by_hand(x):
    return np.sum(x**2), 2 * x


@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-3), ("float64", 1e-12)])
def test_one_wrong_entry_is_reported_with_three_values(problem, dtype, error):
    def off(p, X):
        loss, grads = relu_sum_by_hand(p, X)
        grads["W"][2, 1] *= 1 + p["W"].dtype.type(error)
        return loss, grads

    params, X = problem
    report = check_gradients(off, relu_sum, params, X, dtype=dtype)
    assert not report.ok
    assert (report.first_wrong, report.dtype) == ("dW", dtype)
    assert [quantity.name for quantity in report.quantities] == ["loss", "db", "dW"]
    W = report.quantities[2]
    assert W.index == (2, 1)
    assert W.hand == pytest.approx(W.automatic * (1 + error), rel=1e-5)
    assert W.finite_difference == pytest.approx(W.automatic, rel=1e-6)
    assert report.signature == "dW is wrong in 1 of 12 entries, the first at [2, 1]."


def test_a_right_gradient_is_right(problem):
    params, X = problem
    report = check_gradients(relu_sum_by_hand, relu_sum, params, X)
    assert report.ok
    assert report.first_wrong is report.signature is None
    assert report.target == "relu_sum_by_hand"
    for quantity in report.quantities[1:]:
        assert quantity.finite_difference == pytest.approx(quantity.automatic, rel=1e-6)
        assert quantity.resolution < 1e-12
    assert_gradients(relu_sum_by_hand, relu_sum, params, X, name="mine")


def test_the_report_is_the_message_of_the_assertion(problem):
    def doubled(p, X):
        loss, grads = relu_sum_by_hand(p, X)
        return loss, {**grads, "b": 2 * grads["b"]}

    with pytest.raises(
        AssertionError, match=r"mine: db is wrong(.|\n)*db is 2 times the right one"
    ) as caught:
        assert_gradients(doubled, relu_sum, *problem, name="mine")
    shown = [str(each.path) for each in caught.traceback.filter(caught)]
    assert not [path for path in shown if path.endswith(("check.py", "report.py"))]


# Structures, dtypes and arguments.


class Layer(NamedTuple):
    w: np.ndarray
    b: float


def nested(p):
    value = sum(jnp.sum(layer.w**2) * layer.b for layer in p["layers"])
    return value + jnp.sum(p["a b"][0]) * p["c"] + jnp.sum(p["empty"])


def nested_but_for_one(p):
    """Wrong in layers[1].b; a list where there is a tuple, and a key too many, do no harm."""
    layers = [Layer(2 * layer.w * layer.b, np.sum(layer.w**2) + i) for i, layer in enumerate(p["layers"])]
    value = sum(np.sum(layer.w**2) * layer.b for layer in p["layers"]) + np.sum(p["a b"][0]) * p["c"]
    ones = np.full_like(p["a b"][0], p["c"])
    grads = {"layers": layers, "a b": [ones], "c": np.sum(p["a b"][0]), "empty": p["empty"], "extra": None}
    return value, grads


@pytest.mark.slow
def test_nested_parameters_are_named_by_their_paths():
    rng = np.random.default_rng(0)
    layers = [Layer(rng.standard_normal((2, 3)), 1.5), Layer(rng.standard_normal(4), -0.5)]
    params = {"a b": (rng.standard_normal(2),), "c": 0.5, "empty": np.zeros((0, 3)), "layers": layers}
    report = check_gradients(nested_but_for_one, nested, params)
    names = {"loss", "dparams['a b'][0]", "dc", "dempty", "dlayers[0].w", "dlayers[0].b", "dlayers[1].w"}
    assert {quantity.name for quantity in report.quantities} == {*names, "dlayers[1].b"}
    assert wrong(report) == {"dlayers[1].b"}
    assert report.first_wrong == "dlayers[1].b"
    assert Report.from_json(json.loads(json.dumps(report.to_json(), allow_nan=False))).ok is False


@pytest.mark.parametrize(
    ("params", "names"),
    [
        (np.arange(3.0), ["dparams"]),
        (np.float32(2), ["dparams"]),
        ((np.ones(2), [np.ones((2, 2))]), ["dparams[0]", "dparams[1][0]"]),
    ],
)
def test_single_arrays_scalars_and_sequences(params, names):
    def reference(p):
        return sum(square(x) for x in jax.tree.leaves(p))

    def hand(p):
        return sum(np.sum(x**2) for x in jax.tree.leaves(p)), jax.tree.map(lambda x: 2 * x, p)

    report = check_gradients(hand, reference, params)
    assert report.ok
    assert {quantity.name for quantity in report.quantities} == {"loss", *names}


def test_arguments_are_cast_or_passed_as_they_are():
    seen = []

    def reference(w, X, y, how, power, nothing, tree):
        assert (how, power, nothing) == ("sum", 3, None)
        assert int(y.max()) == 2  # integers are not traced
        return jnp.sum(w[y] ** power * X) + tree["s"] * w[0]

    def hand(w, X, y, how, power, nothing, tree):
        seen.extend([w.dtype, X.dtype, y.dtype, tree["s"].dtype, how, power, nothing])
        assert not jax.config.jax_enable_x64
        grad = np.zeros_like(w)
        np.add.at(grad, y, power * w[y] ** (power - 1) * X)
        grad[0] += tree["s"]
        return np.sum(w[y] ** power * X) + tree["s"] * w[0], grad

    w, y = np.array([1.5, -2, 0.5], np.float32), np.array([0, 2, 2, 1], np.int16)
    before = dict(jax.config.values)
    report = check_gradients(hand, reference, w, np.arange(4.0), y, "sum", 3, None, {"s": np.array(0.3)})
    assert dict(jax.config.values) == before
    assert report.ok, str(report)
    assert report.dtype == "float32"
    assert seen[:7] == [np.float32, np.float32, np.int16, np.float32, "sum", 3, None]


@pytest.mark.slow
def test_reference_may_have_loops_branches_and_float32():
    def reference(x, n):
        y = jax.lax.fori_loop(0, n, lambda i, y: jnp.sin(y) + x, x)
        y = jax.lax.cond(y.sum() > 0, lambda y: 2 * y, lambda y: -y, y)
        steps = jax.lax.while_loop(lambda i: i < 5.0, lambda i: i + 1.0, 0.0)
        return jnp.sum(jax.checkpoint(jnp.tanh)(y).astype(jnp.float32)).astype(jnp.float64) * steps

    def hand(x, n):
        ys = [x]
        for _ in range(n):
            ys.append(np.sin(ys[-1]) + x)
        slope = np.ones_like(x)
        for y in ys[:-1]:
            slope = np.cos(y) * slope + 1
        factor = 2 if ys[-1].sum() > 0 else -1
        out = np.tanh(factor * ys[-1])
        return 5 * out.sum(), 5 * (1 - out**2) * factor * slope

    x = np.random.default_rng(0).standard_normal(4)
    report = check_gradients(hand, reference, x, 3)
    assert report.ok, str(report)
    assert 1e-9 < report.quantities[0].resolution < 1e-4  # float32 inside the reference


# Beside the gradient.


@pytest.mark.slow
def test_changed_inputs_are_found(problem):
    params, X = problem

    def changes_params(p, X):
        result = relu_sum_by_hand(p, X)
        p["b"] *= 2
        return result

    def changes_args(p, X):
        result = relu_sum_by_hand(p, X)
        X -= 1
        return result

    def adds_to_params(p, X):
        p["cache"] = X
        return relu_sum_by_hand(p, X)

    report = check_gradients(adds_to_params, relu_sum, params, X)
    assert report.ok
    assert [each.id for each in report.warnings] == ["state-changed"]
    hands = ((changes_params, "params"), (changes_args, "args"))
    for hand, what in hands:
        report = check_gradients(hand, relu_sum, params, X)
        assert (report.ok, report.first_wrong, wrong(report)) == (False, what, set())
        assert [each.id for each in report.diagnosis] == ["inputs-mutated"]


def test_function_with_changing_results_is_found(problem):
    calls = []

    def hand(p, X):
        calls.append(1)
        loss, grads = relu_sum_by_hand(p, X)
        return loss, {**grads, "b": grads["b"] * (1 + 1e-9 * (len(calls) - 1))}

    report = check_gradients(hand, relu_sum, *problem)
    assert (report.ok, report.first_wrong, wrong(report)) == (False, "determinism", set())
    assert [(each.id, each.tensors) for each in report.diagnosis] == [("not-deterministic", ("db",))]


def test_a_wrong_shape_is_a_wrong_gradient(problem):
    def hand(p, X):
        loss, grads = relu_sum_by_hand(p, X)
        return loss, {**grads, "W": grads["W"].T}

    report = check_gradients(hand, relu_sum, *problem)
    assert report.first_wrong == "dW"
    assert report.quantities[2].mismatch == "must have shape (4, 3), not (3, 4)"
    assert report.signature == "dW is transposed."


def fails(x):
    raise RuntimeError("no\nmore")


@pytest.mark.parametrize(
    ("hand", "reference", "params", "message"),
    [
        (fails, square, np.ones(2), r"hand fails at line \d+: RuntimeError: no more$"),
        (lambda x: np.sum(x), square, np.ones(2), r"hand must return \(loss, grads\), .* not float64"),
        (lambda x: (1.0, {"a": 1.0}), lambda p: square(p["b"]), {"b": np.ones(2)}, "grads has nothing for b"),
        (lambda x: (1.0, [1.0]), lambda p: square(p[1]), [np.ones(2)] * 2, "grads must have 2 entries"),
        (lambda x: (1.0, "no"), square, np.ones(2), "hand's dparams is not an array of real numbers"),
        (square_by_hand, fails, np.ones(2), r"reference fails at line \d+: RuntimeError: no more$"),
        (
            square_by_hand,
            lambda x: x**2,
            np.ones(2),
            r"reference must return one number, not an array of shape \(2,\)",
        ),
        (square_by_hand, lambda x: (square(x), x), np.ones(2), "must return one number, not a tuple"),
        (square_by_hand, lambda x: jnp.argmax(x), np.ones(2), "reference must return a floating number"),
        (square_by_hand, square, np.arange(3), "params must hold floating-point numbers"),
        (square_by_hand, square, {"a": {"n": 3}}, "a.n must hold floating-point numbers .* not int"),
        (square_by_hand, square, {}, "params must hold at least one array"),
        (square_by_hand, square, [np.ones(1), np.ones(1, np.float32)], "all float32 or all float64"),
        (
            square_by_hand,
            lambda x: jnp.sum(x) if x[0] > 0 else 0.0,
            np.ones(2),
            "reference cannot be traced by JAX: .*Tracer",
        ),
    ],
)
def test_reason_is_given_if_nothing_can_be_judged(hand, reference, params, message):
    with pytest.raises(NotJudged, match=message) as caught:
        check_gradients(hand, reference, params)
    assert "\n" not in str(caught.value)


def test_gradient_not_finite_by_hand_alone_is_wrong():
    report = check_gradients(lambda x: (np.sum(x**2), np.array([2 * x[0], np.nan])), square, np.ones(2))
    assert wrong(report) == {"dparams"}
    assert report.quantities[1].index == (1,)
    assert wrong(check_gradients(lambda x: (np.inf, 2 * x), square, np.ones(2))) == {"loss"}


def test_entries_not_finite_on_both_sides_are_skipped():
    def hand(x):
        with np.errstate(all="ignore"):
            return np.sum(np.sqrt(x)), 0.5 / np.sqrt(x)

    def reference(x):
        return jnp.sum(jnp.sqrt(x))

    report = check_gradients(hand, reference, np.zeros(2), points=1)
    assert report.ok is None
    assert "not finite" in report.quantities[1].reason
    with pytest.raises(NotJudged, match="not judged"):
        assert_gradients(hand, reference, np.zeros(2), points=1)


POSITIVE = np.array([1e-3, 5.0, 7.0, 2e-3, 9.0])


def test_move_does_not_leave_the_domain():
    """Some of these entries would become negative, and their logarithm by hand is nan."""
    report = check_gradients(
        lambda x: (np.sum(np.log(x)), np.exp(-np.log(x))), lambda x: jnp.sum(jnp.log(x)), POSITIVE
    )
    assert report.ok
    assert report.points == 3
    assert not report.warnings


def test_possible_overflow_by_rounding_is_not_judged():
    def hand(x):
        with np.errstate(all="ignore"):
            root = np.sqrt(1 + 1e-12 - x[0] ** 2)
            return root, -x / root

    report = check_gradients(
        hand, lambda x: jnp.sqrt(1 + 1e-12 - x[0] ** 2), np.ones(1, np.float32), points=1
    )
    assert report.ok is not True


def test_dtype_must_be_a_known_one():
    with pytest.raises(TypeError, match="float32 or float64"):
        check_gradients(square_by_hand, square, np.ones(2), dtype=np.float16)
