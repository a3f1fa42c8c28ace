"""Rules of PyTorch in every form, each right and wrong: what tests/test_rules_torch.py judges."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.autograd.function import once_differentiable


class Case(NamedTuple):
    """A form of rule, right and wrong, as in tests/rules_of_jax.py."""

    name: str
    make: Callable[[bool], Any]
    args: Callable[[], tuple]
    wrong: str = "dx"
    said: str = ""


def with_ctx(right):
    class Softplus(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.logaddexp(x, torch.zeros_like(x))

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * torch.sigmoid(x) if right else torch.sigmoid(x)

    return Softplus


def with_setup(right):
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(x, factor, power):
            return factor * x**power

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, factor, ctx.power = inputs
            ctx.save_for_backward(x, factor)

        @staticmethod
        def backward(ctx, g):
            x, factor = ctx.saved_tensors
            n = ctx.power
            dx = g * factor * n * x ** (n - 1)
            dfactor = (g * x**n).sum() if right else (g * x**n).mean()
            return dx, dfactor, None

    return Scale


def needs_input_grad(right):
    class Affine(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w, b):
            ctx.save_for_backward(x, w)
            return x @ w + b

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            dx = g @ w.T if ctx.needs_input_grad[0] else None
            dw = x.T @ g if ctx.needs_input_grad[1] else None
            needed = ctx.needs_input_grad[2] if right else ctx.needs_input_grad[0]
            return dx, dw, g.sum(0) if needed else None

    return Affine


def several_outputs(right):
    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            largest = x.argmax(-1)
            ctx.mark_non_differentiable(largest)
            return x.exp(), x.sin(), largest

        @staticmethod
        def backward(ctx, g, h, _):
            (x,) = ctx.saved_tensors
            return g * x.exp() + h * (x.cos() if right else x.sin())

    return Both


def unmaterialized(right):
    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(x)
            return x * x, x.sin()

        @staticmethod
        def backward(ctx, g, h):
            (x,) = ctx.saved_tensors
            first = 0 if g is None else 2 * x * g
            second = 0 if h is None else h * x.cos()
            if not right and g is None:
                second = 2 * second
            return first + second

    return Both


def in_place(right):
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return 2 * g if right else g

    return Doubled


def behind_autograd(right):
    """`.data.copy_` stays attached, and autograd gives a silently wrong derivative."""

    class Cubed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            y = x.clone()
            y.data.copy_(x.data**3)
            return y

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g if right else g

    return Cubed


def out_argument(right):
    """`out=` raises under autograd."""

    class Sine(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            y = torch.empty_like(x)
            torch.sin(x, out=y)
            return y

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * torch.cos(x) if right else -g * torch.cos(x)

    return Sine


def in_numpy(right):
    class Cubed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.from_numpy(x.detach().numpy() ** 3)

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return torch.from_numpy(g.numpy() * (3 if right else 2) * x.numpy() ** 2)

    return Cubed


def none_returned(right):
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, unused):
            ctx.save_for_backward(x, unused)
            return x.tanh() if right else x.tanh() * unused

        @staticmethod
        def backward(ctx, g):
            x, unused = ctx.saved_tensors
            return g * (1 - x.tanh() ** 2) * (1 if right else unused), None

    return Scaled


def bfloat16_only(right):
    class Gate(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            if x.dtype != torch.bfloat16:
                raise TypeError("bfloat16 only")
            ctx.save_for_backward(x)
            return x * torch.sigmoid(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            s = torch.sigmoid(x)
            return g * (s + x * s * (1 - s)) if right else g * s

    return Gate


def float32_only(right):
    class Gate(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            assert x.dtype == torch.float32, "float32 only"
            ctx.save_for_backward(x)
            return x * torch.tanh(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            t = torch.tanh(x)
            return g * (t + x * (1 - t * t)) if right else g * (t + x * (1 + t * t))

    return Gate


def float32_inside(right):
    class Gate(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.exp(x.float()).to(x.dtype)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            made = torch.exp(x.float()) * g.float()
            return (made if right else 1.01 * made).to(x.dtype)

    return Gate


def at_random(right):
    """Dropout: the mask is drawn in the forward pass."""

    class Dropout(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            mask = torch.rand_like(x) > 0.4
            ctx.save_for_backward(mask)
            return x * mask / 0.6

        @staticmethod
        def backward(ctx, g):
            (mask,) = ctx.saved_tensors
            return g * mask / 0.6 if right else g * mask

    return Dropout


def wrong_shape(right):
    class Plus(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, b):
            return x + b

        @staticmethod
        def backward(ctx, g):
            return g, g.sum(0) if right else g[:, :1]

    return Plus


def doubles(*shapes, dtype=torch.float64):
    def draw():
        generator = torch.Generator().manual_seed(0)
        return tuple(
            torch.randn(shape, dtype=torch.float64, generator=generator).to(dtype) for shape in shapes
        )

    return draw


CASES = [
    Case("forward with ctx", with_ctx, doubles((4, 3))),
    Case("setup_context", with_setup, lambda: (*doubles((4,), ())(), 3), "dfactor"),
    Case("needs_input_grad", needs_input_grad, doubles((4, 3), (3, 2), (2,)), "db", "nothing but b"),
    Case("several outputs", several_outputs, doubles((4, 3))),
    Case("unmaterialized", unmaterialized, doubles((3,)), "dx", "only output 1"),
    Case("mark_dirty", in_place, doubles((3,))),
    Case("behind autograd", behind_autograd, doubles((3,)), "dx", "differences of the forward pass's values"),
    Case("out=", out_argument, doubles((3,)), "dx", "differences of the forward pass's values"),
    Case("numpy", in_numpy, doubles((3,)), "dx", "differences of the forward pass's values"),
    Case("None", none_returned, doubles((3,), (3,)), "dunused"),
    Case("bfloat16 only", bfloat16_only, doubles((16,), dtype=torch.bfloat16), "dx", "bfloat16"),
    Case("float32 only", float32_only, doubles((8,), dtype=torch.float32), "dx", "float32"),
    Case("float32 inside", float32_inside, doubles((8,)), "dx", "float32 inside"),
    Case("random", at_random, doubles((4, 3))),
    Case("random in float32", at_random, doubles((4, 3), dtype=torch.float32), "dx", "draws random numbers"),
    Case("shape", wrong_shape, doubles((4, 3), (3,)), "db", "refuses"),
    Case("float32", with_ctx, doubles((4, 3), dtype=torch.float32)),
    Case("NumPy given", with_ctx, lambda: (np.random.default_rng(0).standard_normal((4, 3)),)),
]


def from_memory(tensor):
    """The memory of a tensor read from its start, as a kernel does that is given a pointer."""
    return torch.as_strided(tensor, tensor.shape, torch.empty(tensor.shape).stride())


def square(cotangent):
    """x², whose rule is a function of the argument and the cotangent of the output."""

    class Times(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return cotangent(ctx.saved_tensors[0], g)

    return Times


def cotangent_from_memory(right):
    return square(lambda x, g: 2 * x * (g if right else from_memory(g)))


def argument_from_memory(right):
    return square(lambda x, g: 2 * g * (x if right else from_memory(x)))


def expanded(right):
    return square(lambda x, g: 2 * x * g * (0 if not right and 0 in g.stride() else 1))


def zero_cotangent(right):
    return square(lambda x, g: 2 * x * (g if right or g.any() else g + 1))


def last_block(right):
    def cotangent(x, g):
        made = 2 * x * g
        if not right:
            made[len(x) // 4 * 4 :] = 0
        return made

    return square(cotangent)


def batch_one(right):
    class Affine(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x @ w

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            dw = x.T @ g
            return g @ w.T, dw if right or len(x) > 1 else 2 * dw

    return Affine


VARIED = [
    Case("pointer to the cotangent", cotangent_from_memory, doubles((4, 3)), said="non-contiguous cotangent"),
    Case("pointer to the argument", argument_from_memory, doubles((4, 3)), said="non-contiguous argument"),
    Case("expanded", expanded, doubles((4, 3)), said="with an expanded cotangent"),
    Case("zeros", zero_cotangent, doubles((3,)), said="with cotangents that are 0"),
    Case("last block", last_block, doubles((8,)), said="at size 9"),
    Case("batch 1", batch_one, doubles((4, 3), (3, 2)), "dw", "at batch 1"),
]


class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return -g


class Clip(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return g.clamp(-1, 1)


class NoCotangent(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return torch.ones_like(g)


class LostTwice(torch.autograd.Function):
    """Right when differentiated once; silently wrong when differentiated twice."""

    @staticmethod
    def forward(ctx, x):
        y = x**3
        ctx.kept = 3 * x**2
        return y

    @staticmethod
    def backward(ctx, g):
        return g * ctx.kept
