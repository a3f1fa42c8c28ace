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


def of_x(name, value, cotangent):
    """A Function of one argument: its value; its cotangent, from the argument and the output's cotangent."""

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return value(x)

    def backward(ctx, g):
        return cotangent(ctx.saved_tensors[0], g)

    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type(name, (torch.autograd.Function,), methods)


def with_ctx(right):
    return of_x(
        "Softplus",
        lambda x: torch.logaddexp(x, torch.zeros_like(x)),
        lambda x, g: g * torch.sigmoid(x) if right else torch.sigmoid(x),
    )


def behind_autograd(right):
    """`.data.copy_` stays attached, and autograd gives a silently wrong derivative."""

    def cubed(x):
        y = x.clone()
        y.data.copy_(x.data**3)
        return y

    return of_x("Cubed", cubed, lambda x, g: 3 * x**2 * g if right else g)


def out_argument(right):
    """`out=` raises under autograd."""

    def sine(x):
        y = torch.empty_like(x)
        torch.sin(x, out=y)
        return y

    return of_x("Sine", sine, lambda x, g: (g if right else -g) * torch.cos(x))


def in_numpy(right):
    return of_x(
        "Cubed",
        lambda x: torch.from_numpy(x.detach().numpy() ** 3),
        once_differentiable(lambda x, g: torch.from_numpy(g.numpy() * (3 if right else 2) * x.numpy() ** 2)),
    )


def gate(dtype, slope):
    """A Function for one dtype alone."""

    def value(x):
        assert x.dtype == dtype, f"{dtype} only"
        return x * torch.sigmoid(x)

    return of_x("Gate", value, lambda x, g: g * slope(x, torch.sigmoid(x)))


def bfloat16_only(right):
    return gate(torch.bfloat16, lambda x, s: s + x * s * (1 - s) if right else s)


def float16_only(right):
    return gate(torch.float16, lambda x, s: s + x * s * (1 - s) if right else s)


def float32_only(right):
    return gate(torch.float32, lambda x, s: s + x * s * (1 - s) if right else s + x * s * (1 + s))


def float32_inside(right):
    return of_x(
        "Gate",
        lambda x: torch.exp(x.float()).to(x.dtype),
        lambda x, g: ((1 if right else 1.01) * torch.exp(x.float()) * g.float()).to(x.dtype),
    )


def complex_product(right):
    """PyTorch's cotangent is conjugated, JAX's is not."""

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * y.conj(), g * (x.conj() if right else x)

    return Product


def spectrum(right):
    """Complex inside: real arguments and outputs."""

    def cotangent(x, g):
        made = torch.fft.ifft(g * torch.fft.fft(x)).real
        return (2 * len(x) if right else 2) * made

    return of_x("Spectrum", lambda x: torch.fft.fft(x).abs() ** 2, cotangent)


def array_returned(right):
    return of_x("Double", lambda x: 2 * x, lambda x, g: 2 * g if right else (2 * g).numpy())


def within(right):
    """The backward pass is a Function too, with a backward pass of its own."""

    class Slope(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, g):
            ctx.save_for_backward(x, g)
            return g * x.cos()

        @staticmethod
        def backward(ctx, second):
            x, g = ctx.saved_tensors
            return -second * g * x.sin() * (1 if right else 2), second * x.cos()

    return of_x("Sine", torch.sin, Slope.apply)


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
            torch.randn(shape, dtype=torch.promote_types(dtype, torch.float64), generator=generator).to(dtype)
            for shape in shapes
        )

    return draw


def needed(*shapes):
    """Return tensors by which a gradient is needed."""
    return lambda: tuple(each.requires_grad_() for each in doubles(*shapes)())


CASES = [
    Case("forward with ctx", with_ctx, doubles((4, 3))),
    Case("setup_context", with_setup, lambda: (*doubles((4,), ())(), 3), "dfactor"),
    Case(
        "needs_input_grad",
        needs_input_grad,
        doubles((4, 3), (3, 2), (2,)),
        "db",
        "with respect to b is taken",
    ),
    Case("several outputs", several_outputs, doubles((4, 3))),
    Case("unmaterialized", unmaterialized, doubles((3,)), "dx", "only output 1"),
    Case("mark_dirty", in_place, doubles((3,))),
    Case("behind autograd", behind_autograd, doubles((3,)), "dx", "differences of the forward pass's values"),
    Case("out=", out_argument, doubles((3,)), "dx", "differences of the forward pass's values"),
    Case("numpy", in_numpy, doubles((3,)), "dx", "differences of the forward pass's values"),
    Case("None", none_returned, needed((3,), (3,)), "dunused"),
    Case("bfloat16 only", bfloat16_only, doubles((16,), dtype=torch.bfloat16), "dx", "bfloat16"),
    Case("float32 only", float32_only, doubles((8,), dtype=torch.float32), "dx", "float32"),
    Case("float32 inside", float32_inside, doubles((8,)), "dx", "float32 inside"),
    Case("float16 only", float16_only, doubles((16,), dtype=torch.float16), "dx", "float16"),
    Case("complex", complex_product, doubles((4,), (4,), dtype=torch.complex128), "dy", "d/dx + i d/dy"),
    Case("complex inside", spectrum, doubles((8,))),
    Case("array", array_returned, doubles((3,)), "dx", "refuses what the rule returns"),
    Case("within", within, doubles((3,)), "Slope.dx"),
    Case("random", at_random, doubles((4, 3))),
    Case("random in float32", at_random, doubles((4, 3), dtype=torch.float32), "dx", "draws random numbers"),
    Case("shape", wrong_shape, doubles((4, 3), (3,)), "db", "refuses"),
    Case("float32", with_ctx, doubles((4, 3), dtype=torch.float32)),
    Case("NumPy given", with_ctx, lambda: (np.random.default_rng(0).standard_normal((4, 3)),)),
]


Reversal = of_x("Reversal", lambda x: x.view_as(x), lambda x, g: -g)
Clip = of_x("Clip", lambda x: x.view_as(x), lambda x, g: g.clamp(-1, 1))
NoCotangent = of_x("NoCotangent", lambda x: x.view_as(x), lambda x, g: torch.ones_like(g))


class LostTwice(torch.autograd.Function):
    """Right once, but silently wrong when differentiated twice."""

    @staticmethod
    def forward(ctx, x):
        y = x**3
        ctx.kept = 3 * x**2
        return y

    @staticmethod
    def backward(ctx, g):
        return g * ctx.kept
