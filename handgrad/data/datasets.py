"""Real images, ready to train on: scikit-learn's digits, which need no download, and CIFAR-10."""

from dataclasses import dataclass
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
    """Images in three parts, as bytes, with the mean that is to be subtracted from each.

    A minibatch is converted when its turn comes (`handgrad.data.minibatches.Minibatch`, or ``mean=`` of
    `TwoLayerNet.train` and `TwoLayerNet.predict`), so that the whole set never takes more than its bytes.

    Attributes:
        X_train: pixels (N, D), a view of the whole set.
        y_train: labels (N,).
        X_val: pixels of the validation part, which may have no rows.
        y_val: its labels.
        X_test: pixels of the test part.
        y_test: its labels.
        mean: the mean image of the training part (D,).
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
    """A data set by its name, in the parts that it is usually taken in.

    Args:
        name: ``"digits"`` or ``"cifar10"``.
        directory: where CIFAR-10 lies, as for `load_cifar10`; the digits need none.

    Returns:
        Digits: 1397 / 200 / 200. CIFAR-10: 49,000 / 1,000 / 1,000.

    Raises:
        FileNotFoundError, ValueError: as `load_cifar10`.
    """
    if name == "cifar10":
        return load_cifar10(directory)
    X, y = load_digits()
    return split(X, y, 1397, 200, 200, (1, 8, 8), tuple(map(str, range(10))))


def load_cifar10(directory: Path | None = None, *, validation: int = 1000, test: int = 1000) -> Dataset:
    """CIFAR-10 in the course's parts, 49,000 / 1,000 / 1,000, or in others.

    Args:
        directory: as `handgrad.data.cifar10.read_cifar10`; None for `handgrad.data.download.data_directory`.
        validation: how many of the 50,000 training images, the last ones, are set aside; 0 for none.
        test: how many of the 10,000 test images, the first ones, are taken.

    Returns:
        The data set; 184 MB of it are pixels.

    Raises:
        FileNotFoundError: there are no such files.
        ValueError: a file is not what it should be, or a part is larger than what it is taken from.
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
    """Cut a set into consecutive parts, without a copy, and take the mean of the first.

    Args:
        X: all pixels.
        y: all labels.
        train: how many rows of the training part, the first.
        validation: how many of the validation part, the next.
        test: how many of the test part, the next.
        image_shape: (channels, height, width).
        classes: the classes' names.

    Returns:
        The data set.
    """
    a, b, c = train, train + validation, train + validation + test
    mean = X[:a].sum(axis=0, dtype=np.int64) / train
    return Dataset(X[:a], y[:a], X[a:b], y[a:b], X[b:c], y[b:c], mean, image_shape, classes)


def load_digits() -> tuple[UInt8[np.ndarray, "N 64"], Integer[np.ndarray, " N"]]:
    """The 1797 handwritten digits that scikit-learn ships, 8×8 pixels from 0 to 16.

    Returns:
        ``(X, y)``: pixels (1797, 64) and labels (1797,) in [0, 10).
    """
    from sklearn.datasets import load_digits as load

    bunch = load()
    return bunch.data.astype(np.uint8), bunch.target


def read_cifar10_batch(directory: Path) -> tuple[UInt8[np.ndarray, "N 3072"], Integer[np.ndarray, " N"]]:
    """The first training batch of CIFAR-10's binary layout.

    Args:
        directory: the folder that holds ``data_batch_1.bin``, or its parent.

    Returns:
        ``(X, y)``: pixels and labels in [0, 10).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it does not hold whole records, or a label is out of range.
    """
    name = "data_batch_1.bin"
    paths = [path for path in (directory / name, directory / BINARY / name) if path.is_file()]
    if not paths:
        raise FileNotFoundError(f"{directory} holds neither {name} nor {BINARY}/{name}")
    try:
        return split_records(np.fromfile(paths[0], np.uint8))
    except ValueError as error:
        raise ValueError(f"{paths[0]}: {error}") from None
