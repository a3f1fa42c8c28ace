"""Find the uses of `torch.autograd.Function` in a call, and in the passes of another one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from autograd_ref.crosscheck.errors import failed
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.crosscheck.rules.pytorch.functions import TorchRule, TorchUse, is_torch_function
from autograd_ref.crosscheck.rules.pytorch.tensors import array_of, is_floating, torch

__all__ = ["find_torch_uses", "uses_within"]


@contextmanager
def _noted(uses: list[TorchUse]) -> Iterator[None]:
    """Note every call of a Function inside the context."""
    # What Function.apply calls, so that an alias of an apply made earlier is noted too.
    base = torch().autograd.Function.__mro__[1]

    def noting(cls: Any, *args: Any) -> Any:
        if is_torch_function(cls):
            uses.append(TorchUse(cls, tuple(map(_kept, args))))
        return super(base, cls).apply(*args)

    base.apply = classmethod(noting)
    try:
        yield
    finally:
        del base.apply


def find_torch_uses(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Any, file: str
) -> list[TorchUse]:
    """Call a function, and note each use of a Function; PyTorch's own count only if there are no others."""
    needed = any(getattr(each, "requires_grad", False) for each in (*args, *kwargs.values()))
    if not needed:  # the gradient by its own arguments is needed, if it runs so
        marked = [_marked(each) for each in args], {key: _marked(each) for key, each in kwargs.items()}
        with suppress(NotJudged):
            return _uses(function, *marked, file)
    return _uses(function, args, kwargs, file)


def _uses(function: Callable[..., Any], args: Sequence[Any], kwargs: Any, file: str) -> list[TorchUse]:
    uses: list[TorchUse] = []
    try:
        with _noted(uses):
            function(*args, **kwargs)
    except (Exception, SystemExit) as error:
        raise NotJudged(failed("the call", error, file)) from error
    return _own(uses) or uses


def _marked(value: Any) -> Any:
    """Return a copy of a tensor by which a gradient is needed, and which may be changed in place."""
    return value.detach().requires_grad_().clone() if is_floating(value) else value


def _kept(value: Any) -> Any:
    """Return a copy of a tensor that also says whether a gradient by it is needed."""
    return value.detach().clone().requires_grad_(value.requires_grad) if torch().is_tensor(value) else value


def uses_within(use: TorchUse, file: str) -> list[TorchUse]:
    """Return the uses of other Functions in the forward and the backward pass of one."""
    rule = TorchRule(use, None, file)
    uses: list[TorchUse] = []
    try:
        shapes = [array_of(each).shape for each in rule.outputs(rule.at)]
        rng = np.random.default_rng(0)
        with _noted(uses):
            rule.pull(rule.at, [np.asarray(rng.standard_normal(shape)) for shape in shapes])
    except Exception:
        return []
    return [each for each in _own(uses) if each.function is not use.function]


def _own(uses: Sequence[TorchUse]) -> list[TorchUse]:
    return [each for each in uses if not each.function.__module__.startswith("torch.")]
