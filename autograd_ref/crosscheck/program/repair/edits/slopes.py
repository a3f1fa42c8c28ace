"""An omitted step: the derivative of an activation, a mask, another array as a factor."""

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.repair.site import PRODUCT, Edit, Expression, Site

__all__ = ["slopes"]

# The slopes of common functions, as functions of x or of their value.
_SLOPES = (
    "{0}", "({0} > 0)", "(1 - {0}**2)", "{0} * (1 - {0})", "np.cos({0})", "-np.sin({0})", "np.exp({0})",
    "np.sign({0})", "2 * {0}", "(1 - np.tanh({0})**2)", "({0} < 0)", "({0} != 0)", "(1 - {0})", "(1 + {0})",
    "3 * {0}**2", "(1 + {0}**2)", "(2 - {0})",
)  # fmt: skip
_DIVISORS = ("{0}", "{0}**2", "(2 * {0})", "-{0}**2", "(1 + np.exp(-{0}))", "(1 + {0}**2)", "(1 + {0})")


def slopes(site: Site) -> Iterator[Edit]:
    """Yield edits that multiply a value, or one of its terms, by a slope from the program's arrays."""
    for each in (*site.addends, *arguments(site)):
        value = site.value(each.node)
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or not value.ndim:
            continue
        text = site.text(each.node, PRODUCT)
        for term, array in site.terms.items():
            if not _fits(array, value) or term == text:
                continue
            # An array at a fixed position may fit by chance, in a loop that runs once.
            usual = 6 if term[-1] == "]" and term[-2].isdigit() else 4
            for cost, slope in _written(site, term, array):
                new = f"{text} {slope}"
                says = f"the factor {slope[2:]}" if slope[0] == "*" else f"the division by {slope[2:]}"
                yield Edit((site.replaced(each, new, PRODUCT),), f"{says} was missing", usual + cost, new)


def _written(site: Site, term: str, array: np.ndarray) -> Iterator[tuple[int, str]]:
    """Yield the factors made from an array, with how unusual each is."""
    if array.dtype.kind != "f":
        yield from ((0, f"* {term}"), (1, f"* ({term} > 0)"))
        return
    for call in site.calls:
        yield 0, f"* {call.format(term)}"
        yield 0, f"* (1 - {call.format(term)})"
    for i, slope in enumerate(_SLOPES):
        yield int(i > 6), f"* {slope.format(term)}"
    for i, divisor in enumerate(_DIVISORS):
        yield int(i > 2), f"/ {divisor.format(term)}"


def arguments(site: Site) -> list[Expression]:
    """Return the arguments of the program's functions and classes."""
    return [
        each
        for each in site.expressions
        if isinstance(each.parent, ast.Call)
        and each.node in each.parent.args
        and isinstance(each.parent.func, ast.Name | ast.Attribute)
        and not isinstance(each.node, ast.Constant)
        and _is_own(site, site.text(each.parent.func))
    ]


def _is_own(site: Site, name: str) -> bool:
    made = site.terms.get(name, site.scope.value(name))
    own = isinstance(made, type) and made.__module__ not in ("builtins", "numpy")
    return own or callable(site.terms.get(name))


def _fits(array: Any, value: np.ndarray) -> bool:
    """Whether an array can be a factor without changing the shape."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fb" or array is value:
        return False
    try:
        return np.broadcast_shapes(array.shape, value.shape) == value.shape and array.ndim > 0
    except ValueError:
        return False
