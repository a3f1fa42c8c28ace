"""Record calls to NumPy: a ufunc, a function or a method of an array.

NumPy computes on the twins; then the result of the call is one of these:

- known memory: a view, which needs no record;
- moved entries (`moves`);
- a computation whose meaning in jax.numpy is known (`meaning`);
- constant by nature, such as a shape;
- or the call is refused, with its place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any

import numpy as np

from autograd_ref.recording import meaning, moves
from autograd_ref.recording.layouts import is_injective
from autograd_ref.recording.memory import owner_of
from autograd_ref.recording.place import place_here
from autograd_ref.recording.stand_ins.arguments import (
    REPEATING,
    as_input,
    as_memory,
    name_of,
    without_out,
)
from autograd_ref.recording.stand_ins.indexing import few_parts, rows_of
from autograd_ref.recording.stand_ins.objects import (
    RECORDED,
    freeze,
    is_recorded,
    is_view_of_known,
    plain,
    plain_all,
    value_of,
    wrap_new,
    wrap_number,
    wrap_view,
)
from autograd_ref.recording.tape import Compute, Layout, Move, NotRecorded, Value, current
from autograd_ref.recording.template import Group

__all__ = [
    "SPARSE",
    "record_function",
    "record_method",
    "record_number",
    "record_scipy",
    "record_ufunc",
    "refuse",
]


# Functions that create an array like another; filled by `creation`.
SPECIAL: dict[str, Callable[..., Any]] = {}


SPARSE = "scipy.sparse is not recorded: write S.toarray() for a sparse matrix S"
_OWN_AXES = [(-2, -1)] * 3


def refuse(what: str) -> NotRecorded:
    """Return the error for an unsupported operation, with its place in the user's code."""
    return NotRecorded(what, place_here())


def record_ufunc(recorded: Any, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Call a ufunc, or a method of one, and record it: the ``__array_ufunc__`` of all that records."""
    tape = current.tape
    if tape is None:
        return getattr(ufunc, method)(*plain_all(inputs), **_plain_kwargs(kwargs))
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
        kwargs = _plain_kwargs(kwargs)
    if out is not None:
        return _record_into(ufunc, method, twins, kwargs, template, values, out)
    result = (ufunc if method == "__call__" else getattr(ufunc, method))(*twins, **kwargs)
    operation = _call_of(ufunc)
    if operation is None:
        raise refuse(f"the ufunc {ufunc.__name__} is not recorded")
    if template != "__call__":
        operation = operation._replace(template=template)
    if type(result) is np.ndarray:
        return wrap_new(result, tape.add(operation, values, result))
    if isinstance(result, tuple):
        return tuple([_new(each, operation._replace(output=i), values) for i, each in enumerate(result)])
    return _new(result, operation, values)


@cache
def _call_of(ufunc: np.ufunc) -> Compute | None:
    """Return the operation of calling a ufunc; None if it has no meaning."""
    return Compute("ufunc", ufunc.__name__, "__call__") if meaning.knows_ufunc(ufunc) else None


def _call_apart(ufunc: np.ufunc, method: str, twins: list[Any], kwargs: dict[str, Any], out: Any) -> None:
    """Make the same call without writing to anything."""
    outputs = (
        {} if out is None else {"out": tuple([None if each is None else plain(each).copy() for each in out])}
    )
    getattr(ufunc, method)(*twins, **_plain_kwargs(kwargs), **outputs)


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
    if not meaning.knows_ufunc(ufunc):
        raise refuse(f"the ufunc {ufunc.__name__} is not recorded")
    (target,) = out
    twin = plain(target)
    masked = isinstance(template, tuple) and kwargs.get("where", True) is not True and method == "__call__"
    before = value_of(target)
    memory = current.memories.adopt(twin)
    memory.keep()
    getattr(ufunc, method)(*twins, out=twin, **kwargs)
    operation = Compute("ufunc", ufunc.__name__, template)
    if masked:
        operation = operation._replace(template=(*template, "masked"))
        values = (*values, before)
    value = current.tape.add(operation, values, memory.content(twin))  # type: ignore[union-attr]
    current.memories.write(twin, memory, value)
    return target


def _record_at(ufunc: np.ufunc, inputs: tuple[Any, ...]) -> None:
    """Record ``ufunc.at(a, indices[, b])``, which acts once for each index, in order."""
    target, key, *operand = inputs
    twin = plain(target)
    if not meaning.knows_ufunc(ufunc):
        raise refuse(f"the ufunc {ufunc.__name__} is not recorded")
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
    memory = current.memories.adopt(twin)
    memory.keep()
    ufunc.at(twin, plain_all(key), *[plain(each) for each in operand])
    operation = Compute("ufunc", ufunc.__name__, "at")
    value = current.tape.add(operation, values, memory.content(twin))  # type: ignore[union-attr]
    current.memories.write(twin, memory, value)


def record_function(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call one of NumPy's functions, and record it."""
    if current.tape is None:
        return function(*plain_all(args), **_plain_kwargs(kwargs))
    name = name_of(function)
    special = SPECIAL.get(name)
    if special is not None:
        return special(*args, **kwargs)
    args, kwargs, out = without_out(function, args, kwargs)
    return _record(name, function, args, kwargs, out)


def record_scipy(
    name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call one of SciPy's functions that is not a ufunc, and record it."""
    if name.startswith("scipy.sparse."):
        raise refuse(SPARSE)
    if any(kwargs.get(key) for key in ("overwrite_a", "overwrite_b")):
        raise refuse(f"{name} that may overwrite its argument is not recorded")
    return _record(name, function, args, kwargs, None)


def record_method(name: str, array: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a method of an array, or read an attribute, and record it."""
    name, function = _method_named(name)
    if current.tape is None:
        return function(*plain_all((array, *args)), **_plain_kwargs(kwargs))
    return _record(name, function, (array, *args), kwargs, kwargs.pop("out", None))


@cache
def _method_named(name: str) -> tuple[str, Callable[..., Any]]:
    """Return the name under which a method or attribute is recorded, and its function."""
    function = getattr(np.ndarray, name)
    if isinstance(function, type(np.ndarray.T)):
        function = attrgetter(name)
    known = meaning.knows_function(name) or name in moves.CONSTANT or name in moves.DISCRETE
    own = "ndarray." + name
    return (name if known and own not in moves.INPLACE else own), function


def _record(name: str, function: Callable[..., Any], args: Any, kwargs: Any, out: Any) -> Any:
    special = _specially(name)
    if special == "in place":
        return _record_in_place(name, function, args, kwargs)
    if special == "constant":
        return function(*plain_all(args), **_plain_kwargs(kwargs))
    if name == "where" and len(args) == 1:
        name = "nonzero"
    if special == "repeating":
        count = REPEATING[name] or len(args)
        args = (*map(as_memory, args[:count]), *args[count:])
    elif special == "of arrays" and not RECORDED.issuperset(map(type, args)):
        args = tuple([as_input(each) if type(each) in (list, tuple) else each for each in args])
    if out is None:
        twins = plain_all(args)
        result = function(*twins, **_plain_kwargs(kwargs))
        if type(result) is np.ndarray:
            for each, twin in zip(args, twins, strict=True):
                if twin is result:
                    return each
            if result.base is not None and (view := current.memories.find(result)) is not None:
                return wrap_view(result, view)
    inputs: list[Any] = []
    template = _template(args, kwargs, inputs)
    values = tuple(map(value_of, inputs))
    if out is not None:
        value_of(out)
        memory = current.memories.adopt(plain(out))
        memory.keep()
        result = function(*plain_all(args), **_plain_kwargs({**kwargs, "out": out}))
        value = current.tape.add(  # type: ignore[union-attr]
            _operation(name, template, None, values), values, memory.content(plain(out))
        )
        current.memories.write(plain(out), memory, value)
        return out
    if isinstance(result, (tuple, list)):
        return _results(result, name, template, values)
    return _one_result(result, name, template, None, values)


@cache
def _specially(name: str) -> str | None:
    """Return in which way a function differs from others; `_record` has the ways."""
    if name in moves.INPLACE:
        return "in place"
    if name in moves.CONSTANT:
        return "constant"
    if name in REPEATING:
        return "repeating"
    return "of arrays" if meaning.takes_arrays(name) else None


def _operation(name: str, template: Any, index: int | None, values: tuple[Value, ...]) -> Compute | Move:
    """Return the operation of a call, or refuse it."""
    if meaning.knows_function(name):
        return Compute("function", name, template, index)
    if moves.knows(name) or not any(each.is_floating for each in values):
        return Move(name, template, index)
    raise refuse(f"{name} is not recorded")


def _record_in_place(name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Record a function that changes its first argument."""
    target = args[0]
    twin = plain(target)
    if not isinstance(twin, np.ndarray):
        return function(*plain_all(args), **_plain_kwargs(kwargs))  # raises NumPy's own error
    inputs: list[Any] = []
    template = _template(args, kwargs, inputs)
    values = tuple([value_of(each) for each in inputs])
    memory = current.memories.adopt(twin)
    memory.keep()
    result = function(*plain_all(args), **_plain_kwargs(kwargs))
    kind = Compute("function", name, template) if meaning.knows_function(name) else Move(name, template)
    value = current.tape.add(kind, values, memory.content(twin))  # type: ignore[union-attr]
    current.memories.write(twin, memory, value)
    return result


def record_number(name: str, result: Any, operands: tuple[Any, ...]) -> Any:
    """Record the result of an operation on numbers."""
    if result is NotImplemented:
        return result
    operation = _call_named(name)
    if operation is None:
        raise refuse(f"{name} of recorded numbers is not recorded")
    values = tuple(map(value_of, operands))
    return wrap_number(result, current.tape.add(operation, values, np.asarray(result)))  # type: ignore[union-attr]


@cache
def _call_named(name: str) -> Compute | None:
    return Compute("ufunc", name, "__call__") if meaning.knows_name(name) else None


def _results(results: Any, name: str, template: Any, values: tuple[Value, ...]) -> Any:
    """Return recording objects for all results of a call."""
    wrapped = [
        each if type(each) is bool else _one_result(each, name, template, i, values)
        for i, each in enumerate(_apart(results))
    ]
    if type(results) in (tuple, list):
        return type(results)(wrapped)
    return type(results)(*wrapped)  # named tuples: slogdet, eigh, …


def _apart(results: Any) -> Any:
    """Copy several results that share unknown memory (`np.nonzero` fills one array)."""
    owners = [id(owner_of(each)) for each in results]
    if len(set(owners)) == len(owners) or any(is_view_of_known(each) is not None for each in results):
        return results
    apart = []
    for each in results:
        owner = owner_of(each)
        copy = owner.copy(order="K")
        offset = each.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        apart.append(np.ndarray(each.shape, each.dtype, copy, offset, each.strides))
    return type(results)(apart)


def _one_result(result: Any, name: str, template: Any, index: int | None, values: tuple[Value, ...]) -> Any:
    """Return a recording object for one result of a function."""
    if type(result) is np.ndarray:
        memory = is_view_of_known(result)
        if memory is not None:
            return wrap_view(result, memory)
        if (
            result.base is not None
            and 0 in result.strides
            and not is_injective(Layout(0, result.shape, result.strides))
        ):
            raise refuse("a view that repeats recorded numbers is not recorded: make an array of them first")
        operation = _operation(name, template, index, values)
        return wrap_new(result, current.tape.add(operation, values, result))  # type: ignore[union-attr]
    if isinstance(result, np.ndarray):
        raise _refused_class(result)
    return _new(result, _operation(name, template, index, values), values)


def _new(result: Any, operation: Compute | Move, values: tuple[Value, ...]) -> Any:
    """Return a recording object for a result that is not a view."""
    if type(result) is np.ndarray:
        return wrap_new(result, current.tape.add(operation, values, result))  # type: ignore[union-attr]
    if isinstance(result, (np.generic, float, int, bool)):
        value = current.tape.add(operation, values, np.asarray(result))  # type: ignore[union-attr]
        return wrap_number(result, value)
    raise _refused_class(result)


def _refused_class(result: Any) -> NotRecorded:
    if is_recorded(result):
        return refuse("a list of objects that have arrays is not recorded: write np.asarray for each")
    if isinstance(result, np.ndarray):  # a matrix or masked array has operators of its own
        return refuse(f"arrays of class {type(result).__name__} are not recorded")
    return refuse(f"a result of type {type(result).__name__} is not recorded")


def _plain_kwargs(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: plain_all(each) for key, each in kwargs.items()} if kwargs else kwargs


def _template(args: tuple[Any, ...], kwargs: dict[str, Any], inputs: list[Any]) -> Any:
    """Return the template of a function's call."""
    return freeze(args, inputs), freeze(kwargs, inputs) if kwargs else _NO_KEYWORDS


_NO_KEYWORDS = Group("dict", ())
