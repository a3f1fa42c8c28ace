"""The state that a call may change, kept so that the call can be repeated from the same start."""

from __future__ import annotations

import collections
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from autograd_ref.recording.call.reachable import Walk
from autograd_ref.recording.memory import are_same

__all__ = ["State", "can_be_written", "collect", "overwrite"]


class State:
    """The current state of everything a call can reach: containers, attributes, arrays, random generators."""

    def __init__(self, call: Callable[[Walk], Any], module: str | None):
        self._arrays: dict[int, tuple[np.ndarray, np.ndarray, str]] = {}
        self._generators: list[tuple[Any, Any]] = []
        walk = Walk(self._note, module)
        call(walk)
        self._containers = [(each, _contents(each)) for each in walk.containers]
        self.objects = walk.objects
        self._numpy = np.random.get_state()
        self._python = random.getstate()

    def _note(self, path: str, thing: Any) -> Any:
        if isinstance(thing, np.ndarray) and id(thing) not in self._arrays and not thing.dtype.hasobject:
            self._arrays[id(thing)] = (thing, thing.copy(), path)
        elif isinstance(thing, np.random.Generator):
            self._generators.append((thing.bit_generator, thing.bit_generator.state))
        elif isinstance(thing, np.random.RandomState):
            self._generators.append((thing._bit_generator, thing._bit_generator.state))
        elif isinstance(thing, random.Random):
            self._generators.append((thing, thing.getstate()))
        return thing

    def arrays(self) -> list[tuple[str, np.ndarray]]:
        """Return all arrays found, with their paths."""
        return [(path, array) for array, _, path in self._arrays.values()]

    def held(self, array: np.ndarray) -> np.ndarray:
        """Return the saved content of an array."""
        return self._arrays[id(array)][1]

    def restore(self) -> None:
        """Restore everything."""
        for container, contents in self._containers:
            _refill(container, contents)
        for array, held, _ in self._arrays.values():
            if array.shape != held.shape:
                array.shape = held.shape
            if not are_same(array, held):
                overwrite(array, held)
        for generator, state in self._generators:
            if isinstance(generator, random.Random):
                generator.setstate(state)
            else:
                generator.state = state
        np.random.set_state(self._numpy)
        random.setstate(self._python)


def overwrite(array: np.ndarray, new: np.ndarray) -> None:
    """Write into an array, even if it is read-only.

    Raises:
        ValueError: another library owns its memory.
    """
    written = _writable(array)
    if written is None:
        raise ValueError("an array that another library owns cannot be written")
    written[...] = new


def can_be_written(array: np.ndarray) -> bool:
    """Whether an array can be written; memory of another library, such as JAX, cannot."""
    return _writable(array) is not None


def _writable(array: np.ndarray) -> np.ndarray | None:
    """Return an array of the same memory that can be written, for views, too, such as sliding windows."""
    if array.flags.writeable:
        return array
    owner: Any = array
    while getattr(owner, "base", None) is not None:
        owner = owner.base
    if not isinstance(owner, np.ndarray) or not owner.flags.owndata:
        return None
    interface = array.__array_interface__
    alias = SimpleNamespace(__array_interface__={**interface, "data": (interface["data"][0], False)})
    return np.asarray(alias).view(array.dtype)


def _contents(container: Any) -> Any:
    if isinstance(container, type):
        return dict(vars(container))
    return container.copy()


def _refill(container: Any, contents: Any) -> None:
    if isinstance(container, type):
        for name in set(vars(container)) - set(contents):
            type.__delattr__(container, name)
        for name, each in contents.items():
            if vars(container).get(name) is not each:
                type.__setattr__(container, name, each)
    elif isinstance(container, dict):
        if list(container) != list(contents):
            for name in [each for each in container if each not in contents]:
                dict.__delitem__(container, name)
        for name, each in contents.items():
            if name not in container or container[name] is not each:
                dict.__setitem__(container, name, each)
    elif isinstance(container, (list, collections.deque)):
        if len(container) != len(contents) or any(
            a is not b for a, b in zip(container, contents, strict=True)
        ):
            container.clear()
            container.extend(contents)
    else:
        container.clear()
        container.update(contents)


def collect(call: Callable[[Walk], Any], result: Any, module: str | None, before: State) -> dict[str, Any]:
    """Return every array and NumPy number, and the Python numbers in a result, by path."""
    found: dict[str, Any] = {}

    def note(path: str, thing: Any) -> Any:
        if isinstance(thing, (np.ndarray, np.generic, float)):
            found.setdefault(path, thing.copy() if isinstance(thing, np.ndarray) else thing)
        return thing

    walk = Walk(note, module)
    walk.visit_result(result, before.objects)
    call(walk)
    return found
