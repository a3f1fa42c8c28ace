"""Calls that a program makes itself: at import, in a run, in a test."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from autograd_ref import NotJudged
from autograd_ref.crosscheck.isolated.by_forward import by_forward
from autograd_ref.crosscheck.isolated.child import judge_file
from autograd_ref.crosscheck.isolated.command import how_to_call
from autograd_ref.crosscheck.isolated.targets import load_target
from autograd_ref.crosscheck.isolated.whole import is_unclear, names_in, takers_of_gradients
from autograd_ref.crosscheck.program.calling.watch import is_called_plainly, watching
from handgrad.cli.main import main

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

    def meet(name, found):
        met.append(found)
        raise MetError

    with watching(str(file.resolve()), ["Base.step"], 2, meet) as calls:
        base.step(3)
        base.step(np.ones((5, 3)))
        assert calls == {"Base.step": [2, 1]}
    assert met == []
    base.W = np.ones((3, 2))
    with pytest.raises(MetError), watching(str(file.resolve()), ["Base.step"], 1, meet):
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
def test_only_functions_without_example_and_contract_are_watched_at_import(text, name, plainly):
    assert is_called_plainly(text, name) is plainly


def check(folder, *words):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", "from handgrad.cli.main import main; main()", "check", *words, "--json"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout)


LAYERS = """
import numpy as np

def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)

def affine_backward(dout, cache):
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)

def relu_forward(x):
    return np.maximum(x, 0), x

def relu_backward(dout, cache):
    return dout * (cache > 0.3)

def difference(one, other):
    return np.abs(one - other).max()
"""

NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "source": ["# training"]},
        {
            "cell_type": "code",
            "source": ["%matplotlib inline\n", "import numpy as np\n", "!ls\n", "W = np.ones(3)"],
        },
        {"cell_type": "code", "source": "no_such_name"},
        {"cell_type": "code", "source": "def step(w, x):\n    r = x @ w\n    return r @ r, 2 * x.T @ r\n"},
        {"cell_type": "code", "source": ["step(W, np.arange(6.0).reshape(2, 3))"]},
    ]
}


@pytest.mark.slow
def test_whole_folder_is_judged(tmp_path):
    (tmp_path / "layers.py").write_text(LAYERS)
    (tmp_path / "old.py").write_text("print 'no'\n")
    (tmp_path / ".hidden.py").write_text("1 / 0")
    (tmp_path / "training.ipynb").write_text(json.dumps(NOTEBOOK))
    (tmp_path / "magic.py").write_text("%matplotlib inline\n" + LAYERS[: LAYERS.index("def relu")])
    command = [sys.executable, "-c", "from handgrad.cli.main import main; main()", "check"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [*command, str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    lines = [line.replace(f"{tmp_path}/", "") for line in done.stdout.splitlines()]
    after = lines.index("magic.py:affine_forward: the gradient is right (float64).")
    assert {"layers.py:15: 0.0 belongs there, not 0.3", "   │ +    return dout * (cache > 0.0)"} <= {
        *lines[2:after]
    }
    assert [*lines[:2], *lines[after:]] == [
        "layers.py:affine_forward: the gradient is right (float64).",
        "layers.py:relu_forward: dx is wrong (float64).",
        "magic.py:affine_forward: the gradient is right (float64).",
        "old.py: could not be judged: is Python 2: line 1: print 'no'",
        "training.ipynb:step: the gradient is right (float64).",
        "Ignored in magic.py: %matplotlib inline",
        "Ignored in training.ipynb: %matplotlib inline, !ls",
        "Not judged: difference. Give a call: handgrad check layers.py:difference --call 'difference(...)'",
        "3 right, 1 wrong, 1 could not be judged.",
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (LAYERS, {"affine_forward": ["affine_forward"], "relu_forward": ["relu_forward"]}),
        ("class Net:\n  def __init__(self): ...\n  def loss(self): ...", {"Net": ["Net.loss"]}),
        ("class Config:\n  def load(self): ...\ndef main(): ...\ndef _own(): ...", {}),
        ("def example_step(rng): ...\ndef test_step(): ...\ndef step(w): ...", {"step": ["step"]}),
        (
            "def f(x): ...\ndef fwd(x): ...\ndef back(k, g): ...\n@f.defjvp\ndef push(p, t): ...\n"
            "f.defvjp(fwd, back)\nr = jax.custom_vjp(lambda x: x)",
            {"f": ["f"], "r": ["r"]},
        ),
        ("def (", {}),
    ],
)
def test_names_of_a_file_that_may_be_judged(tmp_path, text, names):
    file = tmp_path / "file.py"
    file.write_text(text)
    found = names_in(str(file))
    found.pop("difference", None)
    assert found == names


@pytest.mark.slow
def test_program_runs_until_the_requested_call(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "library.py").write_text(LIBRARY)
    (tmp_path / "inside" / "train.py").write_text(SCRIPT)
    code, found = check(tmp_path, "inside/library.py:Model.step", "--run", "inside/train.py 3", "--nth", "2")
    assert (code, found["ok"], found["points"]) == (0, True, 3), found
    (quantity,) = found["quantities"]
    assert (quantity["name"], quantity["of"]) == ("dW", "self.W")
    code, found = check(tmp_path, "inside/library.py:Model.leap", "--run", "inside/train.py x")
    assert code == 2
    assert "--run fails at line 9: ValueError" in found["error"]


LOOPS = """
import numpy as np

X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
y = np.array([[0], [1], [1], [0]])
rng = np.random.default_rng(1)
V, W = rng.standard_normal((3, 4)), rng.standard_normal((4, 1))
for _ in range(5):
    h = 1 / (1 + np.exp(-X @ V))
    out = 1 / (1 + np.exp(-h @ W))
    delta = (out - y) * out * (1 - out)
    W -= 0.5 * h.T @ delta
    V -= 0.5 * X.T @ (delta @ W.T * h * (1 - h))

while True:
    X = X + 0
"""


def judged(file):
    """The answers about everything in a file, by name."""
    recorded = dict.fromkeys(("call", "run", "loss", "backward")) | {"nth": 1, "of": {}, "points": 2}
    request = {
        "target": str(file),
        "names": names_in(str(file)),
        "recorded": recorded | {"explain": False},
        "reference": None,
        "sizes": (9, 7, 10, 5),
        "reg": None,
        "dtype": None,
        "seed": 0,
        "tolerance": 0.0,
        "surrogate": False,
    }
    (*_, answers) = judge_file(request)
    return {each["target"].rpartition(":")[2]: each for each in answers}


@pytest.mark.slow
def test_loops_that_train_are_judged_by_a_round(tmp_path, monkeypatch):
    monkeypatch.setattr("autograd_ref.crosscheck.isolated.judge_whole.AFTER_SECONDS", 0.5)
    (tmp_path / "loops.py").write_text(LOOPS)
    found = {name: answer["report"] for name, answer in judged(tmp_path / "loops.py").items()}
    first = next(i + 1 for i, line in enumerate(LOOPS.splitlines()) if line.startswith("for "))
    # W is updated before the gradient of V uses it.
    assert found[str(first)]["ok"] is False
    assert [each["name"] for each in found[str(first)]["quantities"] if each["ok"] is False] == ["dV"]


@pytest.mark.slow
def test_whole_networks_of_an_assignment_are_judged(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    shutil.copytree(Path(__file__).parent / "programs" / "assignments" / "cs231n", tmp_path / "mistaken")
    file = tmp_path / "mistaken" / "classifiers" / "fc_net.py"
    text = file.read_text()
    assert text.count("dW + self.reg *") == 1
    file.write_text(text.replace("dW + self.reg *", "dW + 2 * self.reg *"))
    answers = judged(file)
    found = {key: each["report"] and each["report"]["ok"] for key, each in answers.items()}
    assert found == {"TwoLayerNet": True, "FullyConnectedNet": False}, answers


def test_update_rules_and_invalid_notebooks_are_recognised(tmp_path):
    rules = Path(__file__).parent / "programs" / "assignments" / "cs231n" / "optim.py"
    assert takers_of_gradients(rules.read_text()) == {"sgd", "sgd_momentum", "rmsprop", "adam"}
    assert takers_of_gradients(LAYERS) == set()
    (tmp_path / "empty.ipynb").write_text("{}")
    with pytest.raises(NotJudged, match="is not a notebook: KeyError: 'cells'"):
        load_target(f"{tmp_path}/empty.ipynb:net")


@pytest.mark.parametrize(
    ("target", "forward"),
    [
        ("affine_backward", "affine_forward"),
        ("batchnorm_backward_alt", "batchnorm_forward"),
        ("Layer.backward", "Layer.forward"),
        ("lonely_backward", None),
        ("missing_backward", None),
    ],
)
def test_backward_function_is_judged_with_its_forward_function(target, forward):
    source = "def affine_forward(): ...\ndef affine_backward(): ...\ndef lonely_backward(): ...\n"
    source += "def batchnorm_forward(): ...\ndef batchnorm_backward_alt(): ...\ndef missing_forward(): ...\n"
    source += "class Layer:\n  def forward(self): ...\n  def backward(self): ...\n"
    request = {"target": f"x.py:{target}", "reference": None, "recorded": {"backward": None, "loss": None}}
    paired = by_forward(request, source)
    if forward is None:
        assert paired is request
    else:
        assert paired["target"] == f"x.py:{forward}"
        assert paired["recorded"]["backward"] == target


UNRECORDED = """
import numpy as np
w, x = np.array([0.5, -1.0]), np.array([[1.0, 2.0], [3.0, -1.0]])

def counted(w):
    return np.sum(np.histogram(w, weights=w)[0] ** 2), 2 * w

def unlike(a, b):
    return np.sum(a * b), 3 * a

counted(w)
unlike(w, 2 * w)
"""


def test_called_functions_that_cannot_be_judged_are_reported(tmp_path):
    file = tmp_path / "program.py"
    file.write_text(UNRECORDED)
    told = {name: one["error"] for name, one in judged(file).items()}
    assert told["counted"].startswith("cannot be recorded: ")
    assert is_unclear(told["unlike"])


LOOP = """
import numpy as np

rng = np.random.default_rng(0)
x, y = rng.standard_normal((8, 4)), rng.standard_normal((8, 2))
W1, W2 = rng.standard_normal((4, 3)), rng.standard_normal((3, 2))
for epoch in range(5):
    h = np.tanh(x @ W1)
    error = h @ W2 - y
    loss = 0.5 * np.mean(error**2)
    dW2 = h.T @ error / error.size
    dh = error @ W2.T / error.size
    W1 -= 0.1 * (x.T @ dh)
    W2 -= 0.1 * dW2
"""
GUARDED = f"def train():{textwrap.indent(LOOP, '    ')}\nif __name__ == '__main__':\n    train()\n"


@pytest.mark.slow
@pytest.mark.parametrize(("text", "words"), [(LOOP, ()), (GUARDED, ("--run", "train.py"))])
def test_a_loop_that_trains_is_repaired(tmp_path, text, words):
    (tmp_path / "train.py").write_text(text)
    code, answer = check(tmp_path, "train.py", *words)
    assert code == 1
    assert "/ error.size * (1 - h**2)\n" in answer["repair"]["after"]


@pytest.mark.slow
def test_a_repair_of_a_notebook_is_shown_and_not_written(tmp_path, monkeypatch, capfd):
    source = NOTEBOOK["cells"][3] | {"source": NOTEBOOK["cells"][3]["source"].replace("2 * x.T", "x.T")}
    text = json.dumps({"cells": [*NOTEBOOK["cells"][:3], source, NOTEBOOK["cells"][4]]})
    (tmp_path / "training.ipynb").write_text(text)
    monkeypatch.setattr(sys, "argv", ["handgrad", "check", str(tmp_path), "--fix"])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capfd.readouterr()
    assert ended.value.code == 1
    assert "+    return r @ r, x.T @ r * 2" in out
    assert "training.ipynb is not a plain Python file" in err
    assert (tmp_path / "training.ipynb").read_text() == text


def test_the_call_of_a_pytorch_function_is_its_apply(tmp_path):
    file = tmp_path / "swish.py"
    file.write_text("import torch\n\nclass Swish(torch.autograd.Function):\n    pass\n")
    assert how_to_call(str(file), [f"{file}:Swish"], is_run=False).endswith("--call 'Swish.apply(...)'")
