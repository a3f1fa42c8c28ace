"""An end to a program that goes on after all that is of interest."""

import _thread
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Patience"]


class Patience:
    """Interrupts the main thread, as Ctrl-C does, when nothing happened for some time."""

    def __init__(self, seconds: float) -> None:
        """Wait for so many seconds."""
        self.seconds = seconds
        self.is_over = False
        self._timer: threading.Timer | None = None

    def start(self, seconds: float | None = None) -> None:
        """Begin to wait, for another time from now on where one is given."""
        self.seconds = self.seconds if seconds is None else seconds
        self.stop()
        self._timer = threading.Timer(self.seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Wait while a block runs."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    def _end(self) -> None:
        self.is_over = True
        _thread.interrupt_main()
