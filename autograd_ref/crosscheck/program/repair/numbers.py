"""Change the numbers in a call's arguments: an edit that fits by chance with 0.1 does not fit with 0.083."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["with_other_numbers"]

# A probability stays a probability.
PART = 0.83


def with_other_numbers(
    call: tuple[Sequence[Any], Mapping[str, Any]],
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return a call with all Python floats among its arguments, or in dicts there, a little smaller."""
    args, kwargs = call
    return tuple(_other(each) for each in args), {name: _other(each) for name, each in kwargs.items()}


def _other(thing: Any) -> Any:
    if type(thing) is float:
        return PART * thing
    return {name: _other(each) for name, each in thing.items()} if type(thing) is dict else thing
