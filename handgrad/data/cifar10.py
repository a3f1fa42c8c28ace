"""CIFAR-10 in both official layouts, read from a folder or from the downloaded archive.

Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html describes the layouts.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path, PurePosixPath
from typing import IO, cast

import numpy as np
from jaxtyping import Integer, UInt8

from handgrad.data.byte_pickle import load_byte_pickle

__all__ = ["BINARY_ARCHIVE", "CLASSES", "PIXELS", "read_cifar10", "split_records"]

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PIXELS = 3 * 32 * 32
ROWS = 10_000
BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")

BINARY, PICKLED = "cifar-10-batches-bin", "cifar-10-batches-py"
BINARY_ARCHIVE, PICKLED_ARCHIVE = "cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"

# The largest known batch has 44 MB: a pickle written by Python 3 with a protocol of Python 2.
MOST_BYTES = 64 * 2**20
# All such batches together have 266 MB.
MOST_BYTES_UNZIPPED = 320 * 2**20

WAY_OUT = "`handgrad data cifar10` downloads it, --data-dir names the folder or archive of a copy"


def read_cifar10(path: Path) -> tuple[UInt8[np.ndarray, "N 3072"], Integer[np.ndarray, " N"]]:
    """Read all 60,000 images: the five training batches in their order, then the test batch.

    Args:
        path: a folder or archive (.tar.gz) with the batches of one layout, or a folder that has such
            a folder or archive under its official name.

    Returns:
        ``(X, y)``: pixels (60000, 3072), red, green and blue plane of 32 rows each, and labels in [0, 10).

    Raises:
        FileNotFoundError: the path does not exist, or a batch is missing.
        ValueError: a file is invalid; the message names it.
    """
    X = np.empty((len(BATCHES) * ROWS, PIXELS), np.uint8)
    y = np.empty(len(BATCHES) * ROWS, np.int64)
    place = _find(path)
    missing = list(BATCHES)
    for batch, where, content in _archived(place) if place.is_file() else _unpacked(place):
        if batch not in missing:
            raise ValueError(f"{where} occurs twice")
        missing.remove(batch)
        try:
            rows = slice(BATCHES.index(batch) * ROWS, (BATCHES.index(batch) + 1) * ROWS)
            X[rows], y[rows] = (_binary if where.endswith(".bin") else _pickled)(content)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    if missing:
        raise FileNotFoundError(f"{place} lacks {', '.join(missing)}")
    return X, y


def split_records(
    records: UInt8[np.ndarray, " bytes"],
) -> tuple[UInt8[np.ndarray, "N 3072"], Integer[np.ndarray, " N"]]:
    """Split records of the binary layout, a label byte and then the pixels, into pixels (a view) and labels.

    Raises:
        ValueError: the last record is incomplete, or a label is out of range.
    """
    if len(records) == 0 or len(records) % (1 + PIXELS):
        raise ValueError(f"must hold records of {1 + PIXELS} bytes, not {len(records)} bytes")
    rows = records.reshape(-1, 1 + PIXELS)
    return rows[:, 1:], _checked_labels(rows[:, 0])


def _find(path: Path) -> Path:
    """Return the archive, or the folder with the batches."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise FileNotFoundError(f"{path} does not exist, so CIFAR-10 cannot be read from it: {WAY_OUT}")
    for name in (BINARY, PICKLED, BINARY_ARCHIVE, PICKLED_ARCHIVE):
        if (path / name).exists():
            return path / name
    if any((path / name).exists() for batch in BATCHES for name in (f"{batch}.bin", batch)):
        return path
    raise FileNotFoundError(
        f"{path} has no CIFAR-10: neither {BINARY} nor {PICKLED}, nor an archive of either; {WAY_OUT}"
    )


def _unpacked(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield the name, the file and the content of each batch in a folder."""
    ending = ".bin" if any((folder / f"{batch}.bin").exists() for batch in BATCHES) else ""
    for batch in BATCHES:
        path = folder / (batch + ending)
        if path.is_file():
            _check_size(str(path), path.stat().st_size)
            yield batch, str(path), path.read_bytes()


def _archived(archive: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield the same from an archive, in its order; it is read from front to back and never unpacked."""
    try:
        with gzip.open(archive) as unzipped:
            whole = _BoundedFile(unzipped, MOST_BYTES_UNZIPPED)
            with tarfile.open(fileobj=cast(IO[bytes], whole), mode="r|") as entries:
                for entry in entries:
                    _check_size(f"{archive}: {entry.name}", entry.size)
                    name = PurePosixPath(entry.name).name.removesuffix(".bin")
                    file = entries.extractfile(entry) if name in BATCHES and entry.isfile() else None
                    if file is not None:
                        yield name, f"{archive}: {entry.name}", file.read()
            while whole.read(2**20):  # up to the checksum at the end
                pass
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{archive} is damaged, or not a .tar.gz of CIFAR-10: {error}") from None


class _BoundedFile:
    """A file that is cut off at a limit, so that a size in a header cannot make tarfile allocate more."""

    def __init__(self, file: BufferedIOBase, limit: int) -> None:
        self._file, self._left = file, limit

    def read(self, size: int) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


def _check_size(where: str, size: int) -> None:
    if not 0 <= size <= MOST_BYTES:
        raise ValueError(f"{where} has {size} bytes; a batch has at most {MOST_BYTES}")


def _binary(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    expected = ROWS * (1 + PIXELS)
    if len(content) != expected:
        raise ValueError(f"must have {expected} bytes, not {len(content)}")
    return split_records(np.frombuffer(content, np.uint8))


def _pickled(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    batch = load_byte_pickle(content)
    # Strings written by Python 2, and so its keys, are bytes.
    pixels, labels = (batch.get(key, batch.get(key.encode())) for key in ("data", "labels"))
    if not isinstance(pixels, np.ndarray) or pixels.shape != (ROWS, PIXELS):
        raise ValueError(f"must hold data of shape {(ROWS, PIXELS)}, not {getattr(pixels, 'shape', pixels)}")
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise ValueError("must hold labels, a list of integers")
    if len(labels) != ROWS:
        raise ValueError(f"must hold {ROWS} labels, not {len(labels)}")
    return pixels, _checked_labels(np.array(labels, object))


def _checked_labels(labels: np.ndarray) -> Integer[np.ndarray, " N"]:
    outside = (labels < 0) | (labels >= len(CLASSES))
    if outside.any():
        record = int(outside.argmax())
        raise ValueError(f"record {record} has label {labels[record]}, but labels are in [0, {len(CLASSES)})")
    return labels.astype(np.int64)
