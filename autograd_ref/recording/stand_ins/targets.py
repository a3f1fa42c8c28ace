"""The program's modules, and their names during the recording."""

from __future__ import annotations

import builtins
import os
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from autograd_ref.recording.stand_ins.modules import COVERED, SHADOWS, stand_in_for
from autograd_ref.recording.stand_ins.number_types import types_of_dtypes
from autograd_ref.recording.stand_ins.objects import ORIGINALS, plain

__all__ = ["is_installed", "is_target", "might_need", "shadowed"]

# Python, what NumPy, JAX and these tools consist of, and libraries that compute nothing.
_NOT_TARGETS = {
    *sys.stdlib_module_names, "_pytest", "autograd_ref", "beartype", "cloudpickle", "docstring_parser",
    "execnet", "filelock", "handgrad", "hypothesis", "jax", "jaxlib", "jaxtyping", "ml_dtypes", "numpy",
    "opt_einsum", "platformdirs", "pluggy", "pygments", "pytest", "rich", "scipy", "sortedcontainers",
    "torch", "typeguard", "typing_extensions", "tyro", "xdist",
} - {"__main__"}  # fmt: skip


@cache
def is_target(name: str, function_module: str | None = None) -> bool:
    """Whether a module belongs to the program, by its name."""
    return name == function_module or name.partition(".")[0] not in _NOT_TARGETS or name == "__main__"


def is_installed(module: types.ModuleType) -> bool:
    """Whether a module belongs to an installed package, so that its globals are not parameters."""
    file = getattr(module, "__file__", None) or ""
    return f"site-packages{os.sep}" in file or f"dist-packages{os.sep}" in file


class _Bindings:
    """Names in module namespaces that are temporarily bound to stand-ins."""

    def __init__(self) -> None:
        self._bound: list[tuple[dict[str, Any], str, Any, Any]] = []
        self._done: set[int] = set()
        self.namespaces: list[dict[str, Any]] = []

    def bind(self, namespace: dict[str, Any]) -> None:
        if id(namespace) in self._done:
            return
        self._done.add(id(namespace))
        self.namespaces.append(namespace)
        for name, thing in [each for each in namespace.items() if might_need(each[1])]:
            made = stand_in_for(thing) if name != "__builtins__" else None
            if made is not None:
                self._set(namespace, name, made)
        for name, shadow in SHADOWS.items():
            if name not in namespace:
                self._set(namespace, name, shadow)

    def _set(self, namespace: dict[str, Any], name: str, made: Any) -> None:
        self._bound.append((namespace, name, namespace.get(name, _ABSENT), made))
        namespace[name] = made

    def restore(self) -> None:
        for namespace, name, before, made in reversed(self._bound):
            if namespace.get(name) is not made:
                continue
            if before is _ABSENT:
                del namespace[name]
            else:
                namespace[name] = before


_ABSENT = object()


def might_need(thing: Any) -> bool:
    """Whether a thing may need a stand-in."""
    kind = type(thing)
    if kind is types.FunctionType or kind is type:
        return str(thing.__module__).startswith(COVERED)
    known = _NEEDS.get(kind)
    if known is None:
        known = kind in (types.ModuleType, types.BuiltinFunctionType) or (
            str(kind.__module__).startswith(COVERED) and not _is_data(kind)
        )
        _NEEDS[kind] = known
    return known


_NEEDS: dict[type, bool] = {}


def _is_data(kind: type) -> bool:
    """Whether a type is one of Python's own that cannot be called, such as a string or list."""
    return kind.__module__ == "builtins" and not any("__call__" in vars(each) for each in kind.__mro__)


@contextmanager
def shadowed(*extra: dict[str, Any], module: str | None = None) -> Iterator[None]:
    """Bind stand-ins in the program's modules, including modules imported meanwhile; restore them at the end.

    Args:
        extra: more namespaces that belong to the program.
        module: the name of a module that belongs to the program even if it does not look so.
    """
    bindings = _Bindings()
    original_import, original_build = builtins.__import__, builtins.__build_class__

    def importing(
        name: str,
        globals: Any = None,
        locals: Any = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> Any:
        found = original_import(name, globals, locals, fromlist, level)
        if globals is None or not is_target(globals.get("__name__", ""), module):
            return found
        bindings.bind(globals)
        return stand_in_for(found) or found

    def building(body: Any, name: str, *bases: Any, **kwargs: Any) -> Any:
        return original_build(body, name, *[plain(each) for each in bases], **kwargs)

    try:
        for name, each in list(sys.modules.items()):
            if isinstance(each, types.ModuleType) and is_target(name, module):
                bindings.bind(vars(each))
        for namespace in extra:
            bindings.bind(namespace)
        builtins.__import__ = importing
        builtins.__build_class__ = building  # type: ignore[assignment]
        with types_of_dtypes():
            yield
    finally:
        builtins.__import__, builtins.__build_class__ = original_import, original_build
        bindings.restore()
        _restore_imported(bindings)


def _restore_imported(bindings: _Bindings) -> None:
    """Restore names that were bound by import statements or copied during the run."""
    for namespace in bindings.namespaces:
        if ORIGINALS.keys().isdisjoint(map(id, namespace.values())):  # the common case, in C
            continue
        for name, thing in list(namespace.items()):
            if id(thing) in ORIGINALS:
                namespace[name] = ORIGINALS[id(thing)]
