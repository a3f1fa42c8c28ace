"""Time checks on networks of growing size, with each checker in its own process."""

import signal
import sys
import time
from collections.abc import Sequence
from importlib import import_module

import numpy as np

from autograd_ref.crosscheck.problems import Problem, random_problem
from benchmarks.checkers import mistaken_networks
from benchmarks.checkers.contenders import CONTENDERS, judge
from benchmarks.processes import Worker, WorkerFailedError, connect, some_cpus
from benchmarks.results import progress

BATCH, CLASSES = 16, 10
LIMIT = 20.0  # seconds of CPU
ROUNDS = 3

# CPU seconds of each check, by checker and number of parameters; None if the limit was exceeded.
Times = dict[str, dict[int, list[float] | None]]


def time_checks(names: Sequence[str], parameters: Sequence[int]) -> Times:
    """Time the checkers, which take turns on one CPU, on networks of about these sizes in rising order.

    The first time of each list includes compilation; there is no third if the second is above two seconds.
    CPU time is the time that an idle machine would need.
    """
    times: Times = {name: {} for name in names}
    workers = {name: Worker("benchmarks.checkers.timing", name, cpus=some_cpus(1)) for name in names}
    alive = list(names)
    try:
        for size in progress(parameters, "Timing"):
            exact = sum(q.size for q in problem_of_size(size).params.values())
            if not alive:
                break
            for name in alive:
                times[name][exact] = []
            for turn in range(ROUNDS):
                shift = turn % len(alive)  # the order changes from round to round
                for name in alive[shift:] + alive[:shift]:
                    times[name][exact] = _time_again(workers[name], size, times[name][exact])
            alive = [name for name in alive if times[name][exact] is not None]
    finally:
        for worker in workers.values():
            worker.stop()
    return times


def _time_again(worker: Worker, size: int, seconds: list[float] | None) -> list[float] | None:
    """Add a time if another is needed; return None if the check exceeds the limit."""
    if seconds is None or (len(seconds) > 1 and seconds[1] > 2):
        return seconds
    try:
        return [*seconds, worker.ask(size)]
    except WorkerFailedError as failure:
        if failure.code != -signal.SIGPROF:
            raise
        return None


def problem_of_size(parameters: int) -> Problem:
    """Draw a problem with H = D and about this number of parameters."""
    # H² + H weights and biases of the first layer, C·H + C of the second.
    C = CLASSES
    H = round((-(1 + C) + ((1 + C) ** 2 + 4 * (parameters - C)) ** 0.5) / 2)
    return random_problem(np.random.default_rng(0), (BATCH, H, H, C), reg=0.1)


def main() -> None:
    """Answer every number of parameters with the CPU seconds of a check."""
    questions, answer = connect()
    contender, network = CONTENDERS[sys.argv[1]], mistaken_networks.network()
    import_module(contender.needs)
    for parameters in questions:
        problem = problem_of_size(parameters)
        signal.setitimer(signal.ITIMER_PROF, LIMIT)  # of CPU time; its signal ends the process
        begin = time.process_time()
        judge(contender, network, problem)
        elapsed = time.process_time() - begin
        signal.setitimer(signal.ITIMER_PROF, 0)
        answer(elapsed)


if __name__ == "__main__":
    main()
