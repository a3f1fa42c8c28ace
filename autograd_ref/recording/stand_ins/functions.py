"""The stand-in for a function: it computes in another way, and passes for its original otherwise."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

__all__ = ["StandIn"]


class StandIn:
    """The stand-in for a function.

    Args:
        original: the function.
        call: what to call in its place.
    """

    def __init__(self, original: Any, call: Callable[..., Any]):
        self._original: Any = original
        self._call = call
        functools.update_wrapper(self, original)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self._call(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        # As a class attribute, a function in C does not become a method.
        binds = instance is not None and hasattr(type(self._original), "__get__")
        return types.MethodType(self, instance) if binds else self

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._original)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __eq__(self, other: Any) -> bool:
        return other is self or other is self._original

    def __hash__(self) -> int:
        return hash(self._original)

    def __repr__(self) -> str:
        return repr(self._original)
