"""A superfluous or missing factor: a number, or a variable in scope."""

import ast
from collections.abc import Iterator

from autograd_ref.crosscheck.program.repair.site import PRODUCT, Edit, Expression, Site

__all__ = ["factors", "scalars"]

_NUMBERS = ("2", "0.5")


def factors(site: Site) -> Iterator[Edit]:
    """Yield edits that multiply or divide a value, or one of its terms, by a number."""
    for each in _to_scale(site):
        text = site.text(each.node, PRODUCT)
        for cost, factor in scalars(site):
            for symbol in ("/", "*"):
                if f"{symbol} {factor}" in ("/ 0.5", "* 0.5"):
                    continue
                change = site.replaced(each, f"{text} {symbol} {factor}", PRODUCT)
                missing = f"the factor {factor}" if symbol == "*" else f"the division by {factor}"
                yield Edit((change,), f"{missing} was missing", cost)


def scalars(site: Site) -> list[tuple[int, str]]:
    """Return factors that may be missing, with how unusual each is."""
    return [(3, each) for each in (*_NUMBERS, *(text for text, _ in site.numbers))]


def _to_scale(site: Site) -> Iterator[Expression]:
    yield from site.addends
    for each in site.expressions:
        is_term = isinstance(each.parent, ast.BinOp) and isinstance(each.parent.op, ast.Add | ast.Sub)
        if is_term and each not in site.addends:
            yield each
