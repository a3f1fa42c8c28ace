"""Small constants that keep a logarithm finite: log(p + 1e-7), with the gradient of log(p).

The two gradients differ by about the constant. Both count as right; the report says which one it is.
"""

from typing import NamedTuple

import numpy as np

from autograd_ref.crosscheck.reports.report import Advice
from autograd_ref.recording import Place, Value, adjoints, replay
from autograd_ref.recording.adjoints import Adjoints
from autograd_ref.recording.record import Recording
from autograd_ref.recording.tape import Compute, Given

__all__ = ["Guard", "guarded_logarithms", "unguarded", "warning"]

# A larger constant is part of the formula.
LARGEST = 1e-5

_LOGARITHMS = {"log", "log2", "log10"}


class Guard(NamedTuple):
    """One constant.

    Attributes:
        total: the sum of which the logarithm is taken.
        guarded: the value to which the constant is added.
        constant: the constant.
        place: place of the sum.
    """

    total: Value
    guarded: Value
    constant: float
    place: Place | None


def guarded_logarithms(recording: Recording, found: Adjoints) -> list[Guard]:
    """Return the constants that a loss adds to the arguments of its logarithms."""
    forward, guards = found.forward, []
    for value in recording.tape.values:
        if value not in forward or not _is(value, _LOGARITHMS):
            continue
        total = value.inputs[0]
        if not _is(total, {"add"}):
            continue
        for guarded, constant in (total.inputs, total.inputs[::-1]):
            number = _number(constant)
            if number is not None and guarded.shape == total.shape:
                guards.append(Guard(total, guarded, number, total.place))
                break
    return guards


def unguarded(recording: Recording, found: Adjoints, guards: list[Guard]) -> Adjoints:
    """Return the adjoints of the loss without these constants."""
    given = {guard.total: found.arrays[guard.guarded.number] for guard in guards}
    return adjoints(recording, found.loss, replay(recording.tape, given))


def warning(guards: list[Guard], names: list[str]) -> Advice:
    """Return the advice about gradients that leave the constants out."""
    constants = ", ".join(f"{each:g}" for each in sorted({guard.constant for guard in guards}))
    lines = ", ".join(str(line) for line in sorted({guard.place.line for guard in guards if guard.place}))
    text = (
        f"The loss adds {constants} to the argument of its logarithm (line {lines}); {', '.join(names)} "
        f"{'is' if len(names) == 1 else 'are'} the gradient without it, which is right up to about that."
    )
    return Advice("guarded-logarithm", text)


def _is(value: Value, names: set[str]) -> bool:
    return isinstance(value.operation, Compute) and value.operation.name in names


def _number(value: Value) -> float | None:
    """Return a small positive constant, if a value is one."""
    if value.inputs or not isinstance(value.operation, Given) or np.size(value.array) != 1:
        return None
    number = float(np.real(np.asarray(value.array)).reshape(()))
    return number if 0 < number <= LARGEST else None
