"""The command `handgrad data`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from handgrad.cli.exit_codes import OK

__all__ = ["Data"]


@dataclass
class Data:
    """Download a data set, verify its checksum, and keep it where the other commands look for it."""

    name: tyro.conf.Positional[Literal["cifar10"]]
    """Name of the data set; the digits come with scikit-learn and need no download."""

    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Directory for the archive (default: $HANDGRAD_DATA, or else the user's cache directory)."""

    def run(self) -> int:
        """Download the archive unless it exists, read it once as a test, and return the exit code."""
        from handgrad.data.cifar10 import read_cifar10
        from handgrad.data.download import data_directory, download_cifar10

        archive = download_cifar10(data_directory() if self.data_dir is None else self.data_dir)
        X, _ = read_cifar10(archive)
        print(f"{archive}: {len(X)} images")
        return OK
