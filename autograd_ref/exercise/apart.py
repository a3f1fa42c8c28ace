"""Judge an exercise in a separate interpreter, which can be started in advance."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from autograd_ref.crosscheck.isolated.process import (
    MEMORY,
    cores,
    environment,
    how_it_ended,
    physical_memory,
    where_it_was,
)
from autograd_ref.exercise.writing import Exercise

__all__ = ["Apart"]

POLL = 0.03


class Apart:
    """A process that judges one exercise once.

    Args:
        exercise: the exercise.
        time_limit: seconds from the call of `answers`.
        warm: whether to compile what the right program needs before that.
    """

    def __init__(self, exercise: Exercise, time_limit: float, *, warm: bool = False):
        self.exercise, self.time_limit = exercise, time_limit
        self.folder = TemporaryDirectory(prefix="handgrad-")
        request = {
            "file": str(exercise.file.resolve()),
            "topic": exercise.topic.name,
            "warm": warm,
            "time_limit": time_limit,
            "memory": min(MEMORY, physical_memory()),
        }
        Path(self.folder.name, "request.json").write_text(json.dumps(request))
        self.child = subprocess.Popen(  # noqa: S603 - this interpreter, our own program
            [sys.executable, "-P", "-m", "autograd_ref.exercise.child", self.folder.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment(cores()),
        )

    def answers(self) -> Iterator[dict[str, Any]]:
        """Start the judging and yield each answer as soon as it is there; the last has ``final``."""
        assert self.child.stdin is not None  # noqa: S101 - it is a pipe
        with suppress(BrokenPipeError):
            self.child.stdin.write(f"{time.time() + self.time_limit}\n".encode())
            self.child.stdin.flush()
        deadline, seen = time.monotonic() + self.time_limit, 0.0
        while True:
            code = self.child.poll()
            found = self._read("answer.json")
            if found is not None and found["at"] != seen:
                seen = found["at"]
                yield found
                if found["final"]:
                    return
            elif code is not None:
                yield self._without(how_it_ended(code))
                return
            if time.monotonic() > deadline:
                target = f"{self.exercise.file}:{self.exercise.topic.function}"
                where = Path(self.folder.name, "where.json")
                yield self._without(where_it_was(where, target, self.time_limit))
                return
            time.sleep(POLL)

    def close(self) -> None:
        """End the process and every process that it started."""
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.child.pid, signal.SIGKILL)
            else:
                self.child.kill()
        self.child.wait()
        if self.child.stdin is not None:
            with suppress(BrokenPipeError):
                self.child.stdin.close()
        self.folder.cleanup()

    def __enter__(self) -> "Apart":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, name: str) -> dict[str, Any] | None:
        file = Path(self.folder.name, name)
        return json.loads(file.read_text()) if file.exists() else None

    def _without(self, error: str) -> dict[str, Any]:
        return {"progress": None, "error": error, "not_returned": None, "finish": None, "final": True}
