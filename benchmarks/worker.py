"""A process in which one contender waits for its turns.

Every contender has one of its own, because thread pools that share a process take each other's cores; and
between its turns it is stopped, because threads that wait for work in a loop take their neighbours' too.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.cases import Case

PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # slow down OpenBLAS alone
ANSWER_SECONDS = 240.0  # the longest is a compilation


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


class Worker:
    """The near end of such a process."""

    def __init__(self, contender: str, case: Case, folder: Path, variables: dict[str, str]) -> None:
        """Start it, on as many CPUs as the case has threads.

        Args:
            contender: its name.
            case: what is timed; the arrays lie in the folder.
            folder: where `benchmarks.referee.prepare` wrote, and what is said on standard error goes.
            variables: of its environment.
        """
        self.name, self._folder = contender, folder
        cpus = sorted(os.sched_getaffinity(0))[: case.threads]
        if len(cpus) < case.threads:
            raise SystemExit(f"{case.threads} threads need as many CPUs; there are {len(cpus)}")
        self._said = (folder / f"{contender}.txt").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", contender, json.dumps(asdict(case)), json.dumps(cpus),
             str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True, env=variables,
        )  # fmt: skip

    def ready(self) -> dict[str, Any]:
        """Wait until it has made what it makes once, then stop it; returns its tasks, versions and cores."""
        found = self._answer()
        self._process.send_signal(signal.SIGSTOP)
        return found

    def ask(self, *question: Any) -> Any:
        """Let it go on until it has answered.

        Raises:
            WorkerFailedError: it ended, or there was no answer in time.
        """
        assert self._process.stdin is not None
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.stdin.write(f"{json.dumps(question)}\n")
            self._process.stdin.flush()
            return self._answer()
        except BrokenPipeError:
            return self._answer()
        finally:
            self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        """End the process, and wait for it."""
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        there, _, _ = select.select([self._process.stdout], [], [], ANSWER_SECONDS)
        line = self._process.stdout.readline() if there else None
        if line is None:
            raise WorkerFailedError(f"no answer in {ANSWER_SECONDS:.0f} s")
        if not line:
            code = self._process.wait()
            self._said.seek(0)
            last = self._said.read().strip().splitlines()[-1:]
            raise WorkerFailedError(": ".join([f"ended with code {code}", *last]))
        return json.loads(line)


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

    def __init__(self, contender: str, case: Case, folder: Path, cpus: list[int]) -> None:
        """Import the contender's library, bind to the CPUs, read the data, let it make what it makes once."""
        from benchmarks.contenders import entry, load
        from benchmarks.contenders.interface import Data

        self._name, self._case, self._folder = contender, case, folder
        kind = load(contender)
        import_module(entry(contender).imports)
        _bind(cpus)
        self._data = Data(case, folder)
        self._before = _peak_bytes()
        self._contender = kind(self._data)
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
        return {"peak": peak, "working": peak - self._before}


def _peak_bytes() -> int:
    # Not `getrusage`, which counts what the parent had when it started this process.
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


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
    """The far end: build the contender, then do what is asked."""
    _end_with_the_parent()
    contender, case, cpus, folder = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    turns = Turns(contender, Case(**json.loads(case)), Path(folder), json.loads(cpus))
    print(json.dumps({"tasks": turns.tasks, **about()}), file=answers, flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(getattr(turns, name)(*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()
