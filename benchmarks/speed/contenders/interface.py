"""The methods of every contender, and the data that all of them get.

A contender is made of a `Data` and makes once whatever it needs once. Its ``tasks`` are those of ``gradient``
and ``step`` that it can be asked for:

- ``gradient(times)`` computes the loss, penalty included, and its gradient on the first N rows, a number of
  times; it returns the last ``(loss, grads)`` when they are computed, and copies no array for that.
- ``steps(batches)`` takes one step on each minibatch, given by its rows, and waits until it is done.
- ``params()`` returns W1, b1, W2, b2 as they are now.
"""

from pathlib import Path

import numpy as np

from benchmarks.speed.cases import Case

PARAMETERS = ("W1", "b1", "W2", "b2")


class Data:
    """Rows, labels and first weights that `speed.referee.prepare` wrote, to be read only; and minibatches."""

    def __init__(self, case: Case, folder: Path) -> None:
        """Read the arrays."""
        arrays = {
            name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("X", "y", *PARAMETERS)
        }
        self.case, self.X, self.y = case, arrays["X"], arrays["y"]
        self.params = {name: arrays[name] for name in PARAMETERS}
        self._rng = np.random.default_rng()

    def first_batches(self) -> np.ndarray:
        """The two minibatches that `benchmarks.speed.referee` judges by: the first rows, in order."""
        return np.arange(2 * self.case.batch_size).reshape(2, -1)

    def some_batches(self, count: int) -> np.ndarray:
        """Minibatches drawn with replacement, (count, N)."""
        return self._rng.integers(0, self.case.rows, (count, self.case.batch_size))
