"""Hashable templates of a call's arguments, from which everything that may be recorded is removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Slot", "fill", "freeze"]


class Slot(NamedTuple):
    """The place of an input, given by its position among the inputs."""

    position: int


class Literal(NamedTuple):
    """A constant with its type, because 1, 1.0 and True are equal but different arguments."""

    kind: type
    value: Any


class Group(NamedTuple):
    """A list, tuple, slice or dict of arguments."""

    kind: str
    items: tuple[Any, ...]


def freeze(argument: Any, is_input: Callable[[Any], bool], inputs: list[Any]) -> Any:
    """Return the template of an argument, and append its inputs to ``inputs``."""
    kind = type(argument)
    if kind in _CONSTANTS:
        return _literal(kind, argument)
    if kind is not tuple and is_input(argument):
        inputs.append(argument)
        return _slot(len(inputs) - 1)
    if isinstance(argument, (tuple, list)):
        name = "list" if isinstance(argument, list) else "tuple"
        return Group(name, tuple([freeze(each, is_input, inputs) for each in argument]))
    if isinstance(argument, slice):
        ends = (argument.start, argument.stop, argument.step)
        return Group("slice", tuple([freeze(each, is_input, inputs) for each in ends]))
    if isinstance(argument, dict):
        items = [(key, freeze(each, is_input, inputs)) for key, each in argument.items()]
        return Group("dict", tuple(items))
    return Literal(kind, argument if kind is not float else argument.hex())


# One object for each of the usual ones.
_literal: Callable[..., Literal] = lru_cache(1024)(Literal)
_slot = lru_cache(64)(Slot)


_CONSTANTS = {bool, int, str, type(None)}


def fill(template: Any, inputs: Sequence[Any], literal: Callable[[Any], Any] | None = None) -> Any:
    """Return the argument of a template, with other inputs.

    Args:
        template: a template from `freeze`.
        inputs: an input for every slot.
        literal: returns the replacement of a constant; by default, the constant is kept.
    """
    if isinstance(template, Slot):
        return inputs[template.position]
    if isinstance(template, Literal):
        value = float.fromhex(template.value) if template.kind is float else template.value
        return value if literal is None else literal(value)
    if isinstance(template, Group):
        if template.kind == "dict":
            return {key: fill(each, inputs, literal) for key, each in template.items}
        items = [fill(each, inputs, literal) for each in template.items]
        return (
            {"list": list, "tuple": tuple}[template.kind](items)
            if template.kind != "slice"
            else slice(*items)
        )
    raise TypeError(f"not a template: {template!r}")


def widened(literal: Any) -> Any:
    """Return float64 for a floating dtype of lower precision, and every other constant unchanged."""
    if isinstance(literal, np.dtype) and literal.kind in "fc":
        return np.dtype(np.float64 if literal.kind == "f" else np.complex128)
    if isinstance(literal, type) and issubclass(literal, (np.floating, float)):
        return np.float64
    if isinstance(literal, type) and issubclass(literal, (np.complexfloating, complex)):
        return np.complex128
    if isinstance(literal, str) and literal in _FLOATING_NAMES:
        return "float64"
    return literal


_FLOATING_NAMES = {
    "float16",
    "float32",
    "float64",
    "float",
    "f",
    "f2",
    "f4",
    "f8",
    "d",
    "e",
    "half",
    "single",
    "double",
}
