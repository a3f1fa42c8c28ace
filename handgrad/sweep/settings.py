"""The settings of a sweep on the command line, and the three sweeps of the course notes."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from handgrad.data.datasets import DataName
from handgrad.runs.config import CommonSettings, Config, usual_settings
from handgrad.sweep.grid import AXES, Grid, parse_axis

__all__ = ["SWEEP_PRESETS", "SweepPresetName", "SweepSettings", "usual_sweep"]

SweepPresetName = Literal["notes-hidden", "notes-reg", "notes-lr-iters"]
# One value, several separated by commas, or first:last:count with both ends, and :log for equal ratios.
Values = Annotated[str, tyro.conf.arg(metavar="VALUES")]


@dataclass(frozen=True)
class SweepSettings(CommonSettings):
    """The axes of a sweep, and the settings that all its points share."""

    hidden: Values = "150"
    """Numbers of hidden units H: 50,100 or first:last:count, whole numbers."""

    activation: Values = "relu"
    """Activations of the hidden layer: relu,tanh."""

    reg: Values = "1e-3"
    """Strengths of the penalty: 0,0.1 or 0:0.3:11, which includes both ends."""

    lr: Values = "0.05"
    """Learning rates: 1e-3,2e-3 or 1e-4:1e-2:9:log for equal ratios; for CIFAR-10, the default is 0.002."""

    iters: Values = "4000"
    """Numbers of training steps: 1000,2000 or a range, whole numbers."""

    seeds: int = 1
    """Number of seeds, 0, 1, ..., with which to train each combination; several give mean and spread."""

    def grid(self) -> Grid:
        """Return the points; raise TypeError or ValueError for a wrong setting."""
        axes = {name: parse_axis(name, getattr(self, name)) for name in AXES}
        common = {field.name: getattr(self, field.name) for field in fields(CommonSettings)}
        if self.data_dir is not None:
            common["data_dir"] = Path(self.data_dir).absolute()
        return Grid(Config(**common), axes, self.seeds)


def usual_sweep(data: DataName) -> SweepSettings:
    """Return the default settings for a data set."""
    usual = usual_settings(data)
    return replace(SweepSettings(data=data), lr=f"{usual.lr:g}", std=usual.std)


# The course notes' three sweeps, with the network of CS231n's exercise: decay 0.95, weights of 1e-4, batches
# of 200. Its penalty of 0.25 is 0.125 in the loss here, by the notes' gradient; the axis from 0 to 0.3 is
# kept as published.
_NOTES = SweepSettings(data="cifar10", batch=200, decay=0.95, std=1e-4, lr="1e-3", iters="1000")
SWEEP_PRESETS: dict[SweepPresetName, SweepSettings] = {
    "notes-hidden": replace(_NOTES, hidden="10:200:20", reg="0.125"),
    "notes-reg": replace(_NOTES, hidden="150", reg="0:0.3:11"),
    "notes-lr-iters": replace(
        _NOTES, hidden="150", reg="0.045", lr="1e-4:1e-2:9:log", iters="1000,2000,4000"
    ),
}
