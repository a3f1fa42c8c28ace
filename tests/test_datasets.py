"""The parts of the data sets, and the memory that they take."""

import subprocess
import sys

import numpy as np
import pytest

from handgrad.data import datasets
from handgrad.data.cifar10 import BATCHES, BINARY
from handgrad.data.datasets import load_cifar10, load_dataset


def test_parts_and_mean_are_right(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (60_000, 12), dtype=np.uint8), rng.integers(0, 10, 60_000)
    monkeypatch.setattr(datasets, "read_cifar10", lambda directory: (X, y))
    course = load_cifar10(tmp_path)
    assert [len(course.y_train), len(course.y_val), len(course.y_test)] == [49_000, 1000, 1000]
    assert course.X_val[0].base is not None
    np.testing.assert_array_equal(course.X_val, X[49_000:50_000])
    np.testing.assert_array_equal(course.X_test, X[50_000:51_000])
    assert course.X_train.dtype == np.uint8
    whole = load_cifar10(tmp_path, validation=0, test=10_000)
    assert [len(whole.y_train), len(whole.y_val), len(whole.y_test)] == [50_000, 0, 10_000]
    # The sums are whole numbers; one division rounds.
    np.testing.assert_array_equal(course.mean, X[:49_000].sum(axis=0, dtype=int) / 49_000)
    for wrong in ({"validation": 50_000}, {"validation": -1}, {"test": 0}, {"test": 10_001}):
        with pytest.raises(ValueError, match=rf"{next(iter(wrong))} must be in"):
            load_cifar10(tmp_path, **wrong)


def test_the_digits_need_no_download():
    digits = load_dataset("digits")
    assert [len(digits.y_train), len(digits.y_val), len(digits.y_test)] == [1397, 200, 200]
    assert digits.X_train.dtype == np.uint8
    assert np.prod(digits.image_shape) == digits.mean.size == 64


def test_the_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    X, y = datasets.load_digits()
    theirs = load_digits()
    np.testing.assert_array_equal(X, theirs.data)
    np.testing.assert_array_equal(y, theirs.target)


PROGRAM = """
import re, sys
from pathlib import Path
import numpy as np
from handgrad import TwoLayerNet
from handgrad.data.datasets import load_cifar10

data = load_cifar10(Path(sys.argv[1]))
net = TwoLayerNet(3072, 150, 10, 1e-3, dtype=np.float32, rng=0)
net.train(data.X_train, data.y_train, data.X_val, data.y_val, 1e-3, num_iters=250, mean=data.mean)
net.predict(data.X_test, mean=data.mean)
# Not getrusage, whose maximum starts with that of the process that started this one.
print(1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]))
"""


@pytest.mark.slow
def test_training_on_cifar10_takes_less_than_400_mb(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / BINARY
    folder.mkdir()
    records = rng.integers(0, 256, (10_000, 3073), dtype=np.uint8)
    records[:, 0] %= 10
    for batch in BATCHES:
        records.tofile(folder / f"{batch}.bin")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 400e6
