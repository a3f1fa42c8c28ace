"""What a call left behind that may be a gradient: returned, stored, or written in place."""

from typing import NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.assigned.losses import Loss
from autograd_ref.crosscheck.program.assigned.returned import renamed
from autograd_ref.crosscheck.program.paths import Name, of_path
from autograd_ref.recording import Recording, Value
from autograd_ref.recording.adjoints import Adjoints
from autograd_ref.recording.tape import Given, Read

__all__ = ["Candidate", "candidates"]


class Candidate(NamedTuple):
    """Something that may be a gradient.

    Attributes:
        path: where it was found.
        name: what the program calls it.
        value: on the tape; None for what the tape does not know.
        array: itself.
        is_returned: whether it was returned.
    """

    path: str
    name: Name
    value: Value | None
    array: np.ndarray
    is_returned: bool


def candidates(
    recording: Recording, found: Adjoints, loss: Loss, names: dict[str, str], result: str = "return"
) -> list[Candidate]:
    """All floating arrays and numbers that the call made and the loss was not made from.

    Args:
        recording: of the call.
        found: the adjoints of its loss.
        loss: itself.
        names: what the return statement calls its parts.
        result: the path of what the program itself returned.

    Returns:
        What was returned before what was stored.
    """
    forward = found.forward
    known: list[Candidate] = []
    for path, (thing, value) in recording.final.items():
        if path == loss.path or np.asarray(thing).dtype.kind != "f":
            continue
        returned = path == result or path.startswith((f"{result}[", f"{result}."))
        if value is None and not returned:
            continue
        if value is not None and (value in forward or _was_there(value)):
            continue
        name = of_path(renamed(path, names) if returned else path)
        known.append(Candidate(path, name, value, np.asarray(thing), returned))
    return sorted(known, key=lambda each: not each.is_returned)


def _was_there(value: Value) -> bool:
    """Whether a value is what an array held before the call."""
    while isinstance(value.operation, Read):
        value = value.inputs[0]
    return isinstance(value.operation, Given) and value.operation.path is not None
