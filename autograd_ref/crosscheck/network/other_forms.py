"""Messages to users whose network has another form than the checker expects."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from autograd_ref.crosscheck.reports.report import NotJudged

if TYPE_CHECKING:
    from autograd_ref.crosscheck.network.call_forms import CallResult, NetworkUnderTest
    from autograd_ref.crosscheck.problems import Problem

__all__ = ["WAY_OUT", "elsewhere", "refuse_columns", "refuse_other_arguments", "refuse_unanswered"]

WAY_OUT = (
    ": say how to call it, --call 'NAME(...)' (check_call in Python), or run what calls it, --run 'SCRIPT.py'"
)
# Usual names of the method that returns the gradient.
GRADIENT_METHODS = ("gradient", "gradients", "grad", "grads", "backward", "backprop", "numerical_gradient")


def refuse_other_arguments(function: Callable[..., Any]) -> None:
    """Refuse a function that cannot be called as ``loss(params, X, y, reg)``.

    Raises:
        NotJudged: the function takes other arguments.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        if "reg" in signature.parameters:
            signature.bind("params", "X", "y", reg="reg")
        else:
            signature.bind("params", "X", "y", "reg")
    except TypeError:
        name = getattr(function, "__name__", "it")
        raise NotJudged(
            f"{name}{_names(signature)} takes other arguments than loss(params, X, y, reg){WAY_OUT}"
        ) from None


def refuse_columns(shapes: Mapping[str, tuple[int, ...]], sizes: tuple[int, int, int]) -> None:
    """Refuse a network whose samples are columns.

    Args:
        shapes: shapes of the network's parameters.
        sizes: the D, H, C with which it was created.

    Raises:
        NotJudged: W1 is (H, D) and W2 is (C, H).
    """
    D, H, C = sizes
    if D != H and (shapes["W1"], shapes["W2"]) == ((H, D), (C, H)):
        raise NotJudged(
            f"W1 has the shape {shapes['W1']}, (H, D), for samples in the columns of X; this check needs "
            f"W1 (D, H), W2 (H, C) and samples in the rows of X{WAY_OUT}"
        )


def refuse_unanswered(network: "NetworkUnderTest", problem: "Problem", result: "CallResult") -> NoReturn:
    """Say why a network cannot be called, after trying other conventions.

    Raises:
        NotJudged: always.
    """
    C = problem.sizes[2]
    network.set_params(problem.params)
    if network.call(problem.X.copy(), np.eye(C)[problem.y], problem.reg).error is None:
        raise NotJudged(
            f"it works only with one-hot labels y (N, C), but gets integer labels y (N,), 0 to C - 1, "
            f"and stops at {result.error}: write np.eye(C)[y] where it uses them{WAY_OUT}"
        ) from result.raised
    if network.net is None:
        columns = {
            name: value.T if value.ndim == 2 else value[:, None] for name, value in problem.params.items()
        }
        network.set_params(columns)
        if network.call(problem.X.T.copy(), problem.y.copy(), problem.reg).error is None:
            raise NotJudged(
                f"it works only with samples in the columns of X; this check needs W1 (D, H), W2 (H, C) and "
                f"samples in the rows of X{WAY_OUT}"
            ) from result.raised
    called = "" if network.net is not None else f", called as loss(params, X, y, reg){WAY_OUT}"
    raise NotJudged(f"loss stops at {result.error}{called}") from result.raised


def elsewhere(net: Any) -> str:
    """Name another method in which a network seems to compute its gradient."""
    methods = [name for name in GRADIENT_METHODS if callable(getattr(net, name, None))]
    if not methods:
        return ""
    try:
        arguments = _names(inspect.signature(getattr(net, methods[0])))
    except (TypeError, ValueError):
        arguments = "(...)"
    return f", and {methods[0]}{arguments} is not called"


def _names(signature: inspect.Signature) -> str:
    return f"({', '.join(signature.parameters)})"
