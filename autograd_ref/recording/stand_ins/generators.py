"""Random generators whose arrays record: subclasses of NumPy's, which wrap the program's own generators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_ref.recording.stand_ins.objects import is_recorded, plain, plain_all
from autograd_ref.recording.tape import current

__all__ = ["GENERATORS", "recording_generator"]

Created = Callable[[Any], Any]


def shuffled(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a shuffle that writes into its argument, recorded as a move by the permutation it draws."""

    def call(x: Any, *args: Any, **kwargs: Any) -> None:
        if not is_recorded(x) or current.tape is None or not np.ndim(x):
            original(plain(x), *args, **kwargs)
            return
        axis = args[0] if args else kwargs.get("axis", 0)
        order = np.arange(x.shape[axis])
        original(order)
        x[...] = np.take(x, order, axis)

    return call


def permuted(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a permutation of recorded arguments, recorded as a move by the permutation it draws."""

    def call(x: Any, axis: int = 0) -> Any:
        order = original(x.shape[axis] if isinstance(x, np.ndarray) else plain_all(x))
        return np.take(x, order, axis) if isinstance(x, np.ndarray) else order

    return call


def _method(
    kind: type, name: str, created: Created, refuse_dependent: Callable[..., None]
) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        method = getattr(self._twin, name)
        if name == "shuffle":
            return shuffled(method)(*args, **kwargs)
        if name == "permutation" and current.tape is not None and any(map(is_recorded, args)):
            return permuted(method)(*args, **kwargs)
        result = method(*plain_all(args), **{key: plain_all(each) for key, each in kwargs.items()})
        if current.tape is None:
            return result
        refuse_dependent(f"{kind.__name__}.{name}", (*args, *kwargs.values()), result)
        return created(result)

    call.__name__ = name
    call.__doc__ = getattr(kind, name).__doc__
    return call


def _define(kind: type, created: Created, refuse_dependent: Callable[..., None]) -> type:
    names = [name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))]
    members: dict[str, Any] = {name: _method(kind, name, created, refuse_dependent) for name in names}
    members["__reduce__"] = lambda self: self._twin.__reduce__()
    return type(f"Recording{kind.__name__}", (kind,), members)


# From each of NumPy's classes to its subclass here, and the subclasses alone.
_KINDS: dict[type, type] = {}
GENERATORS: set[type] = set()


def define(created: Created, refuse_dependent: Callable[..., None]) -> None:
    """Create the subclasses; ``created`` wraps their results, unless ``refuse_dependent`` refuses them."""
    for kind in (np.random.Generator, np.random.RandomState):
        _KINDS[kind] = _define(kind, created, refuse_dependent)
        GENERATORS.add(_KINDS[kind])


def recording_generator(generator: Any) -> Any:
    """Return a generator with the same stream that returns recording arrays; None for any other object."""
    kind = _KINDS.get(type(generator))
    if kind is None:
        return None
    is_new = type(generator) is np.random.Generator
    made = kind(generator.bit_generator if is_new else generator._bit_generator)
    made._twin = generator
    return made
