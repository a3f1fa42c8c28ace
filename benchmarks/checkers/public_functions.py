"""Functions that come with PyTorch, each with a call."""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["pytorch_rules"]

Row = tuple[str, Callable[..., Any], Callable[[np.random.Generator], tuple[Any, ...]], bool, str]


def pytorch_rules() -> list[Row]:
    """Return each Function with its name, arguments, whether it is a surrogate, and a remark.

    PyTorch is imported here.
    """
    import torch
    from torch._export.db.examples.autograd_function import MyAutogradFunction
    from torch._subclasses.complex_tensor._core import Complex
    from torch.ao.quantization.fx._decomposed import FakeQuantPerChannel
    from torch.autograd._functions import Resize, Type
    from torch.distributions.dirichlet import _Dirichlet
    from torch.masked.maskedtensor._ops_refs import _MaskedWhere
    from torch.nn.modules._functions import BackwardHookFunction, CrossMapLRN2d, SyncBatchNorm
    from torch.nn.parallel._functions import Broadcast
    from torch.utils.checkpoint import CheckpointFunction

    def normal(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], tuple[Any, ...]]:
        return lambda rng: tuple(torch.tensor(rng.standard_normal(shape)) for shape in shapes)

    def with_more(*more: Any, shape: tuple[int, ...]) -> Callable[[np.random.Generator], tuple[Any, ...]]:
        return lambda rng: (torch.tensor(rng.standard_normal(shape)), *more)

    def quantized(rng: np.random.Generator) -> tuple[Any, ...]:
        x = torch.tensor(rng.standard_normal((3, 4)), dtype=torch.float32)
        return x, torch.full((3,), 0.1), torch.zeros(3, dtype=torch.int32), 0, -128, 127

    def checkpointed(x: Any) -> Any:
        applied: Callable[..., Any] = CheckpointFunction.apply
        return applied(torch.sin, False, x)

    def masked(rng: np.random.Generator) -> tuple[Any, ...]:
        a, b = normal((4,), (4,))(rng)
        return torch.tensor([True, False, True, True]), a, b

    never = "it needs several processes" if torch.distributed.is_available() else "it needs torch.distributed"
    return [
        ("CrossMapLRN2d", CrossMapLRN2d, with_more(3, 0.5, 0.75, 1.0, shape=(2, 4, 3, 3)), False,
         "a fault in PyTorch, which torch.autograd.gradcheck confirms: backward puts the ratios one "
         "channel too late (inversePrePad counts from 1), so that channels take their neighbours' sums"),
        ("BackwardHookFunction", BackwardHookFunction, normal((3,), (2,)), False, ""),
        ("Resize", Resize, with_more((3, 2), shape=(2, 3)), False, ""),
        ("CheckpointFunction", checkpointed, normal((4,)), False,
         "its backward refuses torch.autograd.grad, by which it is called here"),
        ("Type", Type, with_more("torch.DoubleTensor", shape=(3,)), False, ""),
        ("FakeQuantPerChannel", FakeQuantPerChannel, quantized, True, ""),
        ("_Dirichlet", _Dirichlet, lambda rng: (torch.tensor(rng.random((2, 3)) + 0.5),), False,
         "its gradient belongs to the distribution, not to the sample that was drawn"),
        ("_MaskedWhere", _MaskedWhere, masked, False, "it takes masked tensors"),
        ("Complex", Complex, normal((3,), (3,)), False, ""),
        ("MyAutogradFunction", MyAutogradFunction, normal((3, 2)), False,
         "an example that adds 1 to every cotangent"),
        ("SyncBatchNorm", SyncBatchNorm, normal((4, 3)), False, never),
        ("Broadcast", Broadcast, normal((3,)), False, "it needs a GPU"),
    ]  # fmt: skip
