"""A process in which one contender waits for its turns.

Every contender has one of its own, because thread pools that share a process take each other's cores.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """What is to be timed, the same for all contenders."""

    hidden: int
    dtype: str
    threads: int
    rows: int = 10_000
    batch_size: int = 200
    features: int = 3072
    classes: int = 10
    learning_rate: float = 1e-2
    reg: float = 1e-3


def environment(threads: int) -> dict[str, str]:
    """The variables of a process whose libraries use so many threads, on the CPU."""
    pinned = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # would slow down OpenBLAS alone
    variables = {name: value for name, value in os.environ.items() if name not in pinned}
    counts = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PJRT_NPROC", "NPROC")
    return variables | dict.fromkeys(counts, str(threads)) | {"JAX_PLATFORMS": "cpu"}


class Worker:
    """The near end of such a process."""

    def __init__(self, contender: str, case: Case) -> None:
        """Start it, on as many CPUs as the case has threads, and wait until it has shown that it is right."""
        cpus = sorted(os.sched_getaffinity(0))[: case.threads]
        if len(cpus) < case.threads:
            raise SystemExit(f"{case.threads} threads need as many CPUs; there are {len(cpus)}")
        self.name = contender
        arguments = [contender, json.dumps(asdict(case)), json.dumps(cpus)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(case.threads),
        )  # fmt: skip
        self.about: dict[str, Any] = self._answer()

    def seconds(self, steps: int) -> float:
        """How long so many steps take now."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return float(self._answer())

    def stop(self) -> None:
        """End the process, and wait for it."""
        self._process.communicate()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with code {self._process.wait()}")
        return json.loads(line)


def main() -> None:
    """The far end: bind to the CPUs, then build the contender and check it, then time what is asked."""
    contender, case, cpus = sys.argv[1], Case(**json.loads(sys.argv[2])), json.loads(sys.argv[3])
    os.sched_setaffinity(0, cpus)  # before any library counts the CPUs
    import time

    from benchmarks.contenders import CONTENDERS, Data

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    data = Data(case)
    begin = time.perf_counter()
    running = CONTENDERS[contender](data)
    running.run(data.batches[:2])
    first = time.perf_counter() - begin
    if contender != "GEMM":
        data.check(running)
    print(json.dumps({"until the first steps": first, **running.about()}), file=answers, flush=True)
    for line in sys.stdin:
        batches = data.some_batches(int(line))
        begin = time.perf_counter()
        running.run(batches)
        print(time.perf_counter() - begin, file=answers, flush=True)


if __name__ == "__main__":
    main()
