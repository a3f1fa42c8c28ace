"""The results of a sweep for each combination of its settings, best first."""

import math
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from handgrad.runs.config import Config, usual_settings
from handgrad.sweep.grid import Grid, format_value

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Setting", "best_table", "on_the_edge", "summarise", "train_command"]


@dataclass(frozen=True)
class Setting:
    """One combination of the axes' values, with means over the seeds that did not diverge.

    Means are NaN if all seeds diverged; spreads (standard deviations) are NaN if fewer than two did not. Only
    ``seconds``, the training time, includes the seeds that diverged.

    Attributes:
        point: its settings, with the first seed.
        values: the value on each axis that has several.
        seeds: number of seeds.
        diverged: number of seeds that diverged.
        train: accuracy on the training part.
        val: accuracy on the validation part.
        loss: the last loss.
    """

    point: Config
    values: Mapping[str, Any]
    seeds: int
    diverged: int
    train: float
    train_spread: float
    val: float
    val_spread: float
    loss: float
    seconds: float

    @property
    def gap(self) -> float:
        """The training accuracy minus the validation accuracy."""
        return self.train - self.val


def summarise(grid: Grid, results: Mapping[int, Mapping[str, Any]]) -> list[Setting]:
    """Return all combinations by falling validation accuracy; combinations with a diverged seed come last."""
    settings = []
    for first in range(0, len(grid.points), grid.seeds):
        lines = [results[number] for number in range(first, first + grid.seeds)]
        good = [line for line in lines if not line["diverged"]]
        train, val = ([line[f"{part}_accuracy"] for line in good] for part in ("train", "val"))
        point = grid.points[first]
        settings.append(
            Setting(
                point,
                {name: getattr(point, name) for name in grid.varied},
                len(lines),
                len(lines) - len(good),
                _mean(train),
                _spread(train),
                _mean(val),
                _spread(val),
                _mean([line["loss"] for line in good]),
                _mean([line["run"]["seconds"] for line in lines]),
            )
        )
    return sorted(settings, key=lambda s: (s.diverged > 0, 0.0 if math.isnan(s.val) else -s.val))


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else math.nan


def _spread(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else math.nan


def on_the_edge(grid: Grid, best: Setting) -> list[str]:
    """Return the axes with several numbers on which the best has the smallest or the largest."""
    return [
        axis
        for axis in grid.varied
        if len(values := grid.axes[axis]) > 1
        and not isinstance(values[0], str)
        and best.values[axis] in (min(values), max(values))
    ]


def best_table(settings: Sequence[Setting], rows: int = 10) -> "Table":
    """Return a table of the best combinations."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    for name in (*settings[0].values, "val %", "train %", "gap", "loss", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    diverged = any(setting.diverged for setting in settings)
    if diverged:
        table.add_column("diverged", justify="right")
    for setting in settings[:rows]:
        cells = [format_value(value) for value in setting.values.values()]
        cells += [_percent(setting.val, setting.val_spread), _percent(setting.train, setting.train_spread)]
        cells += [f"{100 * setting.gap:.1f}", f"{setting.loss:.4g}", f"{setting.seconds:.1f}"]
        cells += [f"{setting.diverged} of {setting.seeds}" if setting.diverged else ""] if diverged else []
        table.add_row(*(cell.replace("nan", "–") for cell in cells))
    return table


def _percent(mean: float, spread: float) -> str:
    return f"{100 * mean:.1f}" if math.isnan(spread) else f"{100 * mean:.1f} ± {100 * spread:.1f}"


def train_command(point: Config) -> str:
    """Return the command that trains a network with these settings; defaults need no flag."""
    words, usual = ["handgrad", "train"], usual_settings(point.data)
    for field in fields(Config):
        value = getattr(point, field.name)
        if value != (field.default if field.name == "data" else getattr(usual, field.name)):
            flag = f"--{field.name.replace('_', '-')}"
            words += [flag] if value is True else [flag, str(value)]
    return shlex.join(words)
