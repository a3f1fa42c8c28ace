"""One pass over one case: all contenders are started, judged, warmed up and timed in turns."""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import Worker, WorkerFailedError, some_cpus
from benchmarks.speed.cases import Case
from benchmarks.speed.referee import Arrays, find_error, prepare
from benchmarks.speed.schema import ContenderResult

ANSWER_SECONDS = 240.0  # the longest answer is a compilation's
TURN_SECONDS = 0.05  # about; a step that takes longer is a turn of its own
SELDOM = 3  # all but the steps come in one round of three: the ratios are ratios of steps
AT_ONCE = ("epoch", "gemm", "copy")  # a turn has one of these


@dataclass
class Budget:
    """How long the rounds may go on.

    Attributes:
        least: number of rounds that there are in any case.
        most: number of rounds after which it is enough.
        until: the moment, of `time.perf_counter`, after which only the least number of rounds is completed.
    """

    least: int
    most: int
    until: float

    def goes_on(self, done: int) -> bool:
        """Return whether another round follows."""
        return done < self.least or (done < self.most and time.perf_counter() < self.until)


@dataclass
class Pass:
    """What one pass over a case gave.

    Attributes:
        contenders: the results by name, with one pass of rounds each.
        versions: of the libraries.
        cores: the core that each OpenBLAS takes the CPU for.
    """

    contenders: dict[str, ContenderResult]
    versions: dict[str, str]
    cores: dict[str, str]


def run_pass(case: Case, names: Sequence[str], budget: Budget, native_blas: bool = True) -> Pass:
    """Time a case.

    Args:
        case: what is timed.
        names: the contenders.
        budget: of the rounds.
        native_blas: start the contenders without the variables that pin OpenBLAS to a core.
    """
    cpus = some_cpus(case.threads)
    done = Pass({name: ContenderResult() for name in names}, {}, {})
    with tempfile.TemporaryDirectory(prefix="handgrad-benchmark-") as folder, ExitStack() as stack:
        expected = prepare(case, Path(folder))
        workers = {}
        for name in names:
            arguments = (name, json.dumps(asdict(case)), folder)
            worker = Worker("benchmarks.speed.worker", *arguments, cpus=cpus, native_blas=native_blas)
            stack.callback(worker.stop)
            workers[name] = worker
        tasks = {}
        for name, worker in workers.items():
            with _refuse_on_failure(done.contenders[name]):
                ready = worker.receive(ANSWER_SECONDS)
                worker.pause()
                tasks[name] = ready["tasks"]
                done.versions |= ready["versions"]
                done.cores |= ready["cores"]
        turns = {}
        for name in tasks:
            result = done.contenders[name]
            with _refuse_on_failure(result):
                times = _admit(workers[name], name, result, case, tasks[name], expected, Path(folder))
                if result.refused is None:
                    turns[name] = times
        _play(turns, workers, done.contenders, budget)
    return done


@contextmanager
def _refuse_on_failure(result: ContenderResult) -> Iterator[None]:
    """Refuse the contender if its worker fails."""
    try:
        yield
    except WorkerFailedError as failure:
        result.refused = str(failure)


def _admit(
    worker: Worker,
    name: str,
    result: ContenderResult,
    case: Case,
    tasks: Sequence[str],
    expected: Mapping[str, Arrays],
    folder: Path,
) -> dict[str, int]:
    """Judge a contender, and return how much of each task makes a turn; sets `refused` if it is not right."""
    for task in tasks:
        if task in ("gradient", "step"):
            result.first_seconds[task] = _ask(worker, "first", task)
            with np.load(folder / f"{name}.{task}.npz", allow_pickle=False) as arrays:
                result.refused = find_error(case, expected, task, dict(arrays))
            if result.refused is not None:
                return {}
    times = {task: 1 if task in AT_ONCE else _times(worker, task) for task in tasks}
    threads = _ask(worker, "threads")
    wrong = {library: count for library, count in threads.items() if count != case.threads}
    if wrong:
        result.refused = f"threads: {wrong} where {case.threads} were asked for"
    return times


def _times(worker: Worker, task: str) -> int:
    """Return how many gradients or steps make a turn; this number was run, and compiled, once."""
    times = 2
    while (elapsed := _ask(worker, "turn", task, times)[0]) < TURN_SECONDS:
        # An even number, however short a step is; the estimate from a few is poor.
        times = 2 * min(5 * times, 1 + int(times * TURN_SECONDS / elapsed) // 2)
    return times


def _play(
    turns: Mapping[str, Mapping[str, int]],
    workers: Mapping[str, Worker],
    results: Mapping[str, ContenderResult],
    budget: Budget,
) -> None:
    """Play the rounds: in each, the contenders take their turns in an order drawn anew."""
    rng = np.random.default_rng()
    seconds = {name: {task: list[float]() for task in times} for name, times in turns.items()}
    busy: dict[str, list[float]] = {name: [] for name in turns}
    done = 0
    while budget.goes_on(done) and any(results[name].refused is None for name in turns):
        order = [
            (name, task)
            for name, times in turns.items()
            for task in times
            if task == "step" or done % SELDOM == 0
        ]
        for i in rng.permutation(len(order)):
            name, task = order[i]
            if results[name].refused is not None:
                continue
            with _refuse_on_failure(results[name]):
                elapsed, cpu_seconds = _ask(workers[name], "turn", task, turns[name][task])
                seconds[name][task].append(elapsed / turns[name][task])
                if task == "step":
                    busy[name].append(cpu_seconds / elapsed)
        done += 1
    for name in turns:
        result = results[name]
        if result.refused is None:
            result.rounds = {task: [times] for task, times in seconds[name].items()}
            result.busy_cpus = float(np.median(busy[name])) if busy[name] else 0.0


def _ask(worker: Worker, *question: Any) -> Any:
    return worker.ask_paused(question, ANSWER_SECONDS)
