"""Replace operands by other values: another variable, an older content of the memory, another size."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.blame.names import function_at, place_of_node
from autograd_ref.crosscheck.program.blame.source import statement_at
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.blame.trial import Edit, Expression, computed, everywhere
from autograd_ref.crosscheck.program.blame.words import in_words
from autograd_ref.recording import Place, Value
from autograd_ref.recording.tape import Given, Write

__all__ = ["older_operands", "other_numbers", "other_operands"]

_MOST_OPERANDS = 60


def other_operands(expression: Expression, tapes: Tapes) -> Iterator[Edit]:
    """Yield edits with other values of the same shape in place of the operands."""
    first = expression.first
    for i, operand in enumerate(first.inputs):
        if operand.dtype.kind not in "fb" or not operand.shape:
            continue
        for other in tapes.alike(operand, first.number)[:_MOST_OPERANDS]:
            mapped = _in_step(other, expression, tapes)
            if mapped is None:
                continue

            def change(
                value: Value, inputs: list[np.ndarray], point: int, i: int = i, mapped: Any = mapped
            ) -> np.ndarray:
                new = np.asarray(tapes.points[point].run.found.arrays[mapped[value.number]])
                return computed(value, value.operation, [new if j == i else x for j, x in enumerate(inputs)])

            one, instead = in_words(operand, tapes), in_words(other, tapes)
            words = f"{instead} for {one}" if one != instead else f"another value of {one}"
            yield everywhere(expression, "name", words, change, 2.5)


def older_operands(expression: Expression, tapes: Tapes) -> Iterator[Edit]:
    """Yield edits with the content of a memory before a write."""
    for i, operand in enumerate(expression.first.inputs):
        if operand.place is None or not _is_in_place(operand):
            continue

        def change(value: Value, inputs: list[np.ndarray], point: int, i: int = i) -> np.ndarray:
            before = tapes.arrays(value.inputs[i].inputs[0])[point]
            return computed(value, value.operation, [before if j == i else x for j, x in enumerate(inputs)])

        words = f"{in_words(operand.inputs[0], tapes)} as it was before line {operand.place.line} changed it"
        yield everywhere(expression, "stale", words, change, 3.1)


def _is_in_place(value: Value) -> bool:
    """Whether a value was written into the memory of its first input."""
    assert value.place is not None  # noqa: S101
    is_updated = isinstance(statement_at(value.place).node, ast.AugAssign)
    return isinstance(value.operation, Write) or (
        is_updated and bool(value.inputs) and value.inputs[0].shape == value.shape
    )


def _in_step(other: Value, expression: Expression, tapes: Tapes) -> dict[int, int] | None:
    """Return, for each pass of a loop, the value that corresponds to another one in the first pass."""
    if len(expression.values) == 1:
        return {expression.first.number: other.number}
    same = tapes.made_with(other)
    if len(same) == 1 or (other in (same[0], same[-1]) and len(same) < len(expression.values)):
        return {each.number: other.number for each in expression.values}
    start = same.index(other)
    if start + len(expression.values) <= len(same):
        chosen = same[start : start + len(expression.values)]
    else:
        chosen = same[: start + 1][::-1][: len(expression.values)]
    if len(chosen) != len(expression.values):
        return None
    return {each.number: one.number for each, one in zip(expression.values, chosen, strict=True)}


def other_numbers(suspects: Collection[Value], tapes: Tapes) -> Iterator[Edit]:
    """Yield edits with other sizes for named numbers."""
    leaves = tapes.points[0].run.recording.leaves
    sizes = sorted(
        {size for leaf in leaves for size in leaf.value.shape} | {leaf.array.size for leaf in leaves}
    )
    users: dict[tuple[int, object], list[Value]] = {}
    for each in suspects:
        for source in each.inputs:
            if isinstance(source.operation, Given) and source.operation.is_number:
                users.setdefault((source.number, each._code), []).append(each)
    for (number, _), some in users.items():
        at = _named_at(tapes.values[number], some)
        if at is None:
            continue
        held = float(np.asarray(tapes.values[number].array, np.float64).reshape(()))
        for size in sizes:
            if size != held:

                def change(
                    value: Value, inputs: list[np.ndarray], _: int, number: int = number, size: int = size
                ) -> np.ndarray:
                    new = [
                        np.asarray(size, array.dtype) if source.number == number else array
                        for source, array in zip(value.inputs, inputs, strict=True)
                    ]
                    return computed(value, value.operation, new)

                yield Edit("index", f"{size} for {held:g}", {each.number: change for each in some}, at)


def _named_at(number: Value, users: list[Value]) -> Place | None:
    """Return the place where the name of a number in some expressions is assigned."""
    place = users[0].place
    function = None if place is None else function_at(place)
    if place is None or function is None:
        return None
    names = {
        node.id
        for user in users
        if user.place is not None and (statement := statement_at(user.place).node) is not None
        for node in ast.walk(statement)
        if isinstance(node, ast.Name)
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Name, ast.Tuple)):
            made = {each.id for each in ast.walk(node.targets[0]) if isinstance(each, ast.Name)}
            parts = {each.attr for each in ast.walk(node.value) if isinstance(each, ast.Attribute)}
            calls = {each.id for each in ast.walk(node.value) if isinstance(each, ast.Name)}
            if made & names and (parts & {"shape", "size"} or "len" in calls):
                return place_of_node(node, place)
    return None
