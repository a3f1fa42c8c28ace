"""Measure where a process spends its CPU time; Python runs this file first if its folder is on the path.

A timer looks every few milliseconds of CPU time at what each thread is doing, and adds the time since the
last look to that stage. The sums are in a file that stays whatever ends the process.
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
# What names a stage, innermost first: the function and the end of its file's folder and name.
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
    """The stage that a thread is in; None where nothing says so."""
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
        """Add what passed since the last time, in equal parts; before the first, Python itself was loaded."""
        now = time.process_time()
        stages = stages or {"running"}
        for stage in stages:
            self.seconds[stage] += (now - self.last) / len(stages)
        self.last = now
        self.file[:] = struct.pack(f"{len(STAGES)}d", *self.seconds.values())

    def look(self, *_: object) -> None:
        """See what all threads are doing."""
        frames = sys._current_frames()
        self.add({stage for each in frames.values() if (stage := stage_of(each)) is not None})


if folder := os.environ.get("SECONDS_TALLY"):
    tally = Tally(os.path.join(folder, str(os.getpid())))
    tally.add({"importing"})
    signal.signal(signal.SIGPROF, tally.look)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    atexit.register(signal.setitimer, signal.ITIMER_PROF, 0)  # before Python lets go of the handler
