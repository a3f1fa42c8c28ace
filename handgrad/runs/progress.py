"""The progress of a training run."""

import time

from handgrad.progress import ProgressBar
from handgrad.runs.trainer import Trainer

__all__ = ["TrainingProgress"]

# Seconds between two updates of the bar, and between two plain lines.
BAR_SECONDS, LINE_SECONDS = 0.1, 1.0
# The weight of the newest loss in the moving average that is shown; single losses vary too much.
NEWEST = 0.02


class TrainingProgress(ProgressBar):
    """Shows loss, accuracies, images per second and the time left."""

    def __init__(self, trainer: Trainer) -> None:
        """Start the clock; the trainer may already have taken steps."""
        from rich.progress import BarColumn, TimeRemainingColumn

        count = "{task.completed}/{task.total} {task.description}"
        columns = BarColumn(bar_width=None), count, TimeRemainingColumn()
        super().__init__(*columns, total=trainer.config.iters, completed=trainer.steps)
        self._trainer, self._first_step = trainer, trainer.steps
        self._started = self._shown = time.perf_counter()
        self._loss: float | None = None
        self._evaluations = 0

    def __exit__(self, *error: object) -> None:
        self._show_now(time.perf_counter())
        super().__exit__(*error)

    def update(self) -> None:
        """Count another step."""
        history = self._trainer.history
        newest = history.losses[-1]
        self._loss = newest if self._loss is None else (1 - NEWEST) * self._loss + NEWEST * newest
        now = time.perf_counter()
        if self.on_terminal:
            due = now - self._shown >= BAR_SECONDS
        else:
            due = len(history.evaluations) > self._evaluations and now - self._shown >= LINE_SECONDS
        if due:
            self._show_now(now)

    def _show_now(self, now: float) -> None:
        if self._loss is None:
            return
        self._shown, self._evaluations = now, len(self._trainer.history.evaluations)
        steps, total = self._trainer.steps, self._trainer.config.iters
        if self.on_terminal:
            self.show(steps, self._text(now))
            return
        seconds_left = (now - self._started) / (steps - self._first_step) * (total - steps)
        self.print_line(f"step {steps} of {total}: {self._text(now)}, {seconds_left:.0f} s left")

    def _text(self, now: float) -> str:
        text = f"loss {self._loss:#.4g}"
        if self._trainer.history.evaluations:
            newest = self._trainer.history.evaluations[-1]
            text += f", train {newest.train_accuracy:.1%}, val {newest.val_accuracy:.1%}"
        images = (self._trainer.steps - self._first_step) * self._trainer.config.batch
        return f"{text}, {images / (now - self._started):,.0f} images/s"
