"""`handgrad check` on an exercise: report the progress, print hints and solutions, watch the file."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from autograd_ref.crosscheck.isolated.process import Outcome
from autograd_ref.crosscheck.reports.printed import print_report
from autograd_ref.exercise.apart import Apart
from autograd_ref.exercise.progress import Progress, StepState
from autograd_ref.exercise.screen import seen
from autograd_ref.exercise.writing import Exercise
from handgrad.files import replace_json

__all__ = ["check_exercise", "show_hint", "show_solution", "watch_exercise"]

LOOK = 0.1


def check_exercise(exercise: Exercise, *, time_limit: float, as_json: bool) -> Outcome:
    """Judge an exercise once, and print its progress.

    Args:
        exercise: the exercise.
        time_limit: seconds.
        as_json: whether to print JSON.

    Returns:
        RIGHT if all steps are right, WRONG if a step is wrong, else NOT_JUDGED.

    Raises:
        ValueError: the file cannot be run.
    """
    with Console().status(exercise.words("progress.checking")):
        answer = _judge_once(exercise, time_limit)
    if as_json:
        print(json.dumps({key: each for key, each in answer.items() if key not in ("at", "final")}))
    else:
        print_report(seen(_read(answer, exercise), exercise))
    return _outcome(answer)


def show_hint(exercise: Exercise, *, time_limit: float) -> Outcome:
    """Print the next hint for the next step."""
    words, step = exercise.words, _next(exercise, time_limit)
    if step is None:
        print(words("progress.none_left"))
        return Outcome.RIGHT
    hints = exercise.topic.steps[step.number - 1].hints[words.language]
    number = _count_hint(exercise.file, step.name, len(hints))
    print(words("file.hint_step", number=step.number, name=step.name))
    print(words("progress.hint", number=number, all=len(hints), text=hints[number - 1]))
    if number == len(hints):
        print(words("progress.last_hint"))
    return Outcome.NOT_JUDGED


def show_solution(exercise: Exercise, *, time_limit: float) -> Outcome:
    """Print the lines of the next step."""
    words, step = exercise.words, _next(exercise, time_limit)
    if step is None:
        print(words("progress.none_left"))
        return Outcome.RIGHT
    print(words("progress.solve", number=step.number, name=step.name))
    print(exercise.topic.steps[step.number - 1].solution)
    return Outcome.NOT_JUDGED


def watch_exercise(exercise: Exercise, *, time_limit: float) -> None:
    """Judge an exercise whenever it is saved, until all steps are right or the user presses Ctrl-C.

    A process waits for the next time: it has loaded JAX, and compiled everything the right program needs.
    """
    console = Console()
    watching = Text(exercise.words("progress.watching", file=exercise.file), style="dim")
    if console.is_terminal:
        with Live(watching, console=console, auto_refresh=False, screen=True) as live:
            for answer in _answers(exercise, time_limit):
                live.update(Group(seen(answer, exercise), Text(""), watching), refresh=True)
        console.print(seen(answer, exercise))
    else:
        console.print(watching)
        for answer in _answers(exercise, time_limit):
            if answer["final"]:
                print_report(seen(answer, exercise), "", console=console)


def _answers(exercise: Exercise, time_limit: float) -> Iterator[dict[str, Any]]:
    """Yield an answer whenever the file is saved, until all steps are right."""
    ready = Apart(exercise, time_limit)
    try:
        for _ in _saved(exercise.file):
            with ready as process:
                for answer in process.answers():
                    yield answer
                    if answer["finish"] is not None:
                        return
            ready = Apart(exercise, time_limit, warm=True)
    finally:
        ready.close()


def _saved(file: Path) -> Iterator[None]:
    """Yield once at first, and whenever the file changes."""
    before: tuple[int, int] | None = None
    while True:
        with suppress(FileNotFoundError):  # between two saves of an editor that replaces it
            state = file.stat()
            now = state.st_mtime_ns, state.st_size
            if now != before:
                before = now
                yield
        time.sleep(LOOK)


def _judge_once(exercise: Exercise, time_limit: float) -> dict[str, Any]:
    """Judge an exercise once."""
    with Apart(exercise, time_limit) as process:
        *_, answer = process.answers()
    return answer


def _read(answer: dict[str, Any], exercise: Exercise) -> dict[str, Any]:
    """Return an answer, which must contain the progress.

    Raises:
        ValueError: the file cannot be run.
    """
    if answer["progress"] is None:
        raise ValueError(exercise.words("progress.unread", file=exercise.file, error=answer["error"]))
    return answer


def _next(exercise: Exercise, time_limit: float) -> StepState | None:
    """Return the first step that is not right."""
    answer = _read(_judge_once(exercise, time_limit), exercise)
    return None if answer["finish"] is not None else Progress.from_json(answer["progress"]).next


def _count_hint(file: Path, step: str, most: int) -> int:
    """Return the number of the next hint, from 1; a file beside the exercise counts the shown ones."""
    beside = file.with_name(f".{file.stem}-hints.json")
    shown: dict[str, int] = {}
    with suppress(OSError, ValueError):
        shown = json.loads(beside.read_text())
    number = min(int(shown.get(step, 0)) + 1, most)
    with suppress(OSError):  # if the folder is read-only, the first hint comes again
        replace_json(beside, {**shown, step: number})
    return number


def _outcome(answer: dict[str, Any]) -> Outcome:
    if answer["finish"] is not None:
        return Outcome.RIGHT
    if answer["progress"] is None:
        return Outcome.NOT_JUDGED
    states = {each["state"] for each in answer["progress"]["steps"]}
    return Outcome.WRONG if states & {"wrong", "raised"} or answer["not_returned"] else Outcome.NOT_JUDGED
