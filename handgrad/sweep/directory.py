"""A sweep: its directory, from which it can go on after any end, and the training that fills it."""

import json
import shutil
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from handgrad.data.datasets import Dataset
from handgrad.files import locked, make_directory, replace_file, replace_json, unused_directory
from handgrad.runs.config import Config
from handgrad.sweep.grid import Grid
from handgrad.sweep.plots import draw_sweep
from handgrad.sweep.progress import SweepProgress
from handgrad.sweep.record import Record
from handgrad.sweep.shared_data import SharedData, share_data
from handgrad.sweep.stacks import train_points
from handgrad.sweep.summary import Setting, summarise
from handgrad.sweep.workers import Workers

__all__ = ["SweepError", "make_sweep", "read_grid", "run_sweep"]

GRID, RESULTS, DATA = "sweep.json", "results.jsonl", "data"
# Seconds between two updates of the display.
TICK = 0.5
# How often in a row workers may die without a task having been finished.
DEATHS = 3


class SweepError(Exception):
    """Points could not be trained; what was done is recorded, and the sweep can go on."""


def make_sweep(grid: Grid, directory: Path | None) -> Path:
    """Make the directory of a new sweep; None for the first unused ``sweeps/<data>-<number>``.

    Raises:
        ValueError: the directory holds a sweep already.
        OSError: it cannot be made.
    """
    directory = unused_directory("sweeps", grid.base.data) if directory is None else directory
    if (directory / GRID).exists():
        raise ValueError(f"{directory} holds a sweep already; to go on: handgrad sweep --resume {directory}")
    make_directory(directory)
    replace_json(directory / GRID, grid.to_json())
    return directory


def read_grid(directory: Path) -> Grid:
    """The grid of the sweep in a directory.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    path = directory / GRID
    if not path.is_file():
        raise ValueError(f"{directory} holds no sweep: there is no {GRID}")
    try:
        return Grid.from_json(json.loads(path.read_text()))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} does not hold the grid of a sweep: {error}") from None


def run_sweep(directory: Path, data: Dataset, workers: Workers) -> list[Setting]:
    """Train all points without a result, draw the pictures, and return the combinations, the best first.

    The results, apart from ``run`` and the order of their lines, are the same however often the sweep was
    killed and resumed, whoever trained what, and in whatever order.

    Raises:
        ValueError: what the directory holds is not the sweep's.
        OSError: a file cannot be read or written.
        SweepError: points could not be trained.
    """
    grid = read_grid(directory)
    with locked(directory):
        record = Record(directory / RESULTS, grid)
        # A stack is trained whole even where only some of its points are missing.
        stacks = [stack for stack in grid.stacks if record.missing(stack)]
        try:
            if stacks:
                shared = share_data(data, grid.base.data, grid.base.data_dir, directory / DATA)
                _train(grid, stacks, record, shared, workers)
        except (SweepError, OSError) as error:
            done = f"{len(record.results)} of {len(grid.points)} points are recorded"
            raise type(error)(f"{error}; {done}; to go on: handgrad sweep --resume {directory}") from None
        finally:
            shutil.rmtree(directory / DATA, ignore_errors=True)
        settings = summarise(grid, record.results)
        for name, picture in draw_sweep(grid, settings).items():
            replace_file(directory / f"{name}.png", picture)
    return settings


def _train(
    grid: Grid, stacks: Sequence[tuple[int, ...]], record: Record, shared: SharedData, workers: Workers
) -> None:
    """Keep the workers busy; record each stack as it comes in, train again what was lost with its worker."""
    waiting, deaths = deque(stacks), 0
    running: dict[Future[Any], tuple[int, ...]] = {}
    with SweepProgress(grid, record.results) as progress:
        while waiting or running:
            # No more than can run: what was handed out cannot always be called back.
            for _ in range(min(len(waiting), workers.capacity() - len(running))):
                stack = waiting.popleft()
                points = tuple(grid.points[number] for number in stack)
                running[workers.submit(train_stack, points, shared)] = stack
            progress.show_points(sum(map(len, running.values())))
            done, _ = wait(running, timeout=TICK, return_when=FIRST_COMPLETED)
            if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                done, _ = wait(running)  # the death of one worker ends what all of them were doing
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
                raise SweepError(f"{deaths} times in a row a worker died (killed, or out of memory)")


def train_stack(points: Sequence[Config], shared: SharedData) -> list[dict[str, Any]]:
    """The work of one task: `handgrad.sweep.stacks.train_points` on the shared images."""
    return train_points(points, shared.load())
