"""A student's progress: the steps that are right, the next one, and what is wrong with it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Progress", "StepState"]

State = Literal["right", "wrong", "raised", "open", "waiting"]


@dataclass(frozen=True)
class StepState:
    """The state of one step.

    Attributes:
        number: number of the step.
        name: the assigned variable.
        of: the forward value whose adjoint it is; in a loop, in the first wrong pass.
        state: right, wrong, raised, open (not filled in) or waiting (needs a step that is open).
        line: the line of its last statement; None if it is not filled in.
        code: the text of that line.
        finding: what is wrong: the key of a sentence, and the values of the names in it.
        at: when it went wrong, in the order of the run.
    """

    number: int
    name: str
    of: str
    state: State
    line: int | None = None
    code: str = ""
    finding: tuple[str, dict[str, Any]] | None = None
    at: float = 0.0


@dataclass(frozen=True)
class Progress:
    """The states of all steps.

    Attributes:
        topic: name of the topic.
        steps: the states, in order.
        is_whole: whether every step is filled in, and none raised.
    """

    topic: str
    steps: tuple[StepState, ...]
    is_whole: bool

    @property
    def wrong(self) -> StepState | None:
        """The step that went wrong first; it may have caused the others."""
        wrong = [each for each in self.steps if each.state in ("wrong", "raised")]
        return min(wrong, key=lambda each: each.at, default=None)

    @property
    def next(self) -> StepState | None:
        """The step to work on: the first that is not right, or the wrong one that caused it."""
        first = next((each for each in self.steps if each.state != "right"), None)
        return self.wrong if first is not None and first.state in ("wrong", "raised") else first

    def to_json(self) -> dict[str, Any]:
        """Return the attributes for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Progress":
        """Read the output of `to_json`."""
        steps = [
            StepState(**{**each, "finding": None if each["finding"] is None else tuple(each["finding"])})
            for each in found["steps"]
        ]
        return cls(found["topic"], tuple(steps), found["is_whole"])
