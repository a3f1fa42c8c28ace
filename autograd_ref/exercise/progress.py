"""How far a student is: which steps are right, which is next, and what is wrong with this one."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Progress", "StepState"]

State = Literal["right", "wrong", "raised", "open", "waiting"]


@dataclass(frozen=True)
class StepState:
    """How far one step is.

    Attributes:
        number: of the step.
        name: what is assigned.
        of: the forward value whose adjoint that is; in a loop, in the first wrong pass.
        state: right, wrong, raised, open (not written) or waiting (for what is).
        line: of its last statement; None where it is not written.
        code: that line.
        finding: what is wrong: the id of a sentence, and what stands for the names in it.
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
    """All steps.

    Attributes:
        topic: its name.
        steps: in order.
        is_whole: whether nothing is left blank, and nothing raised.
    """

    topic: str
    steps: tuple[StepState, ...]
    is_whole: bool

    @property
    def wrong(self) -> StepState | None:
        """The step that went wrong first: others may be wrong because of it."""
        wrong = [each for each in self.steps if each.state in ("wrong", "raised")]
        return min(wrong, key=lambda each: each.at, default=None)

    @property
    def next(self) -> StepState | None:
        """The step to work on: the first that is not right, or what made it wrong."""
        first = next((each for each in self.steps if each.state != "right"), None)
        return self.wrong if first is not None and first.state in ("wrong", "raised") else first

    def to_json(self) -> dict[str, Any]:
        """The attributes, for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Progress":
        """What `to_json` wrote."""
        steps = [
            StepState(**{**each, "finding": None if each["finding"] is None else tuple(each["finding"])})
            for each in found["steps"]
        ]
        return cls(found["topic"], tuple(steps), found["is_whole"])
