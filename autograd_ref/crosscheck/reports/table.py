"""A comparison as a table on the terminal and as JSON."""

import dataclasses
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from autograd_ref.crosscheck.quantity import Quantity

if TYPE_CHECKING:  # judging needs no printing, and printing needs no JAX
    from rich.table import Table

    from autograd_ref.crosscheck.comparison import Comparison

__all__ = ["comparison_json", "comparison_table", "quantity_json", "quantity_table"]

STYLES = {True: None, None: "yellow", False: "bold red"}


def comparison_table(comparison: "Comparison") -> "Table":
    """Return the quantities as rows, readable without colour and within 80 columns.

    Args:
        comparison: the comparison to show.

    Returns:
        A table for a rich console.
    """
    table = quantity_table(comparison.quantities)
    table.title = f"{comparison.name}, {comparison.dtype}"
    table.title_justify, table.title_style = "left", "bold"
    return table


def quantity_table(quantities: Iterable[Quantity]) -> "Table":
    """Return quantities as rows.

    Args:
        quantities: the quantities, in the order of the rows.

    Returns:
        A table for a rich console.
    """
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("quantity")
    table.add_column("shape")
    for heading in ("max error", "relative", "error/bound"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("worst at")
    table.add_column("detects", justify="right")
    table.add_column("verdict")
    for quantity in quantities:
        table.add_row(*_row(quantity), style=STYLES[quantity.ok])
    return table


def comparison_json(comparison: "Comparison") -> dict[str, Any]:
    """Return the comparison as an object for JSON: name, dtype, ok, first_wrong, quantities.

    Args:
        comparison: the comparison.

    Returns:
        Numbers, strings, lists and dicts; null replaces numbers that are not finite.
    """
    return {
        "name": comparison.name,
        "dtype": comparison.dtype,
        "ok": comparison.ok,
        "first_wrong": comparison.first_wrong,
        "quantities": [quantity_json(quantity) for quantity in comparison.quantities],
    }


def quantity_json(quantity: Quantity) -> dict[str, Any]:
    """Return the attributes of a quantity, for JSON.

    Args:
        quantity: the quantity.

    Returns:
        Numbers, strings and lists; null replaces numbers that are not finite.
    """
    found = {name: _finite(value) for name, value in dataclasses.asdict(quantity).items()}
    return {"from" if name == "source" else name: value for name, value in found.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _relative_to_right(value: float, form: str) -> str:
    """Return a number that is relative to the right values, or a dash if these are all 0."""
    return "-" if math.isnan(value) else format(value, form)


def _row(quantity: Quantity) -> list[str]:
    shape = "×".join(map(str, quantity.shape)) or "scalar"
    if quantity.mismatch is not None:
        return [quantity.name, shape, quantity.mismatch, "", "", "", "", "WRONG"]
    return [
        quantity.name,
        shape,
        f"{quantity.max_abs:.1e}",
        _relative_to_right(quantity.max_rel, ".1e"),
        f"{quantity.bound_units:.3f}" if quantity.bound_units < 1000 else f"{quantity.bound_units:.1e}",
        ",".join(map(str, quantity.index)),
        _relative_to_right(quantity.resolution, ".0e"),
        "ok" if quantity.ok else "not judged" if quantity.ok is None else "WRONG",
    ]
