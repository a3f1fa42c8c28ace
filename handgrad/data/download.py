"""Where data sets live on this machine, and how CIFAR-10 gets there."""

import os
from pathlib import Path
from types import TracebackType

from handgrad.data.cifar10 import BINARY_ARCHIVE

__all__ = ["CIFAR10_SHA256", "CIFAR10_URL", "data_directory", "download_cifar10"]

CIFAR10_URL = f"https://www.cs.toronto.edu/~kriz/{BINARY_ARCHIVE}"
CIFAR10_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"


def data_directory() -> Path:
    """Where data sets are kept: the environment's HANDGRAD_DATA, or else this user's cache."""
    import pooch

    return Path(os.environ.get("HANDGRAD_DATA") or pooch.os_cache("handgrad"))


def download_cifar10(directory: Path, url: str = CIFAR10_URL, sha256: str = CIFAR10_SHA256) -> Path:
    """Download the archive of the binary layout, unless it is there already.

    It appears under its name only when it is whole and its checksum is right.

    Args:
        directory: where it goes; is created.
        url: where it comes from.
        sha256: its checksum.

    Returns:
        The archive's path.

    Raises:
        ValueError: what came has another checksum; it was removed again.
        OSError: it cannot be downloaded or written.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")  # the bar says what is going on
    try:
        with _Bar("CIFAR-10") as bar:
            path = pooch.retrieve(
                url,
                f"sha256:{sha256}",
                BINARY_ARCHIVE,
                directory,
                downloader=pooch.HTTPDownloader(progressbar=bar),
            )
    except OSError as error:
        raise OSError(f"cannot download {url} to {directory}: {error}") from None
    return Path(path)


class _Bar:
    """What pooch wants to see of a progress bar, drawn by rich; plain lines where there is no terminal."""

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._console = Console(stderr=True)
        columns = (
            "{task.description}",
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = self._progress.add_task(name, total=None)
        self._name, self._done, self._told = name, 0, 0
        self.total = 0

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, size: int) -> None:
        """So many more bytes are there."""
        self._done += size
        self._progress.update(self._task, completed=self._done, total=self.total or None)
        tenth = 10 * self._done // self.total if self.total else 0
        if not self._console.is_terminal and tenth > self._told:
            self._told = tenth
            self._console.print(f"{self._name}: {10 * tenth} % of {self.total} bytes")

    def reset(self) -> None:
        """Back to nothing: pooch does that once the last byte is there, and then adds the whole size."""
        self._done = 0

    def close(self) -> None:
        """Nothing: the bar ends with its context."""
