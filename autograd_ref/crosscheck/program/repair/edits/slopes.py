"""A step left out: the derivative of an activation, a mask, another array as a factor."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.repair.site import PRODUCT, Edit, Site

__all__ = ["slopes"]

# The slopes of what people use, of x or of what was made of x.
_SLOPES = (
    "({0} > 0)", "(1 - {1}**2)", "{1} * (1 - {1})", "{0}", "np.cos({0})", "-np.sin({0})", "np.exp({0})",
    "np.sign({0})", "2 * {1}", "(1 - np.tanh({0})**2)", "({0} < 0)", "({0} != 0)", "(1 - {1})", "(1 + {1})",
    "1 / {1}", "1 / {1}**2", "-1 / {1}**2", "0.5 / {1}", "1 / (1 + np.exp(-{0}))", "3 * {1}**2", "(1 + {1}**2)",
)  # fmt: skip
_DIVISORS = {"1 / {1}": "{1}", "1 / {1}**2": "{1}**2"}


def slopes(site: Site) -> Iterator[Edit]:
    """A value, or one of its terms, times a slope that the program's own arrays give."""
    for each in site.addends:
        value = site.value(each.node)
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or not value.ndim:
            continue
        text = site.text(each.node, PRODUCT)
        for term, array in site.terms.items():
            if not _fits(array, value) or not (term.isidentifier() or "." in term or "[" in term):
                continue
            for slope in _SLOPES if array.dtype.kind == "f" else ("{0}", "({0} > 0)"):
                written = slope.format(term, term)
                if slope in _DIVISORS:
                    new = f"{text} / {_DIVISORS[slope].format(term, term)}"
                else:
                    new = f"{text} * {written}" if slope[:2] not in ("1 ", "0.", "-1") else f"{text} * ({written})"
                yield Edit((site.replaced(each, new, PRODUCT),), f"the factor {written} was missing", 4, wide=True)


def _fits(array: Any, value: np.ndarray) -> bool:
    """Whether an array can be a factor that leaves the shape as it is."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fb" or array is value:
        return False
    try:
        return np.broadcast_shapes(array.shape, value.shape) == value.shape and array.ndim > 0
    except ValueError:
        return False
