"""Gradients that a round of a training loop finds from the round before, and may add to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from autograd_ref.crosscheck.program.assigned.assign import Assigned
from autograd_ref.crosscheck.program.assigned.moved import is_moved
from autograd_ref.crosscheck.program.paths import cores, is_of_gradients, of_path
from autograd_ref.crosscheck.program.point import Run
from autograd_ref.recording.tape import Given

__all__ = ["Stale", "old_gradients", "stale_gradients"]


class Stale:
    """Arrays of gradients, with another content for a round."""

    def __init__(self, paths: Sequence[str], arrays: Sequence[tuple[np.ndarray, np.ndarray]]):
        self.paths, self._arrays = paths, arrays

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Fill the arrays with this content, and put back what they held."""
        held = [array.copy() for array, _ in self._arrays]
        try:
            for array, after in self._arrays:
                array[...] = after
            yield
        finally:
            for (array, _), before in zip(self._arrays, held, strict=True):
                array[...] = before


def old_gradients(first: Run) -> Stale | None:
    """Return the gradients that are there before a round, emptied: it is judged alone.

    Args:
        first: the recorded round.
    """
    before = first.recording.before
    arrays = dict(before.arrays())
    names = {of_path(leaf.path).name for leaf in first.recording.leaves}
    paths = [
        path
        for value in first.recording.tape.values
        if isinstance(value.operation, Given) and value not in first.found.of
        for path in [value.operation.path]
        if path in arrays and arrays[path].dtype.kind == "f" and before.held(arrays[path]).any()
        if is_of_gradients(path) or names.intersection(cores(of_path(path).name))
    ]
    found = [(arrays[path], np.zeros_like(arrays[path])) for path in paths if path is not None]
    return Stale([], found) if found else None


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
