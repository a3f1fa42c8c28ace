"""Real images, ready to train on: scikit-learn's digits, which need no download, and CIFAR-10."""

from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Integer, UInt8

from handgrad.data.cifar10 import BINARY, CLASSES, read_cifar10, split_records
from handgrad.data.download import data_directory

__all__ = [
    "DataName",
    "Dataset",
    "load_cifar10",
    "load_dataset",
    "load_digits",
    "read_cifar10_batch",
    "split",
]

DataName = Literal["digits", "cifar10"]


@dataclass(frozen=True)
class Dataset:
    """Images in three parts, as bytes.

    A minibatch is converted when it is used (`handgrad.data.minibatches.Minibatch`, or ``mean=`` of
    `TwoLayerNet.train` and `TwoLayerNet.predict`), so the whole set never needs more memory than its bytes.
    The validation part may be empty.

    Attributes:
        mean: the mean image of the training part, which is subtracted from every image.
        image_shape: (channels, height, width), of which D is the product.
        classes: the classes' names, in the order of the labels.
    """

    X_train: UInt8[np.ndarray, "N D"]
    y_train: Integer[np.ndarray, " N"]
    X_val: UInt8[np.ndarray, "V D"]
    y_val: Integer[np.ndarray, " V"]
    X_test: UInt8[np.ndarray, "T D"]
    y_test: Integer[np.ndarray, " T"]
    mean: Float[np.ndarray, " D"]
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]


def load_dataset(name: DataName, directory: Path | None = None) -> Dataset:
    """Load a data set in the parts of a run: digits 1397 / 200 / 200, CIFAR-10 49,000 / 1,000 / 10,000.

    Args:
        name: ``"digits"`` or ``"cifar10"``.
        directory: directory with CIFAR-10, as for `load_cifar10`; not used for the digits.

    Raises:
        FileNotFoundError, ValueError: as for `load_cifar10`.
    """
    if name == "cifar10":
        return load_cifar10(directory, test=10_000)
    X, y = load_digits()
    return split(X, y, 1397, 200, 200, (1, 8, 8), tuple(map(str, range(10))))


def load_cifar10(directory: Path | None = None, *, validation: int = 1000, test: int = 1000) -> Dataset:
    """Load CIFAR-10, whose pixels take 184 MB; by default in CS231n's parts, 49,000 / 1,000 / 1,000.

    Args:
        directory: the ``path`` of `handgrad.data.cifar10.read_cifar10`; None for
            `handgrad.data.download.data_directory`.
        validation: number of images to set aside at the end of the 50,000 training images; 0 for none.
        test: number of images to take from the start of the 10,000 test images.

    Raises:
        FileNotFoundError: the files do not exist.
        ValueError: a file is invalid, or a part is larger than the images it is taken from.
    """
    if not 0 <= validation < 50_000:
        raise ValueError(f"validation must be in [0, 50000), not {validation}")
    if not 0 < test <= 10_000:
        raise ValueError(f"test must be in [1, 10000], not {test}")
    X, y = read_cifar10(data_directory() if directory is None else directory)
    return split(X, y, 50_000 - validation, validation, test, (3, 32, 32), CLASSES)


def split(
    X: UInt8[np.ndarray, "rows D"],
    y: Integer[np.ndarray, " rows"],
    train: int,
    validation: int,
    test: int,
    image_shape: tuple[int, int, int],
    classes: tuple[str, ...],
) -> Dataset:
    """Split a data set into consecutive parts, without a copy, and compute the mean of the first."""
    a, b, c = train, train + validation, train + validation + test
    mean = X[:a].sum(axis=0, dtype=np.int64) / train
    return Dataset(X[:a], y[:a], X[a:b], y[a:b], X[b:c], y[b:c], mean, image_shape, classes)


def load_digits() -> tuple[UInt8[np.ndarray, "N 64"], Integer[np.ndarray, " N"]]:
    """Load the 1797 handwritten digits that scikit-learn ships: 8×8 pixels from 0 to 16, and labels."""
    # Read the file itself: importing scikit-learn takes as long as a whole gradient check.
    file = distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    records = np.loadtxt(str(file), dtype=np.uint8, delimiter=",")
    return records[:, :-1].copy(), records[:, -1].astype(np.int64)


def read_cifar10_batch(directory: Path) -> tuple[UInt8[np.ndarray, "N 3072"], Integer[np.ndarray, " N"]]:
    """Read pixels and labels of the first training batch in CIFAR-10's binary layout.

    Args:
        directory: the folder with ``data_batch_1.bin``, or its parent.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: a record is incomplete, or a label is out of range.
    """
    name = "data_batch_1.bin"
    paths = [path for path in (directory / name, directory / BINARY / name) if path.is_file()]
    if not paths:
        raise FileNotFoundError(f"{directory} contains neither {name} nor {BINARY}/{name}")
    try:
        return split_records(np.fromfile(paths[0], np.uint8))
    except ValueError as error:
        raise ValueError(f"{paths[0]}: {error}") from None
