"""CIFAR-10 with few images, written in every layout; for the tests of what reads it."""

import pickle
import re
import tarfile

import numpy as np
import pytest

from handgrad.data import cifar10
from handgrad.data.cifar10 import BATCHES, BINARY, PICKLED, read_cifar10

ROWS = 20


@pytest.fixture
def small(monkeypatch):
    """Batches of 20 images in place of 10,000."""
    monkeypatch.setattr(cifar10, "ROWS", ROWS)


@pytest.fixture
def images(small):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (6 * ROWS, 3072), dtype=np.uint8), rng.integers(0, 10, 6 * ROWS)


def write_binary(parent, images):
    X, y = images
    folder = parent / BINARY
    folder.mkdir(parents=True)
    records = np.concatenate([y[:, None].astype(np.uint8), X], axis=1)
    for i, batch in enumerate(BATCHES):
        records[i * ROWS : (i + 1) * ROWS].tofile(folder / f"{batch}.bin")
    return folder


def python2_pickle(X, y):
    """A batch as Python 2 and NumPy 1 wrote it: protocol 2, its strings byte by byte."""

    def string(value):
        return b"T" + len(value).to_bytes(4, "little") + value

    number = b"K%c"
    dtype = (
        b"cnumpy\ndtype\n" + string(b"u1") + b"K\x00K\x01\x87R(K\x03" + string(b"|") + b"NNNJ\xff\xff\xff\xff"
    )
    dtype += b"J\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + string(b"b") + b"\x87R"
    array += b"(K\x01" + number % len(X) + b"M\x00\x0c\x86" + dtype + b"\x89" + string(X.tobytes()) + b"tb"
    labels = b"](" + b"".join(number % label for label in y.tolist()) + b"e"
    return b"\x80\x02}(" + string(b"data") + array + string(b"labels") + labels + b"u."


def write_pickled(parent, images, dump):
    X, y = images
    folder = parent / PICKLED
    folder.mkdir(parents=True)
    for i, batch in enumerate(BATCHES):
        rows = slice(i * ROWS, (i + 1) * ROWS)
        (folder / batch).write_bytes(dump(X[rows], y[rows]))
    return folder


def python3_pickle(protocol, key=str.encode):
    def dump(X, y):
        batch = {"batch_label": b"a batch", "labels": y.tolist(), "data": X, "filenames": ["a.png"] * len(y)}
        return pickle.dumps({key(name): value for name, value in batch.items()}, protocol)

    return dump


def pack(folder, archive):
    with tarfile.open(archive, "w:gz") as entries:
        entries.add(folder, folder.name)
    return archive


def fails(path, message, error=ValueError):
    with pytest.raises(error, match=re.escape(message)) as caught:
        read_cifar10(path)
    return str(caught.value)
