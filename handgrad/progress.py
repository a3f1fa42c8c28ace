"""A progress bar on a terminal, plain lines elsewhere; always on standard error."""

from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

__all__ = ["ProgressBar"]

Bar = TypeVar("Bar", bound="ProgressBar")


class ProgressBar:
    """What runs, sweeps and downloads show while they work."""

    def __init__(self, *columns: "str | ProgressColumn", total: float | None, completed: float = 0) -> None:
        """Show nothing yet; the bar appears when the context is entered.

        Args:
            columns: of the bar, as `rich.progress.Progress` takes them.
            total: what there is to do; None if that is not known yet.
            completed: what was done before.
        """
        from rich.console import Console
        from rich.progress import Progress

        self._console = Console(stderr=True)
        self.on_terminal = self._console.is_terminal
        self._progress = Progress(*columns, console=self._console, disable=not self.on_terminal, expand=True)
        self._task = self._progress.add_task("", total=total, completed=int(completed))

    def __enter__(self: Bar) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, completed: float, text: str = "", total: float | None = None) -> None:
        """Move the bar.

        Args:
            completed: what was done so far.
            text: the task's description.
            total: what there is to do, once that is known.
        """
        self._progress.update(self._task, completed=completed, description=text, total=total)

    def print_line(self, line: str) -> None:
        """Print a line, for use where there is no terminal."""
        self._console.print(line, highlight=False, soft_wrap=True)
