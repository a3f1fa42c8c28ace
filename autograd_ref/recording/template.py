"""Hashable templates of a call's arguments, from which everything that may be recorded is removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Group", "Literal", "Slot", "fill", "widened"]


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
    "float16", "float32", "float64", "float", "f", "f2", "f4", "f8", "d", "e", "half", "single", "double",
}  # fmt: skip
