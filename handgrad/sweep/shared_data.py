"""The images of a sweep, mapped into memory by all of its workers on a machine."""

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from handgrad.data.datasets import DataName, Dataset, load_dataset
from handgrad.files import replace_file

__all__ = ["SharedData", "share_data"]

ARRAYS = ("X_train", "y_train", "X_val", "y_val", "mean")
ABOUT = "about.json"


@dataclass(frozen=True)
class SharedData:
    """Where a worker finds the images; this, and not they, is sent to it.

    Attributes:
        directory: where `share_data` left them. A worker on another machine, which does not see it, loads
            the data set itself.
        name: the data set.
        data_dir: where it lies; where there is no such folder, the worker looks in its usual place.
        digest: what `digest_of` gives for the right images.
    """

    directory: Path
    name: DataName
    data_dir: Path | None
    digest: str

    def load(self) -> Dataset:
        """The training and validation parts; workers never see the test part.

        Raises:
            ValueError: the data set that this machine has is another.
            OSError: it cannot be read.
        """
        return _load(self)


@lru_cache(maxsize=1)
def _load(shared: SharedData) -> Dataset:
    if (shared.directory / ABOUT).exists():
        about = json.loads((shared.directory / ABOUT).read_text())
        arrays = {name: np.load(shared.directory / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        # Without the subclass, whose every slice costs a call of Python.
        views = {name: array.view(np.ndarray) for name, array in arrays.items()}
        image_shape, classes = tuple(about["image_shape"]), tuple(about["classes"])
        rest = {"X_test": views["X_val"][:0], "y_test": views["y_val"][:0]}
        data = Dataset(**views, **rest, image_shape=image_shape, classes=classes)
    else:
        there = shared.data_dir is not None and shared.data_dir.exists()
        data = load_dataset(shared.name, shared.data_dir if there else None)
        data = replace(data, X_test=data.X_test[:0], y_test=data.y_test[:0])
    if digest_of(data) != shared.digest:
        raise ValueError(f"the images of {shared.name} are not those that the sweep was started with")
    return data


def share_data(data: Dataset, name: DataName, data_dir: Path | None, directory: Path) -> SharedData:
    """Write the images where workers of this machine can map them into memory.

    Args:
        data: the images.
        name: of the data set.
        data_dir: where it was read from.
        directory: where to write; whatever it held is replaced.

    Returns:
        What is to be sent to the workers.

    Raises:
        OSError: they cannot be written.
    """
    # Not written over: a worker that a killed sweep left behind may still have the old files mapped.
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for array in ARRAYS:
        np.save(directory / f"{array}.npy", getattr(data, array), allow_pickle=False)
    about = {"image_shape": data.image_shape, "classes": data.classes}
    replace_file(directory / ABOUT, json.dumps(about).encode())
    return SharedData(directory.absolute(), name, data_dir, digest_of(data))


def digest_of(data: Dataset) -> str:
    """A fingerprint of the images: of all labels and of the mean of the training part."""
    digest = hashlib.sha256()
    for array in (data.y_train, data.y_val, data.mean):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
