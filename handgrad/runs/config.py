"""The settings of a training run: one dataclass for the flags of the command line and a run's config.json."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from handgrad.activations import ActivationName
from handgrad.data.datasets import DataName
from handgrad.runs.schedules import Schedule, cosine, epoch_decay, linear_warmup
from handgrad.validation import (
    check_choice,
    check_dtype,
    check_fraction,
    check_natural,
    check_positive_int,
    check_real,
)

__all__ = [
    "PRESETS", "CommonSettings", "Config", "DataSettings", "NetworkSettings", "OptimizerSettings",
    "PresetName", "RunSettings", "usual_settings",
]  # fmt: skip

ScheduleName = Literal["decay", "cosine"]
DtypeName = Literal["float32", "float64"]
PresetName = Literal["best", "notes"]


@dataclass(frozen=True)
class DataSettings:
    """The training data."""

    data: Annotated[DataName, tyro.conf.arg(metavar="NAME")] = "digits"
    """Data set: digits (from scikit-learn) or cifar10."""

    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Directory or archive with CIFAR-10 (default: as for `handgrad data`)."""

    batch: int = 200
    """Rows of a minibatch, drawn with replacement."""

    flip: bool = False
    """Mirror each training image with probability 1/2."""


@dataclass(frozen=True)
class OptimizerSettings:
    """The optimizer and the schedule of its learning rate."""

    schedule: Annotated[ScheduleName, tyro.conf.arg(metavar="NAME")] = "decay"
    """decay, or cosine: half a cosine from --lr to 0."""

    decay: float = 1.0
    """Schedule decay: factor on the rate after each epoch."""

    warmup: int = 0
    """Steps over which the learning rate rises from 0."""

    momentum: float = 0.0
    """Factor of the velocity, in [0, 1)."""

    nesterov: bool = False
    """Use Nesterov's momentum instead of the classical one."""


@dataclass(frozen=True)
class NetworkSettings:
    """The network's weights and arithmetic."""

    dropout: float = 0.0
    """Probability of setting a hidden output to 0 in training."""

    std: float = 0.05
    """Standard deviation of the first weights (cifar10: 0.01)."""

    dtype: Annotated[DtypeName, tyro.conf.arg(metavar="DTYPE")] = "float32"
    """float32 or float64, for all computation."""


@dataclass(frozen=True)
class CommonSettings(NetworkSettings, OptimizerSettings, DataSettings):
    """The settings that all points of a sweep share."""


@dataclass(frozen=True)
class RunSettings:
    """The settings that the points of a sweep vary, and the settings of a single run."""

    hidden: int = 150
    """Hidden units H."""

    activation: Annotated[ActivationName, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = "relu"
    """relu (default), leaky_relu, sigmoid, tanh, elu, gelu, gelu_tanh, silu, softplus."""

    lr: float = 0.05
    """Learning rate, before the schedule (cifar10: 0.002)."""

    reg: float = 1e-3
    """Strength of the penalty 2·reg·(‖W1‖² + ‖W2‖²)."""

    iters: int = 4000
    """Number of training steps."""

    seed: int = 0
    """Seed of the weights, minibatches, flips and dropout."""

    threads: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Threads of the BLAS (default: 1 for the digits, its own choice for cifar10); resume with the same."""


@dataclass(frozen=True)
class Config(RunSettings, CommonSettings):
    """The settings of a training run.

    Raises:
        TypeError: a setting is of the wrong kind.
        ValueError: a setting is out of its range.
    """

    def __post_init__(self) -> None:
        for name in ("hidden", "iters", "batch"):
            check_positive_int(name, getattr(self, name))
        for name in ("warmup", "seed"):
            check_natural(name, getattr(self, name))
        for name in ("lr", "reg", "decay", "std"):
            check_real(name, getattr(self, name), minimum=0)
        for name in ("momentum", "dropout"):
            check_fraction(name, getattr(self, name))
        choices = {"data": DataName, "activation": ActivationName, "schedule": ScheduleName}
        for name, names in choices.items():
            check_choice(name, getattr(self, name), names)
        if self.threads is not None:
            check_positive_int("threads", self.threads)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        if self.schedule != "decay" and self.decay != 1:
            raise ValueError(f"decay is a setting of the schedule decay, not of {self.schedule}")
        check_dtype(self.dtype)

    def learning_rates(self, steps_per_epoch: int) -> Schedule:
        """Return the learning rate of every step."""
        schedules = {
            "decay": epoch_decay(self.lr, self.decay, steps_per_epoch),
            "cosine": cosine(self.lr, self.iters),
        }
        return linear_warmup(schedules[self.schedule], self.warmup)

    def to_json(self) -> dict[str, Any]:
        """Return the settings in a form that JSON can represent."""
        return asdict(self) | {"data_dir": None if self.data_dir is None else str(self.data_dir)}

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> "Config":
        """Return the settings from `to_json`; raise TypeError or ValueError for a wrong one."""
        data_dir = settings.get("data_dir")
        return cls(**settings | {"data_dir": None if data_dir is None else Path(data_dir)})


def usual_settings(data: DataName) -> Config:
    """Return the default settings for a data set."""
    return Config() if data == "digits" else Config(data=data, lr=2e-3, std=1e-2)


# "best" is the cheapest recipe found that is safely above 58 % on CIFAR-10; benchmarks/recipe/README.md says
# how it was found. "notes" is the course notes' best network. Their gradient of the penalty, 2·reg·W with
# reg = 0.09, belongs to the loss 2·reg·‖W‖² with reg = 0.045.
PRESETS: dict[PresetName, Config] = {
    "best": Config(
        data="cifar10",
        hidden=512,
        lr=4.5e-4,
        reg=0.02,
        iters=17_640,
        schedule="cosine",
        warmup=200,
        momentum=0.9,
        nesterov=True,
        dropout=0.2,
        flip=True,
        std=6e-3,
    ),
    "notes": Config(
        data="cifar10", hidden=150, lr=2e-3, reg=0.045, iters=4000, batch=200, decay=0.95, std=1e-4
    ),
}
