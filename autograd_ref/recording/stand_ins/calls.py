"""Record calls to NumPy's functions, and to methods of an array.

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
from autograd_ref.recording.stand_ins.arguments import REPEATING, as_input, as_memory, name_of, without_out
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
    "SPARSE", "new_result", "overwrite", "plain_kwargs", "record_function", "record_method", "record_scipy",
    "refuse",
]  # fmt: skip

# Functions that create an array like another; filled by `creation`.
SPECIAL: dict[str, Callable[..., Any]] = {}

SPARSE = "scipy.sparse is not recorded: write S.toarray() for a sparse matrix S"


def refuse(what: str) -> NotRecorded:
    """Return the error for an unsupported operation, with its place in the user's code."""
    return NotRecorded(what, place_here())


def record_function(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call one of NumPy's functions, and record it."""
    if current.tape is None:
        return function(*plain_all(args), **plain_kwargs(kwargs))
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
        return function(*plain_all((array, *args)), **plain_kwargs(kwargs))
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
        return function(*plain_all(args), **plain_kwargs(kwargs))
    if name == "where" and len(args) == 1:
        name = "nonzero"
    if name == "pad":
        name = moves.name_of_pad(args, kwargs)
    if special == "repeating":
        count = REPEATING[name] or len(args)
        args = (*map(as_memory, args[:count]), *args[count:])
    elif special == "of arrays" and not RECORDED.issuperset(map(type, args)):
        args = tuple([as_input(each) if type(each) in (list, tuple) else each for each in args])
    if out is None:
        twins = plain_all(args)
        result = function(*twins, **plain_kwargs(kwargs))
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
        options = plain_kwargs({**kwargs, "out": out})
        operation = _operation(name, template, None, values)
        overwrite(plain(out), operation, values, lambda: function(*plain_all(args), **options))
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
        return function(*plain_all(args), **plain_kwargs(kwargs))  # raises NumPy's own error
    inputs: list[Any] = []
    template = _template(args, kwargs, inputs)
    values = tuple([value_of(each) for each in inputs])
    operation = Compute("function", name, template) if meaning.knows_function(name) else Move(name, template)
    return overwrite(twin, operation, values, lambda: function(*plain_all(args), **plain_kwargs(kwargs)))


def overwrite(
    twin: np.ndarray, operation: Compute | Move, values: tuple[Value, ...], write: Callable[[], Any]
) -> Any:
    """Let NumPy write to an array, record what it then holds, and return what NumPy returned."""
    memory = current.memories.adopt(twin)
    memory.keep()
    result = write()
    value = current.tape.add(operation, values, memory.content(twin))  # type: ignore[union-attr]
    current.memories.write(twin, memory, value)
    return result


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
    return new_result(result, _operation(name, template, index, values), values)


def new_result(result: Any, operation: Compute | Move, values: tuple[Value, ...]) -> Any:
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


def plain_kwargs(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return keyword arguments with every recording object replaced by its twin."""
    return {key: plain_all(each) for key, each in kwargs.items()} if kwargs else kwargs


def _template(args: tuple[Any, ...], kwargs: dict[str, Any], inputs: list[Any]) -> Any:
    """Return the template of a function's call."""
    return freeze(args, inputs), freeze(kwargs, inputs) if kwargs else _NO_KEYWORDS


_NO_KEYWORDS = Group("dict", ())
