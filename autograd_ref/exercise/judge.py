"""Judge every step of an exercise that is filled in."""

from pathlib import Path

from autograd_ref.exercise.findings import Finding, find
from autograd_ref.exercise.progress import Progress, StepState
from autograd_ref.exercise.running import MadeBy, Ran, run_steps
from autograd_ref.exercise.topic import Step, Topic

__all__ = ["judge_source", "judge_steps"]


def judge_steps(file: Path, topic: Topic) -> Progress:
    """Judge every step that is filled in.

    Args:
        file: the student's file.
        topic: its topic.

    Returns:
        The progress.

    Raises:
        NotJudged, SyntaxError, OSError: the file cannot be run.
    """
    return judge_source(file.read_text(encoding="utf-8-sig"), str(file), topic)


def judge_source(source: str, file: str, topic: Topic) -> Progress:
    """Judge the text of a file as `judge_steps` judges the file."""
    ran = run_steps(source, file, topic)
    lines = source.splitlines()
    is_whole = not (ran.program.blanks or ran.failures)
    return Progress(topic.name, tuple(_state(step, ran, lines) for step in topic.steps), is_whole)


def _state(step: Step, ran: Ran, lines: list[str]) -> StepState:
    number, name, of = step.number, step.name, step.of
    for failure in ran.failures:
        if ran.step_of(failure) == number:
            before = [at for line, at in ran.notes[0].first.items() if line < failure.line]
            finding = ("raised", {"error": failure.says})
            code, at = lines[failure.line - 1], max(before, default=0) + 0.5
            return StepState(number, name, of, "raised", failure.line, code, finding, at)
    if number in ran.program.todo:
        return StepState(number, name, of, "open")
    made = [notes.steps.get(number, {}) for notes in ran.notes]
    partial = number in ran.program.cut and "[" not in step.of
    if number in ran.program.waiting or partial or not all(made):
        return StepState(number, name, of, "waiting")
    line = ran.program.lines[number]
    found = _wrong(made, ran)
    if found is None:
        return StepState(number, name, of, "right", line, lines[line - 1])
    of, line, finding, at = found
    return StepState(number, name, of, "wrong", line, lines[line - 1], (finding.id, finding.figures), at)


def _wrong(made: list[MadeBy], ran: Ran) -> tuple[str, int, Finding, int] | None:
    """Return the first mistake: the forward value, the line, the finding, and when the line ran.

    A value that was right before a later line changed it counts as right.
    """
    for key, by_line in made[0].items():
        name = key[0] if key[1] is None else f"{key[0]}[{key[1]}]"
        of = ran.notes[0].forward.get(key)
        line = list(by_line)[-1]
        at = by_line[line].at
        if of is None:
            return name, line, Finding("unused", {"of": name}), at
        last: Finding | None = None
        for each in reversed(list(by_line)):
            finding = find([notes[key][each].thing for notes in made], of, name, ran)
            if finding is None:
                break
            last = last or finding
        else:
            assert last is not None  # noqa: S101 - every line was found wrong
            return name, line, last, at
    return None
