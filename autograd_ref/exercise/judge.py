"""How far a student is: which steps are right, which is next, and what is wrong with this one."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from autograd_ref.exercise.findings import Finding, find
from autograd_ref.exercise.running import Made, Ran, run_steps
from autograd_ref.exercise.topic import Step, Topic

__all__ = ["Progress", "StepState", "judge_steps"]

State = Literal["right", "wrong", "raised", "open", "waiting"]


@dataclass(frozen=True)
class StepState:
    """How far one step is.

    Attributes:
        number: of the step.
        name: what is assigned.
        of: the forward value whose adjoint that is.
        state: right, wrong, raised, open (not written) or waiting (for what is).
        line: of its last statement; None where it is not written.
        code: that line.
        finding: what is wrong: the id of a sentence, and what stands for the names in it.
    """

    number: int
    name: str
    of: str
    state: State
    line: int | None = None
    code: str = ""
    finding: tuple[str, dict[str, Any]] | None = None


@dataclass(frozen=True)
class Progress:
    """All steps.

    Attributes:
        topic: its name.
        steps: in order.
    """

    topic: str
    steps: tuple[StepState, ...]

    @property
    def next(self) -> StepState | None:
        """The first step that is not right."""
        return next((each for each in self.steps if each.state != "right"), None)

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
        return cls(found["topic"], tuple(steps))


def judge_steps(file: Path, topic: Topic) -> Progress:
    """Judge every step that is written.

    Args:
        file: the student's.
        topic: that it is about.

    Returns:
        How far it is.

    Raises:
        NotJudged, Unreadable, SyntaxError, OSError: it cannot be run.
    """
    source = file.read_text(encoding="utf-8")
    ran = run_steps(source, str(file), topic)
    lines = source.splitlines()
    return Progress(topic.name, tuple(_state(step, ran, lines) for step in topic.steps))


def _state(step: Step, ran: Ran, lines: list[str]) -> StepState:
    number, name, of = step.number, step.name, step.of
    for failure in ran.failures:
        for first, last in ran.program.spans.get(number, ()):
            if first <= failure.line <= last:
                finding = ("raised", {"error": failure.says})
                code = lines[failure.line - 1]
                return StepState(number, name, of, "raised", failure.line, code, finding)
    if number in ran.program.todo:
        return StepState(number, name, of, "open")
    made = [notes.steps.get(number, {}) for notes in ran.notes]
    partial = number in ran.program.cut and "[" not in step.of
    if number in ran.program.waiting or partial or not all(made):
        return StepState(number, name, of, "waiting")
    line = ran.program.lines[number]
    found = _findings(made, ran)
    if found is None:
        return StepState(number, name, of, "right", line, lines[line - 1])
    return StepState(number, name, of, "wrong", line, lines[line - 1], tuple(found))


def _findings(made: list[Made], ran: Ran) -> Finding | None:
    """What is wrong first; in a loop, in its first wrong pass. Right before it is changed is right."""
    for key, by_line in made[0].items():
        name = key[0] if key[1] is None else f"{key[0]}[{key[1]}]"
        of = ran.notes[0].forward.get(key)
        if of is None:
            return Finding("unused", {"of": name})
        last: Finding | None = None
        for line in reversed(list(by_line)):
            finding = find([each[key][line] for each in made], of, name, ran)
            if finding is None:
                break
            last = last or finding
        else:
            return last
    return None
