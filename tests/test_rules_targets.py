"""Rules as targets of the command line: what they are called with, and what they are held against."""

import sys
from textwrap import dedent

import pytest

from autograd_ref import NotJudged
from autograd_ref.crosscheck.isolated.targets import load_target
from autograd_ref.crosscheck.rules.target import check_rule_target

FILE = dedent(
    """
    import jax
    import jax.numpy as jnp
    import numpy as np

    @jax.custom_vjp
    def square(x):
        return x * x

    square.defvjp(lambda x: (x * x, x), lambda x, g: (2 * x * g,))

    @jax.custom_vjp
    def wrong(x):
        return x * x

    wrong.defvjp(lambda x: (x * x, x), lambda x, g: (x * g,))

    def model(x, n):
        return jnp.sum(wrong(square(x))) * n

    def plain(x):
        return x ** 2

    def cube(x):
        return x ** 3

    def numpy_only(x):
        return np.sum(x ** 2), 2 * x

    def example_square(rng):
        return (rng.standard_normal(3),)
    """
)
TORCH = dedent(
    """
    import torch

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    class Wrong(Square):
        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    def model(x):
        return Wrong.apply(Square.apply(x)).sum()

    def plain(x):
        return x ** 2

    def cube(x):
        return x ** 3
    """
)


@pytest.fixture
def judge(tmp_path, monkeypatch):
    """Judges NAME of a file with a call; takes the file's text, and what it is held against."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "argv", sys.argv[:])

    def judged(text, name, call=None, reference=None, **options):
        file = tmp_path / f"rules_{abs(hash(text))}.py"
        file.write_text(text)
        target = load_target(f"{file}:{name}")
        recorded = {"call": call, "nth": 1, "loss": None, "backward": None, "of": {}, "points": 1}
        request = {
            "target": f"{file}:{name}", "dtype": None, "seed": 0, "tolerance": 0.0, "surrogate": False,
            "recorded": recorded | options,
        }  # fmt: skip
        other = None if reference is None else getattr(target.module, reference)
        return check_rule_target(target.value, target.module, target.file, request, other)

    return judged


@pytest.mark.slow
def test_a_rule_is_judged_where_its_call_says(judge):
    report = judge(FILE, "wrong", "wrong(rng.standard_normal((2, 3)))")
    assert (report.ok, report.first_wrong, report.call) == (False, "dx", "wrong(rng.standard_normal((2, 3)))")
    assert report.quantities[1].shape == (2, 3)
    assert judge(FILE, "square").ok is True  # by its example


@pytest.mark.slow
def test_the_rules_of_a_function_are_judged_by_name(judge):
    report = judge(FILE, "model", "model(rng.standard_normal(3), 2)")
    assert [each.name for each in report.quantities if each.ok is False] == ["wrong.dx"]


@pytest.mark.slow
def test_another_function_may_be_the_reference(judge):
    assert judge(FILE, "square", reference="plain").ok is True
    assert judge(FILE, "square", reference="cube").ok is False


def test_code_without_a_rule_is_judged_as_a_call(judge):
    assert judge(FILE, "numpy_only", "numpy_only(np.ones(3))") is None
    assert judge(FILE, "model") is None


@pytest.mark.parametrize(
    ("name", "call", "options", "said"),
    [
        ("square", "nothing(3)", {}, "NameError"),
        ("square", "square(np.ones(3))", {"loss": "out"}, "takes no --loss"),
        ("wrong", None, {}, "write --call"),
    ],
)
def test_a_faulty_call_says_what_to_write(judge, name, call, options, said):
    with pytest.raises(NotJudged, match=said):
        judge(FILE, name, call, **options)


def test_integers_alone_are_not_judged(judge):
    report = judge(FILE, "square", "square(np.ones(3, int))")
    assert report.ok is None
    assert "none of its arguments is a floating array" in str(report)


@pytest.mark.slow
def test_functions_of_pytorch_are_targets(judge):
    pytest.importorskip("torch")
    assert judge(TORCH, "Square", "Square.apply(torch.randn(3, 2))").ok is True
    report = judge(TORCH, "Wrong", "Wrong.apply(rng.standard_normal(3))")
    assert (report.ok, report.first_wrong, report.dtype) == (False, "dx", "float64")
    report = judge(TORCH, "model", "model(torch.randn(3))")
    assert [each.name for each in report.quantities if each.ok is False] == ["Wrong.dx"]
    assert judge(TORCH, "Square", "Square.apply(torch.randn(3))", reference="plain").ok is True
    assert judge(TORCH, "Square", "Square.apply(torch.randn(3))", reference="cube").ok is False


@pytest.mark.slow
def test_a_loss_of_pytorch_is_a_reference_too(handgrad, tmp_path):
    pytest.importorskip("torch")
    file = tmp_path / "hand.py"
    file.write_text(
        dedent(
            """
            import numpy as np
            import torch

            def example(rng):
                return {"w": rng.normal(size=(3, 2))}, rng.normal(size=(4, 3))

            def loss(p, x):
                return torch.tanh(x @ p["w"]).square().sum()

            def hand(p, x):
                t = np.tanh(x @ p["w"])
                return np.sum(t**2), {"w": x.T @ (2 * t * (1 - t**2))}

            def wrong(p, x):
                loss, grads = hand(p, x)
                return loss, {"w": grads["w"] * 1.01}
            """
        )
    )
    code, out, _ = handgrad("check", f"{file}:hand", f"{file}:wrong", "--reference", f"{file}:loss")
    assert code == 1
    assert "hand: the gradient is right" in out
    assert "wrong: dw is wrong" in out


RETURNED = dedent(
    """
    import jax
    import jax.numpy as jnp

    def by_hand(w, x):
        z = x @ w
        return jnp.sum(jax.nn.relu(z) ** 2), x.T @ (2 * jax.nn.relu(z))

    def halved(w, x):
        return by_hand(w, x)[0], by_hand(w, x)[1] / 2

    @jax.custom_vjp
    def square(x):
        return x * x

    square.defvjp(lambda x: (x * x, x), lambda x, g: (3 * x * g,))

    def inlined(w, x):
        return jax.value_and_grad(lambda w: jnp.sum(square(x @ w)))(w)
    """
)


@pytest.mark.slow
def test_gradients_that_jax_code_returns_are_judged(judge):
    arguments = "rng.standard_normal((3, 2)), rng.standard_normal((4, 3))"
    assert judge(RETURNED, "by_hand", f"by_hand({arguments})").ok is True
    for name in ("halved", "inlined"):
        report = judge(RETURNED, name, f"{name}({arguments})")
        assert (report.ok, report.first_wrong) == (False, "dw")
