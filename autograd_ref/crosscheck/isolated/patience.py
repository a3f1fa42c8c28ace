"""End a program that runs on without calling anything of interest."""

import _thread
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Patience"]


class Patience:
    """Interrupts the main thread, like Ctrl-C, when nothing has happened for some time."""

    def __init__(self, seconds: float) -> None:
        """Set the waiting time in seconds."""
        self.seconds = seconds
        self.is_over = False
        self._timer: threading.Timer | None = None

    def start(self, seconds: float | None = None) -> None:
        """Start waiting; a given time replaces the old one from now on."""
        self.seconds = self.seconds if seconds is None else seconds
        self.stop()
        self._timer = threading.Timer(self.seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """Stop waiting."""
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
