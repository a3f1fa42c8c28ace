"""A repair is written into its file, and nothing else in the file changes."""

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from autograd_ref.crosscheck.isolated.fix import write_repair
from autograd_ref.crosscheck.program.repair.source import Change, Source
from autograd_ref.crosscheck.reports.repair import Repair
from handgrad.cli.main import main
from handgrad.files import locked, replace_file

NASTY = """# -*- coding: latin-1 -*-
import functools
import numpy as np

def logged(f):
\t@functools.wraps(f)
\tdef inner(*args):
\t\treturn f(*args)
\treturn inner

@logged
def schritt(größe, W, x, y):  # Größe
\tß = 0.5
\tfehler = x @ W - y   # "é" in a comment
\tloss = ß * np.sum(fehler ** 2)
\tdfehler = (
\t\t2 * ß   # + the slope, é
\t\t+ fehler
\t)
\tdW = (x.T
\t\t@ dfehler)  # kept
\treturn loss, dW
"""


CALL = "schritt(1, *(rng.standard_normal(s) for s in ((3, 2), (4, 3), (4, 2))))"


@pytest.fixture
def nasty(tmp_path, monkeypatch):
    """A file with tabs, CRLF, another encoding, a decorator and a mistake in a statement of several lines."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "nasty.py"
    file.write_bytes(NASTY.replace("\n", "\r\n").encode("latin-1"))
    file.chmod(0o755)
    return file


def run(*arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["handgrad", "check", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    return ended.value.code


@pytest.mark.slow
def test_bias_gradient_of_a_wrong_shape_is_repaired_in_a_call_made_up_from_names(
    tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "layer.py"
    file.write_text(
        "import numpy as np\n\n\nclass Linear:\n    def __init__(self, inputs, outputs):\n"
        "        self.W, self.b = np.random.randn(inputs, outputs), np.zeros(outputs)\n\n"
        "    def forward(self, x):\n        self.x = x\n        return x @ self.W + self.b\n\n"
        "    def backward(self, dout):\n        self.dW = self.x.T @ dout\n        self.db = 2 * dout / 2\n"
        "        return dout @ self.W.T\n"
    )
    assert run("layer.py:Linear", "--fix", "--yes", "--json") == 1
    assert json.loads(capfd.readouterr().out)["repair"]["after"] == "        self.db = dout.sum(axis=0)\n"
    assert run("layer.py:Linear", "--json") == 0


@pytest.mark.slow
def test_only_the_wrong_bytes_of_a_file_change(nasty, capfd):
    before = nasty.read_bytes()
    assert run("nasty.py:schritt", "--call", CALL, "--fix", "--yes", "--json") == 1
    repair = json.loads(capfd.readouterr().out)["repair"]
    assert (repair["line"], repair["end_line"]) == (18, 18)
    assert nasty.read_bytes() == before.replace(b"\t\t+ fehler", b"\t\t* fehler")
    assert nasty.stat().st_mode & 0o777 == 0o755
    assert (nasty.parent / "nasty.py.orig").read_bytes() == before


@pytest.mark.slow
def test_git_takes_the_diff(nasty, capfd):
    before = nasty.read_bytes()
    assert run("nasty.py:schritt", "--call", CALL, "--diff") == 1
    subprocess.run(["git", "apply", "-"], input=capfd.readouterr().out.encode("latin-1"), check=True)
    assert nasty.read_bytes() == before.replace(b"\t\t+ fehler", b"\t\t* fehler")


@pytest.mark.parametrize("options", [("--fix", "--json"), ("--yes",), ("--no-repair", "--diff")])
def test_impossible_requests_are_refused(options, capsys):
    assert run("nobody.py:step", *options) == 2
    assert "--" in capsys.readouterr().err


def test_positions_are_bytes_of_the_text(nasty):
    source = Source(str(nasty))
    assert source.to_bytes(source.text) == nasty.read_bytes()
    assert source.newline == "\r\n"
    start = source.text.index("größe".encode())
    assert source.line_of(start) == 12
    changed = source.changed([Change(start, start + len("größe".encode()), "é")])
    assert source.to_bytes(changed) == nasty.read_bytes().replace("größe".encode("latin-1"), b"\xe9")


def repair_of(file):
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    old, new = "\t\t+ fehler\r\n", "\t\t* fehler\r\n"
    return Repair(str(file), 18, 18, old, new, "", "the operator", 4, 1, 0, digest)


def test_a_file_that_changed_is_not_written(nasty):
    before, repair = nasty.read_bytes(), repair_of(nasty)
    nasty.write_bytes(before + b"\r\n")
    with pytest.raises(ValueError, match="changed since it was read"):
        write_repair(repair)
    assert nasty.read_bytes() == before + b"\r\n"
    assert not list(nasty.parent.glob("*.orig"))
    nasty.write_bytes(before)
    assert write_repair(repair).read_bytes() == before
    assert nasty.read_bytes() == before.replace(b"\t\t+ fehler", b"\t\t* fehler")


def test_file_locked_by_another_process_is_waited_for(nasty):
    before, repair = nasty.read_bytes(), repair_of(nasty)
    nasty.with_name("nasty.py.orig").write_bytes(b"kept")
    with ThreadPoolExecutor() as pool:
        with locked(nasty):
            other = pool.submit(write_repair, repair)
            assert not wait([other], timeout=0.1).done
            replace_file(nasty, before + b"\r\n")
        with pytest.raises(ValueError, match="changed since it was read"):
            other.result()
    assert {each.name for each in nasty.parent.iterdir()} == {"nasty.py", "nasty.py.orig"}
    assert write_repair(repair_of(nasty)).name == "nasty.py.orig.2"
    assert nasty.with_name("nasty.py.orig").read_bytes() == b"kept"
