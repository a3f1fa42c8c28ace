"""Repeat a recorded call without recording, at every point, and find out which gradients are right."""

from __future__ import annotations

import io
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import FrameType
from typing import Any, TypeVar

import numpy as np

from autograd_ref.crosscheck.program.point import RecordedPoint
from autograd_ref.crosscheck.program.views import adjoint_by

__all__ = ["Outcome", "Trial", "quietly"]

# The smallest allowed error of a gradient, as a part of its root mean square; the checker itself judges the
# repair that is finally proposed.
NEAR = 1e-7

# A call that takes this many times as long as before, and this many seconds, is assumed not to end.
TIMES, SECONDS = 20.0, 1.0

T = TypeVar("T")
Outcome = frozenset[int] | None


class _TooLong(BaseException):
    """A changed program does not end."""


class Trial:
    """A call that was recorded at several points.

    Args:
        points: the call at each point.
        usual: its usual time in seconds.
    """

    def __init__(self, points: Sequence[RecordedPoint], usual: float):
        self.points = points
        self.count = 0
        self._limit = SECONDS + TIMES * usual
        self._rights = [[_right(point, i) for i in range(len(point.pairs))] for point in points]

    def right(self, number: int) -> Outcome:
        """Return the positions of the right gradients at one point; None if it fails or the loss differs."""
        point = self.points[number]
        recording = point.run.recording
        self.count += 1
        recording.before.restore()
        try:
            with _limited(self._limit):
                found = recording.collect(recording.call())
        except (Exception, SystemExit, _TooLong):
            return None
        loss = found.get(point.run.loss.path)
        if loss is None or not _same_number(loss, point.run.loss.number):
            return None
        return frozenset(
            i
            for i, (centre, allowed) in enumerate(self._rights[number])
            if self._is_right(point, i, found, centre, allowed)
        )

    def at_all(self, first: Outcome) -> Outcome:
        """Return the gradients that are right at all points, given those that are right at the first."""
        for number in range(1, len(self.points)):
            if not first:
                return first
            there = self.right(number)
            first = None if there is None else first & there
        return first

    def keeps_moving(self) -> bool:
        """Whether a run at the first point changes every given array that the recorded run changed.

        It may not change others on which the loss depends.
        """
        point = self.points[0]
        recording = point.run.recording
        recording.before.restore()
        try:
            with _limited(self._limit):
                found = recording.collect(recording.call())
        except (Exception, SystemExit, _TooLong):
            return False
        for leaf in recording.leaves:
            held, (was, _) = point.run.held(leaf.path), recording.final.get(leaf.path, (None, None))
            now: Any = found.get(leaf.path, leaf.array)  # the program may have stored it under another name
            was_changed = leaf.written if was is None else not np.array_equal(was, held)
            is_changed = not np.array_equal(now, held)
            if was_changed and not is_changed:
                return False
            if is_changed and not was_changed and adjoint_by(point.run.found, leaf) is not None:
                return False
        return True

    def watched(self, run: Callable[[], T]) -> T | None:
        """Return the result of a run of the call; None if it fails."""
        try:
            with _limited(10 * self._limit):
                return run()
        except (Exception, SystemExit, _TooLong):
            return None

    def _is_right(
        self, point: RecordedPoint, i: int, found: dict[str, Any], centre: np.ndarray, allowed: np.ndarray
    ) -> bool:
        pair = point.pairs[i]
        given: Any = found.get(pair.found)
        if pair.part is not None and np.size(given) >= pair.part.start + centre.size:
            given = pair.part.of(np.asarray(given))
        if given is None or np.shape(given) != centre.shape:
            return False
        by_hand = np.asarray(given, np.float64)
        if pair.is_change:
            change = point.run.held(pair.leaf) - by_hand
            square = float(np.sum(change * centre))
            if square <= 0:
                return False
            by_hand = change * float(np.sum(centre * centre)) / square
        return bool((np.abs(by_hand - centre) <= allowed).all())


def _right(point: RecordedPoint, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a right gradient, and the allowed error of each entry."""
    right = point.gradients[i]
    bound = right.bound
    size = float(np.sqrt(np.mean(np.square(right.value)))) if right.value.size else 0.0
    least = NEAR if point.dtype == np.float64 else 1e-3
    return np.asarray(right.value), np.asarray(np.maximum(bound.radius, least * size) + bound.slack)


def _same_number(loss: Any, number: float) -> bool:
    if np.size(loss) != 1:
        return False
    there = float(np.asarray(loss, np.float64).reshape(()))
    return there == number or abs(there - number) <= 1e-12 * abs(number)


@contextmanager
def quietly() -> Iterator[None]:
    """Suppress the program's output and warnings, which were shown before."""
    nowhere = io.StringIO()
    with redirect_stdout(nowhere), redirect_stderr(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with np.errstate(all="ignore"):
            yield


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """End code that takes too much CPU time, if possible: in the main thread, with timers."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise _TooLong

    held = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, held)
