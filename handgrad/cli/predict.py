"""The command `handgrad predict`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from handgrad.cli.exit_codes import OK

__all__ = ["Predict"]


@dataclass
class Predict:
    """Classify all test images with a trained network, and print its accuracy, overall and for each class.

    Writes the picture of the confusion matrix, confusion.png, to the run's directory.
    """

    directory: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """The run's directory."""

    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Directory with CIFAR-10, if it is no longer where the run found it."""

    def run(self) -> int:
        """Classify, print, and return the exit code."""
        from handgrad.runs.directory import read_config
        from handgrad.runs.prediction import predict_run

        config = read_config(self.directory)
        if self.data_dir is not None:
            config = replace(config, data_dir=self.data_dir)
        print(predict_run(self.directory, config))
        return OK
