"""The accuracy of a trained network on the test images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Integer

from handgrad.files import replace_file
from handgrad.runs.config import Config
from handgrad.runs.directory import load_run
from handgrad.runs.plots import plot_confusion

__all__ = ["Prediction", "count_confusion", "predict_run"]


@dataclass(frozen=True)
class Prediction:
    """The classes that a network predicted for the test images after ``step`` steps.

    Attributes:
        confusion: the number of images of the row's class that were classified as the column's.
    """

    step: int
    classes: tuple[str, ...]
    confusion: Integer[np.ndarray, "C C"]

    @property
    def accuracy(self) -> float:
        """The share of all images that were classified correctly."""
        return float(self.confusion.trace() / self.confusion.sum())

    def __str__(self) -> str:
        images = self.confusion.sum(axis=1)
        right = self.confusion.diagonal()
        width = max(map(len, self.classes))
        lines = [f"after {self.step} steps: {self.accuracy:.2%} of {images.sum()} test images"]
        for name, r, n in zip(self.classes, right, images, strict=True):
            lines.append(f"  {name:{width}}  {r / max(n, 1):6.1%}  {r} of {n}")
        return "\n".join(lines)


def predict_run(directory: Path, config: Config) -> Prediction:
    """Classify all test images, and write a picture of the confusion matrix to the run's directory.

    Raises:
        ValueError: the run or its data is invalid.
        OSError: a file cannot be read or written.
    """
    trainer, data = load_run(directory, config)
    predicted = trainer.net.predict(data.X_test, mean=trainer.mean)
    confusion = count_confusion(data.y_test, predicted, len(data.classes))
    replace_file(directory / "confusion.png", plot_confusion(confusion, data.classes))
    return Prediction(trainer.steps, data.classes, confusion)


def count_confusion(
    y: Integer[np.ndarray, " N"], predicted: Integer[np.ndarray, " N"], classes: int
) -> Integer[np.ndarray, "C C"]:
    """Return the confusion matrix: rows are true classes, columns predicted ones."""
    pairs = np.bincount(y.astype(np.intp) * classes + predicted, minlength=classes**2)
    return pairs.reshape(classes, classes)
