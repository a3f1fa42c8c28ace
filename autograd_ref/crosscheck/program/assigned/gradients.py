"""Find results of a call that may be gradients: returned, stored, or written in place."""

from typing import NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.assigned.losses import Loss
from autograd_ref.crosscheck.program.assigned.returned import renamed
from autograd_ref.crosscheck.program.paths import Name, of_path
from autograd_ref.recording import Recording, Value
from autograd_ref.recording.adjoints import Adjoints
from autograd_ref.recording.tape import Given, Read

__all__ = ["Candidate", "candidates", "was_there"]


class Candidate(NamedTuple):
    """A possible gradient.

    Attributes:
        path: its path.
        name: its name in the program.
        value: its value on the tape; None if it is not on the tape.
        array: the array.
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
    """Return all floating arrays and numbers that the call made and from which the loss was not computed.

    Args:
        recording: the recording of the call.
        found: the adjoints of its loss.
        loss: the loss.
        names: the names of the results in the return statement.
        result: the path of the program's own result.

    Returns:
        The returned ones, then the stored ones.
    """
    forward = found.forward
    known: list[Candidate] = []
    for path, (thing, value) in recording.final.items():
        if path == loss.path or np.asarray(thing).dtype.kind != "f":
            continue
        returned = path == result or path.startswith((f"{result}[", f"{result}."))
        if value is None and not returned:
            continue
        if value is not None and (value in forward or was_there(value)):
            continue
        name = of_path(renamed(path, names) if returned else path)
        known.append(Candidate(path, name, value, np.asarray(thing), returned))
    return sorted(known, key=lambda each: not each.is_returned)


def was_there(value: Value) -> bool:
    """Whether a value is the content of an array before the call."""
    while isinstance(value.operation, Read):
        value = value.inputs[0]
    return isinstance(value.operation, Given) and value.operation.path is not None
