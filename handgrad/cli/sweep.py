"""The command `handgrad sweep`."""

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from handgrad.cli.exit_codes import BAD_INPUT, FAILED, INTERRUPTED, OK
from handgrad.sweep.settings import SWEEP_PRESETS, SweepPresetName, SweepSettings, usual_sweep
from handgrad.validation import check_positive_int

if TYPE_CHECKING:
    from handgrad.sweep.grid import Grid
    from handgrad.sweep.summary import Setting
    from handgrad.sweep.workers import Workers

__all__ = ["Sweep"]


@dataclass
class Sweep:
    """Train a grid of networks, several at once, and show which settings are best.

    A setting takes several values (50,100) or a range (first:last:count, with :log for equal ratios). Every
    combination is trained with a new network. Writes the results and pictures to a directory, then trains
    the best combination again as a run of its own, and tests only that one. If a sweep ended early for any
    reason, --resume SWEEP continues it as if it had not been interrupted.

    Exits with 0 if all points were trained, 1 if every combination diverged, 2 for bad input or failed
    workers, 130 after Ctrl-C.
    """

    settings: Annotated[SweepSettings, tyro.conf.arg(name="")] = field(default_factory=SweepSettings)

    preset: Annotated[SweepPresetName | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Start from notes-hidden, notes-reg or notes-lr-iters, the course notes' sweeps.
    Other flags change single settings."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="SWEEP", help_behavior_hint="")] = None
    """The sweep's directory (default: a new one in sweeps/)."""

    resume: Annotated[Path | None, tyro.conf.arg(metavar="SWEEP", help_behavior_hint="")] = None
    """Continue the sweep in this directory."""

    jobs: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Number of processes on this machine (default: one per CPU)."""

    scheduler: Annotated[str | None, tyro.conf.arg(metavar="tcp://HOST:PORT", help_behavior_hint="")] = None
    """Train on the workers of this Dask cluster instead."""

    local_cluster: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Start a Dask cluster with this number of workers on this machine instead."""

    quiet: bool = False
    """Show no progress."""

    def run(self) -> int:
        """Train the remaining points, print the best, and return the exit code."""
        from handgrad.progress import no_progress

        with no_progress(self.quiet):
            return self._sweep()

    def _sweep(self) -> int:
        from handgrad.data.datasets import load_dataset
        from handgrad.runs.directory import InterruptedRunError
        from handgrad.runs.trainer import DivergedError
        from handgrad.sweep.directory import SweepError, make_sweep, read_grid, run_sweep

        grid = self.settings.grid() if self.resume is None else read_grid(self.resume)
        workers = self._workers(len(grid.stacks))
        data = load_dataset(grid.base.data, grid.base.data_dir)
        with workers as crew:
            directory = make_sweep(grid, self.out) if self.resume is None else self.resume
            try:
                return self._report(directory, grid, run_sweep(directory, data, crew))
            except SweepError as error:
                print(f"handgrad: {error}", file=sys.stderr)
                return BAD_INPUT
            except DivergedError as error:
                print(f"handgrad: {error}", file=sys.stderr)
                return FAILED
            except (InterruptedRunError, KeyboardInterrupt):
                print(f"handgrad: stopped; to continue: handgrad sweep --resume {directory}", file=sys.stderr)
                return INTERRUPTED

    def _workers(self, stacks: int) -> "AbstractContextManager[Workers]":
        from handgrad.sweep.workers import dask_workers, process_pool

        ways = {"--jobs": self.jobs, "--scheduler": self.scheduler, "--local-cluster": self.local_cluster}
        given = [flag for flag, value in ways.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other: give only one")
        if self.scheduler is not None:
            return dask_workers(self.scheduler)
        if self.local_cluster is not None:
            return dask_workers(check_positive_int("--local-cluster", self.local_cluster))
        cpus = len(os.sched_getaffinity(0))
        jobs = cpus if self.jobs is None else check_positive_int("--jobs", self.jobs)
        return process_pool(min(stacks, jobs))

    def _report(self, directory: Path, grid: "Grid", settings: "Sequence[Setting]") -> int:
        from rich.console import Console

        from handgrad.sweep.directory import train_and_test
        from handgrad.sweep.summary import best_table, on_the_edge, train_command

        console = Console(highlight=False, soft_wrap=True)
        console.print(best_table(settings), "")
        best = settings[0]
        if best.diverged:
            print(f"{directory}: every combination diverged with one seed or more; try a smaller --lr")
            return FAILED
        if edge := on_the_edge(grid, best):
            print(f"The best is at the edge of {' and '.join(edge)}: there may be a better value beyond it.")
        print(f"The best, trained alone, {train_and_test(directory, best)}\n")
        print(f"{directory}: {len(settings)} combinations; to train the best again:")
        print(train_command(best.point))
        return OK

    def base(self) -> SweepSettings:
        """Return the settings that the given flags change."""
        if self.resume is not None:
            if self.out is not None or self.preset is not None or self.settings != SweepSettings():
                raise ValueError("--resume uses the settings of the sweep: give no others")
            return self.settings
        return usual_sweep(self.settings.data) if self.preset is None else SWEEP_PRESETS[self.preset]
