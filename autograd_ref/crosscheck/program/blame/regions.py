"""Go back from each wrong gradient to values that are right; everything in between may be wrong.

A value counts as right if it is an adjoint, a contribution, a sum of contributions, or a multiple that later
becomes one. Then its inputs count as right, too. If memory was written in parts, the walk follows only the
wrong entries.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from autograd_ref.crosscheck.program.blame.known import Known, Meaning
from autograd_ref.crosscheck.program.blame.tapes import Output, Tapes
from autograd_ref.recording import Value
from autograd_ref.recording.meaning.operations import is_elementwise
from autograd_ref.recording.memory import lay_out, window
from autograd_ref.recording.tape import Compute, Given, Read, Write

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
    """

    output: Output
    suspects: list[Value] = field(default_factory=list)
    frontier: dict[int, list[Value]] = field(default_factory=dict)
    unwritten: Value | None = None


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
        for source, part in _sources(value, mask):
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


def _sources(value: Value, mask: np.ndarray) -> list[tuple[Value, np.ndarray]]:
    """Return the inputs of the marked entries of a value, with the masks of their relevant entries."""
    operation = value.operation
    if isinstance(operation, Read) and not operation.at.halves:
        source = value.inputs[0]
        flat = lay_out(np.zeros(source.shape, bool), operation.root).copy()
        window(flat, operation.at)[...] = mask
        return [(source, window(flat, operation.root).copy())]
    if isinstance(operation, Write) and not operation.at.halves:
        flat = lay_out(np.array(mask), operation.root).copy()
        written = window(flat, operation.at).copy()
        window(flat, operation.at)[...] = False
        rest = window(flat, operation.root).copy()
        old, new = value.inputs
        found = [(new, _gathered(written, new.shape))] if written.any() else []
        return found + ([(old, rest)] if rest.any() else [])
    if isinstance(operation, Compute) and is_elementwise(operation):
        return [(each, _gathered(mask, each.shape)) for each in value.inputs]
    return [(each, np.ones(each.shape, bool)) for each in value.inputs]


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
