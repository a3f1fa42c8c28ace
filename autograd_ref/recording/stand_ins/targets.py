"""The program's modules, and their names during the recording."""

from __future__ import annotations

import builtins
import os
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from operator import is_
from typing import Any

from autograd_ref.recording.stand_ins.modules import COVERED, SHADOWS, stand_in_for
from autograd_ref.recording.stand_ins.number_types import types_of_dtypes
from autograd_ref.recording.stand_ins.objects import ORIGINALS, plain

__all__ = ["is_installed", "is_target", "might_need", "shadowed"]

# Python, what NumPy, JAX and these tools consist of, and libraries that compute nothing.
_NOT_TARGETS = {
    *sys.stdlib_module_names, "_pytest", "autograd_ref", "beartype", "cloudpickle", "docstring_parser",
    "execnet", "filelock", "handgrad", "hypothesis", "jax", "jaxlib", "jaxtyping", "llvmlite", "ml_dtypes",
    "numba", "numpy", "opt_einsum", "platformdirs", "pluggy", "pygments", "pytest", "rich", "scipy",
    "sortedcontainers", "torch", "typeguard", "typing_extensions", "tyro", "xdist",
} - {"__main__"}  # fmt: skip


@cache
def is_target(name: str, function_module: str | None = None) -> bool:
    """Whether a module belongs to the program, by its name."""
    return name == function_module or name.partition(".")[0] not in _NOT_TARGETS or name == "__main__"


# The number of modules and the last one, with the names of those that belong to the program.
_loaded: dict[tuple[int, str], list[str]] = {}


def _modules_of_program() -> list[str]:
    """Return the names of the program's modules; a thousand others are looked at only after an import."""
    state = len(sys.modules), next(reversed(sys.modules))
    if state not in _loaded:
        _loaded.clear()
        _loaded[state] = [name for name in list(sys.modules) if is_target(name)]
    return _loaded[state]


def is_installed(module: types.ModuleType) -> bool:
    """Whether a module belongs to an installed package, so that its globals are not parameters."""
    return _in_packages(getattr(module, "__file__", None))


def _in_packages(file: str | None) -> bool:
    return file is not None and (f"site-packages{os.sep}" in file or f"dist-packages{os.sep}" in file)


@dataclass(frozen=True)
class _Bound:
    """A namespace before its names are bound to stand-ins, and the stand-ins.

    Attributes:
        names: all names of the namespace.
        values: their values.
        made: the stand-ins by name.
        before: the replaced objects by name; a name that was not in the namespace is missing.
    """

    names: list[str]
    values: list[Any]
    made: dict[str, Any]
    before: dict[str, Any]

    def fits(self, namespace: dict[str, Any]) -> bool:
        """Whether the namespace is unchanged; compared in C, because there may be a thousand namespaces."""
        return (
            len(namespace) == len(self.values)
            and all(map(is_, namespace.values(), self.values))
            and list(namespace) == self.names
        )

    def restore(self, namespace: dict[str, Any]) -> None:
        """Bind every name as before, unless the run bound it anew."""
        for name, made in self.made.items():
            if namespace.get(name) is not made:
                continue
            if name in self.before:
                namespace[name] = self.before[name]
            else:
                del namespace[name]
        if self.fits(namespace) or ORIGINALS.keys().isdisjoint(map(id, namespace.values())):
            return
        for name, thing in list(namespace.items()):  # bound by import statements, or copied during the run
            if id(thing) in ORIGINALS:
                namespace[name] = ORIGINALS[id(thing)]


# Of the namespaces of installed packages, by id: they hardly change between two recordings.
_INSTALLED: dict[int, _Bound] = {}


def _bound(namespace: dict[str, Any]) -> _Bound:
    """Find the names of a namespace that need stand-ins."""
    known = _INSTALLED.get(id(namespace))
    if known is not None and known.fits(namespace):
        return known
    made = {}
    for name, thing in [each for each in namespace.items() if might_need(each[1])]:
        stand_in = stand_in_for(thing) if name != "__builtins__" else None
        if stand_in is not None:
            made[name] = stand_in
    before = {name: namespace[name] for name in made}
    made |= {name: shadow for name, shadow in SHADOWS.items() if name not in namespace}
    found = _Bound(list(namespace), list(namespace.values()), made, before)
    if _in_packages(namespace.get("__file__")):
        _INSTALLED[id(namespace)] = found
    return found


class _Bindings:
    """Namespaces of modules in which names are temporarily bound to stand-ins."""

    def __init__(self) -> None:
        self._bound: dict[int, tuple[dict[str, Any], _Bound]] = {}

    def bind(self, namespace: dict[str, Any]) -> None:
        if id(namespace) not in self._bound:
            bound = _bound(namespace)
            self._bound[id(namespace)] = namespace, bound
            namespace.update(bound.made)

    def restore(self) -> None:
        for namespace, bound in self._bound.values():
            bound.restore(namespace)


def might_need(thing: Any) -> bool:
    """Whether a thing may need a stand-in."""
    kind = type(thing)
    if kind is types.FunctionType or kind is type:
        return _is_covered(str(thing.__module__))
    known = _NEEDS.get(kind)
    if known is None:
        known = kind in (types.ModuleType, types.BuiltinFunctionType) or (
            str(kind.__module__).startswith(COVERED) and not _is_data(kind)
        )
        _NEEDS[kind] = known
    return known


_NEEDS: dict[type, bool] = {}


@cache
def _is_covered(module: str) -> bool:
    return module.startswith(COVERED)


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
        for name in (*_modules_of_program(), module):
            if isinstance(each := sys.modules.get(name or ""), types.ModuleType):
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
