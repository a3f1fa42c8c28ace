r"""Softmax cross-entropy of several networks on one minibatch: loss and adjoint in place.

Derived in `handgrad.layers`. With $m_n = \max_c s_{nc}$ and $Z_n = \sum_c e^{s_{nc} - m_n}$,

$$L = \frac1N \sum_n \left(\log Z_n - (s_{n y_n} - m_n)\right), \qquad
ds_{nc} = \frac{e^{s_{nc} - m_n}}{N Z_n} - \frac{[c = y_n]}{N}.$$
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Integer

from handgrad.fused.blas import dot, prepare_product

__all__ = ["SoftmaxCrossEntropy"]


class SoftmaxCrossEntropy:
    """The last layer of K networks, with its memory.

    Attributes:
        scores: the scores of each network (K, C, N), stored class by class, so that loops run along the
            batch.
    """

    def __init__(self, networks: int, classes: int, batch: int, dtype: np.dtype[np.floating]) -> None:
        """Allocate the memory of K networks for minibatches of N rows, in float32 or float64."""
        K, C, N = networks, classes, batch
        self.scores = np.empty((K, C, N), dtype)
        self._spread = np.empty((K, C, N), dtype)
        self._sums = np.empty((K, 1, N), dtype)
        self._logs, self._picked = np.empty((K, N), dtype), np.empty((K, N), dtype)
        self._labels = np.empty((K, N), np.intp)
        # Arrays: for NumPy, converting a Python number takes longer than adding it to a few dozen numbers.
        self._lowest, self._part = np.array(np.finfo(dtype).min / 2, dtype), np.array(1 / N, dtype)
        self._parts, self._ones = np.full(N, 1 / N, dtype), np.ones((1, C), dtype)
        # The scores of class c of the first network are at starts[c] + columns in the flat memory, and those
        # of every other network follow at the same distance.
        self._starts, self._columns = N * np.arange(C), np.arange(N)
        self.keep(K)

    def keep(self, count: int) -> None:
        """Keep only the first ``count`` networks, at least one."""
        self.scores, self._spread, self._sums = self.scores[:count], self._spread[:count], self._sums[:count]
        self._logs, self._picked = self._logs[:count], self._picked[:count]
        self._labels = self._labels[:count]
        # Views and products, because preparing them takes longer than computing with a few dozen numbers.
        self._flat_sums, self._rows_of_labels = self._sums[:, 0], list(self._labels)
        self._rows_of_losses = list(zip(self._logs, self._picked, strict=True))
        scores_and_sums = list(zip(self.scores, self._sums, strict=True))
        self._add_classes = [prepare_product(self._ones, scores, sums) for scores, sums in scores_and_sums]
        sums_and_spread = zip(self._sums, self._spread, strict=True)
        self._spread_sums = [prepare_product(self._ones.T, sums, spread) for sums, spread in sums_and_spread]

    def differentiate(self, y: Integer[np.ndarray, " N"]) -> list[float]:
        """Replace the scores by their adjoints, and return each network's mean loss.

        A diverged network gives NaN; the caller silences NumPy's warnings about it. The labels, in [0, C),
        must have dtype intp.
        """
        scores, spread, sums = self.scores, self._spread, self._sums
        logs, picked, labels = self._logs, self._picked, self._labels
        first = self._rows_of_labels[0]
        self._starts.take(y, out=first, mode="clip")
        np.add(first, self._columns, out=first)
        for before, after in pairwise(self._rows_of_labels):
            np.add(before, scores[0].size, out=after)

        # Copy what all classes share once for each class, because NumPy takes longer to broadcast it.
        np.maximum.reduce(scores, axis=1, keepdims=True, out=sums)  # m
        np.copyto(spread, sums)
        np.subtract(scores, spread, out=scores)  # s ← s - m
        np.maximum(scores, self._lowest, out=scores)  # finite, also where m - s overflows
        scores.take(labels, out=picked, mode="clip")  # s_y - m
        np.exp(scores, out=scores)  # s ← e^(s - m)
        for add_classes in self._add_classes:
            add_classes(1, 0)  # Z
        np.log(self._flat_sums, out=logs)
        # Terms of one sign, so that nothing cancels.
        losses = [dot(log, self._parts) - dot(score, self._parts) for log, score in self._rows_of_losses]

        for spread_sum in self._spread_sums:
            spread_sum(len(y), 0)  # N·Z, for each class
        np.divide(scores, spread, out=scores)  # s ← e^(s - m) / (N·Z)
        scores.take(labels, out=picked, mode="clip")
        np.subtract(picked, self._part, out=picked)
        scores.put(labels, picked, mode="clip")  # s_y ← s_y - 1/N
        return losses
