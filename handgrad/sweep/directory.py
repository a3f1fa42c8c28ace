"""The directory of a sweep, from which it can always be resumed, and the training that fills it."""

import json
import shutil
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

from handgrad.data.datasets import Dataset
from handgrad.files import locked, make_directory, replace_file, replace_json, unused_directory
from handgrad.runs.config import Config
from handgrad.runs.directory import holds_run, resume_run, start_run
from handgrad.runs.prediction import predict_run
from handgrad.sweep.grid import Grid
from handgrad.sweep.plots import draw_sweep
from handgrad.sweep.progress import SweepProgress
from handgrad.sweep.record import Record
from handgrad.sweep.shared_data import SharedData, load_shared, share_data
from handgrad.sweep.stacks import train_points
from handgrad.sweep.summary import Setting, summarise
from handgrad.sweep.workers import Workers

__all__ = ["SweepError", "make_sweep", "read_grid", "run_sweep", "train_and_test"]

GRID, RESULTS, DATA = "sweep.json", "results.jsonl", "data"
BEST, TEST = "best", "test.json"
# Seconds between two updates of the display.
TICK = 0.5
# The sweep ends after this many deaths of workers without a finished task in between.
DEATHS = 3


class SweepError(Exception):
    """Points could not be trained; the finished ones are recorded, and the sweep can be resumed."""


def make_sweep(grid: Grid, directory: Path | None) -> Path:
    """Make the directory of a new sweep; with None, the first unused ``sweeps/<data>-<number>``.

    Raises:
        ValueError: the directory already contains a sweep.
        OSError: the directory cannot be created.
    """
    directory = unused_directory("sweeps", grid.base.data) if directory is None else directory
    if (directory / GRID).exists():
        raise ValueError(
            f"{directory} already contains a sweep; to continue it: handgrad sweep --resume {directory}"
        )
    make_directory(directory)
    replace_json(directory / GRID, grid.to_json())
    return directory


def read_grid(directory: Path) -> Grid:
    """Return the grid of the sweep in a directory; raise ValueError if it is missing or damaged."""
    path = directory / GRID
    if not path.is_file():
        raise ValueError(f"{directory} does not contain a sweep: there is no {GRID}")
    try:
        return Grid.from_json(json.loads(path.read_text()))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} does not contain the grid of a sweep: {error}") from None


def run_sweep(directory: Path, data: Dataset, workers: Workers) -> list[Setting]:
    """Train all points without a result, draw the pictures, and return the combinations, best first.

    The results, apart from ``run`` and the order of their lines, do not depend on the workers, on the order
    in which they finish, or on how often the sweep was killed and resumed.

    Raises:
        ValueError: the directory contains something else than the sweep's files.
        OSError: a file cannot be read or written.
        SweepError: points could not be trained.
    """
    grid = read_grid(directory)
    with locked(directory):
        record = Record(directory / RESULTS, grid)
        # A stack is trained whole even where only some of its points are missing.
        stacks = [stack for stack in grid.stacks if not record.results.keys() >= set(stack)]
        try:
            if stacks:
                shared = share_data(data, grid.base.data, grid.base.data_dir, directory / DATA)
                _train(grid, stacks, record, shared, workers)
        except (SweepError, OSError) as error:
            done = f"{len(record.results)} of {len(grid.points)} points are recorded"
            raise type(error)(f"{error}; {done}; to continue: handgrad sweep --resume {directory}") from None
        finally:
            shutil.rmtree(directory / DATA, ignore_errors=True)
        settings = summarise(grid, record.results)
        for name, picture in draw_sweep(grid, settings).items():
            replace_file(directory / f"{name}.png", picture)
    return settings


def _train(
    grid: Grid, stacks: Sequence[tuple[int, ...]], record: Record, shared: SharedData, workers: Workers
) -> None:
    """Keep the workers busy, record each finished stack, and repeat stacks whose worker died."""
    waiting, deaths = deque(stacks), 0
    running: dict[Future[Any], tuple[int, ...]] = {}
    with SweepProgress(grid, record.results) as progress:
        while waiting or running:
            # Submit only what can run at once, because a submitted task cannot always be cancelled.
            for _ in range(min(len(waiting), workers.capacity() - len(running))):
                stack = waiting.popleft()
                points = tuple(grid.points[number] for number in stack)
                running[workers.submit(train_stack, points, shared)] = stack
            progress.show_points(sum(map(len, running.values())))
            done, _ = wait(running, timeout=TICK, return_when=FIRST_COMPLETED)
            if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                done, _ = wait(running)  # the death of one worker ends the tasks of all
                deaths += 1
            failures = []
            for future in done:
                stack, error = running.pop(future), future.exception()
                if error is None:
                    record.append(dict(zip(stack, future.result(), strict=True)))
                    deaths = 0
                elif isinstance(error, BrokenProcessPool):
                    waiting.appendleft(stack)
                else:
                    failures.append(error)
            if failures:
                raise SweepError(f"{type(failures[0]).__name__}: {failures[0]}") from failures[0]
            if deaths == DEATHS:
                raise SweepError(f"a worker died {deaths} times in a row (killed, or out of memory)")


def train_stack(points: Sequence[Config], shared: SharedData) -> list[dict[str, Any]]:
    """Train one stack in a worker, and limit its BLAS to one thread from then on."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, "blas")
    return train_points(points, load_shared(shared))


def train_and_test(directory: Path, best: Setting) -> str:
    """Train the best combination with its first seed as a run of its own, and test it, unless already done.

    Returns:
        The report to print.

    Raises:
        ValueError, OSError, DivergedError, InterruptedRunError: as for `handgrad.runs.directory.start_run`.
    """
    run, test = directory / BEST, directory / TEST
    if not test.exists():
        config = replace(best.point, threads=1)
        if holds_run(run):
            resume_run(run, config)
        else:
            start_run(config, run)
        prediction = predict_run(run, config)
        replace_json(test, {"accuracy": prediction.accuracy, "report": str(prediction)})
    return str(json.loads(test.read_text())["report"])
