"""What a check of rules is asked for."""

from typing import NamedTuple

__all__ = ["Asked"]


class Asked(NamedTuple):
    """The settings of a check.

    Attributes:
        name: of what is called.
        dtype: to check; None takes what the call is given.
        seed: of everything random.
        points: at how many the rules are checked.
        surrogate: whether rules are meant to differ from the derivative.
        tolerance: to which part of itself a bound is widened.
        file: of the user.
        call: the expression that makes the call, if it was given as one.
    """

    name: str
    dtype: str | None = None
    seed: int = 0
    points: int = 3
    surrogate: bool = False
    tolerance: float = 0.0
    file: str = ""
    call: str | None = None
