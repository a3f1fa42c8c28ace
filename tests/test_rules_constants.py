"""Rules that return None for what is constant where they are used: cosines, masks, temperatures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autograd_ref import check_rule

pytestmark = pytest.mark.slow

X, C = np.array([0.3, -1.2, 0.8]), np.array([2.0, 0.5, -1.5])


@jax.custom_vjp
def scaled(x, c):
    return x * c


scaled.defvjp(lambda x, c: (x * c, c), lambda c, g: (g * c, None))


@jax.custom_vjp
def mistaken(x, c):
    return x * c


mistaken.defvjp(lambda x, c: (x * c, c), lambda c, g: (g * c, g))


def repeated(x):
    return jax.lax.scan(lambda h, _: (scaled(h, jnp.asarray(C, h.dtype)), None), x, length=2)[0]


def repeated_and_carried(x):
    def step(carried, _):
        h, c = carried
        return (scaled(h, c), h), None

    return jax.lax.scan(step, (x, jnp.asarray(C, x.dtype)), length=2)[0][0]


@pytest.mark.parametrize(
    ("function", "ok", "said"),
    [
        (lambda x: scaled(x, C), True, "c is constant in this call, and the rule returns 0 for it"),
        (lambda x: scaled(x, 2 * x), False, "the cotangent of c is wrong"),
        (repeated, True, "c is constant"),
        (repeated_and_carried, False, "the cotangent of c is wrong"),
        (lambda x: mistaken(x, C), False, "the cotangent of c is wrong"),
    ],
)
def test_rule_of_jax_may_ignore_constants(function, ok, said):
    report = check_rule(function, X, points=1)
    assert report.ok is ok, str(report)
    assert said in str(report.signature)


def test_ignored_argument_of_the_call_is_wrong_and_says_how_constants_are_checked():
    report = check_rule(scaled, X, C, points=1)
    assert (report.ok, report.first_wrong) == (False, "dc")
    assert "If c is a constant, check lambda x: scaled(x, c)." in report.signature


def test_rule_of_pytorch_may_ignore_what_needs_no_gradient():
    torch = pytest.importorskip("torch")

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, c):
            ctx.save_for_backward(c)
            return x * c

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0], None

    class Mistaken(Scaled):
        @staticmethod
        def backward(ctx, g):
            return g, None

    class Model(torch.nn.Module):
        def __init__(self, constant):
            super().__init__()
            self.c = constant

        def forward(self, x):
            return Scaled.apply(x, self.c).sum()

    x, c = torch.tensor(X), torch.tensor(C)
    needed = x.clone().requires_grad_()
    for function, args in [
        (Scaled, (needed, c)),
        (lambda x: Scaled.apply(x, c), (x,)),
        (lambda x: Scaled.apply(x, c), (needed,)),
        (Model(c), (x,)),
    ]:
        report = check_rule(function, *args)
        assert report.ok is True, str(report)
        assert [each.name for each in report.quantities] == ["dx"]
        assert "By c this call needs no gradient" in report.signature
    assert check_rule(Mistaken, needed, c).first_wrong == "dx"
    assert check_rule(Scaled, needed, c.clone().requires_grad_()).first_wrong == "dc"
    assert check_rule(Model(torch.nn.Parameter(c)), x).first_wrong == "dc"
    plain = check_rule(Scaled, x, c)
    assert plain.ok is None
    assert "give the others requires_grad=True" in str(plain)


def test_constants_of_pytorch_keep_their_values_and_sizes():
    """The rule of a rotation is right only if both halves of the cosines, and of the sines, are equal."""
    torch = pytest.importorskip("torch")

    def turned(x):
        half = x.shape[-1] // 2
        return torch.cat((-x[..., half:], x[..., :half]), -1)

    class Rotated(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, cos, sin):
            ctx.save_for_backward(cos, sin)
            return x * cos + turned(x) * sin

        @staticmethod
        def backward(ctx, g):
            cos, sin = ctx.saved_tensors
            return g * cos - turned(g) * sin, None, None

    angles = torch.arange(4.0, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0.1, 1.0, 0.1])
    x = torch.tensor(np.random.default_rng(0).standard_normal((4, 4)))
    report = check_rule(Rotated, x.clone().requires_grad_(), angles.cos(), angles.sin())
    assert report.ok is True, str(report)
    plain = check_rule(Rotated, x, angles.cos(), angles.sin())
    assert {each.name: each.ok for each in plain.quantities} == {"dx": True, "dcos": None, "dsin": None}
