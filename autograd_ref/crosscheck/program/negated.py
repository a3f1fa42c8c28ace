"""Calls that return the gradient of minus their result: forces of an energy, steps up a likelihood."""

import re

from autograd_ref.crosscheck.program.assigned.losses import climbs
from autograd_ref.crosscheck.program.calling.forms import Form, with_expression
from autograd_ref.crosscheck.program.paths import of_path
from autograd_ref.crosscheck.program.point import Run

__all__ = ["negated"]

_ENERGY = re.compile(r"(?:^|_)(?:energy|energies|potential|e|u|v|h|pe|pot)(?:_|$)", re.IGNORECASE)
_FORCE = re.compile(r"(?:^|_)(?:forces?|f)(?:_|$)", re.IGNORECASE)


def negated(form: Form, first: Run, sought: str | None) -> tuple[Form, str] | None:
    """Return the form with minus the loss, and what to say about it; None if the loss itself is meant.

    Args:
        form: the form of the call.
        first: a run of it.
        sought: the variable of the loss, if the call does not return it.
    """
    if sought is None and (form.loss is not None or form.leaves_variables):
        return None  # the user said what the loss is
    path = first.loss.path
    text = sought or (f"out{path.removeprefix('return')}" if path.startswith("return") else path)
    name = sought or of_path(first.names.get(path, path)).name
    if _ENERGY.search(name) and _has_forces(first):
        told = "minus the energy, for forces"
    elif climbs(name) and _only_moves(first):
        told = f"minus {name}, for steps up"
    else:
        return None
    return with_expression(form.results[1], f"-({text})", {}, leaves_variables=form.leaves_variables), told


def _has_forces(first: Run) -> bool:
    return any(_FORCE.search(each.name.name) for each in first.candidates() if each.array.ndim)


def _only_moves(first: Run) -> bool:
    pairs = first.assignment({}).pairs
    return bool(pairs) and all(pair.is_change for pair in pairs)
