"""Forces: minus the gradient of an energy."""

import re

from autograd_ref.crosscheck.program.calling.forms import Form, with_expression
from autograd_ref.crosscheck.program.paths import of_path
from autograd_ref.crosscheck.program.point import Run

__all__ = ["of_forces"]

_ENERGY = re.compile(r"(?:^|_)(?:energy|energies|potential|e|u|v|h|pe|pot)(?:_|$)", re.IGNORECASE)
_FORCE = re.compile(r"(?:^|_)(?:forces?|f)(?:_|$)", re.IGNORECASE)


def of_forces(form: Form, first: Run) -> Form | None:
    """Return the form of a call with minus its energy as the loss, if it computes an energy and forces.

    Args:
        form: the form of the call.
        first: a run of it.
    """
    path = first.loss.path
    if form.loss is not None or form.leaves_variables or not _ENERGY.search(_name(path, first)):
        return None
    others = [each.name.name for each in first.candidates() if each.array.ndim]
    if not any(_FORCE.search(name) for name in others):
        return None
    energy = f"out{path.removeprefix('return')}" if path.startswith("return") else path
    return with_expression(form.results[1], f"-{energy}", {})


def _name(path: str, first: Run) -> str:
    return of_path(first.names.get(path, path)).name
