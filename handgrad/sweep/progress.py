"""The progress of a sweep."""

import time
from collections.abc import Mapping
from typing import Any

from handgrad.progress import ProgressBar
from handgrad.sweep.grid import Grid, format_value

__all__ = ["SweepProgress"]


class SweepProgress(ProgressBar):
    """Shows points done and running, the best so far and the time left."""

    def __init__(self, grid: Grid, results: Mapping[int, Mapping[str, Any]]) -> None:
        """Start the clock; ``results`` are the lines recorded so far, by point, and grow meanwhile."""
        from rich.progress import BarColumn, TimeElapsedColumn

        count = "{task.completed}/{task.total} points{task.description}"
        columns = BarColumn(bar_width=None), count, TimeElapsedColumn()
        super().__init__(*columns, total=len(grid.points), completed=len(results))
        self._varied, self._results = (*grid.varied, "seed"), results
        self._started = time.perf_counter()
        self._last_done = -1
        # The remaining work; points that share a network are counted separately.
        self._work = [point.hidden * point.iters for point in grid.points]
        self._work_before = self._work_done()

    def __exit__(self, *error: object) -> None:
        self.show_points(0)
        super().__exit__(*error)

    def show_points(self, running: int) -> None:
        """Show the points done and the number of running ones."""
        done = len(self._results)
        text = (f", {running} running" if running else "") + self._best() + self._time_left()
        if self.on_terminal:
            self.show(done, text)
        elif done != self._last_done:
            self.print_line(f"{done} of {len(self._work)} points{text}")
        self._last_done = done

    def _best(self) -> str:
        good = [line for line in self._results.values() if not line["diverged"]]
        if not good:
            return ""
        best = max(good, key=lambda line: line["val_accuracy"])
        settings = " ".join(f"{name} {format_value(best[name])}" for name in self._varied)
        return f", best so far {best['val_accuracy']:.1%} ({settings})"

    def _time_left(self) -> str:
        work = self._work_done() - self._work_before
        left = sum(self._work) - self._work_done()
        if not work or not left:
            return ""
        return f", {(time.perf_counter() - self._started) / work * left:.0f} s left"

    def _work_done(self) -> int:
        return sum(self._work[number] for number in self._results)
