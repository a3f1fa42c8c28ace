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
from typing import Any

import numpy as np

from autograd_ref.recording import meaning, moves
from autograd_ref.recording.memory import Layout, is_injective, owner_of
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
    is_input,
    is_recorded,
    is_view_of_known,
    plain,
    plain_all,
    value_of,
    wrap_new,
    wrap_number,
    wrap_view,
)
from autograd_ref.recording.tape import Compute, Move, NotRecorded, Value, current
from autograd_ref.recording.template import Group, freeze

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


def record_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a ufunc, or a method of one, and record it."""
    tape = current.tape
    if tape is None:
        return getattr(ufunc, method)(*plain_all(inputs), **_plain_kwargs(kwargs))
    if method == "at":
        return _record_at(ufunc, inputs)
    inputs = tuple([each if type(each) in RECORDED else as_input(each) for each in inputs])
    if method == "reduceat":  # the starts of the parts belong to the operation, not to its operands
        kwargs = {"indices": tuple(np.asarray(plain_all(inputs[1])).tolist()), **kwargs}
        inputs = inputs[:1]
    if kwargs.get("axes") == _OWN_AXES and ufunc is np.matmul:  # the call of ``a @= b``
        kwargs = {key: each for key, each in kwargs.items() if key != "axes"}
    out = kwargs.pop("out", None) if kwargs else None
    if out is not None and not isinstance(out, tuple):
        out = (out,)
    twins = [plain(each) for each in inputs]
    before = tape.refusal
    try:
        values = tuple([value_of(each) for each in inputs])
    except NotRecorded as refusal:  # NumPy's own error has priority, if there is one
        tape.refusal = before
        _call_apart(ufunc, method, twins, kwargs, out)
        tape.refusal = refusal
        raise
    template: Any = method
    if kwargs:
        more: list[Any] = []
        options = {key: plain(each) if isinstance(each, type) else each for key, each in kwargs.items()}
        template = (method, freeze(options, is_input, more))
        values += tuple([value_of(each) for each in more])
        kwargs = _plain_kwargs(kwargs)
    if out is not None:
        return _record_into(ufunc, method, twins, kwargs, template, values, out)
    result = getattr(ufunc, method)(*twins, **kwargs)
    if not meaning.knows_ufunc(ufunc):
        raise refuse(f"the ufunc {ufunc.__name__} is not recorded")
    if isinstance(result, tuple):
        return tuple([_computed(each, ufunc, template, i, values) for i, each in enumerate(result)])
    return _computed(result, ufunc, template, None, values)


def _computed(result: Any, ufunc: np.ufunc, template: Any, index: int | None, values: Any) -> Any:
    """Return a recording object for a ufunc's result, which is never a view."""
    plain_call = template == "__call__"
    operation = _call_of(ufunc, index) if plain_call else Compute("ufunc", ufunc.__name__, template, index)
    if type(result) is np.ndarray:
        return wrap_new(result, current.tape.add(operation, values, result))  # type: ignore[union-attr]
    return _one_result(result, lambda _: operation, None, values)


@cache
def _call_of(ufunc: np.ufunc, index: int | None) -> Compute:
    return Compute("ufunc", ufunc.__name__, "__call__", index)


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
            record_ufunc(ufunc, "__call__", (entries, *terms), {"out": (entries,)})
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
    if isinstance(getattr(np.ndarray, name), type(np.ndarray.T)):
        function: Callable[..., Any] = lambda twin: getattr(twin, name)  # noqa: E731
    else:
        function = getattr(np.ndarray, name)
    if current.tape is None:
        return function(*plain_all((array, *args)), **_plain_kwargs(kwargs))
    out = kwargs.pop("out", None)
    if "ndarray." + name in moves.INPLACE:
        return _record_in_place("ndarray." + name, function, (array, *args), kwargs)
    known = meaning.knows_function(name) or name in moves.CONSTANT or name in moves.DISCRETE
    return _record(name if known else "ndarray." + name, function, (array, *args), kwargs, out)


def _record(name: str, function: Callable[..., Any], args: Any, kwargs: Any, out: Any) -> Any:
    if name in moves.INPLACE:
        return _record_in_place(name, function, args, kwargs)
    if name in moves.CONSTANT:
        return function(*plain_all(args), **_plain_kwargs(kwargs))
    if name == "where" and len(args) == 1:
        name = "nonzero"
    if name in REPEATING:
        count = REPEATING[name] or len(args)
        args = (*map(as_memory, args[:count]), *args[count:])
    elif meaning.takes_arrays(name):
        args = tuple([as_input(each) if type(each) in (list, tuple) else each for each in args])
    memory = None
    if out is None:
        result = function(*plain_all(args), **_plain_kwargs(kwargs))
        if type(result) is np.ndarray:
            for each in args:
                if plain(each) is result:
                    return each
            if result.base is not None and (view := current.memories.find(result)) is not None:
                return wrap_view(result, view)
    inputs: list[Any] = []
    template = _template(args, kwargs, inputs)
    values = tuple([value_of(each) for each in inputs])
    if out is not None:
        value_of(out)
        memory = current.memories.adopt(plain(out))
        memory.keep()
        result = function(*plain_all(args), **_plain_kwargs({**kwargs, "out": out}))

    def operation(index: int | None) -> Any:
        if meaning.knows_function(name):
            return Compute("function", name, template, index)
        if moves.knows(name) or not any(each.is_floating for each in values):
            return Move(name, template, index)
        raise refuse(f"{name} is not recorded")

    if memory is not None:
        value = current.tape.add(operation(None), values, memory.content(plain(out)))  # type: ignore[union-attr]
        current.memories.write(plain(out), memory, value)
        return out
    return _results(result, operation, values)


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
    if not meaning.knows_name(name):
        raise refuse(f"{name} of recorded numbers is not recorded")
    values = tuple([value_of(each) for each in operands])
    value = current.tape.add(Compute("ufunc", name, "__call__"), values, np.asarray(result))  # type: ignore[union-attr]
    return wrap_number(result, value)


def _results(result: Any, operation: Callable[[int | None], Any], values: tuple[Value, ...]) -> Any:
    """Return recording objects for all results of a call."""
    if isinstance(result, (tuple, list)):
        result = _apart(result)
        wrapped = [
            each if type(each) is bool else _one_result(each, operation, i, values)
            for i, each in enumerate(result)
        ]
        if type(result) in (tuple, list):
            return type(result)(wrapped)
        return type(result)(*wrapped)  # named tuples: slogdet, eigh, …
    return _one_result(result, operation, None, values)


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


def _one_result(result: Any, operation: Callable[[int | None], Any], index: int | None, values: Any) -> Any:
    if isinstance(result, np.ndarray):
        if is_recorded(result):
            raise refuse("a list of objects that have arrays is not recorded: write np.asarray for each")
        if type(result) is not np.ndarray:  # a matrix or masked array has operators of its own
            raise refuse(f"arrays of class {type(result).__name__} are not recorded")
        memory = is_view_of_known(result)
        if memory is not None:
            return wrap_view(result, memory)
        if (
            result.base is not None
            and 0 in result.strides
            and not is_injective(Layout(0, result.shape, result.strides))
        ):
            raise refuse("a view that repeats recorded numbers is not recorded: make an array of them first")
        value = current.tape.add(operation(index), values, result)  # type: ignore[union-attr]
        return wrap_new(result, value)
    if isinstance(result, (np.generic, float, int, bool)):
        value = current.tape.add(operation(index), values, np.asarray(result))  # type: ignore[union-attr]
        return wrap_number(result, value)
    raise refuse(f"a result of type {type(result).__name__} is not recorded")


def _plain_kwargs(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: plain_all(each) for key, each in kwargs.items()} if kwargs else kwargs


def _template(args: tuple[Any, ...], kwargs: dict[str, Any], inputs: list[Any]) -> Any:
    """Return the template of a function's call, with the types themselves in place of their stand-ins."""
    args = tuple(
        [plain(each) if type(each) not in RECORDED and isinstance(each, type) else each for each in args]
    )
    kwargs = {key: plain(each) if isinstance(each, type) else each for key, each in kwargs.items()}
    return freeze(args, is_input, inputs), freeze(kwargs, is_input, inputs) if kwargs else _NO_KEYWORDS


_NO_KEYWORDS = Group("dict", ())
