"""The things that may come of a check."""

from enum import Enum

__all__ = ["Outcome"]


class Outcome(Enum):
    """What came of a check; the values are the words of the tally, in its order."""

    RIGHT = "right"
    WARNED = "right with warnings"
    WRONG = "wrong"
    NOT_JUDGED = "could not be judged"
