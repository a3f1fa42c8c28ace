"""Changes of what several expressions have in common: a number with a name, or what a call was given."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

import numpy as np

from autograd_ref.crosscheck.program.blame.edits import Edit
from autograd_ref.crosscheck.program.blame.names import function_at, place_of_node
from autograd_ref.crosscheck.program.blame.source import is_own, statement_at
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.blame.trial import Change, computed
from autograd_ref.recording import Place, Value
from autograd_ref.recording.tape import Given

__all__ = ["common_edits"]


def common_edits(suspects: Collection[Value], tapes: Tapes) -> Iterator[Edit]:
    """Other sizes for named numbers, and what a call was given in the neighbouring pass of a loop."""
    yield from _of_numbers(suspects, tapes)
    yield from _of_calls(suspects, tapes)


def _of_numbers(suspects: Collection[Value], tapes: Tapes) -> Iterator[Edit]:
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
    """The assignment of a name that stands for a number in some expressions."""
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


def _of_calls(suspects: Collection[Value], tapes: Tapes) -> Iterator[Edit]:
    calls: dict[object, list[Value]] = {}
    for each in tapes.values:
        if tapes.is_backward(each) and each._callers:
            calls.setdefault(each._callers[0], []).append(each)
    met = {each._callers[0] for each in suspects if each._callers}
    for call in met:
        inside = calls[call]
        place = inside[0].calls[0]
        if is_own(place.file):
            continue
        for step in (1, -1):
            changed: dict[int, Change] = {}
            for value in inside:
                other = _in_other_pass(value, step, tapes)
                if other is None:
                    continue
                if all(each in tapes.forward or isinstance(each.operation, Given) for each in value.inputs):

                    def theirs(_: Value, __: object, point: int, other: Value = other) -> np.ndarray:
                        return tapes.arrays(other)[point]

                    changed[value.number] = theirs
                    continue
                moved = _moved(value, other, tapes)
                if not moved:
                    continue

                def change(
                    value: Value, inputs: list[np.ndarray], point: int, moved: dict[int, Value] = moved
                ) -> np.ndarray:
                    new = [tapes.arrays(moved[i])[point] if i in moved else x for i, x in enumerate(inputs)]
                    return computed(value, value.operation, new)

                changed[value.number] = change
            if changed:
                words = f"what belongs to the {'next' if step > 0 else 'previous'} pass of the loop"
                yield Edit("index", words, changed, place)


def _in_other_pass(value: Value, step: int, tapes: Tapes) -> Value | None:
    """What the same expression made in the next or previous pass."""
    same = tapes.passes(value)
    return same[(same.index(value) + step) % len(same)] if len(same) > 1 else None


def _moved(value: Value, other: Value, tapes: Tapes) -> dict[int, Value]:
    """The forward values that the same expression used in another pass, by their positions."""
    return {
        i: theirs
        for i, (mine, theirs) in enumerate(zip(value.inputs, other.inputs, strict=False))
        if mine in tapes.forward and theirs in tapes.forward and mine.shape == theirs.shape
    }
