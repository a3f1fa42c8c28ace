"""One pass over one case: start, judge, warm up and time all contenders in turns."""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import BenchmarkError, Worker, some_cpus
from benchmarks.speed.cases import ALL_CPUS, Case
from benchmarks.speed.referee import Arrays, find_error, prepare

ANSWER_SECONDS = 240.0  # the longest answer is a compilation's
TURN_SECONDS = 0.05  # approximately; a longer step is one turn
LEAST_ROUNDS, MOST_ROUNDS = 6, 30  # of a pass
JUDGED = ("gradient", "step")
OFTEN = ("step", "products")  # the others run in one round of SELDOM, because the ratios are ratios of steps
SELDOM = 3
AT_ONCE = ("gemm", "copy")  # a turn runs one of these


@dataclass
class Pass:
    """The times of one pass over a case.

    Attributes:
        rounds: seconds of one gradient, step or limit, by contender, task and round. Rounds with the
            same number belong together in all contenders. A refused contender's rounds mean nothing.
        refused: the reason why a contender is not timed, by contender.
        libraries: names and versions, and the core that each OpenBLAS assumes.
        first_seconds: seconds of the first call, which compiles, by contender and task.
    """

    rounds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)
    first_seconds: dict[str, dict[str, float]] = field(default_factory=dict)

    @contextmanager
    def refusing(self, name: str) -> Iterator[None]:
        """Refuse the contender if it is wrong or its worker fails."""
        try:
            yield
        except BenchmarkError as error:
            self.refused[name] = str(error)


def run_pass(case: Case, names: Sequence[str], until: float, native_blas: bool = True) -> Pass:
    """Time a case, with the contenders of these names.

    After the moment ``until``, of `time.perf_counter`, only the least number of rounds is completed. For
    ``native_blas`` see `benchmarks.processes.environment`.
    """
    cpus = some_cpus(case.threads)
    done = Pass()
    with tempfile.TemporaryDirectory(prefix="handgrad-benchmark-") as folder, ExitStack() as stack:
        expected = prepare(case, Path(folder))
        workers, tasks, turns = {}, {}, {}
        # Contenders with one thread import their libraries on all CPUs.
        starts = cycle([[cpu] for cpu in ALL_CPUS] if case.threads == 1 else [cpus])
        for name, start in zip(names, starts, strict=False):
            arguments = (name, json.dumps(asdict(case)), folder)
            workers[name] = Worker("benchmarks.speed.worker", *arguments, cpus=start, native_blas=native_blas)
            stack.callback(workers[name].stop)
        for name, worker in workers.items():
            with done.refusing(name):
                ready = worker.receive(ANSWER_SECONDS)
                worker.pause()
                worker.bind(cpus)
                tasks[name] = ready["tasks"]
                done.libraries.update(ready["libraries"])
        for name, of_contender in tasks.items():
            with done.refusing(name):
                done.first_seconds[name] = judge(
                    workers[name], name, of_contender, case, expected, Path(folder)
                )
                times = {task: _times(workers[name], task) for task in of_contender}
                check_threads(workers[name], case.threads)
                turns[name] = times
        play(turns, workers, done, until)
    return done


def judge(
    worker: Worker,
    name: str,
    tasks: Sequence[str],
    case: Case,
    expected: Mapping[str, Arrays],
    folder: Path,
) -> dict[str, float]:
    """Raise BenchmarkError if a contender's gradient or its first two steps are wrong.

    Return the seconds of its first calls, by task.
    """
    first_seconds = {}
    for task in tasks:
        if task not in JUDGED:
            continue
        first_seconds[task] = _ask(worker, "first", task)
        with np.load(folder / f"{name}.{task}.npz", allow_pickle=False) as arrays:
            error = find_error(case, expected, task, dict(arrays))
        if error is not None:
            raise BenchmarkError(error)
    return first_seconds


def check_threads(worker: Worker, threads: int) -> None:
    """Raise BenchmarkError if a library of the worker has another number of threads."""
    wrong = {library: count for library, count in _ask(worker, "threads").items() if count != threads}
    if wrong:
        raise BenchmarkError(f"threads: {wrong}, not {threads}")


def _times(worker: Worker, task: str) -> int:
    """Return the number of gradients or steps in a turn, after running, and compiling, it once."""
    if task in AT_ONCE or _ask(worker, "turn", task, 1) > TURN_SECONDS:
        return 1
    times = 2
    while (elapsed := _ask(worker, "turn", task, times)) < TURN_SECONDS:
        # An even number, however short a step is, because an estimate from a few steps is poor.
        times = 2 * min(5 * times, 1 + int(times * TURN_SECONDS / elapsed) // 2)
    return times


def play(
    turns: Mapping[str, Mapping[str, int]], workers: Mapping[str, Worker], done: Pass, until: float
) -> None:
    """Run the rounds and add their times to the pass; in each, contenders take turns in a new random order.

    ``turns`` has the number of gradients, steps or products in a turn, by contender and task.
    """
    rng = np.random.default_rng()
    done.rounds = {name: {task: [] for task in times} for name, times in turns.items()}
    played = 0
    while played < LEAST_ROUNDS or (played < MOST_ROUNDS and time.perf_counter() < until):
        order = [
            (name, task)
            for name, times in turns.items()
            for task in times
            if task in OFTEN or played % SELDOM == 0
        ]
        for i in rng.permutation(len(order)):
            name, task = order[i]
            if name not in done.refused:
                with done.refusing(name):
                    elapsed = _ask(workers[name], "turn", task, turns[name][task])
                    done.rounds[name][task].append(elapsed / turns[name][task])
        played += 1


def _ask(worker: Worker, *question: Any) -> Any:
    return worker.ask_paused(question, ANSWER_SECONDS)
