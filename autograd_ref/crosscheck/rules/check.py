"""Check every rule that a call uses."""

import inspect
from collections.abc import Callable
from typing import Any

from numpy.typing import DTypeLike

from autograd_ref.crosscheck.function.check import POINTS
from autograd_ref.crosscheck.reports.asserted import assert_right
from autograd_ref.crosscheck.reports.report import Report
from autograd_ref.crosscheck.rules.asked import Asked
from autograd_ref.crosscheck.rules.jax_calls import check_jax_calls
from autograd_ref.crosscheck.rules.pytorch.calls import check_torch_calls, function_of
from autograd_ref.crosscheck.rules.pytorch.tensors import torch
from handgrad.validation import (
    check_dtype,
    check_function,
    check_natural,
    check_positive_int,
    check_real,
)

__all__ = ["assert_rule", "check_rule"]


def check_rule(
    function: Callable[..., Any],
    *args: Any,
    dtype: DTypeLike | None = None,
    seed: int = 0,
    points: int = POINTS,
    surrogate: bool = False,
    tolerance: float = 0.0,
    name: str | None = None,
    **kwargs: Any,
) -> Report:
    """Judge the rules of differentiation that one call uses.

    A rule is a `jax.custom_vjp`, `jax.custom_jvp`, `jax.custom_gradient` or `torch.autograd.Function`. It is
    compared with the function that it belongs to: its own forward pass, differentiated automatically without
    this one rule, for every differentiable argument and with random cotangents of every output. If the
    function cannot be differentiated, or its values contradict the derivative, differences of the values
    decide. A rule that is right as called is also tried under `jit` and `vmap`, differentiated twice, with
    cotangents that are 0, and with other sizes of its arguments.

    Args:
        function: a rule, or a function that calls some; each of them is found. PyTorch: a subclass of
            `torch.autograd.Function`, its ``apply``, or a function that calls some.
        *args: its arguments.
        dtype: the dtype to check, float32 or float64, to which all floating arrays are cast; None for the
            widest of the arguments.
        seed: seed of the cotangents, of the moves and of the random errors.
        points: number of points to check; at all but the first, the arguments are moved by about 1e-2 of
            their size.
        surrogate: whether the rules are meant to differ from the derivative (clipping, reversal,
            straight-through): then shapes, dtypes and linearity in the cotangent are checked.
        tolerance: widen each bound to this part of the larger of the entry and its array's root mean square.
        name: name in the report.
        **kwargs: its keyword arguments.

    Returns:
        The report. Its quantities are the cotangents of the arguments; ok is None if something could not
        be judged.

    Raises:
        NotJudged: the call raised, or uses no rule.
        TypeError, ValueError: an argument of the check is wrong.
    """
    __tracebackhide__ = True
    check_function("function", function)
    check_natural("seed", seed)
    named = function_of(function)
    inner = inspect.unwrap(function if named is None else named)
    told = name or getattr(inner, "__qualname__", None) or getattr(inner, "__name__", None)
    code = getattr(inner if named is None else named.forward, "__code__", None)
    asked = Asked(
        str(told or type(function).__qualname__),
        None if dtype is None else check_dtype(dtype).name,
        seed,
        check_positive_int("points", points),
        surrogate,
        check_real("tolerance", tolerance, minimum=0.0),
        "" if code is None else code.co_filename,
    )
    if torch() is not None and (function_of(function) is not None or _holds_tensors(args, kwargs)):
        return check_torch_calls(function, [(args, kwargs)], asked)
    return check_jax_calls(function, [(args, kwargs)], asked)


def assert_rule(function: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Assert that the rules that one call uses are right, in one line of a test.

    Args:
        function: as in `check_rule`.
        *args: as in `check_rule`.
        **options: the keyword arguments of `check_rule`.

    Raises:
        AssertionError: a rule is wrong; the message is the report.
        NotJudged: a rule could not be judged; the message says why.
    """
    __tracebackhide__ = True
    assert_right(check_rule, function, *args, **options)


def _holds_tensors(args: Any, kwargs: Any) -> bool:
    return any(torch().is_tensor(each) for each in (*args, *kwargs.values()))
