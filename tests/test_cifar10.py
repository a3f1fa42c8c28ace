"""CIFAR-10 from every layout, and the errors for invalid files."""

# ruff: noqa: F401, F811 - some of what is imported are fixtures, which arguments name

import gzip
import io
import pickle
import tarfile
import tracemalloc

import numpy as np
import pytest
from cifar10_files import (
    ROWS,
    fails,
    images,
    pack,
    python2_pickle,
    python3_pickle,
    small,
    write_binary,
    write_pickled,
)

from handgrad.data import cifar10
from handgrad.data.cifar10 import BINARY, read_cifar10

DUMPS = {
    "python 2": python2_pickle,
    **{f"python 3, protocol {p}": python3_pickle(p) for p in range(6)},
    "python 3, keys of text": python3_pickle(4, str),
    "columns contiguous": lambda X, y: python3_pickle(2)(np.asfortranarray(X), y),
}


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("layout", ["binary", *DUMPS])
def test_all_layouts_give_the_same_arrays(tmp_path, images, layout, archived):
    if layout == "binary":
        path = write_binary(tmp_path, images)
    else:
        path = write_pickled(tmp_path, images, DUMPS[layout])
    if archived:
        path = pack(path, tmp_path / "some.tar.gz")
    for found, expected in zip(read_cifar10(path), images, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_python_2_pickle_is_one():
    X, y = np.arange(6144, dtype=np.uint8).reshape(2, 3072), np.array([1, 2])
    batch = pickle.loads(python2_pickle(X, y), encoding="bytes")
    np.testing.assert_array_equal(batch[b"data"], X)
    assert batch[b"labels"] == [1, 2]


@pytest.mark.parametrize("write", [write_binary, lambda p, i: write_pickled(p, i, python3_pickle(2))])
def test_parent_folder_and_archive_in_it_are_found(tmp_path, images, write):
    folder = write(tmp_path / "a", images)
    name = "cifar-10-binary.tar.gz" if folder.name == BINARY else "cifar-10-python.tar.gz"
    (tmp_path / "b").mkdir()
    pack(folder, tmp_path / "b" / name)
    for directory in (tmp_path / "a", tmp_path / "b"):
        np.testing.assert_array_equal(read_cifar10(directory)[0], images[0])


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: b""])
def test_a_batch_of_the_wrong_length_is_named(tmp_path, images, change):
    path = write_binary(tmp_path, images) / "data_batch_3.bin"
    path.write_bytes(change(path.read_bytes()))
    assert str(path) in fails(tmp_path, f"must have {ROWS * 3073} bytes")


def test_a_wrong_label_is_named(tmp_path, images):
    path = write_binary(tmp_path, images) / "test_batch.bin"
    data = bytearray(path.read_bytes())
    data[2 * 3073] = 10
    path.write_bytes(data)
    assert str(path) in fails(tmp_path, "record 2 has label 10")


@pytest.mark.parametrize("write", [write_binary, lambda p, i: write_pickled(p, i, python3_pickle(2))])
def test_a_missing_batch_is_named(tmp_path, images, write):
    folder = write(tmp_path, images)
    next(folder.glob("data_batch_2*")).unlink()
    fails(tmp_path, f"{folder} lacks data_batch_2", FileNotFoundError)
    fails(pack(folder, tmp_path / "x.tar.gz"), "x.tar.gz lacks data_batch_2", FileNotFoundError)


def test_empty_and_missing_folders_are_named(tmp_path):
    fails(tmp_path, f"{tmp_path} has no CIFAR-10", FileNotFoundError)
    fails(tmp_path / "no", f"{tmp_path / 'no'} does not exist", FileNotFoundError)


@pytest.fixture
def archive(tmp_path, images):
    """A writer of an archive of the whole binary layout, with one entry more in front."""
    folder = write_binary(tmp_path / "whole", images)

    def write(name, data=b"", **header):
        path = tmp_path / "with.tar.gz"
        with tarfile.open(path, "w:gz") as entries:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            for key, value in header.items():
                setattr(entry, key, value)
            entries.addfile(entry, io.BytesIO(data))
            entries.add(folder, folder.name)
        return path

    return write


def test_other_files_in_an_archive_are_ignored(archive, images):
    np.testing.assert_array_equal(read_cifar10(archive(f"{BINARY}/readme.html", b"hello"))[0], images[0])


def test_nothing_is_written_for_an_entry_outside_the_folder(archive, tmp_path, images):
    before = sorted(tmp_path.rglob("*"))
    for name in ("../evil", f"{tmp_path}/evil", f"{BINARY}/../../evil"):
        np.testing.assert_array_equal(read_cifar10(archive(name, b"x"))[0], images[0])
    assert [path.name for path in sorted(tmp_path.rglob("*")) if path not in before] == ["with.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_not_followed(archive, images, kind):
    path = archive(f"{BINARY}/data_batch_1.bin", type=kind, linkname="/etc/passwd")
    np.testing.assert_array_equal(read_cifar10(path)[0], images[0])


def test_repeated_batch_is_refused(archive):
    content = b"\0" * (ROWS * 3073)
    fails(archive(f"{BINARY}/data_batch_1.bin", content), "data_batch_1.bin occurs twice")


def test_sizes_are_bounded(archive, monkeypatch):
    monkeypatch.setattr(cifar10, "MOST_BYTES", 2**20)
    fails(archive("big", b"\0" * (2**20 + 1)), "big has 1048577 bytes")
    monkeypatch.setattr(cifar10, "MOST_BYTES_UNZIPPED", 2**18)
    fails(archive("a", b"\0" * 2**19), "is damaged")


def test_header_claiming_gigabytes_stops_at_the_limit(tmp_path, small, monkeypatch):
    monkeypatch.setattr(cifar10, "MOST_BYTES_UNZIPPED", 2**20)
    path = tmp_path / "bomb.tar.gz"
    header = tarfile.TarInfo("comment")
    header.type, header.size = tarfile.XHDTYPE, 2**32  # a header is read whole before it is looked at
    with gzip.open(path, "wb", 1) as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(32):
            file.write(bytes(2**20))
    tracemalloc.start()
    try:
        fails(path, "is damaged")
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_damaged_archive_is_named(archive, tmp_path):
    whole = archive("a", b"x").read_bytes()
    path = tmp_path / "damaged.tar.gz"
    for cut in (0, 5, 100, len(whole) // 2, len(whole) - 4):
        path.write_bytes(whole[:cut])
        assert str(path) in fails(path, "damaged.tar.gz")
    for at in (0, 20, len(whole) // 2, len(whole) - 6):  # the last is in the checksum
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises((ValueError, FileNotFoundError), match=r"damaged\.tar\.gz"):
            read_cifar10(path)
