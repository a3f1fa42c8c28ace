"""Memory that changes in parts: one buffer, and what each change replaced, so that every moment can be seen again.

A loop that fills an array of n entries one by one makes n versions of it; a copy for each would be n² entries.
"""

from __future__ import annotations

import numpy as np

from autograd_ref.recording.memory import Layout, is_injective, positions, window

__all__ = ["History"]


class History:
    """One-dimensional memory and all that it ever held.

    Args:
        flat: what it holds at first; this object's own from now on.
    """

    def __init__(self, flat: np.ndarray):
        self._flat = flat
        self._changes: list[tuple[Layout, np.ndarray, np.ndarray]] = []
        self._shown = 0

    @property
    def moment(self) -> int:
        """The number of changes so far, which names the present moment."""
        return len(self._changes)

    def write(self, at: Layout, new: np.ndarray | float) -> None:
        """Replace the entries at some positions."""
        place = self.window(at)
        old = place.copy()
        place[...] = new
        self._note(at, old, place)

    def add(self, at: Layout, more: np.ndarray) -> None:
        """Add to the entries at some positions, to one that is there several times as often."""
        place = self.window(at)
        old = place.copy()
        if is_injective(at):
            place += more
        else:
            np.add.at(self._flat, positions(at), more)
        self._note(at, old, place)

    def _note(self, at: Layout, old: np.ndarray, place: np.ndarray) -> None:
        self._changes.append((at, old, place.copy()))
        self._shown += 1

    def window(self, at: Layout, moment: int | None = None) -> np.ndarray:
        """The entries at some positions, as they were at a moment or are now; valid until the next call."""
        wanted = self.moment if moment is None else moment
        while self._shown > wanted:
            self._shown -= 1
            place, old, _ = self._changes[self._shown]
            window(self._flat, place)[...] = old
        while self._shown < wanted:
            place, _, new = self._changes[self._shown]
            window(self._flat, place)[...] = new
            self._shown += 1
        return window(self._flat, at)
