"""Rules of fused kernels, which nothing can differentiate, and which compute in float32 whatever comes in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autograd_ref import check_rule

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
