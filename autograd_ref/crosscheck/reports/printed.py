"""Print a report on the terminal, or as plain lines in a pipe or a file."""

from io import StringIO
from typing import Any

from rich.console import Console

__all__ = ["print_report"]

WIDE = 10_000  # characters; no line is that long, so nothing is wrapped


def print_report(*things: Any, console: Console | None = None) -> None:
    """Print renderables one below the other; away from a terminal, neither wrapped nor padded.

    Args:
        things: objects that rich can render.
        console: the console; None for standard output.
    """
    console = console or Console()
    if console.is_terminal:
        console.print(*things, sep="\n", crop=False)
        return
    plain = Console(file=StringIO(), width=WIDE, force_terminal=False)
    with plain.capture() as captured:
        plain.print(*things, sep="\n", crop=False)
    for line in captured.get().splitlines():
        print(line.rstrip(), file=console.file, flush=True)
