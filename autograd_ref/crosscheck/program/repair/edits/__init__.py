"""Single edits of a statement, one family per file, in the order of how common the mistake is."""

from collections.abc import Callable, Iterator

from autograd_ref.crosscheck.program.repair.edits.axes import axes
from autograd_ref.crosscheck.program.repair.edits.constants import constants, indices
from autograd_ref.crosscheck.program.repair.edits.factors import factors
from autograd_ref.crosscheck.program.repair.edits.names import names
from autograd_ref.crosscheck.program.repair.edits.operands import operands
from autograd_ref.crosscheck.program.repair.edits.operators import assignments, functions, operators
from autograd_ref.crosscheck.program.repair.edits.siblings import siblings
from autograd_ref.crosscheck.program.repair.edits.signs import signs
from autograd_ref.crosscheck.program.repair.edits.statements import copies, inserted, moved, removed
from autograd_ref.crosscheck.program.repair.edits.stores import stores
from autograd_ref.crosscheck.program.repair.edits.transposes import transposes
from autograd_ref.crosscheck.program.repair.site import Edit, Site

__all__ = ["FAMILIES", "edits"]

Family = Callable[[Site], Iterator[Edit]]

FAMILIES: tuple[tuple[Family, str], ...] = (
    (signs, "operator"),
    (operators, "operator"),
    (operands, "operand"),
    (names, "name"),
    (transposes, "transpose"),
    (axes, "axis"),
    (functions, "operator"),
    (constants, "factor"),
    (indices, "index"),
    (factors, "factor"),
    (assignments, "overwritten"),
    (copies, "overwritten"),
    (siblings, "term"),
    (inserted, "step"),
    (stores, "term"),
    (removed, "step"),
    (moved, "stale"),
)


def edits(site: Site) -> list[Edit]:
    """Return all single edits of a statement, the usual ones first, without repetitions."""
    found: dict[object, Edit] = {}
    for family, kind in FAMILIES:
        for each in family(site):
            kept = found.get(each.changes)
            if kept is None or each.cost < kept.cost:
                found[each.changes] = each._replace(kind=kind)
    return sorted(found.values(), key=lambda each: each.cost)
