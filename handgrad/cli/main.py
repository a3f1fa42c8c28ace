"""The program: find the command that the arguments name, and run it."""

import sys
from typing import Annotated

import tyro

from handgrad.cli.check import Check
from handgrad.cli.data import Data
from handgrad.cli.exercise import Exercise
from handgrad.cli.exit_codes import BAD_INPUT, INTERRUPTED
from handgrad.cli.predict import Predict
from handgrad.cli.study import Study
from handgrad.cli.sweep import Sweep
from handgrad.cli.train import Train
from handgrad.runs.config import Config
from handgrad.sweep.settings import SweepSettings

__all__ = ["main"]


def _parse(config: Config, axes: SweepSettings) -> Check | Data | Exercise | Predict | Study | Sweep | Train:
    """Return the command that the arguments name; its flags change the given settings."""
    train = tyro.conf.subcommand("train", default=Train(config))
    sweep = tyro.conf.subcommand("sweep", default=Sweep(axes))
    return tyro.cli(
        Annotated[Check, tyro.conf.subcommand("check")]
        | Annotated[Data, tyro.conf.subcommand("data")]
        | Annotated[Exercise, tyro.conf.subcommand("exercise")]
        | Annotated[Predict, tyro.conf.subcommand("predict")]
        | Annotated[Study, tyro.conf.subcommand("study")]
        | Annotated[Sweep, sweep]
        | Annotated[Train, train],
        prog="handgrad",
        description="Backpropagation by hand, checked against JAX. `handgrad --version` prints the version.",
    )


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    try:
        command = _parse(Config(), SweepSettings())
        if isinstance(command, Train) and (base := command.base()) != Config():
            command = _parse(base, SweepSettings())
        elif isinstance(command, Sweep) and (axes := command.base()) != SweepSettings():
            command = _parse(Config(), axes)
        code = command.run()
    except (ValueError, OSError) as error:
        print(f"handgrad: {error}", file=sys.stderr)
        code = BAD_INPUT
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)
