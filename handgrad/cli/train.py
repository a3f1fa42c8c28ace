"""The command `handgrad train`."""

import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, TypeVar

import tyro

from handgrad.cli.exit_codes import FAILED, INTERRUPTED, OK
from handgrad.cli.flags import UNTITLED
from handgrad.runs.config import (
    PRESETS,
    Config,
    DataSettings,
    NetworkSettings,
    OptimizerSettings,
    PresetName,
    RunSettings,
    usual_settings,
)

__all__ = ["Train"]

Part = TypeVar("Part", RunSettings, OptimizerSettings, NetworkSettings, DataSettings)


@dataclass
class Train:
    """Train a network, and write its settings, checkpoint, history and pictures to a directory.

    If a run ended early, --resume RUN continues it as if it had not been interrupted. The run's history.csv
    has one line per step and opens in any spreadsheet. Exits with 0 if all steps were taken, 1 if the loss
    diverged, 2 for bad input or a full disk, 130 after Ctrl-C.
    """

    main: Annotated[RunSettings, UNTITLED] = field(default_factory=RunSettings)
    optimizer: Annotated[OptimizerSettings, UNTITLED] = field(default_factory=OptimizerSettings)
    network: Annotated[NetworkSettings, UNTITLED] = field(default_factory=NetworkSettings)
    data: Annotated[DataSettings, UNTITLED] = field(default_factory=DataSettings)

    preset: Annotated[PresetName | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Start from the settings best or notes; other flags change single ones."""

    settings: Annotated[Path | None, tyro.conf.arg(name="config", metavar="FILE", help_behavior_hint="")] = (
        None
    )
    """Start from these settings, for example a run's config.json."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="RUN", help_behavior_hint="")] = None
    """The run's directory (default: a new one in runs/)."""

    resume: Annotated[Path | None, tyro.conf.arg(metavar="RUN", help_behavior_hint="")] = None
    """Continue this run, with its settings; --iters may be larger than before."""

    quiet: bool = False
    """Show no progress."""

    @classmethod
    def of(cls, config: Config) -> "Train":
        """Return the command with these settings as its defaults."""
        return cls(
            _part(RunSettings, config),
            _part(OptimizerSettings, config),
            _part(NetworkSettings, config),
            _part(DataSettings, config),
        )

    @property
    def config(self) -> Config:
        """The settings of the run."""
        return Config(**vars(self.main) | vars(self.optimizer) | vars(self.network) | vars(self.data))

    def run(self) -> int:
        """Train, print the run's directory, and return the exit code."""
        from handgrad.progress import no_progress

        with no_progress(self.quiet):
            return self._train()

    def _train(self) -> int:
        from handgrad.runs.directory import InterruptedRunError, resume_run, start_run
        from handgrad.runs.trainer import DivergedError

        try:
            if self.resume is None:
                directory = start_run(self.config, self.out)
            else:
                directory = self.resume
                resume_run(directory, self.config)
        except DivergedError as error:
            print(f"handgrad: {error}", file=sys.stderr)
            return FAILED
        except InterruptedRunError as error:
            print(f"handgrad: {error}", file=sys.stderr)
            return INTERRUPTED
        print(f"{directory}: {self.config.iters} steps; to test it: handgrad predict {directory}")
        return OK

    def base(self) -> Config:
        """Return the settings that the given flags change."""
        from handgrad.runs.directory import read_config, read_settings

        if self.resume is not None:
            if self.out is not None or self.preset is not None or self.settings is not None:
                raise ValueError(
                    "--resume uses the run's directory and settings: give no --out, --preset or --config"
                )
            return read_config(self.resume)
        if self.settings is not None:
            if self.preset is not None:
                raise ValueError("--config and --preset exclude each other: give only one")
            return read_settings(self.settings)
        return usual_settings(self.config.data) if self.preset is None else PRESETS[self.preset]


def _part(kind: type[Part], config: Config) -> Part:
    """Return some of the settings."""
    return kind(**{each.name: getattr(config, each.name) for each in fields(kind)})
