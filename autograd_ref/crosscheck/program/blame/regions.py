"""Go back from each wrong gradient to values that are right; everything in between may be wrong.

A value counts as right if it is an adjoint, a contribution, a sum of contributions, or a multiple that later
becomes one. Then its inputs count as right, too. If memory was written in parts, the walk follows only the
wrong entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from autograd_ref.crosscheck.program.blame.known import Known, Meaning
from autograd_ref.crosscheck.program.blame.tapes import Output, Tapes
from autograd_ref.recording import Value, moves
from autograd_ref.recording.layouts import extent, lay_out, window
from autograd_ref.recording.meaning.operations import is_elementwise
from autograd_ref.recording.tape import Compute, Given, Move, Read, Write
from autograd_ref.recording.template import widened

__all__ = ["Region", "Trust", "region_of"]


class Trust:
    """The backward values that are known to be right.

    Attributes:
        trusted: the numbers of these values.
        cleared: for the numbers of values from which such a value was computed, the confidence that they
            are right: terms may be wrong although their sum is right.
    """

    def __init__(self, tapes: Tapes, known: Known):
        self.tapes, self.known = tapes, known
        self.trusted: set[int] = set()
        self.cleared: dict[int, float] = {}
        wrong = {each.value.number for each in tapes.outputs if each.is_wrong}
        right = {each.value.number for each in tapes.outputs} - wrong
        for value in reversed(tapes.backward):
            users = [each.number for each in tapes.uses.get(value.number, ())]
            meanings = known.of(value)
            becomes = any(each in self.trusted for each in users)
            if value.number in right or (
                value.number not in wrong and meanings and (becomes or any(map(is_whole, meanings)))
            ):
                self.trusted.add(value.number)
            sure = [self._clears(each, value) for each in tapes.uses.get(value.number, ())]
            if any(sure):
                self.cleared[value.number] = max(sure)

    def is_trusted(self, value: Value) -> bool:
        """Whether a value is right, or existed before the backward part."""
        return value in self.tapes.forward or value.number in self.trusted

    def _clears(self, user: Value, value: Value) -> float:
        sure = 1.0 if user.number in self.trusted else self.cleared.get(user.number, 0.0)
        return sure * (1.0 if np.prod(user.shape) >= np.prod(value.shape) else 0.5)


def is_whole(meaning: Meaning) -> bool:
    """Whether a value needs no further factor."""
    return abs(meaning.factor - 1) < 1e-7


@dataclass
class Region:
    """The possible causes of one wrong gradient.

    Attributes:
        output: the gradient.
        suspects: the values that may be wrong, from the gradient back.
        frontier: the right values from which each of them, by number, was computed.
        unwritten: the newly created memory whose wrong entries were never written.
        writes: memories with wrong entries that were just written, and either no others, or as many that
            should have been written instead.
    """

    output: Output
    suspects: list[Value] = field(default_factory=list)
    frontier: dict[int, list[Value]] = field(default_factory=dict)
    unwritten: Value | None = None
    writes: list[Value] = field(default_factory=list)


def region_of(output: Output, tapes: Tapes, trust: Trust) -> Region:
    """Go back from a wrong gradient to right values."""
    found = Region(output)
    masks: dict[int, np.ndarray] = {output.value.number: _wrong_entries(output, tapes)}
    for number in range(output.value.number, -1, -1):
        mask = masks.pop(number, None)
        if mask is None:
            continue
        value = tapes.values[number]
        if isinstance(value.operation, Given) and not value.operation.is_number and value.shape:
            found.unwritten = value
        if not tapes.is_backward(value):
            continue
        found.suspects.append(value)
        written = _written(value, tapes)
        if written is not None and len(tapes.passes(value)) == 1 and _explains(written, mask):
            found.writes.append(value)
        for source, part in _sources(value, mask, written, tapes):
            if trust.is_trusted(source):
                found.frontier.setdefault(number, []).append(source)
            elif not isinstance(source.operation, Given) or isinstance(value.operation, (Read, Write)):
                known = masks.get(source.number)
                masks[source.number] = part if known is None else known | part
    return found


def _wrong_entries(output: Output, tapes: Tapes) -> np.ndarray:
    """Return the mask of a gradient's wrong entries at the first point."""
    everywhere = np.ones(output.value.shape, bool)
    if output.is_change:
        return everywhere
    hand = output.own(tapes.arrays(output.value)[0])
    right = tapes.right(output.index)[0]
    if hand.shape != right.shape:
        return everywhere
    size = np.abs(right).max(initial=0.0)
    wrong = np.asarray(~(np.abs(hand - right) <= 1e-7 * size))
    if not wrong.any():
        return everywhere
    if output.part is None:
        return wrong
    whole = np.zeros(output.value.shape, bool)
    output.own(whole)[...] = wrong  # a view
    return whole


def _explains(written: np.ndarray, wrong: np.ndarray) -> bool:
    """Whether all wrong entries were written, or as many others should have been written instead."""
    inside, outside = np.count_nonzero(wrong & written), np.count_nonzero(wrong & ~written)
    return bool(inside > 0 and outside in (0, inside) and not written.all())


def _written(value: Value, tapes: Tapes) -> np.ndarray | None:
    """Return the mask of the entries of a memory that were just written."""
    operation = value.operation
    if isinstance(operation, Write) and not operation.at.halves:
        flat = np.zeros(extent(operation.root), bool)
        window(flat, operation.at)[...] = True
        return window(flat, operation.root).copy()
    if isinstance(operation, Move) and operation.name == "setitem":
        marks = [np.zeros(value.shape, bool), *_arrays(value.inputs[1:-1], tapes), np.True_]
        return np.asarray(moves.move(operation, marks, widened))
    return None


def _arrays(values: Sequence[Value], tapes: Tapes) -> list[np.ndarray]:
    return [np.asarray(tapes.points[0].run.found.arrays[each.number]) for each in values]


def _sources(
    value: Value, mask: np.ndarray, written: np.ndarray | None, tapes: Tapes
) -> list[tuple[Value, np.ndarray]]:
    """Return the inputs of the marked entries of a value, with the masks of their relevant entries."""
    operation = value.operation
    if isinstance(operation, Read) and not operation.at.halves:
        source = value.inputs[0]
        flat = lay_out(np.zeros(source.shape, bool), operation.root).copy()
        window(flat, operation.at)[...] = mask
        return [(source, window(flat, operation.root).copy())]
    if isinstance(operation, Move) and operation.name == "getitem":
        source = value.inputs[0]
        at = moves.move(operation, [_positions(source), *_arrays(value.inputs[1:], tapes)], widened)
        marked = np.zeros(source.shape, bool)
        marked.reshape(-1)[np.asarray(at)[mask]] = True
        return [(source, marked), *((each, np.ones(each.shape, bool)) for each in value.inputs[1:])]
    if written is not None:
        old, new = value.inputs[0], value.inputs[-1]
        found = [(new, np.ones(new.shape, bool))] if (mask & written).any() else []
        if isinstance(operation, Write) and found:
            flat = lay_out(np.array(mask), operation.root)
            found = [(new, _gathered(window(flat, operation.at).copy(), new.shape))]
        found += [(each, np.ones(each.shape, bool)) for each in value.inputs[1:-1]]
        rest = mask & ~written
        return found + ([(old, rest)] if rest.any() else [])
    if isinstance(operation, Compute) and is_elementwise(operation):
        return [(each, _gathered(mask, each.shape)) for each in value.inputs]
    return [(each, np.ones(each.shape, bool)) for each in value.inputs]


def _positions(value: Value) -> np.ndarray:
    return np.arange(int(np.prod(value.shape))).reshape(value.shape)


def _gathered(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Convert a mask of a broadcast array to a mask of the array itself."""
    if mask.shape == shape:
        return mask
    extra = mask.ndim - len(shape)
    if extra < 0:
        return np.ones(shape, bool)
    found = np.asarray(mask.any(axis=tuple(range(extra))))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and found.shape[i] != 1)
    found = np.asarray(found.any(axis=axes, keepdims=True)) if axes else found
    return found if found.shape == shape else np.ones(shape, bool)
