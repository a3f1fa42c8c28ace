"""The command `handgrad exercise`, and `handgrad check` on the file that it writes."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from handgrad.cli.exit_codes import BAD_INPUT, FAILED, OK
from handgrad.cli.flags import Flag

if TYPE_CHECKING:
    from autograd_ref.exercise.writing import Exercise as ExerciseFile

__all__ = ["Exercise", "check_exercise_file"]


@dataclass
class Exercise:
    """Learn backpropagation: write a backward pass, and see at once which lines are right.

    Writes a file with a forward pass and blank steps for the backward pass. Then:

    - See your progress: handgrad check FILE.py
    - See it again whenever you save: handgrad check FILE.py --watch
    - Get the next hint: handgrad check FILE.py --hint
    - Get the next line: handgrad check FILE.py --solve
    """

    file: Annotated[
        Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="FILE.py", help_behavior_hint="")
    ] = None
    """The new file. An existing file is never overwritten."""

    topic: Annotated[str, tyro.conf.arg(metavar="NAME")] = "two-layer-network"
    """The topic of the exercise."""

    list: Flag = False
    """Show all topics, from easy to hard."""

    language: Literal["en", "zh"] = "en"
    """Language of the file and of all messages: English or Chinese."""

    def run(self) -> int:
        """Write the file, or show the topics, and return the exit code."""
        from autograd_ref.crosscheck.reports.printed import print_report
        from autograd_ref.exercise.screen import topic_list
        from autograd_ref.exercise.topic import topic_called
        from autograd_ref.exercise.words import Words
        from autograd_ref.exercise.writing import write_exercise

        if self.list:
            print_report(topic_list(self.language))
            return OK
        if self.file is None:
            raise ValueError(
                "name the file to write, handgrad exercise FILE.py, or see the topics with --list"
            )
        topic, words = topic_called(self.topic), Words(self.language)
        write_exercise(self.file, topic, self.language)
        print(
            words("progress.written", file=self.file, title=topic.title[self.language], all=len(topic.steps))
        )
        print(words("progress.begin", file=shlex.quote(str(self.file))))
        return OK


def check_exercise_file(
    exercise: "ExerciseFile", *, hint: bool, solve: bool, watch: bool, as_json: bool, time_limit: float
) -> int:
    """Check a file that `handgrad exercise` wrote, and return the exit code."""
    from autograd_ref.crosscheck.isolated.process import Outcome
    from autograd_ref.exercise.command import check_exercise, show_hint, show_solution, watch_exercise

    if hint + solve + watch + as_json > 1:
        raise ValueError("--hint, --solve, --watch and --json do different things: give one")
    if watch:
        watch_exercise(exercise, time_limit=time_limit)
        return OK
    if hint:
        outcome = show_hint(exercise, time_limit=time_limit)
    elif solve:
        outcome = show_solution(exercise, time_limit=time_limit)
    else:
        outcome = check_exercise(exercise, time_limit=time_limit, as_json=as_json)
    return {Outcome.WRONG: FAILED, Outcome.NOT_JUDGED: BAD_INPUT}.get(outcome, OK)
