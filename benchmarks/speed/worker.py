"""A process in which one contender waits for its turns.

Every contender has one of its own, because thread pools that share a process take each other's cores; and
between its turns it is stopped, because threads that wait for work in a loop take their neighbours' too.

Each is forked from a process that has imported the contender's library and done nothing else: a fresh process
for every pass over every case, without the seconds that an import takes.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from benchmarks.speed.cases import Case

PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # slow down OpenBLAS alone
ANSWER_SECONDS = 240.0  # the longest is a compilation
ENDED = "ended with code"  # the key of what a library says of its worker's end


def environment(threads: int, native_blas: bool = True) -> dict[str, str]:
    """The variables of a process whose libraries use so many threads, on the CPU.

    Args:
        threads: of every library.
        native_blas: leave out what pins OpenBLAS to a core.
    """
    left_out = PINS if native_blas else ()
    variables = {name: value for name, value in os.environ.items() if name not in left_out}
    counts = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PJRT_NPROC", "NPROC")
    return variables | dict.fromkeys(counts, str(threads)) | {"JAX_PLATFORMS": "cpu"}


class WorkerFailedError(Exception):
    """A contender ended, or gave no answer; says how."""


class WorkerEndedError(WorkerFailedError):
    """It ended."""


class Library:
    """The near end of a process that has imported a contender's library, which forks its workers."""

    def __init__(self, contender: str, variables: dict[str, str]) -> None:
        """Start it.

        Args:
            contender: its name.
            variables: of its environment.
        """
        self.contender = contender
        self.said = tempfile.TemporaryFile("w+")  # on standard error  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.speed.worker", contender],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said, bufsize=0, env=variables,
        )  # fmt: skip

    def send(self, line: Any) -> None:
        """Write a line to it, or to its worker if there is one; if it has ended, `hear` says so."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{json.dumps(line)}\n".encode())

    def hear(self) -> Any:
        """Wait for the next line from it or its worker.

        Raises:
            WorkerEndedError: one of them ended.
            WorkerFailedError: there was no line in time.
        """
        assert self._process.stdout is not None
        there, _, _ = select.select([self._process.stdout], [], [], ANSWER_SECONDS)
        line = self._process.stdout.readline() if there else None
        if line is None:
            raise WorkerFailedError(f"no answer in {ANSWER_SECONDS:.0f} s")
        found = json.loads(line) if line else {ENDED: self._process.wait()}
        if isinstance(found, dict) and ENDED in found:
            self.said.seek(0)
            last = self.said.read().strip().splitlines()[-1:]
            raise WorkerEndedError(": ".join([f"{ENDED} {found[ENDED]}", *last]))
        return found

    def stop(self) -> None:
        """End the process, and with it its worker."""
        self._process.kill()
        self._process.communicate()
        self.said.close()


@contextmanager
def imported(names: Iterable[str], variables: dict[str, str]) -> Iterator[dict[str, Library]]:
    """The libraries of these contenders, by name; all of them end with the context."""
    with ExitStack() as stack:
        libraries = {name: Library(name, variables) for name in names}
        for library in libraries.values():
            stack.callback(library.stop)
        yield libraries


class Worker:
    """The near end of a contender at work."""

    def __init__(self, library: Library, case: Case, folder: Path) -> None:
        """Have it forked, on as many CPUs as the case has threads.

        Args:
            library: of the contender; it can have one worker at a time.
            case: what is timed; the arrays lie in the folder.
            folder: where `benchmarks.speed.referee.prepare` wrote.

        Raises:
            WorkerFailedError: the library could not be imported.
        """
        cpus = sorted(os.sched_getaffinity(0))[: case.threads]
        if len(cpus) < case.threads:
            raise SystemExit(f"{case.threads} threads need as many CPUs; there are {len(cpus)}")
        self.name, self._library = library.contender, library
        library.said.seek(0)
        library.said.truncate()
        library.send({"case": asdict(case), "cpus": cpus, "folder": str(folder)})
        self._pid = library.hear()
        self._ended = False

    def ready(self) -> dict[str, Any]:
        """Wait until it has made what it makes once, then stop it; returns its tasks, versions and cores."""
        try:
            return self._hear()
        finally:
            self._signal(signal.SIGSTOP)

    def ask(self, *question: Any) -> Any:
        """Let it go on until it has answered.

        Raises:
            WorkerFailedError: it ended, or there was no answer in time.
        """
        self._signal(signal.SIGCONT)
        self._library.send(question)
        try:
            return self._hear()
        finally:
            self._signal(signal.SIGSTOP)

    def stop(self) -> None:
        """End it, and wait for its end."""
        self._signal(signal.SIGKILL)
        while not self._ended:  # an answer that came too late may be there first
            with suppress(WorkerFailedError):
                self._hear()

    def _hear(self) -> Any:
        try:
            return self._library.hear()
        except WorkerEndedError:
            self._ended = True
            raise

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if not self._ended:
                os.kill(self._pid, number)


def threads_in_use() -> dict[str, int]:
    """How many threads each library of this process really has."""
    from threadpoolctl import threadpool_info

    found = {
        Path(pool["filepath"]).parent.name + "/" + pool["prefix"]: pool["num_threads"]
        for pool in threadpool_info()
    }
    if "torch" in sys.modules:
        found["torch"] = sys.modules["torch"].get_num_threads()
    if "jax" in sys.modules:
        names = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
        found["XLA"] = names.count("tf_XLAEigen")
    return found


def about() -> dict[str, Any]:
    """Versions of the libraries that are loaded, and the cores that each OpenBLAS takes the CPU for."""
    from importlib.metadata import version

    from threadpoolctl import threadpool_info

    names = {"numpy": "numpy", "scipy": "scipy", "jax": "jax", "torch": "torch", "sklearn": "scikit-learn"}
    cores = {
        f"OpenBLAS {pool['version']}": pool["architecture"]
        for pool in threadpool_info()
        if "architecture" in pool
    }
    return {
        "versions": {name: version(name) for module, name in names.items() if module in sys.modules},
        "cores": cores,
    }


class Turns:
    """The far end: what a contender does when it is asked."""

    def __init__(self, contender: str, case: Case, folder: Path, cpus: list[int], library_bytes: int) -> None:
        """Read the data, bind to the CPUs, let the contender make what it makes once."""
        from benchmarks.speed.contenders import load
        from benchmarks.speed.contenders.interface import Data

        self._name, self._case, self._folder = contender, case, folder
        self._library_bytes = library_bytes
        self._data = Data(case, folder)
        _bind(cpus)
        self._before = _peak_bytes()
        self._contender = load(contender)(self._data)
        self.tasks = [task for task in self._contender.tasks if task in (*case.tasks, "gemm", "copy")]

    def first(self, task: str) -> float:
        """The seconds of the first call, which compiles; what it found is left for the referee."""
        import numpy as np

        begin = time.perf_counter()
        if task == "gradient":
            loss, grads = self._contender.gradient(1)
            elapsed = time.perf_counter() - begin
            found = {"loss": np.asarray(loss), **grads}
        else:
            self._contender.steps(self._data.first_batches())
            elapsed = time.perf_counter() - begin
            found = self._contender.params()
        np.savez(self._folder / f"{self._name}.{task}.npz", **found)
        return elapsed

    def turn(self, task: str, times: int) -> tuple[float, float]:
        """Seconds, and seconds of CPU, that so many gradients, steps, epochs, products or copies take now.

        Where they are many, two come first that do not count: others had the caches.
        """
        if times > 2:
            self.turn(task, 2)
        data = self._data
        if task == "epoch":
            calls = [lambda: self._contender.steps(data.shuffled_batches())] * times
        elif task == "step":
            # No call takes more than an epoch: scikit-learn has no other steps than an epoch's.
            epoch = max(1, self._case.rows // self._case.batch_size)
            batches = data.some_batches(times)
            calls = [partial(self._contender.steps, batches[i : i + epoch]) for i in range(0, times, epoch)]
        else:
            calls = [partial(getattr(self._contender, task), times)]
        begin, begin_cpu = time.perf_counter(), time.process_time()
        for call in calls:
            call()
        return time.perf_counter() - begin, time.process_time() - begin_cpu

    def threads(self) -> dict[str, int]:
        """See `threads_in_use`."""
        return threads_in_use()

    def memory(self) -> dict[str, int]:
        """The peak of the process, and how much of it came after the library and the data were there."""
        peak = _peak_bytes()
        files = max(self._library_bytes, _bytes("RssFile"))
        return {"peak": peak + files, "working": peak - self._before}


def _peak_bytes() -> int:
    """The peak but for the pages of files, libraries most of all.

    A forked process has those of its parent's only once it comes upon them.
    """
    # Not `getrusage`, which counts what the parent had when it started this process.
    return _bytes("VmHWM") - _bytes("RssFile")


def _bytes(field: str) -> int:
    """A size in this process's status."""
    return 1024 * int(Path("/proc/self/status").read_text().split(f"{field}:")[1].split()[0])


def _bind(cpus: list[int]) -> None:
    """Bind every thread that there is, and so all that there will be, to these CPUs."""
    for task in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(task.name), cpus)


def _end_with_the_parent() -> None:
    """Have the system end this process when its parent ends, even while it is stopped."""
    import ctypes

    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """The far end: import the library, fork a worker for each case, and wait for its end."""
    from benchmarks.speed.contenders import entry, load

    _end_with_the_parent()
    contender = sys.argv[1]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    load(contender)
    import_module(entry(contender).imports)
    for line in sys.stdin:
        asked = json.loads(line)
        if "case" not in asked:
            continue  # a question to a worker that has ended
        library_bytes = _bytes("RssFile")
        pid = os.fork()
        if pid == 0:
            _end_with_the_parent()
            _say(answers, os.getpid())
            _work(contender, asked, library_bytes, answers)
            return
        _, status = os.waitpid(pid, 0)
        _say(answers, {ENDED: os.waitstatus_to_exitcode(status)})


def _work(contender: str, asked: dict[str, Any], library_bytes: int, answers: TextIO) -> None:
    """A worker's life: build the contender, then do what it is asked."""
    turns = Turns(contender, Case(**asked["case"]), Path(asked["folder"]), asked["cpus"], library_bytes)
    _say(answers, {"tasks": turns.tasks, **about()})
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        _say(answers, getattr(turns, name)(*arguments))


def _say(answers: TextIO, answer: Any) -> None:
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
