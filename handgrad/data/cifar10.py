"""CIFAR-10 in both official layouts, from a folder or from the archive as it was downloaded.

Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html describes the layouts.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from io import BufferedIOBase, BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, cast

import numpy as np
from jaxtyping import Integer, UInt8

from handgrad.data.bounded_file import BoundedFile
from handgrad.data.byte_pickle import load_byte_pickle

__all__ = ["BINARY_ARCHIVE", "CLASSES", "PIXELS", "read_cifar10", "split_records"]

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PIXELS = 3 * 32 * 32
ROWS = 10_000
BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")

BINARY, PICKLED = "cifar-10-batches-bin", "cifar-10-batches-py"
BINARY_ARCHIVE, PICKLED_ARCHIVE = "cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"

# The largest batch known takes 44 MB, as a pickle that Python 3 wrote with a protocol of Python 2.
MOST_BYTES = 64 * 2**20
# All such batches together take 266 MB.
MOST_BYTES_UNZIPPED = 320 * 2**20


def read_cifar10(path: Path) -> tuple[UInt8[np.ndarray, "N 3072"], Integer[np.ndarray, " N"]]:
    """All 60,000 images: the five training batches in their order, then the test batch.

    Args:
        path: a folder or an archive (.tar.gz) with the batches of one layout, or a folder that holds such
            a folder or archive under its official name.

    Returns:
        ``(X, y)``: pixels (60000, 3072), red, green and blue plane of 32 rows each, and labels in [0, 10).

    Raises:
        FileNotFoundError: there is no such path, or a batch is missing.
        ValueError: a file is not what it should be; the message names it.
    """
    X = np.empty((len(BATCHES) * ROWS, PIXELS), np.uint8)
    y = np.empty(len(BATCHES) * ROWS, np.int64)
    place = _find(path)
    missing = list(BATCHES)
    for batch, where, size, file in _archived(place) if place.is_file() else _unpacked(place):
        if batch not in missing:
            raise ValueError(f"{where} is there a second time")
        missing.remove(batch)
        try:
            rows = slice(BATCHES.index(batch) * ROWS, (BATCHES.index(batch) + 1) * ROWS)
            X[rows], y[rows] = (_binary if where.endswith(".bin") else _pickled)(file, size)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    if missing:
        raise FileNotFoundError(f"{place} lacks {', '.join(missing)}")
    return X, y


def split_records(
    records: UInt8[np.ndarray, " bytes"],
) -> tuple[UInt8[np.ndarray, "N 3072"], Integer[np.ndarray, " N"]]:
    """The binary layout's records: one byte of label, then the pixels.

    Args:
        records: the bytes of any number of records.

    Returns:
        ``(X, y)``: pixels, as a view, and labels.

    Raises:
        ValueError: they are no whole records, or a label is out of range.
    """
    if len(records) == 0 or len(records) % (1 + PIXELS):
        raise ValueError(f"must hold records of {1 + PIXELS} bytes, not {len(records)} bytes")
    rows = records.reshape(-1, 1 + PIXELS)
    return rows[:, 1:], _checked_labels(rows[:, 0])


def _find(path: Path) -> Path:
    """The archive, or the folder in which the batches lie."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise FileNotFoundError(f"there is no {path}")
    for name in (BINARY, PICKLED, BINARY_ARCHIVE, PICKLED_ARCHIVE):
        if (path / name).exists():
            return path / name
    if any((path / name).exists() for batch in BATCHES for name in (f"{batch}.bin", batch)):
        return path
    raise FileNotFoundError(
        f"{path} holds no CIFAR-10: neither {BINARY} nor {PICKLED}, nor an archive of either "
        "(`handgrad data cifar10` downloads one)"
    )


def _unpacked(folder: Path) -> Iterator[tuple[str, str, int, BufferedIOBase]]:
    ending = ".bin" if any((folder / f"{batch}.bin").exists() for batch in BATCHES) else ""
    for batch in BATCHES:
        path = folder / (batch + ending)
        if path.is_file():
            with path.open("rb") as file:
                yield batch, str(path), path.stat().st_size, file


def _archived(archive: Path) -> Iterator[tuple[str, str, int, BufferedIOBase]]:
    """The batches as they come in the archive, which is read from front to back and never unpacked."""
    try:
        with gzip.open(archive) as unzipped:
            whole = BoundedFile(unzipped, MOST_BYTES_UNZIPPED)
            with tarfile.open(fileobj=cast(IO[bytes], whole), mode="r|") as entries:
                for entry in entries:
                    _check_entry(archive, entry)
                    name = PurePosixPath(entry.name).name.removesuffix(".bin")
                    file = entries.extractfile(entry) if name in BATCHES else None
                    if file is not None:
                        yield name, f"{archive}: {entry.name}", entry.size, BytesIO(file.read())
            while whole.read(2**20):  # to the end, where the checksum is
                pass
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{archive} is damaged, or no .tar.gz of a layout of CIFAR-10: {error}") from None


def _check_entry(archive: Path, entry: tarfile.TarInfo) -> None:
    """Nothing is unpacked; but an archive with any such entry is not the one it should be."""
    path = PurePosixPath(entry.name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{archive} has an entry outside its own folder: {entry.name}")
    if entry.issparse() or not (entry.isfile() or entry.isdir()):
        raise ValueError(f"{archive} has an entry that is neither a plain file nor a folder: {entry.name}")
    if not 0 <= entry.size <= MOST_BYTES:
        raise ValueError(f"{archive}: {entry.name} has {entry.size} bytes; no batch has over {MOST_BYTES}")


def _binary(file: BufferedIOBase, size: int) -> tuple[np.ndarray, np.ndarray]:
    expected = ROWS * (1 + PIXELS)
    if size != expected:
        raise ValueError(f"must have {expected} bytes, not {size}")
    return split_records(np.frombuffer(file.read(expected), np.uint8))


def _pickled(file: BufferedIOBase, size: int) -> tuple[np.ndarray, np.ndarray]:
    if size > MOST_BYTES:
        raise ValueError(f"has {size} bytes; no batch has over {MOST_BYTES}")
    batch = load_byte_pickle(file, size)
    if not isinstance(batch, dict):
        raise ValueError("must hold a dict with the keys data and labels")
    # Python 2's strings, and so its keys, come as bytes.
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
