"""Record calls to NumPy's ufuncs, and operations on numbers, which are calls of ufuncs, too."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from autograd_ref.recording import meaning
from autograd_ref.recording.stand_ins.arguments import as_input
from autograd_ref.recording.stand_ins.calls import new_result, overwrite, plain_kwargs, refuse
from autograd_ref.recording.stand_ins.indexing import few_parts, rows_of
from autograd_ref.recording.stand_ins.objects import (
    RECORDED,
    freeze,
    is_recorded,
    plain,
    plain_all,
    value_of,
    wrap_new,
    wrap_number,
    wrap_view,
)
from autograd_ref.recording.tape import Compute, NotRecorded, Value, current

__all__ = ["record_number", "record_ufunc"]

_OWN_AXES = [(-2, -1)] * 3


def record_ufunc(recorded: Any, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Call a ufunc, or a method of one, and record it: the ``__array_ufunc__`` of all that records."""
    tape = current.tape
    if tape is None:
        return getattr(ufunc, method)(*plain_all(inputs), **plain_kwargs(kwargs))
    if method == "at":
        return _record_at(ufunc, inputs)
    inputs = tuple([each if type(each) in RECORDED else as_input(each) for each in inputs])
    if method == "reduceat":  # the starts of the parts belong to the operation, not to its operands
        kwargs = {"indices": tuple(np.asarray(plain_all(inputs[1])).tolist()), **kwargs}
        inputs = inputs[:1]
    out = None
    if kwargs:
        if kwargs.get("axes") == _OWN_AXES and ufunc is np.matmul:  # the call of ``a @= b``
            kwargs = {key: each for key, each in kwargs.items() if key != "axes"}
        out = kwargs.pop("out", None)
        if out is not None and not isinstance(out, tuple):
            out = (out,)
    twins = list(map(plain, inputs))
    before = tape.refusal
    try:
        values = tuple(map(value_of, inputs))
    except NotRecorded as refusal:  # NumPy's own error has priority, if there is one
        tape.refusal = before
        _call_apart(ufunc, method, twins, kwargs, out)
        tape.refusal = refusal
        raise
    template: Any = method
    if kwargs:
        more: list[Any] = []
        template = (method, freeze(kwargs, more))
        values += tuple(map(value_of, more))
        kwargs = plain_kwargs(kwargs)
    if out is not None:
        return _record_into(ufunc, method, twins, kwargs, template, values, out)
    result = (ufunc if method == "__call__" else getattr(ufunc, method))(*twins, **kwargs)
    operation = _call_of(ufunc)
    if template != "__call__":
        operation = operation._replace(template=template)
    if type(result) is np.ndarray:
        return wrap_new(result, tape.add(operation, values, result))
    if isinstance(result, tuple):
        return tuple(
            [new_result(each, operation._replace(output=i), values) for i, each in enumerate(result)]
        )
    return new_result(result, operation, values)


@cache
def _call_of(ufunc: np.ufunc) -> Compute:
    """Return the operation of calling a ufunc, or refuse it."""
    if not meaning.knows_ufunc(ufunc):
        raise refuse(f"the ufunc {ufunc.__name__} is not recorded")
    return Compute("ufunc", ufunc.__name__, "__call__")


def _call_apart(ufunc: np.ufunc, method: str, twins: list[Any], kwargs: dict[str, Any], out: Any) -> None:
    """Make the same call without writing to anything."""
    outputs = (
        {} if out is None else {"out": tuple([None if each is None else plain(each).copy() for each in out])}
    )
    getattr(ufunc, method)(*twins, **plain_kwargs(kwargs), **outputs)


def _record_into(
    ufunc: np.ufunc,
    method: str,
    twins: list[Any],
    kwargs: Any,
    template: Any,
    values: tuple[Value, ...],
    out: Any,
) -> Any:
    """Record a ufunc with ``out=``."""
    if len([each for each in out if each is not None]) != ufunc.nout or ufunc.nout != 1:
        raise refuse(f"{ufunc.__name__} with several outputs and out= is not recorded")
    operation = _call_of(ufunc)._replace(template=template)
    (target,) = out
    twin, before = plain(target), value_of(target)
    if isinstance(template, tuple) and kwargs.get("where", True) is not True and method == "__call__":
        operation = operation._replace(template=(*template, "masked"))
        values = (*values, before)
    overwrite(twin, operation, values, lambda: getattr(ufunc, method)(*twins, out=twin, **kwargs))
    return target


def _record_at(ufunc: np.ufunc, inputs: tuple[Any, ...]) -> None:
    """Record ``ufunc.at(a, indices[, b])``, which acts once for each index, in order."""
    target, key, *operand = inputs
    twin = plain(target)
    operation = _call_of(ufunc)._replace(template="at")
    for each in key if isinstance(key, tuple) else (key,):
        if is_recorded(each):
            current.tape.control(value_of(each), "index")  # type: ignore[union-attr]
    parts = few_parts(twin, plain_all(key))
    if parts and all(np.asarray(plain(each)).dtype == twin.dtype for each in operand):
        rows = [rows_of(each, twin, parts) for each in operand]
        for part, *terms in zip(parts, *rows, strict=True):
            entries = wrap_view(twin[part])
            record_ufunc(entries, ufunc, "__call__", entries, *terms, out=(entries,))
        return
    positions = np.arange(twin.size).reshape(twin.shape)[plain_all(key)]
    values = (value_of(target), value_of(positions), *[value_of(each) for each in operand])
    others = [plain(each) for each in operand]
    overwrite(twin, operation, values, lambda: ufunc.at(twin, plain_all(key), *others))


def record_number(name: str, result: Any, operands: tuple[Any, ...]) -> Any:
    """Record the result of an operation on numbers."""
    if result is NotImplemented:
        return result
    if not meaning.knows_name(name):
        raise refuse(f"{name} of recorded numbers is not recorded")
    values = tuple(map(value_of, operands))
    return wrap_number(result, current.tape.add(_call_named(name), values, np.asarray(result)))  # type: ignore[union-attr]


@cache
def _call_named(name: str) -> Compute:
    return Compute("ufunc", name, "__call__")
