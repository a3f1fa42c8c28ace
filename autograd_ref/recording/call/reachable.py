"""Find every array that a call can reach: in its arguments, their objects, classes, globals, closures.

Arrays are replaced in place, so that the program finds recording arrays everywhere; the same walk puts
plain ones back.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import sys
import types
from collections.abc import Callable
from typing import Any

from autograd_ref.recording.stand_ins.targets import is_installed, is_target

__all__ = ["Walk"]

Replace = Callable[[str, Any], Any]
_DEEPEST = 400


class Walk:
    """A walk over everything that can be reached, which replaces objects.

    Args:
        replace: takes a path and an object that is not a container; returns the object to put there.
        module: the name of a module that belongs to the program even if it does not look so.
    """

    def __init__(self, replace: Replace, module: str | None = None):
        self._replace = replace
        self._module = module
        self._made: dict[int, tuple[Any, Any]] = {}
        self.containers: list[Any] = []
        self.with_floats = False  # for results: Python numbers are not needed elsewhere
        self.objects: dict[int, Any] = {}  # of the program's classes, by id
        self.later: dict[int, Any] = {}  # left out inside a result

    def visit(self, path: str, thing: Any, depth: int = 0) -> Any:
        """Return the replacement of an object; containers stay, and are changed inside."""
        kind = type(thing)
        if kind is float and self.with_floats:
            return self._replace(path, thing)
        if kind in _ATOMS or depth > _DEEPEST or (kind is types.FunctionType and self._is_bare(thing)):
            return thing
        known = self._made.get(id(thing))
        if known is not None:
            if self.with_floats:
                self._replace(path, thing)  # an array that is returned twice has two paths
            return known[1]
        if depth > 1 and id(thing) in self.later:
            return thing
        visit = _VISITS.get(kind)
        if kind in _REPLACEABLE and (replaced := self._replace(path, thing)) is not thing:
            return replaced
        if visit is not None:
            self._made[id(thing)] = (thing, thing)
            result = visit(self, path, thing, depth + 1)
        else:
            result = self._other(path, thing, depth + 1)
        if result is not thing:
            self._made[id(thing)] = (thing, result)
        return result

    def visit_result(self, result: Any, before: dict[int, Any]) -> Any:
        """Return the replacement of a call's result.

        Args:
            result: the result.
            before: the program's objects from before the call, by id. Inside the result they are left out: a
                loss with its graph leads to every parameter, and the parameters' own paths are better.
        """
        self.with_floats, self.later = True, before
        found = self.visit("return", result)
        self.with_floats, self.later = False, {}
        return found

    def _other(self, path: str, thing: Any, depth: int) -> Any:
        replaced = self._replace(path, thing)
        if replaced is not thing or str(type(thing).__module__).startswith("autograd_ref."):
            return replaced  # an earlier recording is not part of the program
        self._made[id(thing)] = (thing, thing)
        for kind in (dict, list, tuple, collections.deque, types.ModuleType, type, BaseException):
            if isinstance(thing, kind) and type(thing) is not kind:
                thing = _VISITS[kind](self, path, thing, depth)
                break
        if isinstance(thing, (type, types.ModuleType)):
            return thing
        if self._has_attributes(thing):
            self.objects[id(thing)] = thing
            self._attributes(path, thing, depth)
        return thing

    def _has_attributes(self, thing: Any) -> bool:
        module = type(thing).__module__
        return (
            is_target(module, self._module) or type(thing) in _NAMESPACES or isinstance(thing, BaseException)
        )

    def _attributes(self, path: str, thing: Any, depth: int) -> None:
        try:
            attributes = object.__getattribute__(thing, "__dict__")
        except AttributeError:
            attributes = None
        if type(attributes) is dict:
            self.containers.append(attributes)
            for name, each in list(attributes.items()):
                new = self.visit(f"{path}.{name}", each, depth)
                if new is not each:
                    attributes[name] = new
        for kind in type(thing).__mro__:
            if kind.__module__ not in _BUILT_IN:
                self.visit(kind.__name__, kind, depth)
            for name, member in list(vars(kind).items()):
                if isinstance(member, types.MemberDescriptorType) and kind.__module__ not in _BUILT_IN:
                    self._slot(f"{path}.{name}", thing, member, depth)

    def _slot(self, path: str, thing: Any, member: Any, depth: int) -> None:
        try:
            each = member.__get__(thing)
        except AttributeError:
            return
        new = self.visit(path, each, depth)
        if new is not each:
            member.__set__(thing, new)

    def _dict(self, path: str, thing: dict[Any, Any], depth: int) -> Any:
        self.containers.append(thing)
        for key, each in list(thing.items()):
            new = self.visit(f"{path}[{key!r}]", each, depth)
            if new is not each:
                dict.__setitem__(thing, key, new)
            if type(key) is str:
                continue
            new_key = self.visit(f"{path}.keys()", key, depth)
            if new_key is not key:
                _renamed(thing, key, new_key)
        return thing

    def _list(self, path: str, thing: Any, depth: int) -> Any:
        self.containers.append(thing)
        if not self.with_floats and _ATOMS.issuperset(map(type, thing)):
            return thing
        for i, each in enumerate(list(thing)):
            new = self.visit(f"{path}[{i}]", each, depth)
            if new is not each:
                thing[i] = new
        return thing

    def _tuple(self, path: str, thing: tuple[Any, ...], depth: int) -> Any:
        names = getattr(thing, "_fields", None)
        paths = [f"{path}.{name}" for name in names] if names else [f"{path}[{i}]" for i in range(len(thing))]
        items = [self.visit(name, each, depth) for name, each in zip(paths, thing, strict=False)]
        if all(new is old for new, old in zip(items, thing, strict=True)):
            return thing
        return tuple.__new__(type(thing), items)

    def _set(self, path: str, thing: Any, depth: int) -> Any:
        items = list(thing)
        new = [self.visit(f"{path}{{}}", each, depth) for each in items]
        is_new = any(a is not b for a, b in zip(new, items, strict=True))
        if isinstance(thing, frozenset):
            return type(thing)(new) if is_new else thing
        if is_new:
            thing.clear()
            thing.update(new)
        self.containers.append(thing)
        return thing

    def _is_bare(self, thing: types.FunctionType) -> bool:
        """Whether a function of the program leads to nothing new, as most do."""
        return (
            id(thing.__globals__) in self._made
            and not (thing.__closure__ or thing.__defaults__ or thing.__kwdefaults__ or thing.__dict__)
            and is_target(thing.__module__ or "", self._module)
        )

    def _function(self, path: str, thing: types.FunctionType, depth: int) -> Any:
        if not is_target(thing.__module__ or "", self._module):
            return thing
        names = thing.__code__.co_varnames[: thing.__code__.co_argcount]
        if thing.__defaults__:
            defaults = thing.__defaults__
            names = names[len(names) - len(defaults) :]
            items = tuple([self.visit(name, each, depth) for name, each in zip(names, defaults, strict=True)])
            if any(a is not b for a, b in zip(items, defaults, strict=True)):
                thing.__defaults__ = self._made.setdefault(id(defaults), (defaults, items))[1]
        keywords = thing.__kwdefaults__ or {}
        for name, each in keywords.items():
            keywords[name] = self.visit(name, each, depth)
        inside = f"({path})." if path.startswith(("return", "(")) else ""
        for name, cell in zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True):
            self._cell(f"{inside}{name}", cell, depth)
        if vars(thing):
            self._dict(path, vars(thing), depth)
        module = sys.modules.get(thing.__module__ or "")
        if module is None or not is_installed(module):
            self.namespace("", thing.__globals__, depth)
        return thing

    def _cell(self, path: str, cell: Any, depth: int) -> Any:
        try:
            each = cell.cell_contents
        except ValueError:
            return cell
        new = self.visit(path, each, depth)
        if new is not each:
            cell.cell_contents = new
        return cell

    def _method(self, path: str, thing: types.MethodType, depth: int) -> Any:
        owner = self.visit(path, thing.__self__, depth)
        function = self.visit(path, thing.__func__, depth)
        return thing if owner is thing.__self__ else types.MethodType(function, owner)

    def _partial(self, path: str, thing: Any, depth: int) -> Any:
        function = self.visit(path, thing.func, depth)
        args = self.visit(f"{path}.args", thing.args, depth)
        self.visit(path, thing.keywords, depth)
        if args is not thing.args or function is not thing.func:
            thing.__setstate__((function, args, thing.keywords, vars(thing)))
        return thing

    def _alias(self, path: str, thing: Any, depth: int) -> Any:
        args = self.visit(path, thing.__args__, depth)
        return thing if args is thing.__args__ else types.GenericAlias(thing.__origin__, args)

    def _module_object(self, path: str, thing: types.ModuleType, depth: int) -> Any:
        if not is_target(thing.__name__, self._module):
            return self._replace(path, thing)
        if not is_installed(thing):
            self.namespace(f"{thing.__name__}.", vars(thing), depth)
        return thing

    def namespace(self, prefix: str, names: dict[str, Any], depth: int = 0) -> None:
        """Visit the globals of a module."""
        if id(names) in self._made:
            return
        self._made[id(names)] = (names, names)
        self.containers.append(names)
        for name, each in list(names.items()):
            if name.startswith("__") and name.endswith("__"):
                continue
            new = self.visit(f"{prefix}{name}", each, depth + 1)
            if new is not each:
                names[name] = new

    def _class(self, path: str, thing: type, depth: int) -> Any:
        if not is_target(thing.__module__, self._module):
            return thing
        self.containers.append(thing)
        for name, each in list(vars(thing).items()):
            if name in ("__dict__", "__weakref__", "__doc__", "__module__", "__qualname__"):
                continue
            new = self.visit(f"{path}.{name}", each, depth)
            if new is not each:
                type.__setattr__(thing, name, new)
        return thing

    def _wrapper(self, path: str, thing: Any, depth: int) -> Any:
        self.visit(path, thing.__func__, depth)
        return thing

    def _property(self, path: str, thing: property, depth: int) -> Any:
        for each in (thing.fget, thing.fset, thing.fdel):
            self.visit(path, each, depth)
        return thing

    def _exception(self, path: str, thing: BaseException, depth: int) -> Any:
        args = self.visit(f"{path}.args", thing.args, depth)
        if args is not thing.args:
            thing.args = args
        for name in ("obj", "value"):  # AttributeError and StopIteration keep an object
            each = getattr(thing, name, None) if isinstance(thing, (AttributeError, StopIteration)) else None
            new = self.visit(f"{path}.{name}", each, depth)
            if new is not each:
                setattr(thing, name, new)
        for each in (thing.__cause__, thing.__context__):
            self.visit(path, each, depth)
        return thing


def _renamed(thing: dict[Any, Any], key: Any, new_key: Any) -> None:
    """Replace a key, and keep its position."""
    items = [(new_key if each is key else each, value) for each, value in thing.items()]
    thing.clear()
    thing.update(items)


_ATOMS = {int, float, str, bytes, bool, complex, type(None), type(Ellipsis), types.CodeType, range, slice}
_REPLACEABLE = {types.FunctionType, type}
_BUILT_IN = {"builtins", "types", "functools", "collections"}
_NAMESPACES: set[Any] = {types.SimpleNamespace, __import__("argparse").Namespace, dataclasses.Field}
_VISITS: dict[type, Any] = {
    dict: Walk._dict,
    list: Walk._list,
    tuple: Walk._tuple,
    set: Walk._set,
    frozenset: Walk._set,
    collections.deque: Walk._list,
    collections.OrderedDict: Walk._dict,
    collections.defaultdict: Walk._dict,
    types.FunctionType: Walk._function,
    types.MethodType: Walk._method,
    types.CellType: Walk._cell,
    types.ModuleType: Walk._module_object,
    functools.partial: Walk._partial,
    types.GenericAlias: Walk._alias,
    type: Walk._class,
    staticmethod: Walk._wrapper,
    classmethod: Walk._wrapper,
    property: Walk._property,
    BaseException: Walk._exception,
}
