"""Rules of PyTorch in every form: a right one is right, a wrong one is wrong where it is."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
rules = pytest.importorskip("rules_of_torch")
varied = pytest.importorskip("varied_rules_of_torch")

from autograd_ref import NotJudged, assert_rule, check_rule  # noqa: E402


@pytest.mark.parametrize("case", [*rules.CASES, *varied.VARIED], ids=lambda case: case.name)
def test_every_form_has_a_right_and_a_wrong_rule(case):
    right = check_rule(case.make(True).apply, *case.args())
    assert right.ok is True, str(right)
    assert not {each.id for each in right.warnings} & {"variation", "second-order"}, str(right)
    wrong = check_rule(case.make(False), *case.args())
    assert (wrong.ok, wrong.first_wrong, wrong.form) == (False, case.wrong, "rule"), str(wrong)
    assert case.said in str(wrong), str(wrong)


def test_an_alias_of_apply_is_found():
    """PyTorch's notes recommend one; it was made before the check."""
    alias = rules.with_ctx(False).apply
    assert check_rule(lambda x: alias(x).sum(), *rules.doubles((3,))(), points=1).ok is False


def test_functions_inside_of_a_function_are_found():
    right, wrong = rules.with_ctx(True), rules.needs_input_grad(True)
    broken = rules.with_setup(False)

    def model(x, w, b):
        return right.apply(wrong.apply(x, w, b)).sum() * broken.apply(x, w.sum(), 2).sum()

    report = check_rule(model, *rules.doubles((4, 3), (3, 2), (2,))())
    assert [each.name for each in report.quantities if each.ok is False] == ["Scale.dfactor"]


@pytest.mark.parametrize(
    ("function", "with_surrogate"), [(rules.Reversal, True), (rules.Clip, True), (rules.NoCotangent, False)]
)
def test_a_surrogate_is_held_against_shape_and_linearity(function, with_surrogate):
    args = rules.doubles((3,))()
    assert check_rule(function, *args).ok is False
    assert check_rule(function, *args, surrogate=True).ok is with_surrogate


def test_rule_wrong_only_when_differentiated_twice_is_a_warning():
    report = check_rule(rules.LostTwice, *rules.doubles((3,))())
    assert (report.ok, [each.id for each in report.warnings]) == (True, ["second-order"])


def test_a_function_that_raises_says_where():
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g @ ctx.missing

    with pytest.raises(NotJudged, match=r"the rule fails at line \d+: AttributeError"):
        assert_rule(Broken, torch.ones(3))


def test_noting_calls_leaves_pytorch_as_it_was():
    before = torch.autograd.Function.apply.__func__
    check_rule(lambda x: rules.with_ctx(True).apply(x).sum(), torch.ones(3, dtype=torch.float64) / 3)
    assert torch.autograd.Function.apply.__func__ is before
    assert np.isfinite(float(rules.with_ctx(True).apply(torch.ones(3)).sum()))
