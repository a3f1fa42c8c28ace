"""The methods of every contender, and their common data.

A contender is created from a `Data`, and then does everything that is needed only once. Its ``tasks`` name
the tasks that it has, ``gradient`` or ``step`` or both:

- ``gradient(times)`` computes the loss, penalty included, and its gradient on the first N rows, a number of
  times; it returns the last ``(loss, grads)`` when they are computed, without copying an array.
- ``steps(batches)`` takes one step on each minibatch, given by its rows, and waits until it is done.
- ``params()`` returns the current W1, b1, W2, b2.
"""

from pathlib import Path

import numpy as np

from benchmarks.speed.cases import Case

PARAMETERS = ("W1", "b1", "W2", "b2")


class Data:
    """The read-only rows, labels and initial weights from `speed.referee.prepare`, and minibatches."""

    def __init__(self, case: Case, folder: Path) -> None:
        """Read the arrays."""
        arrays = {
            name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("X", "y", *PARAMETERS)
        }
        self.case, self.X, self.y = case, arrays["X"], arrays["y"]
        self.params = {name: arrays[name] for name in PARAMETERS}
        self._rng = np.random.default_rng()

    def first_batches(self) -> np.ndarray:
        """Return the two minibatches that `benchmarks.speed.referee` uses: the first rows, in order."""
        return np.arange(2 * self.case.batch_size).reshape(2, -1)

    def some_batches(self, count: int) -> np.ndarray:
        """Return minibatches drawn with replacement, (count, N)."""
        return self._rng.integers(0, self.case.rows, (count, self.case.batch_size))
