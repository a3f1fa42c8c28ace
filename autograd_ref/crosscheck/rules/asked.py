"""The settings of a check of rules."""

from typing import NamedTuple

__all__ = ["Asked"]


class Asked(NamedTuple):
    """The settings of a check.

    Attributes:
        name: name of the called object.
        dtype: the dtype to check; None for the dtype of the arguments.
        seed: seed of everything random.
        points: number of points.
        surrogate: whether rules are meant to differ from the derivative.
        tolerance: relative size to which a bound is widened.
        file: the user's file.
        call: the expression that makes the call, if there is one.
    """

    name: str
    dtype: str | None = None
    seed: int = 0
    points: int = 3
    surrogate: bool = False
    tolerance: float = 0.0
    file: str = ""
    call: str | None = None
