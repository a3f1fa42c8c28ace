"""Undo common mistakes on the tape: single changes of one expression, wherever it ran."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.blame.names import rebound_at
from autograd_ref.crosscheck.program.blame.operands import older_operands, other_operands
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.blame.trial import Edit, Expression, computed, everywhere
from autograd_ref.crosscheck.program.blame.words import taken_at
from autograd_ref.recording import Value
from autograd_ref.recording.layouts import extent, lay_out, window
from autograd_ref.recording.tape import Compute, Given, Layout, Move, Read, Write
from autograd_ref.recording.template import Group, Literal

__all__ = ["edits_of"]

_OTHERS = {
    "add": ("subtract", "multiply", "divide"),
    "subtract": ("add", "multiply", "divide"),
    "multiply": ("divide", "add", "subtract", "power"),
    "divide": ("multiply", "add", "subtract"),
    "matmul": (),
    "power": ("multiply", "divide", "add"),
    "maximum": ("minimum",),
    "minimum": ("maximum",),
    "greater": ("less", "greater_equal", "less_equal"),
    "less": ("greater", "greater_equal", "less_equal"),
    "greater_equal": ("less", "greater", "less_equal"),
    "less_equal": ("greater", "less", "greater_equal"),
    "equal": ("not_equal",),
    "not_equal": ("equal",),
    "logical_and": ("logical_or",),
    "logical_or": ("logical_and",),
}
_UNARY = {
    "negative": ("positive", "square"),
    "positive": ("negative",),
    "square": ("positive",),
    "exp": ("negative", "log"),
    "logical_not": ("positive",),
    "invert": ("positive",),
    "sin": ("cos",),
    "cos": ("sin",),
    "tanh": ("exp",),
    "sqrt": ("square", "positive"),
    "absolute": ("positive", "sign"),
    "sign": ("absolute",),
}


def edits_of(expression: Expression, tapes: Tapes) -> Iterator[Edit]:
    """Yield single changes of an expression, the most usual first."""
    operation = expression.first.operation
    if isinstance(operation, Compute):
        yield from _of_operator(expression)
        yield from _of_constants(expression)
        yield from _of_arguments(expression)
    if not isinstance(operation, Write):
        yield from older_operands(expression, tapes)
    if isinstance(operation, (Read, Write)):
        yield from _of_layout(expression)
    if isinstance(operation, Write):
        yield from _of_write(expression)
    if isinstance(operation, Move):
        yield from _of_arguments(expression)
    if isinstance(operation, (Compute, Move)):
        yield from _of_accumulation(expression, tapes)
        yield from other_operands(expression, tapes)


def _with(value: Value, **changed: Any) -> Any:
    """Return an operation with a change in it."""
    operation: Any = value.operation
    return operation._replace(**changed)


def _layout(value: Value) -> Read | Write:
    assert isinstance(value.operation, (Read, Write))  # noqa: S101
    return value.operation


def _of_operator(expression: Expression) -> Iterator[Edit]:
    operation: Any = expression.first.operation
    name = operation.name
    if operation.template == "__call__":
        for other in (*_OTHERS.get(name, ()), *_UNARY.get(name, ())):

            def change(value: Value, inputs: list[np.ndarray], _: int, other: str = other) -> np.ndarray:
                return computed(value, _with(value, name=other), inputs)

            words = f"{_WORDS.get(other, other)} for {_WORDS.get(name, name)}"
            yield everywhere(expression, "operator", words, change, 3.0 if name in _OTHERS else 2.8)
        if len(expression.first.inputs) == 2:
            yield everywhere(
                expression,
                "operand",
                "the operands swapped",
                lambda value, inputs, _: computed(value, value.operation, inputs[::-1]),
                2.7,
            )
            for i in (0, 1):

                def alone(value: Value, inputs: list[np.ndarray], _: int, i: int = i) -> np.ndarray:
                    return np.broadcast_to(inputs[i], value.shape)

                yield everywhere(
                    expression, "operand", f"only its {('first', 'second')[i]} operand", alone, 2.4
                )
        yield from _of_transposes(expression)
    elif name in ("dot", "matmul"):
        yield from _of_transposes(expression)
    yield everywhere(
        expression,
        "operator",
        "the other sign",
        lambda value, inputs, _: -computed(value, value.operation, inputs),
        2.6,
    )


def _of_transposes(expression: Expression) -> Iterator[Edit]:
    for i, each in enumerate(expression.first.inputs):
        if len(each.shape) == 2:

            def change(value: Value, inputs: list[np.ndarray], _: int, i: int = i) -> np.ndarray:
                return computed(value, value.operation, [x.T if j == i else x for j, x in enumerate(inputs)])

            yield everywhere(
                expression,
                "transpose",
                f"its {('first', 'second', 'third')[min(i, 2)]} operand transposed",
                change,
            )


def _of_constants(expression: Expression) -> Iterator[Edit]:
    for i, each in enumerate(expression.first.inputs):
        if not isinstance(each.operation, Given) or each.array is None or np.size(each.array) != 1:
            continue
        number = float(np.asarray(each.array, np.float64).reshape(()))
        others = dict.fromkeys([number - 1, number + 1, number / 2, number * 2], 2.9)
        unusual = {1.0: 2.4, 2.0: 2.8, 0.5: 2.8, 3.0: 2.7, -number: 2.3, 0.0: 2.3}
        for other, weight in {**unusual, 1 / (number or 1.0): 2.5, **others}.items():
            if other != number:

                def change(
                    value: Value, inputs: list[np.ndarray], _: int, i: int = i, other: float = other
                ) -> np.ndarray:
                    new = np.asarray(other, inputs[i].dtype if inputs[i].dtype.kind in "iu" else np.float64)
                    return computed(
                        value, value.operation, [new if j == i else x for j, x in enumerate(inputs)]
                    )

                yield everywhere(expression, "factor", f"{other:g} for {number:g}", change, weight)


def _of_arguments(expression: Expression) -> Iterator[Edit]:
    """Yield changes to other axes, a mean for a sum, another index."""
    operation: Any = expression.first.operation
    for template, words in _varied(operation.template):

        def change(value: Value, inputs: list[np.ndarray], _: int, template: Any = template) -> np.ndarray:
            return computed(value, _with(value, template=template), inputs)

        yield everywhere(expression, "index" if isinstance(operation, Move) else "axis", words, change)
    if isinstance(operation, Compute) and len(expression.first.inputs) == 1:
        source = expression.first.inputs[0]
        for divide in (True, False):

            def scaled(value: Value, inputs: list[np.ndarray], _: int, divide: bool = divide) -> np.ndarray:
                result = computed(value, value.operation, inputs)
                count = max(np.size(inputs[0]) // max(np.size(result), 1), 1)
                return result / count if divide else result * count

            if np.prod(source.shape) > np.prod(expression.first.shape):
                yield everywhere(
                    expression, "axis", "a mean for the sum" if divide else "a sum for the mean", scaled
                )


def _varied(template: Any) -> Iterator[tuple[Any, str]]:
    """Yield the template with one whole number in it changed, and what changed in words."""
    if isinstance(template, Literal):
        if template.kind is int:
            for step in (-1, 1, 2, 3, -2):
                yield Literal(int, template.value + step), f"{template.value + step} for {template.value}"
    elif isinstance(template, Group) and template.kind == "dict":
        for i, (key, each) in enumerate(template.items):
            if key in ("axis", "axes", "k", "shift"):
                for new, words in _varied(each):
                    items = (*template.items[:i], (key, new), *template.items[i + 1 :])
                    yield template._replace(items=items), f"{key} {words.replace(' for ', f' for {key} ')}"
    elif isinstance(template, Group):
        for i, each in enumerate(template.items):
            for new, words in _varied(each):
                yield template._replace(items=(*template.items[:i], new, *template.items[i + 1 :])), words
    elif isinstance(template, tuple) and not hasattr(template, "_fields"):
        for i, each in enumerate(template):
            for new, words in _varied(each):
                yield (*template[:i], new, *template[i + 1 :]), words


def _of_layout(expression: Expression) -> Iterator[Edit]:
    """Yield changes to the neighbouring entries of a memory."""
    operation: Any = expression.first.operation
    root = operation.root
    for axis, (stride, length) in enumerate(zip(root.strides, root.shape, strict=True)):
        for step in (1, -1) if stride and length > 1 else ():

            def change(
                value: Value, inputs: list[np.ndarray], _: int, axis: int = axis, step: int = step
            ) -> np.ndarray:
                at = _shifted(_layout(value).at, _layout(value).root, axis, step)
                return computed(value, _with(value, at=at), inputs)

            yield everywhere(expression, "index", f"the index {'+' if step > 0 else '-'} 1", change)


def _shifted(at: Layout, root: Layout, axis: int, step: int) -> Layout:
    """Return a layout moved by one along an axis of its memory, wrapped around like negative indices."""
    stride, length = root.strides[axis], root.shape[axis]
    index = (at.offset - root.offset) // stride % length
    moved = at._replace(offset=at.offset + ((index + step) % length - index) * stride)
    reach = sum(max(one, 0) * (n - 1) for one, n in zip(moved.strides, moved.shape, strict=True))
    if moved.offset < 0 or moved.offset + reach >= extent(root):
        raise IndexError(step)
    return moved


def _of_write(expression: Expression) -> Iterator[Edit]:
    """Yield changes between writing a value, and adding it to or subtracting it from the old one."""
    for sign in (1.0, -1.0):

        def change(value: Value, inputs: list[np.ndarray], _: int, sign: float = sign) -> np.ndarray:
            before = window(lay_out(np.array(inputs[0]), _layout(value).root), _layout(value).at)
            return computed(value, value.operation, [inputs[0], before + sign * inputs[1]])

        yield everywhere(expression, "overwritten", "+= for =" if sign > 0 else "-= for =", change)


def _of_accumulation(expression: Expression, tapes: Tapes) -> Iterator[Edit]:
    """Yield a change that adds a value to an unused one instead of replacing it."""
    before: dict[int, Value] = {}
    for value in expression.values:
        lost = tapes.lost(value)
        if lost is not None:
            before[value.number] = lost
    if not before:
        return
    own = {each.number for each in expression.values}
    for sign in (1.0, -1.0):
        made: dict[tuple[int, int], np.ndarray] = {}

        def change(
            value: Value, inputs: list[np.ndarray], point: int, sign: float = sign, made: Any = made
        ) -> np.ndarray:
            result = computed(value, value.operation, inputs)
            lost = before.get(value.number)
            if lost is not None:
                known = made[lost.number, point] if lost.number in own else tapes.arrays(lost)[point]
                result = known + sign * result
            made[value.number, point] = result
            return result

        edit = everywhere(expression, "overwritten", "+= for =" if sign > 0 else "-= for =", change)
        yield replace(edit, at=rebound_at(expression.first) or taken_at(expression.first))


_WORDS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "power": "**",
    "greater": ">",
    "less": "<",
    "greater_equal": ">=",
    "less_equal": "<=",
    "equal": "==",
    "not_equal": "!=",
    "positive": "its operand alone",
    "negative": "-",
    "square": "**2",
}
