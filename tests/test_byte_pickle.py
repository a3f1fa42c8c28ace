"""The reader of pickles refuses everything but plain data, and executes nothing."""

# ruff: noqa: F401, F811 - some of what is imported are fixtures, which arguments name

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from cifar10_files import ROWS, fails, images, python3_pickle, small, write_pickled

from handgrad.data import byte_pickle
from handgrad.data.cifar10 import read_cifar10

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
def test_other_pickles_are_refused_with_their_content(tmp_path, images, content, message):
    path = write_pickled(tmp_path, images, python3_pickle(2)) / "data_batch_4"
    path.write_bytes(pickle.dumps(content, 2))
    assert str(path) in fails(tmp_path, message)


class Evil:
    """An object whose unpickling calls a function."""

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


def test_hostile_pickle_executes_nothing(tmp_path, images, monkeypatch):
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


def test_hostile_pickle_allocates_no_memory():
    """A few bytes would allocate gigabytes; the process may use little more memory than it needs."""
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
