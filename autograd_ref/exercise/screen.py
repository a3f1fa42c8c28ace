"""The student's view of an exercise: topics, progress, the next step, the final comparison."""

import shlex
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from autograd_ref.exercise.progress import Progress, StepState
from autograd_ref.exercise.topic import Topic, topics
from autograd_ref.exercise.words import Words
from autograd_ref.exercise.writing import Exercise

__all__ = ["seen", "topic_list"]


def topic_list(language: str) -> RenderableType:
    """Return the table of topics, from easy to hard."""
    words = Words(language)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for key in ("list.topic", "list.steps", "list.teaches"):
        table.add_column(words(key), justify="right" if key == "list.steps" else "left", overflow="fold")
    for topic in topics():
        table.add_row(topic.name, str(len(topic.steps)), topic.teaches[language])
    return Group(table, Text(""), Text(words("list.how")))


def seen(answer: dict[str, Any], exercise: Exercise) -> RenderableType:
    """Return what to print for an answer."""
    words = exercise.words
    if answer["progress"] is None:
        return Text(words("progress.unread", file=exercise.file.name, error=answer["error"]), style="red")
    progress = Progress.from_json(answer["progress"])
    is_done = answer["finish"] is not None
    shown: list[RenderableType] = [Text(_title(progress, exercise), style="bold"), Text("")]
    shown += [_line(each, progress, words, is_done) for each in progress.steps]
    if is_done:
        return Group(*shown, Text(""), _finish(answer["finish"], exercise))
    if answer["not_returned"] is not None:
        return Group(
            *shown, Text(""), Text(words("progress.not_returned"), style="red"), Text(answer["not_returned"])
        )
    if answer["error"] is not None:
        unread = words("progress.unread", file=exercise.file.name, error=answer["error"])
        return Group(*shown, Text(""), Text(unread, style="red"))
    if progress.next is None:
        return Group(*shown, Text(""), Text(words("progress.checking")))
    wrong, following = progress.wrong, progress.next
    if wrong is not None:
        shown += [Text(""), *_wrong(wrong, exercise)]
    if following is not wrong:
        shown += [Text(""), *_open(following, exercise)]
    advice = words("progress.advice", command=f"handgrad check {shlex.quote(str(exercise.file))}")
    return Group(*shown, Text(""), Text(advice, style="dim"))


def _title(progress: Progress, exercise: Exercise) -> str:
    count, right = len(progress.steps), sum(each.state == "right" for each in progress.steps)
    title = exercise.topic.title[exercise.words.language]
    return exercise.words("progress.title", title=title, right=right, all=count)


def _line(step: StepState, progress: Progress, words: Words, is_done: bool) -> Text:
    """Return the line for one step."""
    width = max(len(each.name) for each in progress.steps)
    wrong = progress.wrong
    mark, style, note = "·", "dim", ""
    if step.state == "right":
        mark, style, note = "✓", "green", words("progress.line", line=step.line)
    elif is_done:
        note = words("progress.other_form")
    elif step is wrong:
        mark, style, note = "✗", "red", words("progress.line", line=step.line)
    elif step.state in ("wrong", "raised") and wrong is not None:
        note = words("progress.after", name=wrong.name)
    elif step.state == "waiting" and progress.next is not None:
        note = words("progress.after", name=progress.next.name)
    return Text(f"  {mark} {step.number:>2}  {step.name:<{width}}  {note}".rstrip(), style=style)


def _open(step: StepState, exercise: Exercise) -> list[RenderableType]:
    """Return the description of the step to write next."""
    words, told = exercise.words, exercise.topic.steps[step.number - 1]
    head = words("progress.next", number=step.number, name=step.name, of=step.of, shape=told.shape)
    return [Text(head, style="bold"), Text(told.does[words.language])]


def _wrong(step: StepState, exercise: Exercise) -> list[RenderableType]:
    """Return the description of a wrong step: its line, and what is wrong."""
    words = exercise.words
    head = words(f"progress.{step.state}", number=step.number, name=step.name, of=step.of)
    source = Text(f"{step.line:>5} │ {step.code.lstrip()}", no_wrap=True, overflow="ignore")
    said = "" if step.finding is None else words.finding(*step.finding)
    return [Text(head, style="bold"), source, Text(said)]


def _finish(found: dict[str, Any], exercise: Exercise) -> RenderableType:
    """Return both derivations side by side, their times, and what to read next."""
    words, topic = exercise.words, exercise.topic
    lines = found["by_hand"]
    indent = min(len(each) - len(each.lstrip()) for each in lines)
    by_hand = Group(
        Text(words("finish.by_hand", lines=len(lines)), style="bold"),
        _code("\n".join(each[indent:] for each in lines)),
    )
    by_jax = Group(Text(words("finish.by_jax"), style="bold"), _code(found["by_jax"]))
    times = words(
        "finish.times",
        sizes=found["sizes"],
        **{name: _duration(found[name]) for name in ("hand", "jax", "compile")},
    )
    return Group(
        Text(words("finish.title"), style="bold green"),
        Text(""),
        Columns([by_hand, by_jax], padding=(0, 4)),
        Text(""),
        Text(times),
        Text(""),
        Text(words("finish.read")),
        *[Text(f"  {each}") for each in _to_read(topic, words)],
    )


def _code(code: str) -> Text:
    shown = Syntax(code, "python", background_color="default", theme="ansi_dark").highlight(code)
    shown.rstrip()
    return shown


def _to_read(topic: Topic, words: Words) -> list[str]:
    return [
        each if each.startswith("https://") else words("finish.docstring", name=each) for each in topic.read
    ]


def _duration(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} µs"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.2g} s"
