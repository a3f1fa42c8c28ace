"""CIFAR-10 from every layout it comes in, and the errors of files that are something else."""

import gzip
import hashlib
import http.server
import io
import os
import pickle
import re
import subprocess
import sys
import tarfile
import threading
import tracemalloc

import numpy as np
import pytest

from handgrad.cli.main import main
from handgrad.data import byte_pickle, cifar10, datasets, download
from handgrad.data.cifar10 import BATCHES, BINARY, PICKLED, read_cifar10
from handgrad.data.datasets import load_cifar10, load_dataset
from handgrad.data.download import data_directory, download_cifar10

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


DUMPS = {
    "python 2": python2_pickle,
    **{f"python 3, protocol {p}": python3_pickle(p) for p in range(6)},
    "python 3, keys of text": python3_pickle(4, str),
    "columns contiguous": lambda X, y: python3_pickle(2)(np.asfortranarray(X), y),
}


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("layout", ["binary", *DUMPS])
def test_every_layout_gives_the_same_arrays(tmp_path, images, layout, archived):
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
def test_the_folder_above_will_do_and_so_will_the_archive_in_it(tmp_path, images, write):
    folder = write(tmp_path / "a", images)
    name = "cifar-10-binary.tar.gz" if folder.name == BINARY else "cifar-10-python.tar.gz"
    (tmp_path / "b").mkdir()
    pack(folder, tmp_path / "b" / name)
    for directory in (tmp_path / "a", tmp_path / "b"):
        np.testing.assert_array_equal(read_cifar10(directory)[0], images[0])


def test_the_parts_and_the_mean(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (60_000, 3072), dtype=np.uint8), rng.integers(0, 10, 60_000)
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


def test_the_directory_is_the_environments(monkeypatch, tmp_path, images):
    monkeypatch.setenv("HANDGRAD_DATA", str(tmp_path))
    assert data_directory() == tmp_path
    monkeypatch.delenv("HANDGRAD_DATA")
    assert data_directory().name == "handgrad"


# Bad files in a folder.


def fails(path, message, error=ValueError):
    with pytest.raises(error, match=re.escape(message)) as caught:
        read_cifar10(path)
    return str(caught.value)


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


def test_an_empty_folder_and_no_folder_are_named(tmp_path):
    fails(tmp_path, f"{tmp_path} holds no CIFAR-10", FileNotFoundError)
    fails(tmp_path / "no", f"there is no {tmp_path / 'no'}", FileNotFoundError)


GOOD = {"labels": [1] * ROWS, "data": np.zeros((ROWS, 3072), np.uint8)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "this is not a pickled dict of plain data and bytes"),
        ({"labels": GOOD["labels"]}, "must hold data of shape (20, 3072), not None"),
        ({**GOOD, "data": GOOD["data"][:, :-1]}, "must hold data of shape (20, 3072), not (20, 3071)"),
        ({**GOOD, "data": np.zeros((ROWS, 3072))}, "it holds an array of dtype 'f8', not of bytes"),
        ({**GOOD, "data": np.zeros((ROWS, 3072), object)}, "dtype 'O8', not of bytes"),
        ({**GOOD, "data": b"bytes"}, "must hold data of shape"),
        ({"data": GOOD["data"]}, "must hold labels, a list of integers"),
        ({**GOOD, "labels": [1.5] * ROWS}, "must hold labels, a list of integers"),
        ({**GOOD, "labels": ["1"] * ROWS}, "must hold labels, a list of integers"),
        ({**GOOD, "labels": [1] * (ROWS - 1)}, "must hold 20 labels, not 19"),
        ({**GOOD, "labels": [0] * (ROWS - 1) + [10]}, "record 19 has label 10"),
        ({**GOOD, "labels": [-1] * ROWS}, "record 0 has label -1"),
        ({**GOOD, "labels": [2**60] * ROWS}, "record 0 has label 1152921504606846976"),
    ],
)
def test_a_pickle_of_something_else_is_named(tmp_path, images, content, message):
    path = write_pickled(tmp_path, images, python3_pickle(2)) / "data_batch_4"
    path.write_bytes(pickle.dumps(content, 2))
    assert str(path) in fails(tmp_path, message)


class Evil:
    """What it is told to call when it is unpickled."""

    def __init__(self, function, *arguments):
        self.calls = function, arguments

    def __reduce__(self):
        return self.calls


def opcode_pickle(body):
    return b"\x80\x02" + body + b"."


def hostile_pickles(target):
    """Pickles that would write to the target, or fill the memory, if they were trusted."""
    write = f"open({str(target)!r}, 'w').close()"
    text = b"X" + len(write).to_bytes(4, "little") + write.encode()
    for protocol in range(6):
        yield pickle.dumps(Evil(exec, write), protocol)
        yield pickle.dumps({"data": Evil(os.system, f"touch {target}")}, protocol)
    yield opcode_pickle(b"(" + text + b"ibuiltins\nexec\n")  # INST
    yield opcode_pickle(b"(cbuiltins\nexec\n" + text + b"o")  # OBJ
    yield opcode_pickle(b"cbuiltins\nexec\n" + text + b"\x85\x81")  # NEWOBJ
    yield opcode_pickle(b"cnumpy.core.multiarray\n_reconstruct\ncbuiltins\nexec\n" + text + b"\x86R")
    yield opcode_pickle(b"cnumpy\nload\n" + text + b"\x85R")
    yield opcode_pickle(b"\x82\x01")  # an extension's code
    yield opcode_pickle(b"Pname\n")  # a persistent id
    # What a name stands for must not be changed for the next file.
    yield opcode_pickle(b"c_codecs\nencode\n}X\x05\x00\x00\x00_callcbuiltins\nexec\nsb")
    yield opcode_pickle(b"c_codecs\nencode\nN}X\x05\x00\x00\x00_callNs\x86b")
    # Lengths and places that are not there.
    yield opcode_pickle(b"X\xff\xff\xff\x7fshort")
    yield opcode_pickle(b"\x8e" + (2**62).to_bytes(8, "little") + b"short")
    yield opcode_pickle(b"Nr\xff\xff\xff\x7f")
    yield opcode_pickle(b"}" * 11_000)
    yield opcode_pickle(b"\x8b\xff\xff\xff\x7f" + b"\xff" * 100)  # an integer of 2 GB
    # Arrays that are larger than their bytes, or smaller than nothing.
    for shape in (b"K\x64K\x64\x86", b"J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86", b"N", b"]"):
        array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        yield opcode_pickle(array + b"(K\x01" + shape + dtype + b"\x89U\x01xtb")
    yield from (b"", b"\x80", b"garbage", b"\x80\x02}", pickle.dumps(GOOD, 2)[:-9])


def test_no_hostile_pickle_runs_an_instruction(tmp_path, images, monkeypatch):
    monkeypatch.setattr(byte_pickle, "MOST_INSTRUCTIONS", 10_000)
    path = write_pickled(tmp_path, images, python3_pickle(2)) / "data_batch_1"
    good, target = path.read_bytes(), tmp_path / "ran"
    hostile = list(hostile_pickles(target))
    for content in hostile:
        path.write_bytes(content)
        assert str(path) in fails(tmp_path, "is not a pickled dict of plain data and bytes")
        assert not target.exists()
    # The pickles do what they say where they are trusted, and none left a trace in the reader.
    pickle.loads(hostile[0])
    assert target.exists()
    path.write_bytes(good)
    np.testing.assert_array_equal(read_cifar10(tmp_path)[0], images[0])


def test_a_hostile_pickle_takes_no_memory():
    """A few bytes that ask for gigabytes, in a process that may have little more than it needs."""
    program = """
import resource
from handgrad.data.byte_pickle import load_byte_pickle
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 2**27, held + 2**27))
for body in (b"X\\xff\\xff\\xff\\x7fs", b"\\x8e" + (2**40).to_bytes(8, "little"), b"Nr\\xff\\xff\\xff\\x0f"):
    try:
        load_byte_pickle(b"\\x80\\x04" + body + b".")
    except ValueError as error:
        assert "MemoryError" not in repr(error.__context__), body
    else:
        raise SystemExit("it was read")
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# Bad archives.


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


def test_an_archive_with_another_plain_file_is_read(archive, images):
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


def test_the_same_batch_twice_is_refused(archive):
    content = b"\0" * (ROWS * 3073)
    fails(archive(f"{BINARY}/data_batch_1.bin", content), "data_batch_1.bin is there a second time")


def test_sizes_are_bounded(archive, monkeypatch):
    monkeypatch.setattr(cifar10, "MOST_BYTES", 2**20)
    fails(archive("big", b"\0" * (2**20 + 1)), "big has 1048577 bytes")
    monkeypatch.setattr(cifar10, "MOST_BYTES_UNZIPPED", 2**18)
    fails(archive("a", b"\0" * 2**19), "is damaged")


def test_a_header_that_unpacks_to_gigabytes_stops_at_the_limit(tmp_path, small, monkeypatch):
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


# The download.


@pytest.fixture
def server(tmp_path, images):
    """A server on this machine, with the archive of the images; it can be told to break off."""
    folder = write_binary(tmp_path / "served", images)
    content = pack(folder, tmp_path / "served.tar.gz").read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        cut = None

        def do_GET(self):
            self.send_response(200 if self.path == "/good" else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: Handler.cut])

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{listening.server_port}"
        yield url, hashlib.sha256(content).hexdigest(), Handler
        listening.shutdown()
        thread.join()


def test_the_download_is_checked_kept_and_read(server, tmp_path, images, capsys):
    url, sha256, handler = server
    cache = tmp_path / "cache"
    path = download_cifar10(cache, f"{url}/good", sha256)
    assert "CIFAR-10: 100 %" in capsys.readouterr().err
    np.testing.assert_array_equal(read_cifar10(cache)[0], images[0])
    handler.cut = 0
    assert download_cifar10(cache, f"{url}/good", sha256) == path  # is there: nothing is fetched


@pytest.mark.parametrize(
    ("page", "cut", "changed", "error"),
    [("good", None, True, ValueError), ("good", 100, False, OSError), ("missing", None, False, OSError)],
)
def test_a_failed_download_leaves_nothing(server, tmp_path, page, cut, changed, error):
    url, sha256, handler = server
    handler.cut = cut
    cache = tmp_path / "cache"
    with pytest.raises(error):
        download_cifar10(cache, f"{url}/{page}", "0" * 64 if changed else sha256)
    assert list(cache.iterdir()) == []


def test_the_command_downloads_and_reads(tmp_path, images, monkeypatch, capsys):
    path = pack(write_binary(tmp_path, images), tmp_path / "some.tar.gz")
    asked = []
    monkeypatch.setattr(download, "download_cifar10", lambda directory: asked.append(directory) or path)
    monkeypatch.setenv("HANDGRAD_DATA", str(tmp_path / "kept"))
    for arguments in ([], ["--data-dir", str(tmp_path)]):
        monkeypatch.setattr(sys, "argv", ["handgrad", "data", "cifar10", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 0
        assert capsys.readouterr().out == f"{path}: {6 * ROWS} images\n"
    assert asked == [tmp_path / "kept", tmp_path]


def test_a_download_that_fails_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", ["handgrad", "data", "cifar10", "--data-dir", str(tmp_path / "file" / "x")]
    )
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert re.fullmatch(r"handgrad: cannot download .* to .*\n", capsys.readouterr().err)


# The size of the whole.

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


def test_training_on_all_of_it_takes_less_than_400_mb(tmp_path):
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
