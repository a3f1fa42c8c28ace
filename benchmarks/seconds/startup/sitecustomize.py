"""Measure where a process spends its CPU time; Python runs this file first if its folder is on the path.

Every few milliseconds of CPU time, a timer notes the stage of each thread, and adds the time since the last
note to it. The sums are in a file, which remains however the process ends.
"""

from __future__ import annotations

import atexit
import mmap
import os
import signal
import struct
import sys
import time
from types import FrameType

STAGES = "importing", "recording", "tracing", "compiling", "running"
INTERVAL = 0.005
# The stage of each function; its file must end in one of `FILES`. The innermost such function decides.
FUNCTIONS = {
    "_find_and_load": "importing",
    "record": "recording",
    "_infer_params": "tracing",
    "trace_to_jaxpr": "tracing",
    "lower_sharding_computation": "tracing",
    "compile_or_get_cached": "compiling",
}
FILES = "importlib._bootstrap>", "record.py", "pjit.py", "partial_eval.py", "pxla.py", "compiler.py"


def stage_of(frame: FrameType | None) -> str | None:
    """Return the stage of a thread; None if it is in none of `FUNCTIONS`."""
    while frame is not None:
        code = frame.f_code
        if code.co_name in FUNCTIONS and code.co_filename.endswith(FILES):
            return FUNCTIONS[code.co_name]
        frame = frame.f_back
    return None


class Tally:
    """The seconds of every stage, in a file."""

    def __init__(self, path: str) -> None:
        self.seconds, self.last = dict.fromkeys(STAGES, 0.0), 0.0
        with open(path, "w+b") as file:
            file.truncate(8 * len(STAGES))
            self.file = mmap.mmap(file.fileno(), 8 * len(STAGES))

    def add(self, stages: set[str]) -> None:
        """Add the time since the last call to these stages, in equal parts."""
        now = time.process_time()
        stages = stages or {"running"}
        for stage in stages:
            self.seconds[stage] += (now - self.last) / len(stages)
        self.last = now
        self.file[:] = struct.pack(f"{len(STAGES)}d", *self.seconds.values())

    def look(self, *_: object) -> None:
        """Note the stages of all threads."""
        frames = sys._current_frames()
        self.add({stage for each in frames.values() if (stage := stage_of(each)) is not None})


if folder := os.environ.get("SECONDS_TALLY"):
    tally = Tally(os.path.join(folder, str(os.getpid())))
    tally.add({"importing"})
    signal.signal(signal.SIGPROF, tally.look)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    atexit.register(signal.setitimer, signal.ITIMER_PROF, 0)  # before Python removes the handler
