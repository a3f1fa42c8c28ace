"""Limits of memory and time in a process that runs user code, and a note of its current line."""

import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from autograd_ref.crosscheck.isolated.targets import load_module
from handgrad.files import replace_json

__all__ = ["MARGIN", "limit", "note_where"]

# The target's line is noted this many seconds before the end.
MARGIN = 0.5
OWN = str(Path(__file__).parents[2])


def note_where(file: Path, seconds: float) -> None:
    """Write the main thread's current line to a file after a number of seconds."""
    main = threading.main_thread().ident

    def note() -> None:
        time.sleep(max(0.0, seconds))
        frame = sys._current_frames().get(main or 0)
        importing, place = False, None
        while frame is not None:
            name = frame.f_code.co_filename
            importing = importing or frame.f_code is load_module.__code__
            if place is None and not name.startswith((OWN, sys.prefix, sys.base_prefix, "<")):
                place = {"file": Path(name).name, "line": frame.f_lineno}
            frame = frame.f_back
        with suppress(OSError):  # the folder may be gone
            replace_json(file, {"importing": importing, "place": place})

    threading.Thread(target=note, daemon=True).start()


def limit(memory: int, time_limit: float) -> None:
    """Set limits that hold even if the parent process is gone, if the system has them."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seconds = min(int(time_limit * (os.cpu_count() or 1)) + 1, 2**31)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if sys.platform == "linux":  # elsewhere it does not count what NumPy allocates
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
