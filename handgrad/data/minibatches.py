"""Minibatches from a data set, gathered in place."""

import math

import numpy as np
from jaxtyping import Float, Integer, Shaped

from handgrad.validation import check_positive_int

__all__ = ["Minibatch"]


class Minibatch:
    """Buffers for one minibatch, gathered from a data set that may stay as bytes.

    No array is allocated after the first `gather`; each call overwrites the result of the last one.

    Attributes:
        X: the gathered inputs (batch, D), in ``dtype``.
        y: their labels (batch,), of dtype intp.
    """

    def __init__(
        self,
        X: Shaped[np.ndarray, "rows D"],
        y: Integer[np.ndarray, " rows"],
        batch: int,
        dtype: np.dtype[np.floating],
        *,
        mean: Float[np.ndarray, " D"] | None = None,
        flip: tuple[int, int, int] | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        """Keep the data set, and allocate the memory for one minibatch.

        Args:
            X: all inputs, integers or floating-point numbers; copied only if rows are not contiguous.
            y: all labels.
            batch: rows of a minibatch.
            dtype: dtype of the converted inputs.
            mean: vector to subtract from every row after its conversion.
            flip: the images' shape (channels, height, width), to mirror each image left to right with
                probability ½; None leaves them as they are.
            rng: source of the flips, required with ``flip``.

        Raises:
            TypeError: ``batch`` is not an integer.
            ValueError: ``batch`` is below 1, or ``flip`` does not fit the features or has no rng.
        """
        N, D = check_positive_int("batch", batch), X.shape[1]
        if flip is not None and math.prod(flip) != D:
            raise ValueError(f"flip must be the shape of an image of {D} numbers, not {flip}")
        if flip is not None and rng is None:
            raise ValueError("flip needs an rng, a numpy.random.Generator")
        self.X = np.empty((N, D), dtype)
        self.y = np.empty(N, np.intp)
        self._all = np.ascontiguousarray(X)
        self._labels = y.astype(np.intp)
        # A whole matrix, because NumPy would use a buffer to broadcast a single row.
        self._mean = None if mean is None else np.tile(mean.astype(dtype), (N, 1))
        self._flip, self._rng = flip, rng
        self._chances = np.empty(N)
        self._mirrored = np.empty((N, 1, 1, 1), bool)
        # The rows in the data set's dtype, if they cannot be gathered directly into X.
        direct = flip is None and X.dtype == self.X.dtype
        self._raw = self.X if direct else np.empty((N, D), X.dtype)

    def gather(self, rows: Integer[np.ndarray, " N"]) -> None:
        """Fill ``X`` and ``y`` with the given rows of the data set.

        Raises:
            IndexError: a row does not exist.
        """
        if rows.astype(np.uintp).max() >= len(self._all):  # a negative row becomes far too large
            raise IndexError(f"a minibatch takes rows in [0, {len(self._all)}), not {rows}")
        # All indices are valid, so "clip" changes nothing; the default mode would first gather into a copy.
        self._all.take(rows, axis=0, out=self._raw, mode="clip")
        self._labels.take(rows, out=self.y, mode="clip")
        if self._raw is not self.X:
            np.copyto(self.X, self._raw, casting="same_kind")
        if self._flip is not None and self._rng is not None:
            self._rng.random(out=self._chances)
            np.less(self._chances, 0.5, out=self._mirrored[:, 0, 0, 0])
            images = (len(rows), *self._flip)
            np.copyto(
                self.X.reshape(images),
                self._raw.reshape(images)[..., ::-1],
                where=self._mirrored,
                casting="same_kind",
            )
        if self._mean is not None:
            np.subtract(self.X, self._mean, out=self.X)
