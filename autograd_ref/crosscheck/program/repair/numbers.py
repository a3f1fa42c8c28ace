"""Change the numbers in a call's arguments, so that an edit that fits by chance no longer fits.

An edit that is right with 0.1 by chance is wrong with 0.083. A guard that happens to be true for small
entries is false for larger ones.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["with_larger_arrays", "with_other_numbers"]

# A probability stays a probability.
PART = 0.83
LARGER = 3.0


def with_other_numbers(
    call: tuple[Sequence[Any], Mapping[str, Any]],
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return a call with all Python floats among its arguments, or in dicts there, a little smaller."""
    args, kwargs = call
    return tuple(_other(each) for each in args), {name: _other(each) for name, each in kwargs.items()}


def with_larger_arrays(
    call: tuple[Sequence[Any], Mapping[str, Any]],
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return a call with larger entries in the real arrays among its arguments, or in dicts there.

    Labels, masks and probabilities keep their entries: the gradient of softmax needs labels that sum to 1.
    """
    args, kwargs = call
    return tuple(_larger(each) for each in args), {name: _larger(each) for name, each in kwargs.items()}


def _larger(thing: Any) -> Any:
    if type(thing) is np.ndarray and thing.dtype.kind == "f":
        is_fixed = ((thing >= 0) & (thing <= 1)).all() or (thing == np.round(thing)).all()
        return thing if is_fixed else thing * thing.dtype.type(LARGER)
    return {name: _larger(each) for name, each in thing.items()} if type(thing) is dict else thing


def _other(thing: Any) -> Any:
    if type(thing) is float:
        return PART * thing
    return {name: _other(each) for name, each in thing.items()} if type(thing) is dict else thing
