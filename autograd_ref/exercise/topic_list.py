"""The list of all topics, for a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autograd_ref.exercise.topic import topics
from autograd_ref.exercise.words import Words

__all__ = ["topic_list"]


def topic_list(language: str) -> RenderableType:
    """All topics, from easy to hard."""
    words = Words(language)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for key in ("list.topic", "list.steps", "list.teaches"):
        table.add_column(words(key), justify="right" if key == "list.steps" else "left", overflow="fold")
    for topic in topics():
        table.add_row(topic.name, str(len(topic.steps)), topic.teaches[language])
    return Group(table, Text(""), Text(words("list.how")))
