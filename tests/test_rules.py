"""Rules of JAX in every form: a right one is right, a wrong one is wrong where it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rules_complex_or_untraced as others
import rules_of_jax as rules

from autograd_ref import NotJudged, assert_rule, check_rule
from autograd_ref.crosscheck.rules.vary import resized_calls

CASES = {case.name: case for case in (*rules.CASES, *rules.VARIED, *others.CASES)}
# Wrong only in another call, which is tried if the rule is right at two points.
VARIED = {case.name for case in rules.VARIED} | {"branch, batch 1"}


@pytest.fixture(autouse=True)
def loose_jax():
    """Users' own rules are written without strict promotion."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_wrong_rule_is_wrong_in_one_line(rng):
    x = rng.standard_normal(3)
    assert_rule(rules.reversed_gradient, x, points=1, surrogate=True)
    with pytest.raises(AssertionError, match=r"dx is wrong[\s\S]*cube \(line \d+ of rules_of_jax.py\)"):
        assert_rule(rules.gradient(False), x, points=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_form_has_a_right_and_a_wrong_rule(name):
    case = CASES[name]
    args = case.args(np.random.default_rng(0))
    right = check_rule(case.make(True), *args, points=2)
    assert right.ok is True, str(right)
    assert not {each.id for each in right.warnings} & {"variation", "point-failed"}, str(right)
    wrong = check_rule(case.make(False), *args, points=2 if name in VARIED else 1)
    assert wrong.ok is False
    assert (wrong.first_wrong, wrong.form) == (case.wrong, "rule")
    assert case.said in str(wrong), str(wrong)


@pytest.mark.slow
def test_only_the_wrong_one_of_several_rules_is_wrong(rng):
    first, second = rules.gradient(True), rules.tangents(False)

    def chain(x):
        return jnp.sum(jax.jit(second)(first(x), x))

    report = check_rule(chain, rng.standard_normal(3), points=1)
    assert {each.name: each.ok for each in report.quantities} == {
        "cube.outputs": True, "cube.dx": True,
        "product.outputs": True, "product.dx": True, "product.dy": False,
    }  # fmt: skip
    assert [each.of for each in report.quantities if each.ok is False] == ["y"]


@pytest.mark.slow
def test_rules_made_by_one_factory_are_distinguished(rng):
    def chain(x):
        return rules.gradient(True)(x) + rules.gradient(False)(x)

    assert check_rule(chain, rng.standard_normal(3), points=1).ok is False


@pytest.mark.slow
def test_a_rule_in_a_branch_that_is_not_taken_is_not_judged(rng):
    right, wrong = rules.gradient(True), rules.gradient(False)

    def branches(x, other):
        return jax.lax.cond(other, lambda x: jnp.sum(wrong(x)), lambda x: jnp.sum(right(x)), x)

    report = check_rule(branches, rng.standard_normal(3), False, points=1)
    assert report.ok is None
    assert "does not reach it" in str(report)


@pytest.mark.slow
@pytest.mark.parametrize("beside", [False, True])
def test_a_rule_that_the_call_differentiates_itself_is_judged_too(beside, rng):
    right, wrong = rules.two_arguments(True), rules.gradient(False)

    def trained(xs):
        gradients = jax.jit(jax.vmap(jax.grad(lambda x: jnp.sum(wrong(x)))))(xs)
        return gradients + right(xs, jnp.ones(3, xs.dtype)) if beside else gradients

    report = check_rule(trained, rng.standard_normal((3, 3)), points=1)
    assert report.ok is False
    assert "The call itself differentiates" in report.signature


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_requested_precision_is_used_whatever_the_switch(dtype, rng):
    seen = []

    def noted(x):
        seen.append(x.dtype)
        return x * x

    rule = rules.vjp(noted, lambda x: (noted(x), x), lambda x, g: (2 * x * g,))
    report = check_rule(rule, jnp.ones(3), dtype=dtype, points=1)
    assert (report.ok, report.dtype) == (True, dtype)
    assert np.dtype(dtype) in seen


@pytest.mark.slow
def test_a_rule_that_names_float32_is_checked_in_that(rng):
    rule = rules.vjp(lambda x: x * x, lambda x: (x * x, x), lambda x, g: ((2 * x * g).astype(jnp.float32),))
    report = check_rule(rule, rng.standard_normal(3), points=1)
    assert report.ok is True, str(report)
    assert "float32" in str(report)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "args", "with_surrogate"),
    [
        (rules.clipped, (-0.1, 0.1), True),
        (rules.reversed_gradient, (), True),
        (rules.straight_through, (), True),
        (rules.without_cotangent, (), False),
    ],
)
def test_a_surrogate_is_held_against_shape_and_linearity(rule, args, with_surrogate, rng):
    x = rng.standard_normal(3)
    assert check_rule(rule, x, *args, points=1).ok is False
    assert check_rule(rule, x, *args, points=1, surrogate=True).ok is with_surrogate


def test_indices_and_segments_are_not_repeated_at_other_sizes():
    x, v = np.zeros((6, 2)), np.zeros((3, 2))
    for ordered in ([4, 1, 2], [0, 0, 1]):
        told = [condition for condition, _ in resized_calls([x, v, np.array(ordered)], [])]
        assert told == ["at size 7 (6 in the call)", "at size 3 (2 in the call)"]
    labels = [condition for condition, _ in resized_calls([v, np.array([2, 0, 2])], [])]
    assert labels == ["at batch 1 (3 in the call)", "at size 5 (3 in the call)", "at size 3 (2 in the call)"]


def test_a_cotangent_of_a_wrong_shape_is_wrong(rng):
    rule = rules.vjp(lambda x, b: x + b, lambda x, b: (x + b, None), lambda kept, g: (g, g))
    report = check_rule(rule, rng.standard_normal((4, 3)), np.ones(3), points=1)
    assert (report.ok, report.first_wrong) == (False, "db")
    assert "JAX refuses" in str(report)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: jnp.sin(x), "goes through no rule"),
        (lambda x: jnp.sin(x) if x[0] > 0 else x, "JAX must be able to trace the call"),
        (lambda x: x.missing, "AttributeError"),
    ],
)
def test_what_cannot_be_judged_says_why(function, said, as_users_call):
    with pytest.raises(NotJudged, match=said):
        check_rule(function, np.ones(3))
