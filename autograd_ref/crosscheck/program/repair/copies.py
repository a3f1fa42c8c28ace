"""Copies of a program's variables as they are at one moment, because many programs change arrays in place."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd_ref.recording.memory import are_same

__all__ = ["Copies"]

# Larger arrays are not copied, nor longer lists, nor what is deeper inside other objects.
LARGE, LONG, DEEP = 1_000_000, 200, 5
_SHARED = (types.ModuleType, type, types.FunctionType, types.MethodType)


class Copies:
    """Copies at several moments, which share the arrays that did not change between them."""

    def __init__(self) -> None:
        self._arrays: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def of(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return copies of all variables, with their arrays, containers and objects."""
        made: dict[int, Any] = {}
        return {name: self._copy(each, made, 0) for name, each in variables.items()}

    def _copy(self, thing: Any, made: dict[int, Any], depth: int) -> Any:
        if isinstance(thing, np.ndarray):
            return self._array(thing)
        if id(thing) in made:
            return made[id(thing)]
        kind = type(thing)
        if depth > DEEP or (kind in (dict, list, tuple) and len(thing) > LONG):
            return thing
        if kind is tuple:
            return tuple([self._copy(each, made, depth + 1) for each in thing])
        if kind is list:
            copies: list[Any] = []
            made[id(thing)] = copies
            copies += [self._copy(each, made, depth + 1) for each in thing]
            return copies
        if kind is dict:
            copied: dict[Any, Any] = {}
            made[id(thing)] = copied
            copied |= {key: self._copy(each, made, depth + 1) for key, each in thing.items()}
            return copied
        return self._object(thing, made, depth)

    def _object(self, thing: Any, made: dict[int, Any], depth: int) -> Any:
        attributes = getattr(thing, "__dict__", None)
        if type(attributes) is not dict or isinstance(thing, _SHARED):
            return thing
        try:
            twin = object.__new__(type(thing))
        except TypeError:  # a class of C code
            return thing
        made[id(thing)] = twin
        twin.__dict__ |= {name: self._copy(each, made, depth + 1) for name, each in attributes.items()}
        return twin

    def _array(self, array: np.ndarray) -> np.ndarray:
        if array.size > LARGE:
            return array
        _, copy = self._arrays.get(id(array), (None, None))
        if copy is None or copy.dtype != array.dtype or not are_same(copy, array):
            copy = array.copy()
            self._arrays[id(array)] = array, copy
        return copy
