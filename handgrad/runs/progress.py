"""How far a training run is: a bar on a terminal, plain lines elsewhere."""

import time
from types import TracebackType

from handgrad.runs.trainer import Trainer

__all__ = ["TrainingProgress"]

# Seconds between two looks of the bar, and between two plain lines.
BAR_SECONDS, LINE_SECONDS = 0.1, 1.0
# The share of the newest loss in the average that is shown: single minibatches jump.
NEWEST = 0.02


class TrainingProgress:
    """Shows loss, accuracies, images per second and the time left, on standard error."""

    def __init__(self, trainer: Trainer) -> None:
        """Start the clock.

        Args:
            trainer: what is shown; it may have taken steps before.
        """
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._trainer, self._first_step = trainer, trainer.steps
        self._console = Console(stderr=True)
        self._progress = Progress(
            BarColumn(bar_width=None),
            TextColumn("{task.completed}/{task.total} {task.description}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            expand=True,
        )
        self._task = self._progress.add_task("", total=trainer.config.iters, completed=trainer.steps)
        self._started = self._shown = time.perf_counter()
        self._loss: float | None = None
        self._evaluations = 0

    def __enter__(self) -> "TrainingProgress":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show(time.perf_counter())
        self._progress.stop()

    def update(self) -> None:
        """Another step was taken."""
        history = self._trainer.history
        newest = history.losses[-1]
        self._loss = newest if self._loss is None else (1 - NEWEST) * self._loss + NEWEST * newest
        now = time.perf_counter()
        if self._console.is_terminal:
            if now - self._shown >= BAR_SECONDS:
                self._show(now)
        elif len(history.evaluations) > self._evaluations and now - self._shown >= LINE_SECONDS:
            self._show(now)

    def _show(self, now: float) -> None:
        if self._loss is None:
            return
        self._shown, self._evaluations = now, len(self._trainer.history.evaluations)
        if self._console.is_terminal:
            self._progress.update(self._task, completed=self._trainer.steps, description=self._text(now))
            return
        steps, total = self._trainer.steps, self._trainer.config.iters
        seconds_left = (now - self._started) / (steps - self._first_step) * (total - steps)
        line = f"step {steps} of {total}: {self._text(now)}, {seconds_left:.0f} s left"
        self._console.print(line, highlight=False, soft_wrap=True)

    def _text(self, now: float) -> str:
        text = f"loss {self._loss:#.4g}"
        if self._trainer.history.evaluations:
            newest = self._trainer.history.evaluations[-1]
            text += f", train {newest.train_accuracy:.1%}, val {newest.val_accuracy:.1%}"
        images = (self._trainer.steps - self._first_step) * self._trainer.config.batch
        return f"{text}, {images / (now - self._started):,.0f} images/s"
