"""The directory of the data sets, and the download of CIFAR-10."""

import os
from pathlib import Path

from handgrad.data.cifar10 import BINARY_ARCHIVE
from handgrad.progress import ProgressBar

__all__ = ["CIFAR10_SHA256", "CIFAR10_URL", "data_directory", "download_cifar10"]

CIFAR10_URL = f"https://www.cs.toronto.edu/~kriz/{BINARY_ARCHIVE}"
CIFAR10_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"


def data_directory() -> Path:
    """Return the directory of the data sets: $HANDGRAD_DATA, or else this user's cache."""
    import pooch

    return Path(os.environ.get("HANDGRAD_DATA") or pooch.os_cache("handgrad"))


def download_cifar10(directory: Path, url: str = CIFAR10_URL, sha256: str = CIFAR10_SHA256) -> Path:
    """Download the archive of the binary layout to a directory, unless it is there already; return its path.

    It appears under its name only when it is complete and its checksum is right.

    Raises:
        ValueError: the downloaded file has the wrong checksum; it was removed again.
        OSError: the archive cannot be downloaded or written.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")  # the progress bar is enough
    try:
        with _DownloadBar("CIFAR-10") as bar:
            path = pooch.retrieve(
                url,
                f"sha256:{sha256}",
                BINARY_ARCHIVE,
                directory,
                downloader=pooch.HTTPDownloader(progressbar=bar),
            )
    except OSError as error:
        raise OSError(
            f"cannot download {url}: {error}. Download it another way, save it as "
            f"{directory / BINARY_ARCHIVE}, and run this command again to verify it."
        ) from None
    return Path(path)


class _DownloadBar(ProgressBar):
    """The progress bar that pooch expects: it sets ``total`` and calls `update`, `reset` and `close`."""

    total = 0

    def __init__(self, name: str) -> None:
        from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

        columns = BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
        super().__init__("{task.description}", *columns, total=None)
        self._name, self._done, self._tenths = name, 0, 0

    def update(self, size: int) -> None:
        """Add to the number of bytes received."""
        self._done += size
        tenths = 10 * self._done // self.total if self.total else 0
        if self.on_terminal:
            self.show(self._done, self._name, self.total or None)
        elif tenths > self._tenths:
            self._tenths = tenths
            self.print_line(f"{self._name}: {10 * tenths} % of {self.total} bytes")

    def reset(self) -> None:
        """Start again: pooch calls this after the last byte, and then adds the whole size."""
        self._done = 0

    def close(self) -> None:
        """Do nothing: the bar ends with its context."""
