"""The command `handgrad predict`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from handgrad.cli.exit_codes import OK
from handgrad.data.datasets import DataName

__all__ = ["Predict"]


@dataclass
class Predict:
    """Classify the whole test part with a trained network: its accuracy, in all and for each class.

    Leaves the picture of the confusion matrix, confusion.png, in the run's directory.
    """

    directory: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """That of the run."""

    data: DataName | None = None
    """Another data set than that of the run; its images must be of the same size."""

    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Where CIFAR-10 lies, if no longer where the run found it."""

    def run(self) -> int:
        """Classify, print, and return the exit code."""
        from handgrad.runs.directory import read_config
        from handgrad.runs.prediction import predict_run

        given = {"data": self.data, "data_dir": self.data_dir}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        config = replace(read_config(self.directory), **changes)
        print(predict_run(self.directory, config))
        return OK
