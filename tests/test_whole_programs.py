"""Calls that a program makes itself: at import, in a run, in a test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograd_ref.crosscheck.program.calling.watch import is_called_plainly, watching

LIBRARY = """
import numpy as np

class Base:
    def step(self, x, y=None, *, factor=1.0):
        if y is None:
            return None
        r = np.tanh(x @ self.W) - y
        self.W -= factor * 0.1 * x.T @ (r * (1 - (r + y) ** 2))
        return 0.5 * np.sum(r * r)

class Model(Base):
    def __init__(self, rng):
        self.W = rng.standard_normal((3, 2))
"""

SCRIPT = """
import sys
from pathlib import Path

import numpy as np
from library import Model

assert Path.cwd() == Path(__file__).resolve().parent
rng = np.random.default_rng(int(sys.argv[1]))
model = Model(rng)
model.step("nothing to compute with")
model.step(rng.standard_normal((5, 3)), rng.standard_normal((5, 2)))
while True:
    model.step(rng.standard_normal((5, 3)), rng.standard_normal((5, 2)), factor=2.0 * (model.W > 0))
"""


class MetError(Exception):
    pass


def test_watching_gives_the_call_before_it_is_made(tmp_path):
    file = tmp_path / "library.py"
    file.write_text(LIBRARY)
    space = {"__name__": "library"}
    exec(compile(LIBRARY, str(file), "exec"), space)
    np = space["np"]
    base, met = space["Base"](), []

    def meet(found):
        met.append(found)
        raise MetError

    with watching(str(file.resolve()), "Base.step", 2, meet) as calls:
        base.step(3)
        base.step(np.ones((5, 3)))
        assert calls == [2, 1]
    assert met == []
    base.W = np.ones((3, 2))
    with pytest.raises(MetError), watching(str(file.resolve()), "Base.step", 1, meet):
        base.step(np.ones((5, 3)), np.zeros((5, 2)), factor=3.0)
    (found,) = met
    assert found.function is space["Base"].step
    assert found.call.args[0] is base
    assert found.call.kwargs == {"factor": 3.0}
    assert (base.W == 1).all()


@pytest.mark.parametrize(
    ("text", "name", "plainly"),
    [
        ("def step(W, x): ...", "step", True),
        ("def step(W, x): ...\ndef example(rng): ...", "step", False),
        ("def loss(params, X, y, reg): ...", "loss", False),
        ("class Net:\n    def loss(self): ...", "Net.loss", True),
        ("class Net:\n    def loss(self): ...", "Net", False),
        ("class Net:\n    def loss(self): ...", "Other.loss", False),
        ("def step(:", "step", False),
    ],
)
def test_only_functions_without_example_and_contract_are_watched_at_import(tmp_path, text, name, plainly):
    file = tmp_path / "file.py"
    file.write_text(text)
    assert is_called_plainly(str(file), name) is plainly


def check(folder, *words):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", "from handgrad.cli.main import main; main()", "check", *words, "--json"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.slow
def test_program_runs_until_the_call_that_is_asked_for(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "library.py").write_text(LIBRARY)
    (tmp_path / "inside" / "train.py").write_text(SCRIPT)
    code, found = check(tmp_path, "inside/library.py:Model.step", "--run", "inside/train.py 3", "--nth", "2")
    assert (code, found["ok"], found["points"]) == (0, True, 3), found
    (quantity,) = found["quantities"]
    assert (quantity["name"], quantity["of"]) == ("dW", "self.W")
    code, found = check(tmp_path, "inside/library.py:Model.leap", "--run", "inside/train.py x")
    assert code == 2
    assert "--run raised line 9: ValueError" in found["error"]
