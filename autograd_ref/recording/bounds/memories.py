"""Memory that is written in parts, for all draws, with one buffer for all versions.

A loop that fills an array entry by entry makes a version of it for each entry.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from autograd_ref.recording.bounds.stacked import scattered
from autograd_ref.recording.layouts import History, extent, is_injective, lay_out, positions, window
from autograd_ref.recording.tape import Layout

__all__ = ["Flow", "Version"]


class Version:
    """The content of a memory in every draw, at one moment."""

    def __init__(self, stack: np.ndarray, root: Layout):
        """Take a memory before the first write, from all draws of it (draws, *shape)."""
        self.root, self.draws = root, len(stack)
        self._history = History(lay_out(np.array(stack), _stacked(root, root, len(stack))))
        self._moment = 0

    def is_latest(self, root: Layout) -> bool:
        """Whether nothing has been written to the memory since."""
        return self.root == root and self._moment == self._history.moment

    def written(self, at: Layout, stack: np.ndarray) -> Version:
        """Write to some positions, and return the next version."""
        self._history.write(_stacked(self.root, at, self.draws), stack)
        following = object.__new__(Version)
        following.root, following.draws, following._history = self.root, self.draws, self._history
        following._moment = self._history.moment
        return following

    def read(self, at: Layout) -> np.ndarray:
        """Return the entries at some positions (draws, *shape)."""
        return self._history.window(_stacked(self.root, at, self.draws), self._moment).copy()


class Flow:
    """The adjoint of a memory, exact and in every draw, from its last version back to the first."""

    def __init__(self, root: Layout, draws: int):
        self.root, self.draws = root, draws
        self._exact, self._drawn = np.zeros(extent(root)), np.zeros(draws * extent(root))

    def add(
        self,
        at: Layout,
        exact: np.ndarray,
        stack: np.ndarray | None,
        errors: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        """Add a contribution at some positions, with errors of a given size."""
        if not is_injective(at):
            every = np.broadcast_to(exact, (self.draws, *exact.shape)) if stack is None else stack
            found, size = scattered(positions(at), self._exact.size, exact, every)
            whole = np.zeros(self._exact.size)
            np.add.at(whole, positions(at), exact)
            everywhere = Layout(0, whole.shape, (1,))
            self.add(everywhere, whole, found if size is None else found + errors(size), errors)
            return
        here, drawn = window(self._exact, at), window(self._drawn, _stacked(self.root, at, self.draws))
        drawn += exact if stack is None else stack
        size = np.where(here == 0, 0.0, np.abs(here) + np.abs(exact))
        if size.any():
            drawn += errors(size)
        here += exact

    def take(self, at: Layout) -> tuple[np.ndarray, np.ndarray]:
        """Return the adjoint at some positions for the value written there; the old one's becomes 0."""
        here, drawn = window(self._exact, at), window(self._drawn, _stacked(self.root, at, self.draws))
        taken = here.copy(), drawn.copy()
        here[...], drawn[...] = 0, 0
        return taken

    def whole(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the whole adjoint, exact and in every draw."""
        drawn = window(self._drawn, _stacked(self.root, self.root, self.draws))
        return window(self._exact, self.root).copy(), drawn.copy()


@cache
def _stacked(root: Layout, at: Layout, draws: int) -> Layout:
    """Return the layout of the same positions in several memories, one after the other."""
    return at._replace(shape=(draws, *at.shape), strides=(extent(root), *at.strides))
