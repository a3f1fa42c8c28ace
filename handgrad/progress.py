"""A progress bar on a terminal, plain lines elsewhere; always on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

__all__ = ["ProgressBar", "no_progress"]

Bar = TypeVar("Bar", bound="ProgressBar")

_quiet = ContextVar("_quiet", default=False)


@contextmanager
def no_progress(quiet: bool = True) -> Iterator[None]:
    """Show no progress inside the context, unless ``quiet`` is False."""
    before = _quiet.set(quiet)
    try:
        yield
    finally:
        _quiet.reset(before)


class ProgressBar:
    """The progress bar of runs, sweeps and downloads."""

    def __init__(self, *columns: "str | ProgressColumn", total: float | None, completed: float = 0) -> None:
        """Show nothing until the context is entered; ``total`` is None while it is unknown."""
        from rich.console import Console
        from rich.progress import Progress

        self._console = Console(stderr=True, quiet=_quiet.get())
        self.on_terminal = self._console.is_terminal
        self._progress = Progress(*columns, console=self._console, disable=not self.on_terminal, expand=True)
        self._task = self._progress.add_task("", total=total, completed=int(completed))

    def __enter__(self: Bar) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def show(self, completed: float, text: str = "", total: float | None = None) -> None:
        """Move the bar and set its description."""
        self._progress.update(self._task, completed=completed, description=text, total=total)

    def print_line(self, line: str) -> None:
        """Print a line, in place of the bar where the output is not a terminal."""
        self._console.print(line, highlight=False, soft_wrap=True)
