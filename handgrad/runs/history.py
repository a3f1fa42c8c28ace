"""The history of a training run: the loss of every step, and accuracies and diagnostics of some."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from handgrad.runs.diagnostics import Diagnostics
from handgrad.runs.schedules import Schedule

__all__ = ["Evaluation", "History"]


class Evaluation(NamedTuple):
    """The accuracies after ``step`` steps, on the validation images and on as many training images."""

    step: int
    train_accuracy: float
    val_accuracy: float

    @property
    def gap(self) -> float:
        """The training accuracy minus the validation accuracy."""
        return self.train_accuracy - self.val_accuracy


@dataclass
class History:
    """The history of a run so far.

    Attributes:
        losses: the minibatch's loss before each step, penalty included.
        evaluations: the accuracies, in the order of their steps.
        diagnostics: the diagnostics of the hidden layer at the same steps.
    """

    losses: list[float] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    diagnostics: list[Diagnostics] = field(default_factory=list)

    def to_csv(self, learning_rates: Schedule) -> str:
        """Return one line per step; accuracies and diagnostics are empty where they were not measured."""
        accuracy, layer = Evaluation._fields[1:], Diagnostics._fields[1:]
        unknown = [(None,) * len(names) for names in (accuracy, layer)]
        evaluations = {evaluation.step: evaluation[1:] for evaluation in self.evaluations}
        diagnostics = {look.step: look[1:] for look in self.diagnostics}
        lines = [",".join(["step", "learning_rate", "loss", *accuracy, *layer])]
        for step, loss in enumerate(self.losses, start=1):
            values = (*evaluations.get(step, unknown[0]), *diagnostics.get(step, unknown[1]))
            cells = ["" if value is None else repr(value) for value in values]
            lines.append(",".join([f"{step},{learning_rates(step - 1)!r},{loss!r}", *cells]))
        return "\n".join(lines) + "\n"

    def to_arrays(self) -> dict[str, Float[np.ndarray, "..."]]:
        """Return ``losses`` (steps,), ``evaluations`` and ``diagnostics`` (one row each)."""
        return {
            "losses": np.array(self.losses, np.float64),
            "evaluations": np.array(self.evaluations, np.float64).reshape(-1, len(Evaluation._fields)),
            "diagnostics": np.array(self.diagnostics, np.float64).reshape(-1, len(Diagnostics._fields)),
        }

    @classmethod
    def from_arrays(
        cls,
        losses: Float[np.ndarray, " steps"],
        evaluations: Float[np.ndarray, "evaluations 3"],
        diagnostics: Float[np.ndarray, "diagnostics 10"],
    ) -> "History":
        """Return the history from the arrays of `to_arrays`."""
        return cls(
            losses.tolist(),
            [Evaluation(int(step), *rest) for step, *rest in evaluations.tolist()],
            [Diagnostics(int(step), int(dead), *rest) for step, dead, *rest in diagnostics.tolist()],
        )
