"""One pass over one case: everybody is started, judged, warmed up and timed in turns."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.speed.cases import Case
from benchmarks.speed.referee import Arrays, complaint, prepare
from benchmarks.speed.schema import Entrant
from benchmarks.speed.worker import Library, Worker, WorkerFailedError

TURN_SECONDS = 0.05  # about; a step that takes longer is a turn of its own
SELDOM = 3  # what is no step comes in one round of so many: the ratios are of steps
AT_ONCE = ("epoch", "gemm", "copy")  # a turn has one of these


@dataclass
class Budget:
    """How long the rounds may go on.

    Attributes:
        least: rounds that there are in any case.
        most: rounds after which it is enough.
        until: the moment, of `time.perf_counter`, after which no round begins but the least.
    """

    least: int
    most: int
    until: float

    def goes_on(self, done: int) -> bool:
        """Whether there is another round after so many."""
        return done < self.least or (done < self.most and time.perf_counter() < self.until)


def run_pass(
    case: Case, libraries: Mapping[str, Library], budget: Budget, tasks: Sequence[str] = ()
) -> dict[str, Entrant]:
    """Time a case.

    Args:
        case: what is timed.
        libraries: of the contenders, by name, with as many threads as the case has.
        budget: of the rounds.
        tasks: what of the case's tasks is timed; none for all of them.

    Returns:
        What was found of each contender, with one pass of rounds.
    """
    with tempfile.TemporaryDirectory(prefix="handgrad-benchmark-") as name:
        folder = Path(name)
        expected = prepare(case, folder)
        entrants = {name: Entrant() for name in libraries}
        workers: dict[str, Worker] = {}
        try:
            for name, library in libraries.items():
                try:
                    workers[name] = Worker(library, case, folder)
                except WorkerFailedError as failure:
                    entrants[name].refused = str(failure)
            asked = {}
            for name in workers:
                try:
                    ready = workers[name].ready()
                    entrants[name].versions, entrants[name].cores = ready["versions"], ready["cores"]
                    asked[name] = [task for task in ready["tasks"] if task in (tasks or ready["tasks"])]
                except WorkerFailedError as failure:
                    entrants[name].refused = str(failure)
            turns = {}
            for name in asked:
                times = _admit(workers[name], entrants[name], case, asked[name], expected, folder)
                if entrants[name].refused is None:
                    turns[name] = times
            _play(turns, workers, entrants, budget)
        finally:
            for worker in workers.values():
                worker.stop()
    return entrants


def _admit(
    worker: Worker,
    entrant: Entrant,
    case: Case,
    tasks: Sequence[str],
    expected: Mapping[str, Arrays],
    folder: Path,
) -> dict[str, int]:
    """Judge a contender, and find how much of each task makes a turn; it may be refused, with the reason."""
    try:
        for task in tasks:
            if task in ("gradient", "step"):
                entrant.first_seconds[task] = [worker.ask("first", task)]
                with np.load(folder / f"{worker.name}.{task}.npz", allow_pickle=False) as found:
                    entrant.refused = complaint(case, expected, task, dict(found))
                if entrant.refused is not None:
                    return {}
        times = {task: 1 if task in AT_ONCE else _times(worker, task) for task in tasks}
        entrant.threads = worker.ask("threads")
        wrong = {library: n for library, n in entrant.threads.items() if n != case.threads}
        if wrong:
            entrant.refused = f"threads: {wrong} where {case.threads} were asked for"
        return times
    except WorkerFailedError as failure:
        entrant.refused = str(failure)
        return {}


def _times(worker: Worker, task: str) -> int:
    """How many of them make a turn; so many were run, and compiled, once."""
    times = 2
    while (elapsed := worker.ask("turn", task, times)[0]) < TURN_SECONDS:
        # An even number, whatever little a step takes; the estimate of a few is poor.
        times = 2 * min(5 * times, 1 + int(times * TURN_SECONDS / elapsed) // 2)
    return times


def _play(
    turns: Mapping[str, Mapping[str, int]],
    workers: Mapping[str, Worker],
    entrants: Mapping[str, Entrant],
    budget: Budget,
) -> None:
    """The rounds: in each, everybody's turns come in an order drawn anew."""
    rng = np.random.default_rng()
    playing = {name: dict(times) for name, times in turns.items()}
    seconds = {name: {task: list[float]() for task in times} for name, times in turns.items()}
    cpus = {name: {task: list[float]() for task in times} for name, times in turns.items()}
    done = 0
    while playing and budget.goes_on(done):
        order = [
            (name, task)
            for name, times in playing.items()
            for task in times
            if task == "step" or done % SELDOM == 0
        ]
        for i in rng.permutation(len(order)):
            name, task = order[i]
            if name not in playing:
                continue
            times = playing[name][task]
            try:
                elapsed, busy = workers[name].ask("turn", task, times)
            except WorkerFailedError as failure:
                entrants[name].refused = str(failure)
                del playing[name]
                continue
            seconds[name][task].append(round(elapsed / times, 9))
            cpus[name][task].append(busy / elapsed)
        done += 1
    for name in playing:
        entrant = entrants[name]
        try:
            memory = workers[name].ask("memory")
        except WorkerFailedError as failure:
            entrant.refused = str(failure)
            continue
        entrant.seconds = {task: [found] for task, found in seconds[name].items()}
        entrant.cpus = {task: round(float(np.median(found)), 3) for task, found in cpus[name].items()}
        entrant.peak_bytes, entrant.working_bytes = memory["peak"], memory["working"]
