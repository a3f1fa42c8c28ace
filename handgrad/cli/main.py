"""The program: find the command that the arguments name, and run it."""

import os
import sys
import traceback
from typing import Annotated, Any

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


ABOUT = """Backpropagation by hand, checked against JAX.

`handgrad COMMAND --help` says more. `handgrad --version` prints the version, and
`handgrad --tyro-print-completion bash` (or zsh) prints a script that completes commands and options."""


def _parse(config: Config, axes: SweepSettings) -> Check | Data | Exercise | Predict | Study | Sweep | Train:
    """Return the command that the arguments name; its flags change the given settings."""
    return tyro.cli(
        Annotated[Check, _subcommand("check", Check)]
        | Annotated[Data, _subcommand("data", Data)]
        | Annotated[Exercise, _subcommand("exercise", Exercise)]
        | Annotated[Predict, _subcommand("predict", Predict)]
        | Annotated[Study, _subcommand("study", Study)]
        | Annotated[Sweep, _subcommand("sweep", Sweep, default=Sweep(axes))]
        | Annotated[Train, _subcommand("train", Train, default=Train.of(config)), tyro.conf.OmitArgPrefixes],
        args=_joined(sys.argv[1:]),
        prog="handgrad",
        description=ABOUT,
    )


def _joined(words: list[str]) -> list[str]:
    """Join an option with a value that begins with one minus sign, which would be taken for an option."""
    joined: list[str] = []
    for word in words:
        is_value = word.startswith("-") and not word.startswith("--") and word != "-h"
        if is_value and joined and joined[-1].startswith("--") and "=" not in joined[-1]:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _subcommand(name: str, command: type, **default: Any) -> Any:
    """Describe a command in the list of all commands by the first line of its help."""
    line = None if name in sys.argv[1:2] else str(command.__doc__).split("\n")[0]
    return tyro.conf.subcommand(name, description=line, **default)


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    try:
        command = _parse(Config(), SweepSettings())
        if isinstance(command, Train) and (base := command.base()) != Config():
            command = _parse(base, SweepSettings())
        elif isinstance(command, Sweep) and (axes := command.base()) != SweepSettings():
            command = _parse(Config(), axes)
        code = command.run()
        sys.stdout.flush()
    except BrokenPipeError:  # the output goes to a program that has ended, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BAD_INPUT
    except (ValueError, OSError) as error:
        print(f"handgrad: {error}", file=sys.stderr)
        code = BAD_INPUT
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception:
        # Python would exit with 1, which says that a gradient is wrong.
        traceback.print_exc()
        code = BAD_INPUT
    sys.exit(code)
