"""Arrays that are part of a larger one, and their adjoints, kept apart where arrays overlap."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.paths import shown
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.recording import Leaf, Recording, Value
from autograd_ref.recording.adjoints import Adjoints
from autograd_ref.recording.layouts import lay_out, positions, window
from autograd_ref.recording.tape import Read, Write

__all__ = ["adjoint_by", "apart", "first_of", "refuse_overlaps"]


def first_of(leaf: Leaf) -> Value:
    """Return the value whose adjoint contains a leaf's: itself, or the memory that it is part of."""
    value = leaf.value
    return value.inputs[0] if isinstance(value.operation, Read) else value


def adjoint_by(found: Adjoints, leaf: Leaf) -> np.ndarray | None:
    """Return the derivative with respect to a leaf; None if the loss does not depend on it.

    Args:
        found: the adjoints.
        leaf: a whole array, or a part of a larger one.
    """
    memory, operation = first_of(leaf), leaf.value.operation
    if memory not in found.of:
        return None
    centre = found.of[memory].centre
    if not isinstance(operation, Read):
        return centre
    part = window(lay_out(centre, operation.root), operation.at)
    return part if part.any() or _is_read(found, leaf) else None


def refuse_overlaps(recording: Recording, found: Adjoints, asked: set[str]) -> None:
    """Refuse a gradient for a part of an array if the loss also reads another, overlapping part.

    Args:
        recording: the recording of the call.
        found: the adjoints of its loss.
        asked: paths of the leaves that have a gradient.

    Raises:
        NotJudged: the contributions through the two parts cannot be separated.
    """
    for leaf in recording.leaves:
        operation = leaf.value.operation
        if leaf.path not in asked or not isinstance(operation, Read):
            continue
        own = set(positions(operation.at).ravel().tolist())
        for read in _reads(found, first_of(leaf)):
            others = None if read is None else set(positions(read.at).ravel().tolist())
            if others is None or (others & own and not others <= own):
                raise NotJudged(
                    f"{shown(leaf.path)} shares memory with another array that is also read, so their "
                    f"gradients cannot be separated: give the call a copy, {shown(leaf.path)}.copy()"
                )


def apart(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]] | None:
    """Return arguments in which the same array is given once and then as copies; None if none is repeated."""
    seen, copies = set[int](), list[np.ndarray]()

    def own(thing: Any) -> Any:
        if not isinstance(thing, np.ndarray) or thing.dtype.kind != "f":
            return thing
        if id(thing) not in seen:
            seen.add(id(thing))
            return thing
        copies.append(thing.copy())
        return copies[-1]

    given = [own(each) for each in args], {name: own(each) for name, each in kwargs.items()}
    return given if copies else None


def _is_read(found: Adjoints, leaf: Leaf) -> bool:
    own = set(positions(leaf.value.operation.at).ravel().tolist())  # type: ignore[union-attr]
    reads = _reads(found, first_of(leaf))
    return any(read is None or not own.isdisjoint(positions(read.at).ravel().tolist()) for read in reads)


def _reads(found: Adjoints, memory: Value) -> list[Read | None]:
    """Return the positions at which the loss reads a memory; None for the whole."""
    versions, reads = {memory}, list[Read | None]()
    for value in sorted(found.forward, key=lambda each: each.number):
        if versions.isdisjoint(value.inputs):
            continue
        if isinstance(value.operation, Read):
            reads.append(value.operation)
        elif isinstance(value.operation, Write) and value.inputs[0] in versions:
            versions.add(value)
        else:
            reads.append(None)
    return reads
