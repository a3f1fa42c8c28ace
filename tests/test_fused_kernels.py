"""Fused kernels, which cannot be differentiated automatically or always compute in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas

from autograd_ref import check_rule
from autograd_ref.crosscheck.function.gradient_check import GradientCheck
from autograd_ref.crosscheck.function.known_points import KnownPoints
from autograd_ref.crosscheck.function.points import moved_points

pytestmark = pytest.mark.slow


def kernel(x):
    a = np.asarray(x).astype(np.float32)
    return a / (1 + np.exp(-a))


def slope(x):
    a = np.asarray(x).astype(np.float32)
    s = 1 / (1 + np.exp(-a))
    return s + a * s * (1 - s)


@pytest.mark.parametrize("factor", [1, 1.03])
def test_function_of_pytorch(factor):
    torch = pytest.importorskip("torch")

    class SiLU(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.from_numpy(kernel(x.detach())).to(x.dtype)

        @staticmethod
        def backward(ctx, dy):
            (x,) = ctx.saved_tensors
            return factor * dy * torch.from_numpy(slope(x))

    found = check_rule(SiLU, torch.randn((9, 33), generator=torch.Generator().manual_seed(0)))
    assert found.ok is (factor == 1), str(found)
    assert "It computes in float32 inside" in str(found)


@pytest.mark.parametrize("factor", [1, 1.03])
def test_rule_of_jax(factor):
    @jax.custom_vjp
    def silu(x):
        return jax.pure_callback(lambda x: kernel(x).astype(x.dtype), x, x)

    silu.defvjp(lambda x: (silu(x), x), lambda x, g: (g * (factor * jnp.asarray(d(x))),))

    def d(x):
        s = jax.nn.sigmoid(x)
        return s + x * s * (1 - s)

    x = jnp.asarray(np.random.default_rng(0).standard_normal((40, 33)), np.float32)
    found = check_rule(silu, x)
    assert found.ok is (factor == 1), str(found)
    assert "It computes in float32 inside" in str(found)


def times_sigmoid(x, out):
    out[...] = x[...] * jax.nn.sigmoid(x[...])


@pytest.mark.parametrize("factor", [1, 1.03])
def test_rule_of_a_pallas_kernel(factor):
    @jax.custom_vjp
    def silu(x):
        return pallas.pallas_call(times_sigmoid, jax.ShapeDtypeStruct(x.shape, x.dtype), interpret=True)(x)

    def backward(x, g):
        s = jax.nn.sigmoid(x)
        return (g * (factor * (s + x * s * (1 - s))),)

    silu.defvjp(lambda x: (silu(x), x), backward)
    found = check_rule(silu, jnp.asarray(np.random.default_rng(0).standard_normal((4, 8)), np.float32))
    assert found.ok is (factor == 1), str(found)


def test_hands_in_pytorch_around_a_function_of_its_own():
    torch = pytest.importorskip("torch")

    class Softplus(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.logaddexp(x, torch.zeros_like(x))

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * torch.sigmoid(x)

    class Wrong(Softplus):
        @staticmethod
        def backward(ctx, g):
            return torch.sigmoid(ctx.saved_tensors[0])

    def run(function, w, x, inside=None):
        leaf = torch.from_numpy(w).requires_grad_()
        product = torch.from_numpy(x).to(inside or leaf.dtype) @ leaf.to(inside or leaf.dtype)
        loss = (function.apply(product) ** 2).sum()
        loss.backward()
        return loss, leaf.grad

    def numbers(loss, gradient):
        return loss.item(), gradient.numpy()

    rng = np.random.default_rng(0)
    known = KnownPoints(lambda w, x: jnp.sum(jnp.logaddexp(x @ w, 0.0) ** 2), np.dtype("float32"), 0)
    points = moved_points(rng.normal(size=(5, 3)), (rng.normal(size=(4, 5)),), 3, "float32", 0)
    for ok, hand in [
        (True, lambda w, x: numbers(*run(Softplus, w, x))),
        (False, lambda w, x: numbers(*run(Wrong, w, x))),
        (True, lambda w, x: run(Softplus, w, x)),  # tensors, and the loss with its graph
        (None, lambda w, x: numbers(*run(Softplus, w, x, torch.float16))),
        (None, lambda w, x: numbers(*run(Softplus, w, x, torch.bfloat16))),
    ]:
        found = GradientCheck(hand, known, np.dtype("float32"), 0, "hand", False, 0.0).report(points)
        assert found.ok is ok, str(found)
