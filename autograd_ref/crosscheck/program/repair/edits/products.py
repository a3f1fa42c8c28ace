"""A forgotten contribution: a product of two arrays in scope, or the sum of one."""

import ast
from collections.abc import Iterator

import numpy as np

from autograd_ref.crosscheck.program.repair.site import Edit, Site

__all__ = ["contributions", "products"]


def products(site: Site, shape: tuple[int, ...]) -> Iterator[str]:
    """Yield products and sums of the program's arrays that have a shape, in the style of the program."""
    arrays = {
        term: each
        for term, each in site.terms.items()
        if isinstance(each, np.ndarray) and each.dtype.kind == "f" and each.ndim and not term.endswith(".T")
    }
    if len(shape) == 2:
        for left, a in arrays.items():
            for right, b in arrays.items():
                if a.ndim == b.ndim == 2:
                    yield from _two(site, left, right, (a.shape, b.shape), shape)
                elif a.ndim == b.ndim == 1 and (a.size, b.size) == shape:
                    yield f"np.outer({left}, {right})"
    for term, each in arrays.items():
        for axis in range(each.ndim if len(shape) < 3 else 0):
            if np.delete(each.shape, axis).tolist() == list(shape):
                yield f"np.sum({term}, axis={axis})"
            if len(shape) == each.ndim and [n if i != axis else 1 for i, n in enumerate(each.shape)] == list(
                shape
            ):
                yield f"np.sum({term}, axis={axis}, keepdims=True)"


def _two(
    site: Site,
    left: str,
    right: str,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    wanted: tuple[int, ...],
) -> Iterator[str]:
    (m, k), (p, n) = shapes
    for one, other, sizes in (
        (left, f"{right}.T", (m, k, n, p)),
        (f"{left}.T", right, (k, m, p, n)),
        (left, right, (m, k, p, n)),
    ):
        if sizes[1] == sizes[2] and (sizes[0], sizes[3]) == wanted:
            yield _product(site, one, other)


def _product(site: Site, one: str, other: str) -> str:
    """Return a matrix product in the style of the function."""
    written = site.source.of(site.function)
    if "np.dot(" in written:
        return f"np.dot({one}, {other})"
    return f"{one}.dot({other})" if ".dot(" in written else f"{one} @ {other}"


def contributions(site: Site) -> Iterator[Edit]:
    """Yield edits that add a contribution to an unchanged array, or store it before a change."""
    if site.lines(site.node) is None or not isinstance(site.node, ast.Assign | ast.AugAssign | ast.Return):
        return
    if isinstance(site.node, ast.AugAssign) and isinstance(site.node.target, ast.Name):
        array = site.node.target.id
        for new in products(site, np.shape(site.scope.value(array))):
            text = f"{array} = {new}"
            if "out=" in site.source.of(site.function) and new.startswith("np."):
                text = f"{new[:-1]}, out={array})"
            yield Edit((site.in_front(text),), f"{text} was missing", 5, new)
    for array in sorted(site.untouched):
        value = site.scope.value(array)
        if not isinstance(value, np.ndarray):
            continue
        for new in (*products(site, value.shape), *_alike(site, value)):
            text = f"{array} += {new}"
            yield Edit((site.in_front(text),), f"{text} was missing", 5, new)
            if not isinstance(site.node, ast.Return):
                yield Edit((site.behind(text),), f"{text} was missing", 5, new)


def _alike(site: Site, value: np.ndarray) -> Iterator[str]:
    for term, each in site.terms.items():
        if isinstance(each, np.ndarray) and each.shape == value.shape and each.dtype.kind == "f":
            yield term
