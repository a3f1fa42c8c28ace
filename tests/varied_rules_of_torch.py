"""Rules of PyTorch that are right as they are called, and wrong otherwise."""

import torch
from rules_of_torch import Case, doubles, of_x


def transformed(name, **methods):
    """Three times its argument, with methods for PyTorch's transformations."""

    def forward(x):
        return 3 * x

    def setup_context(ctx, inputs, output):
        pass

    def backward(ctx, g):
        return 3 * g

    methods = {"forward": forward, "setup_context": setup_context, "backward": backward} | methods
    return type(name, (torch.autograd.Function,), {key: staticmethod(each) for key, each in methods.items()})


def own_vmap(right):
    return transformed("Triple", vmap=lambda info, dims, x: ((3 if right else 4) * x, dims[0]))


def own_jvp(right):
    return transformed("Triple", jvp=lambda ctx, tangent: (3 if right else 4) * tangent)


def from_memory(tensor):
    """The memory of a tensor read from its start, as a kernel does that is given a pointer."""
    return torch.as_strided(tensor, tensor.shape, torch.empty(tensor.shape).stride())


def square(cotangent):
    return of_x("Square", lambda x: x * x, cotangent)


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


def changes_cotangent(right):
    return square(lambda x, g: (g.clone() if right else g).mul_(2 * x))


def changes_what_it_saved(right):
    class Exponential(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.y = x.exp()
            return ctx.y.clone()

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            return ctx.y * g if right else ctx.y.mul_(g)

    return Exponential


VARIED = [
    Case("vmap", own_vmap, doubles((3,)), said="wrong under vmap: output 0"),
    Case("jvp", own_jvp, doubles((3,)), said="wrong in forward mode"),
    Case("pointer to the cotangent", cotangent_from_memory, doubles((4, 3)), said="non-contiguous cotangent"),
    Case("pointer to the argument", argument_from_memory, doubles((4, 3)), said="non-contiguous argument"),
    Case("expanded", expanded, doubles((4, 3)), said="with an expanded cotangent"),
    Case("cotangent changed", changes_cotangent, doubles((3,)), said="where two of its outputs are added"),
    Case("saved changed", changes_what_it_saved, doubles((3,)), said="in a second backward pass"),
    Case("zeros", zero_cotangent, doubles((3,)), said="with cotangents that are 0"),
    Case("last block", last_block, doubles((8,)), said="at size 9"),
    Case("batch 1", batch_one, doubles((4, 3), (3, 2)), "dw", "at batch 1"),
]
