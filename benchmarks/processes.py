"""Worker processes: their environment, and their common protocol.

A worker is ``python -m MODULE ARGUMENT ...``. It reads a question and writes an answer, each a line of JSON.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # slow down OpenBLAS alone


class BenchmarkError(Exception):
    """The benchmark cannot go on; the message says why."""


class WorkerFailedError(BenchmarkError):
    """A worker ended or did not answer.

    Attributes:
        code: its exit code; None if it did not answer in time.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


def environment(threads: int, native_blas: bool = True) -> dict[str, str]:
    """Return environment variables that limit every library to a number of threads, on the CPU.

    ``native_blas`` leaves out the variables that pin OpenBLAS to a core.
    """
    left_out = PINS if native_blas else ()
    variables = {name: value for name, value in os.environ.items() if name not in left_out}
    counts = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PJRT_NPROC", "NPROC")
    return variables | dict.fromkeys(counts, str(threads)) | {"JAX_PLATFORMS": "cpu"}


def some_cpus(count: int) -> list[int]:
    """Return the first CPUs that this process may use.

    Raises:
        BenchmarkError: there are fewer.
    """
    cpus = sorted(os.sched_getaffinity(0))[:count]
    if len(cpus) < count:
        raise BenchmarkError(f"{count} threads need {count} CPUs; there are {len(cpus)}")
    return cpus


class Worker:
    """The parent's side of a worker process, which is bound to some CPUs and has one thread for each."""

    def __init__(self, module: str, *arguments: object, cpus: list[int], native_blas: bool = True) -> None:
        """Start the process: a module whose ``main`` calls `connect`, and its command line.

        The worker's first answer, without a question, says that it is ready. For ``native_blas`` see
        `environment`.
        """
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cpus)  # the process inherits it, before any library counts the CPUs
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=0,
                env=environment(len(cpus), native_blas),
            )
        finally:
            os.sched_setaffinity(0, before)
        self.pid = self._process.pid

    def receive(self, timeout: float | None = None) -> Any:
        """Wait for the next answer.

        Raises:
            WorkerFailedError: the process ended, or there was no answer within ``timeout`` seconds.
        """
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], timeout)
        if not readable:
            raise WorkerFailedError(f"no answer in {timeout:.0f} s")
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        code = self._process.wait()
        self._errors.seek(0)
        last_line = self._errors.read().strip().splitlines()[-1:]
        raise WorkerFailedError(": ".join([f"ended with code {code}", *last_line]), code)

    def ask(self, question: Any, timeout: float | None = None) -> Any:
        """Send a question and wait for the answer; see `receive`."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # if the process has ended, `receive` says so
            self._process.stdin.write(f"{json.dumps(question)}\n".encode())
        return self.receive(timeout)

    def ask_paused(self, question: Any, timeout: float | None = None) -> Any:
        """Wake a paused worker for one question, and pause it again."""
        self._process.send_signal(signal.SIGCONT)
        try:
            return self.ask(question, timeout)
        finally:
            self.pause()

    def bind(self, cpus: list[int]) -> None:
        """Bind every thread of the process to these CPUs."""
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            with suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(int(thread.name), cpus)

    def pause(self) -> None:
        """Pause the process, so that its threads take no time from other workers."""
        self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        """End the process, paused or not."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()


def connect() -> tuple[Iterator[Any], Callable[[Any], None]]:
    """Become a worker: return the questions, and the function that answers one.

    From now on, libraries print to standard error, so that nothing comes between the answers. The process
    ends with its parent, even while it is paused.
    """
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(content: Any) -> None:
        print(json.dumps(content), file=answers, flush=True)

    return (json.loads(line) for line in sys.stdin), answer
