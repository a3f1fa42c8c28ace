"""Check every `torch.autograd.Function` that a call uses, as called and in other ways."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograd_ref.crosscheck.errors import failed
from autograd_ref.crosscheck.reports.report import Advice, NotJudged, Report
from autograd_ref.crosscheck.rules.asked import Asked
from autograd_ref.crosscheck.rules.combine import Verdict, combined, listing, with_complex, with_failures
from autograd_ref.crosscheck.rules.differences import ROUNDOFF
from autograd_ref.crosscheck.rules.pytorch.find import find_torch_uses, uses_within
from autograd_ref.crosscheck.rules.pytorch.functions import (
    TorchRule,
    TorchUse,
    is_torch_function,
)
from autograd_ref.crosscheck.rules.pytorch.judge import INVALID, TorchCheck, refused
from autograd_ref.crosscheck.rules.pytorch.tensors import torch
from autograd_ref.crosscheck.rules.pytorch.vary import TorchVariations
from autograd_ref.crosscheck.rules.surrogate import nonlinear, surrogate_report

__all__ = ["check_torch_calls", "function_of"]

Call = tuple[Sequence[Any], Mapping[str, Any]]
MOST_USES = 4


def function_of(value: Any) -> Any:
    """Return the named Function, given itself or by its ``apply``; None if it is not a Function."""
    owner = getattr(value, "__self__", None)
    if getattr(value, "__name__", "") == "apply" and is_torch_function(owner):
        return owner
    return value if is_torch_function(value) else None


def check_torch_calls(
    function: Any, calls: Sequence[Call], asked: Asked, reference: Callable[..., Any] | None = None
) -> Report:
    """Judge the Functions that calls of PyTorch code use.

    Args:
        function: a Function, or code that calls some.
        calls: one call, or one for each point.
        asked: the settings.
        reference: PyTorch code with the same arguments that replaces a Function's own forward pass as the
            reference.

    Raises:
        NotJudged: a call raised, or uses no Function.
    """
    groups: dict[Any, list[TorchUse]] = {}
    for args, kwargs in calls:
        given = [_tensors(each) for each in args]
        named = function_of(function)
        if named is not None and kwargs:
            raise NotJudged("a Function's apply takes no keyword arguments: give them by position")
        if named is not None:
            uses = [TorchUse(named, tuple(given))]
        else:
            uses = find_torch_uses(
                function, given, {key: _tensors(each) for key, each in kwargs.items()}, asked.file
            )
        for use in uses:  # with the uses that are found on the way
            known = _signature(use) in groups
            groups.setdefault(_signature(use), []).append(use)
            uses += [] if known else uses_within(use, asked.file)
    if not groups:
        raise NotJudged("the call goes through no torch.autograd.Function")
    verdicts, dtypes = [], set()
    for alike in groups.values():
        name = alike[0].function.__name__
        dtype = asked.dtype or _dtype(alike[0])
        place = _place(alike[0].function)
        dtypes.add(dtype)
        try:
            verdicts.append(Verdict(name, place, _judge(alike[:MOST_USES], dtype, asked, reference)))
        except NotJudged as error:
            verdicts.append(Verdict(name, place, None, str(error)))
    notes = []
    if asked.surrogate:
        notes.append("Shapes and linearity in the cotangent were checked, not the values (surrogate).")
    if asked.tolerance:
        notes.append(f"Every bound was widened to {asked.tolerance:g} (tolerance).")
    return combined(verdicts, min(dtypes, key=ROUNDOFF.__getitem__), notes, asked)


def _judge(
    alike: Sequence[TorchUse], dtype: str, asked: Asked, reference: Callable[..., Any] | None
) -> Report:
    if not _has_backward(alike[0].function):
        raise NotJudged("it has no backward")
    rules, dtype = _in_dtype(alike, dtype, asked, reference)
    try:
        check = TorchCheck(rules, dtype, asked)
        # What gets no gradient, as cosines and masks, is not moved either.
        held, beside = check.unanswered, []
        if rules[0].needed:
            held = held.intersection(*(each.constants for each in rules))
        if held < frozenset(rules[0].positions) and held:
            names = listing([check.names[rules[0].positions.index(i)] for i in sorted(held)])
            if not rules[0].needed:
                beside = [check.without_answer(i) for i in sorted(held)]
            check = TorchCheck([replace(each, held=held) for each in rules], dtype, asked)
            if rules[0].needed:
                check.notes.append(f"By {names} this call needs no gradient, and the rule returns None.")
        if asked.surrogate:
            return _surrogate(check, asked)
        report = check.report(beside)
    except NotJudged:
        raise
    except Exception as error:
        if any(said in str(error) for said in INVALID):
            return refused(rules[0].names, error, asked, dtype)
        raise NotJudged(failed("the rule", error, asked.file)) from error
    if not report.ok:
        return with_complex(report, rules[0].complex_names, "+")
    variations = TorchVariations(check)
    report = with_failures(report, check.names, variations.failures())
    warnings = [Advice("variation", each) for each in variations.refusals]
    twice = variations.wrong_twice() if report.ok else []
    if twice:
        listed = ", ".join(f"d{name}" for name in twice)
        text = (
            f"Differentiated twice, {listed} is wrong, and nothing says so: mark backward with "
            "@once_differentiable, or save for it only what autograd can follow."
        )
        warnings.append(Advice("second-order", text))
    return replace(report, warnings=(*report.warnings, *warnings))


def _in_dtype(
    alike: Sequence[TorchUse], dtype: str, asked: Asked, reference: Callable[..., Any] | None
) -> tuple[list[TorchRule], str]:
    """Return the Function in the checked precision, or in the given one if it does not accept that."""
    cast = [TorchRule(use, getattr(torch(), dtype), asked.file, reference) for use in alike]
    try:
        cast[0].outputs(cast[0].at)
    except Exception as error:
        given = _dtype(alike[0])
        if given == dtype:
            raise NotJudged(failed("the call", error, asked.file)) from error
        return [TorchRule(use, None, asked.file, reference) for use in alike], given
    return cast, dtype


def _surrogate(check: TorchCheck, asked: Asked) -> Report:
    failures, values = [], []
    for point in check.points:

        def pull(given: list[np.ndarray], point: Any = point) -> list[np.ndarray]:
            found: list[np.ndarray] = point.own.pull(point.at, given)
            return found

        failures += nonlinear(pull, point.cotangents, check.dtype, asked.seed)
        value = point.own.value(point.at, point.cotangents)
        values.append((value, value, 1.0))
    return surrogate_report(
        check.names, check.points[0].at, values, failures, len(check.points), check.dtype, asked
    )


def _tensors(value: Any) -> Any:
    """Return NumPy arrays as tensors."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return torch().tensor(value)
    if torch().is_tensor(value):
        return value.detach().requires_grad_(value.requires_grad)
    return value


def _dtype(use: TorchUse) -> str:
    found = {
        str(each.dtype.to_real()).removeprefix("torch.")
        for each in use.args
        if torch().is_tensor(each) and (each.is_floating_point() or each.is_complex())
    }
    known = [each for each in found if each in ROUNDOFF]
    return min(known, key=ROUNDOFF.__getitem__) if known else "float32"


def _signature(use: TorchUse) -> Any:
    described = [
        (tuple(each.shape), str(each.dtype)) if torch().is_tensor(each) else repr(each)[:200]
        for each in use.args
    ]
    return id(use.function), repr(described)


def _place(function: Any) -> str:
    code, back = (
        getattr(inspect.unwrap(each), "__code__", None) for each in (function.forward, function.backward)
    )
    if code is None or back is None:
        return str(function.__module__)
    file, other = (str(each.co_filename).rpartition("/")[2] for each in (code, back))
    if not _has_backward(function):
        return f"line {code.co_firstlineno} of {file}"
    forward = f"forward at line {code.co_firstlineno}" + ("" if file == other else f" of {file}")
    return f"{forward}, backward at line {back.co_firstlineno} of {other}"


def _has_backward(function: Any) -> bool:
    default = torch().autograd.Function
    return function.backward is not default.backward or function.vjp is not default.vjp
