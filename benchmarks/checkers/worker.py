"""A process in which one gradient checker waits to be timed on networks of growing size."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

from benchmarks.speed.worker import environment

BATCH, CLASSES = 16, 10


class TimedChecker:
    """The near end of such a process, on one CPU and with one thread."""

    def __init__(self, contender: str, limit: float) -> None:
        """Start it; a check that takes longer than so many seconds will end it."""
        self.name, self.alive = contender, True
        cpu = min(os.sched_getaffinity(0))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.checkers.worker", contender, str(cpu), str(limit)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(1),
        )  # fmt: skip
        self._answer()  # everything is imported

    def prepare(self, parameters: int) -> int:
        """Draw a problem of about so many parameters; returns how many they are."""
        self._ask(f"prepare {parameters}")
        return int(self._answer())

    def seconds(self) -> float | None:
        """The CPU time of a check of that problem; None if it passed the limit, which ends the process."""
        self._ask("check")
        answer = self._answer()
        if answer:
            return float(answer)
        self.alive = False
        code = self._process.wait()
        if code != -signal.SIGPROF:
            raise SystemExit(f"{self.name} ended with code {code}")
        return None

    def stop(self) -> None:
        """End the process, and wait for it."""
        if self.alive:
            self._process.communicate()

    def _ask(self, question: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def sized(parameters: int) -> Any:
    """A random problem with H = D, and so many hidden units that there are about so many parameters."""
    import numpy as np

    from autograd_ref.crosscheck.problems import random_problem

    # H² + H weights and biases of the first layer, C·H + C of the second.
    C = CLASSES
    H = round((-(1 + C) + ((1 + C) ** 2 + 4 * (parameters - C)) ** 0.5) / 2)
    return random_problem(np.random.default_rng(0), (BATCH, H, H, C), reg=0.1)


def main() -> None:
    """The far end: bind to the CPU, then draw problems and time checks as asked."""
    name, cpu, limit = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    os.sched_setaffinity(0, {cpu})  # before any library counts the CPUs
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the answers

    from benchmarks.checkers import mistaken_networks
    from benchmarks.checkers.contenders import CONTENDERS, judge

    contender, network = CONTENDERS[name], mistaken_networks.network()
    __import__(contender.needs)
    print("ready", file=answers, flush=True)
    problem = None
    for line in sys.stdin:
        match line.split():
            case ["prepare", parameters]:
                problem = sized(int(parameters))
                print(sum(q.size for q in problem.params.values()), file=answers, flush=True)
            case _:
                signal.setitimer(signal.ITIMER_PROF, limit)  # of CPU time; its signal ends the process
                begin = time.process_time()
                judge(contender, network, problem)
                elapsed = time.process_time() - begin
                signal.setitimer(signal.ITIMER_PROF, 0)
                print(elapsed, file=answers, flush=True)


if __name__ == "__main__":
    main()
