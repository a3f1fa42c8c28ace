"""The command `handgrad train`."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from handgrad.cli.exit_codes import FAILED, INTERRUPTED, OK
from handgrad.runs.config import PRESETS, Config, PresetName, usual_settings

__all__ = ["Train"]


@dataclass
class Train:
    """Train a network, and write its settings, checkpoint, history and pictures to a directory.

    If a run ended early for any reason, --resume RUN continues it as if it had not been interrupted; a larger
    number of --iters trains it longer.

    Exits with 0 if all steps were taken, 1 if the loss diverged, 2 for bad input or a full disk, 130 after
    Ctrl-C.
    """

    config: Annotated[Config, tyro.conf.arg(name="")] = field(default_factory=Config)

    preset: PresetName | None = None
    """Start from these settings; other flags change single ones."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """The run's directory; by default, a new one in runs/."""

    settings: Annotated[Path | None, tyro.conf.arg(name="config", metavar="FILE")] = None
    """Start from the settings in this file, a run's config.json; other flags change single ones."""

    resume: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """Continue the run in this directory, with its settings; --iters may be larger than before."""

    quiet: bool = False
    """Show no progress."""

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
