"""Write the file that a student fills in, and recognise such a file by its first line."""

import re
import shlex
import unicodedata
from pathlib import Path
from typing import NamedTuple

from autograd_ref.exercise.topic import Topic, topic_called
from autograd_ref.exercise.words import Words
from handgrad.files import replace_file

__all__ = ["Exercise", "exercise_in", "text_of", "write_exercise"]

WIDTH = 100
# The number of empty lines above the hints, which keep them out of sight.
FOLD = 12
_HEAD = re.compile(r"^# handgrad exercise: (?P<topic>[\w-]+), (?P<language>\w+)\s*$", re.MULTILINE)


class Exercise(NamedTuple):
    """A file that is an exercise.

    Attributes:
        file: its path.
        topic: its topic.
        words: the texts in its language.
    """

    file: Path
    topic: Topic
    words: Words


def write_exercise(file: Path, topic: Topic, language: str) -> None:
    """Write an exercise to a new file.

    Raises:
        ValueError: the file exists, or its name does not end in .py.
        OSError: the file cannot be written.
    """
    if file.suffix != ".py":
        raise ValueError(f"{file}: an exercise is a Python file, so name it something.py")
    if file.exists():
        raise ValueError(f"{file} already exists: choose another name, or remove it")
    replace_file(file, text_of(topic, file.name, language).encode())


def exercise_in(target: str) -> Exercise | None:
    """Return the exercise in a file; None if the file is not an exercise.

    Raises:
        ValueError: the exercise has an unknown topic.
    """
    file = Path(target)
    if file.suffix != ".py" or not file.is_file():
        return None
    with file.open(encoding="utf-8-sig", errors="replace") as opened:
        head = _HEAD.search(opened.read(400))
    if head is None:
        return None
    return Exercise(file, topic_called(head["topic"]), Words(head["language"]))


def text_of(topic: Topic, name: str, language: str) -> str:
    """Return the text of an exercise, for a file with this name."""
    words = Words(language)
    head = [
        f"handgrad exercise: {topic.name}, {language}",
        "",
        topic.title[language],
        "",
        *_wrapped(words("file.intro")),
        "",
        *[f"  {each}" for each in words.lines("file.commands", file=shlex.quote(name))],
    ]
    comments = {
        step.name: [
            words("file.step", number=step.number, name=step.name, shape=step.shape),
            *_wrapped(step.does[language]),
        ]
        for step in topic.steps
    }
    foot = [words("file.hints")]
    for step in topic.steps:
        foot += ["", words("file.hint_step", number=step.number, name=step.name)]
        for number, hint in enumerate(step.hints[language], start=1):
            first, *rest = _wrapped(hint)
            foot += [f"  {number}. {first}", *[f"     {each}" for each in rest]]
    return "\n".join([_commented(head), topic.unfilled(comments), *[""] * FOLD, _commented(foot)])


def _commented(lines: list[str]) -> str:
    return "".join(f"# {each}".rstrip() + "\n" for each in lines)


def _wrapped(text: str) -> list[str]:
    """Wrap a paragraph; a Chinese character is two columns wide."""
    lines, line, width = [], "", 0
    for word in re.findall(r"[\x00-\u2e7f]+?(?:\s+|(?=[\u2e80-\uffff])|$)|[\u2e80-\uffff]", text):
        size = sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in word)
        if width + size > WIDTH and word not in "，。、；：）”？":
            lines.append(line)
            line, width = "", 0
        line, width = line + word, width + size
    return [each.strip() for each in [*lines, line]]
