"""Gradients that a training loop adds to and never sets to 0: right in its first round only."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from autograd_ref.crosscheck.program.assigned.assign import Assigned
from autograd_ref.crosscheck.program.assigned.moved import is_moved
from autograd_ref.crosscheck.program.paths import of_path
from autograd_ref.crosscheck.program.point import Run
from autograd_ref.recording.tape import Given

__all__ = ["Stale", "stale_gradients"]


class Stale:
    """Arrays of gradients, with their content after a round."""

    def __init__(self, paths: Sequence[str], arrays: Sequence[tuple[np.ndarray, np.ndarray]]):
        self.paths, self._arrays = paths, arrays

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Fill the arrays as the round leaves them, and empty them again."""
        held = [array.copy() for array, _ in self._arrays]
        try:
            for array, after in self._arrays:
                array[...] = after
            yield
        finally:
            for (array, _), before in zip(self._arrays, held, strict=True):
                array[...] = before


def stale_gradients(first: Run, pairs: Sequence[Assigned]) -> Stale | None:
    """Return the gradients that a round adds to what was there, although it moves their parameters.

    Args:
        first: the recorded round.
        pairs: its gradients and their leaves.
    """
    arrays = dict(first.recording.before.arrays())
    starts = [
        (value, arrays[value.operation.path])
        for value in first.recording.tape.values
        if isinstance(value.operation, Given) and value.operation.path in arrays
    ]
    paths, found = [], []
    for pair in pairs:
        _, value = first.gradient(pair)
        if pair.is_change or value is None or not _is_moved(first, pair):
            continue
        for start, array in starts:
            if array.shape == value.shape and is_moved(value, start):
                paths.append(pair.found)
                found.append((array, np.array(first.found.arrays[value.number])))
    return Stale(paths, found) if paths else None


def _is_moved(first: Run, pair: Assigned) -> bool:
    final, start = first.recording.final, first.leaf(pair.leaf).value
    return any(
        is_moved(end, start) for path, (_, end) in final.items() if of_path(path) == of_path(pair.leaf)
    )
