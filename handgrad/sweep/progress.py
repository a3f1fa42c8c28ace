"""How far a sweep is: a live line on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from handgrad.sweep.grid import Grid

__all__ = ["SweepProgress"]


class SweepProgress:
    """Shows points done and running, the best so far and the time left, on standard error."""

    def __init__(self, grid: Grid, results: Mapping[int, Mapping[str, Any]]) -> None:
        """Start the clock.

        Args:
            grid: the sweep's.
            results: the recorded lines by point, which grow while this looks on.
        """
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._grid, self._results = grid, results
        self._console = Console(stderr=True)
        self._progress = Progress(
            BarColumn(bar_width=None),
            TextColumn("{task.completed}/{task.total} points{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            expand=True,
        )
        self._task = self._progress.add_task("", total=len(grid.points), completed=len(results))
        self._started = time.perf_counter()
        self._said = -1
        # The work that is ahead of this run; points that share a network are counted as if they did not.
        self._work = [point.hidden * point.iters for point in grid.points]
        self._done_before = self._work_done()

    def __enter__(self) -> "SweepProgress":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.show(())
        self._progress.stop()

    def show(self, running: Iterable[tuple[int, ...]]) -> None:
        """Show where the sweep is.

        Args:
            running: the points that are being trained, stack by stack.
        """
        done, under_way = len(self._results), sum(map(len, running))
        text = f", {under_way} running" if under_way else ""
        text += self._best() + self._time_left()
        if self._console.is_terminal:
            self._progress.update(self._task, completed=done, description=text)
        elif done != self._said:
            self._console.print(f"{done} of {len(self._work)} points{text}", highlight=False, soft_wrap=True)
        self._said = done

    def _best(self) -> str:
        good = [line for line in self._results.values() if not line["diverged"]]
        if not good:
            return ""
        best = max(good, key=lambda line: line["val_accuracy"])
        settings = " ".join(f"{name} {_short(best[name])}" for name in (*self._grid.varied, "seed"))
        return f", best so far {best['val_accuracy']:.1%} ({settings})"

    def _time_left(self) -> str:
        work = self._work_done() - self._done_before
        left = sum(self._work) - self._work_done()
        if not work or not left:
            return ""
        return f", {(time.perf_counter() - self._started) / work * left:.0f} s left"

    def _work_done(self) -> int:
        return sum(self._work[number] for number in self._results)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
