"""The images of a sweep, mapped into memory by all its workers on a machine."""

import hashlib
import shutil
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from handgrad.data.datasets import DataName, Dataset, load_dataset

__all__ = ["SharedData", "load_shared", "share_data"]

ARRAYS = ("X_train", "y_train", "X_val", "y_val", "mean")


@dataclass(frozen=True)
class SharedData:
    """The place of the images, which is sent to a worker instead of the images.

    Attributes:
        directory: the directory to which `share_data` wrote them. A worker on a machine without it loads the
            data set itself.
        data_dir: the data set's directory; a worker on a machine without it uses the default directory.
        digest: the fingerprint of the right images.
    """

    directory: Path
    name: DataName
    data_dir: Path | None
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    digest: str


@lru_cache(maxsize=1)
def load_shared(shared: SharedData) -> Dataset:
    """Return the training and validation parts; workers never get the test part.

    Raises:
        ValueError: this machine has another data set.
        OSError: the data set cannot be read.
    """
    if shared.directory.exists():
        arrays = {name: np.load(shared.directory / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        # Plain arrays, because slicing a memmap calls Python code.
        views = {name: array.view(np.ndarray) for name, array in arrays.items()}
        no_test = {"X_test": views["X_val"][:0], "y_test": views["y_val"][:0]}
        data = Dataset(**views, **no_test, image_shape=shared.image_shape, classes=shared.classes)
    else:
        there = shared.data_dir is not None and shared.data_dir.exists()
        data = load_dataset(shared.name, shared.data_dir if there else None)
        data = replace(data, X_test=data.X_test[:0], y_test=data.y_test[:0])
    if _digest(data) != shared.digest:
        raise ValueError(f"the images of {shared.name} are not the ones that the sweep was started with")
    return data


def share_data(data: Dataset, name: DataName, data_dir: Path | None, directory: Path) -> SharedData:
    """Write the images, read from ``data_dir``, to a directory for the workers, and replace its content."""
    # Do not overwrite the old files: a worker left over from a killed sweep may still have them mapped.
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for array in ARRAYS:
        np.save(directory / f"{array}.npy", getattr(data, array), allow_pickle=False)
    return SharedData(directory.absolute(), name, data_dir, data.image_shape, data.classes, _digest(data))


def _digest(data: Dataset) -> str:
    """Return a fingerprint of all labels and of the mean of the training part."""
    digest = hashlib.sha256()
    for array in (data.y_train, data.y_val, data.mean):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
