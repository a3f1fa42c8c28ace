"""Finding and loading FILE.py:NAME and package.module:NAME, and the errors if that fails."""

import sys
import warnings

import numpy as np
import pytest

import handgrad.two_layer_net  # noqa: F401 - what it loads can be loaded once in a process, and is not undone
from autograd_ref.crosscheck.isolated.targets import load_target
from autograd_ref.crosscheck.reports.report import NotJudged

NETWORK = "class Net:\n    def loss(self, X, y=None, reg=0.0): ...\n"


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """Undo everything that a target does to the interpreter; work in the test's own directory."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def complaint(spec):
    with pytest.raises(NotJudged) as raised:
        load_target(str(spec))
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_file_is_found_by_its_path(tmp_path):
    file = write(tmp_path / "net.py", NETWORK)
    target = load_target(f"{file}:Net")
    assert target.value is target.module.Net
    assert target.file == str(file)
    assert load_target("./net.py:Net").value is target.value


def test_name_may_have_dots(tmp_path):
    write(tmp_path / "net.py", "class Outer:\n    class Inner: ...\n")
    assert load_target("net.py:Outer.Inner").value.__name__ == "Inner"


@pytest.mark.parametrize("name", ["my net-v2.final.py", "random.py", "numpy.py", "class.py"])
def test_a_file_may_have_any_name(tmp_path, name):
    import random

    write(tmp_path / name, NETWORK)
    assert load_target(f"{tmp_path / name}:Net").file == str(tmp_path / name)
    assert sys.modules["random"] is random
    assert sys.modules["numpy"] is np


def test_two_files_may_have_the_same_name(tmp_path):
    one, other = (write(tmp_path / folder / "net.py", f"where = {folder!r}\n") for folder in "ab")
    assert [load_target(f"{file}:where").value for file in (one, other, one)] == ["a", "b", "a"]


def test_a_file_finds_its_neighbours(tmp_path):
    write(tmp_path / "sub" / "layers_beside.py", "def relu(x): ...\n")
    write(tmp_path / "sub" / "net.py", "from layers_beside import relu\n")
    assert load_target("sub/net.py:relu").value.__module__ == "layers_beside"


def test_a_file_in_a_package_is_imported_as_part_of_it(tmp_path):
    write(tmp_path / "course/lib/__init__.py", "")
    write(tmp_path / "course/lib/layers.py", "def relu(x): ...\n")
    write(tmp_path / "course/lib/models/__init__.py", "")
    write(
        tmp_path / "course/lib/models/net.py",
        "from ..layers import relu\nfrom lib.layers import relu as same\n",
    )
    target = load_target("course/lib/models/net.py:relu")
    assert target.module.__name__ == "lib.models.net"
    assert target.value is target.module.same
    assert load_target("course/lib/__init__.py:__name__").value == "lib"


def test_a_folder_without_init_is_a_package_where_a_file_imports_relatively(tmp_path):
    write(tmp_path / "course/lib/layers.py", "def relu(x): ...\n")
    write(tmp_path / "course/lib/models/net.py", "from ..layers import relu\n")
    target = load_target("course/lib/models/net.py:relu")
    assert target.module.__name__ == "lib.models.net"
    assert target.value.__module__ == "lib.layers"


def test_file_opens_its_neighbours_from_anywhere(tmp_path):
    write(tmp_path / "sub/sizes.txt", "7")
    write(tmp_path / "sub/net.py", "from pathlib import Path\nsize = int(Path('sizes.txt').read_text())\n")
    assert load_target("sub/net.py:size").value == 7


def test_module_of_the_same_project_needs_no_installation(tmp_path):
    write(tmp_path / "repo/cs231n/layers.py", "")
    write(tmp_path / "repo/cs231n/classifiers/net.py", "import cs231n.layers\n")
    said = complaint("repo/cs231n/classifiers/net.py:Net")
    assert "pip" not in said
    assert said.endswith(f"run the check in {tmp_path / 'repo'}, or set PYTHONPATH={tmp_path / 'repo'}")


def test_a_module_is_found_from_the_working_directory(tmp_path):
    write(tmp_path / "parts/net.py", NETWORK)
    assert load_target("parts.net:Net").file == str(tmp_path / "parts/net.py")


def test_installed_module_can_be_named():
    assert load_target("handgrad.two_layer_net:TwoLayerNet").value.__name__ == "TwoLayerNet"


def test_package_of_the_same_name_is_not_confused(tmp_path):
    write(tmp_path / "handgrad/__init__.py", "")
    file = write(tmp_path / "handgrad/two_layer_net.py", NETWORK)
    assert "another module has the name handgrad.two_layer_net" in complaint(f"{file}:Net")


def test_settings_of_a_file_stay_with_it(tmp_path):
    write(
        tmp_path / "net.py",
        "import argparse, warnings, numpy as np\n"
        "np.seterr(all='raise'); warnings.simplefilter('ignore')\n"
        "args = argparse.ArgumentParser().parse_args()\n",
    )
    errors, filters = np.geterr(), list(warnings.filters)
    load_target("net.py:args")
    assert np.geterr() == errors
    assert warnings.filters == filters


@pytest.mark.parametrize("spec", ["net.py", ":Net", "net.py:", ""])
def test_a_target_needs_a_name(spec):
    assert "FILE.py:NAME or package.module:NAME" in complaint(spec)


def test_missing_file_module_or_name_is_named(tmp_path):
    write(tmp_path / "layers.py", NETWORK)
    assert complaint("layers").startswith("there is no such target: write layers.py")
    assert complaint("nowhere.py:Net") == "there is no file nowhere.py"
    assert complaint("some/where:Net") == "there is no file some/where"
    assert complaint("nowhere.net:Net").startswith("there is no module nowhere here")
    assert complaint("numpy.nowhere:Net").startswith("there is no module numpy.nowhere here")
    write(tmp_path / "net.py", f"from math import sqrt\n{NETWORK}class Data: ...\ndef svm_loss(W): ...\n")
    assert complaint("net.py:Ne") == "there is no Ne in net.py; it has Net, svm_loss"
    write(tmp_path / "empty.py", "")
    assert complaint("empty.py:Net").endswith("it has no class with a loss and no function")
    write(tmp_path / "notes/net.txt", NETWORK)
    assert complaint("notes/net.txt:Net") == "net.txt is not a .py file"


@pytest.mark.parametrize(
    "line",
    [
        'print "hello"',
        "print x, y",
        'exec "x = 1"',
        "raise ValueError, 'no'",
        "try: pass\nexcept ValueError, error: pass",
        "mode = 0777",
        "n = 10L",
        "if 1 <> 2: pass",
        "s = `n`",
        's = ur"x"',
        "import cPickle as pickle",
        "for i in xrange(3): pass",
    ],
)
def test_python_2_is_recognised(tmp_path, line):
    write(tmp_path / "net.py", f"import os\n{line}\n")
    assert "is Python 2: " in complaint("net.py:Net")


@pytest.mark.parametrize("line", ["def f(:", "print(", "x = = 1", "print = (1", "exec('1'"])
def test_a_python_3_slip_is_not_called_python_2(tmp_path, line):
    write(tmp_path / "net.py", f"import os\n{line}\n")
    assert complaint("net.py:Net").startswith("line 2: SyntaxError: ")


def test_python_2_in_what_is_imported(tmp_path):
    write(tmp_path / "layers_of_old.py", 'print "hello"\n')
    write(tmp_path / "net.py", "import layers_of_old\n")
    assert complaint("net.py:Net") == 'is Python 2: layers_of_old.py, line 1: print "hello"'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("import no_such_package.part", "no_such_package is not installed: pip install no_such_package"),
        ("from past.builtins import xrange", "past is not installed: pip install future"),
        ("import json.nowhere", "ModuleNotFoundError: No module named 'json.nowhere'"),
        ("from json import nowhere", "ImportError: cannot import name 'nowhere' from 'json'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import json; json.loads('{')", "JSONDecodeError: "),
        ("raise ValueError", "ValueError"),
        ("import sys; sys.exit(3)", "calls sys.exit(3)"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise MemoryError('much')", "runs out of memory: much"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_reason_of_a_failed_import_is_one_line(tmp_path, monkeypatch, line, message):
    monkeypatch.setitem(sys.modules, "past", None)  # as if it were not installed
    write(tmp_path / "net.py", f"import os\n{line}\n")
    said = complaint("net.py:Net")
    assert said.startswith("line 2: ")
    assert message in said


def test_a_message_is_one_short_line_whatever_the_exception(tmp_path):
    write(
        tmp_path / "net.py",
        "class Bad(Exception):\n    def __str__(self): raise self\nraise Bad\n",
    )
    assert complaint("net.py:Net") == "line 3: Bad"
    write(tmp_path / "net.py", "raise ValueError('a\\nb ' + 'c' * 10**6)\n")
    assert len(complaint("net.py:Net")) == 300
