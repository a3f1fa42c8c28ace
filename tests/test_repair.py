"""A repair of a wrong gradient is tried before it is shown, and changes nothing but what was wrong."""

import ast
import asyncio
import importlib.util
import os
import sys

import numpy as np
import pytest
from loaded_text import module_of

from autograd_ref import check_call
from autograd_ref.crosscheck.isolated.process import run_apart
from autograd_ref.crosscheck.program.repair.by_value.slopes import slopes_in
from autograd_ref.crosscheck.program.repair.edits.constants import constants
from autograd_ref.crosscheck.program.repair.edits.siblings import siblings
from autograd_ref.crosscheck.program.repair.site import Site
from autograd_ref.crosscheck.program.repair.source import Source
from handgrad.cli.main import main

NETWORK = """
import numpy as np

def step(W1, W2, x, y, reg):
    z = x @ W1  # before the kink
    h = np.maximum(z, 0)
    scores = h @ W2
    loss = 0.5 * np.sum((scores - y) ** 2) / len(x) + reg * np.sum(W1 * W1)
    dscores = (scores - y) / len(x)
    dW2 = h.T @ dscores
    dh = dscores @ W2.T
    dz = dh * (z > 0)
    dW1 = x.T @ dz + 2 * reg * W1
    return loss, dW1, dW2
"""


@pytest.fixture
def check(tmp_path):
    """Judges the network with some of its text replaced, and looks for a repair."""

    def judged(*replaced):
        text = NETWORK
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / "net.py"
        file.write_text(text)
        spec = importlib.util.spec_from_file_location("net_to_be_repaired", file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        rng = np.random.default_rng(0)
        arrays = [rng.standard_normal(shape) for shape in ((4, 5), (5, 3), (6, 4), (6, 3))]
        return check_call(module.step, *arrays, 0.1, repair=True)

    yield judged
    sys.modules.pop("net_to_be_repaired", None)


@pytest.mark.slow
def test_a_missing_slope_is_found(check):
    report = check(("dz = dh * (z > 0)", "dz = dh  # the slope"))
    assert not report.ok
    assert report.repair.before == "    dz = dh  # the slope\n"
    assert report.repair.after == "    dz = dh * (z > 0)  # the slope\n"
    assert report.repair.diff.count("\n+    ") == 1
    assert "With this both gradients are right (4 points, float64): the slope of np.maximum (line 6)" in str(
        report
    )
    assert (report.blame[0].line, report.blame[0].kind) == (12, "step")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "after"),
    [
        (" + 2 * reg * W1", "", "dW1 = x.T @ dz + 2 * reg * W1"),
        ("dscores = (scores - y) / len(x)", "dscores = scores - y", "dscores = (scores - y) / len(x)"),
    ],
)
def test_mistake_is_repaired(check, old, new, after):
    report = check((old, new))
    assert not report.ok
    assert report.repair.after.strip() == after


SOFTMAX = """
import numpy as np

def step(W, X, y):
    exps = np.exp(X @ W)
    probs = exps / exps.sum(1, keepdims=True)
    dscores = (probs + y) / len(X)
    return -np.sum(y * np.log(probs)) / len(X), X.T @ dscores
"""


@pytest.mark.slow
def test_softmax_of_one_hot_labels_is_repaired(tmp_path):
    module, rng = module_of(tmp_path, SOFTMAX), np.random.default_rng(0)
    W, X = rng.standard_normal((4, 3)), rng.standard_normal((5, 4))
    report = check_call(module.step, W, X, np.eye(3)[[0, 2, 1, 1, 0]], points=2, repair=True)
    assert report.repair.after.strip() == "dscores = (probs - y) / len(X)"


NORMALISED = """
import numpy as np

def step(x, gamma, up):
    D = x.shape[1]
    centred = x - x.mean(axis=1, keepdims=True)
    istd = 1 / np.sqrt((centred ** 2).mean(axis=1, keepdims=True) + 1e-5)
    xhat = centred * istd
    loss = np.sum(gamma * xhat * up)
    dgamma = (up * xhat).sum(axis=0)
    dxhat = up * gamma
    dx = dxhat - dxhat.mean(axis=1, keepdims=True) - xhat * (dxhat * xhat).mean(axis=1, keepdims=True)
    dx *= istd
    return loss, dx, dgamma
"""


GATED = """
import numpy as np

def step(x, gain, up):
    n = x.shape[1]
    r = 1 / np.sqrt((x ** 2).mean(axis=1, keepdims=True) + 0.1)
    y = x * r
    t = np.tanh(0.8 * (y + 0.04 * y ** 3))
    loss = np.sum(y * t * gain * up)
    dgain = (y * t * up).sum(axis=0)
    dout = gain * up
    dt = dout * y
    dy = dout * t + dt * (1 - t ** 2) * 0.8 * (1 + 0.12 * y ** 2)
    dx = dy * r - x * r ** 3 * np.sum(dy * x, axis=1, keepdims=True) / n
    return loss, dx, dgain
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "old", "new", "after"),
    [
        (
            NORMALISED,
            " - xhat * (dxhat * xhat).mean(axis=1, keepdims=True)",
            "",
            "dx = dxhat - dxhat.mean(axis=1, keepdims=True)"
            " - xhat * np.sum(dxhat * xhat, axis=1, keepdims=True) / D",
        ),
        (
            NORMALISED,
            "dgamma = (up * xhat).sum(axis=0)",
            "dgamma = up * xhat",
            "dgamma = np.sum(xhat * up, axis=0)",
        ),
        (
            GATED,
            " + dt * (1 - t ** 2) * 0.8 * (1 + 0.12 * y ** 2)",
            "",
            "dy = dout * t + dt * 0.8 * (1 + 0.04 * 3 * y ** 2) * (1 - t ** 2)",
        ),
        (
            GATED,
            " - x * r ** 3 * np.sum(dy * x, axis=1, keepdims=True) / n",
            "",
            "dx = (dy - y * np.sum(dy * y, axis=1, keepdims=True) / n) * r",
        ),
        (GATED, "dgain = (y * t * up)", "dgain = (y * up)", "dgain = (y * up * t).sum(axis=0)"),
    ],
)
def test_missing_term_is_found_by_its_value(tmp_path, source, old, new, after):
    assert old in source
    module, rng = module_of(tmp_path, source.replace(old, new)), np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((3, 4), (4,), (3, 4))]
    report = check_call(module.step, *arrays, points=2, repair=True)
    assert report.repair.after.strip() == after


OBJECT = """
import numpy as np

class Layers:
    def __init__(self, W, V):
        self.W, self.V = W, V

    def forward(self, x):
        self.x, self.steps = x, []
        for t in range(3):
            x = np.tanh(x @ self.W)
            self.steps.append(x)
        return x @ self.V

    def backward(self, dout):
        self.dV, self.dW = np.zeros_like(self.V), np.zeros_like(self.W)
        self.dV += self.steps[-1].T @ dout
        up = dout @ self.V.T
        for t in (2, 1, 0):
            if np.abs(up).max() > 0:
                up = up * (1 - self.steps[t] ** 2)
            below = self.steps[t - 1] if t else self.x
            self.dW += below.T @ up
            up = up @ self.W.T
        return up
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "after"),
    [
        # Not with a guard that switches the step off.
        ("(1 - self.steps[t] ** 2)", "(1 - self.steps[t] ** 3)", "up = up * (1 - self.steps[t] ** 2)"),
        # Not with a comparison that happens to be true.
        ("np.abs(up).max() > 0:", "np.abs(up).max() > 9:", "if np.abs(up).max() > 0:"),
        ("            self.dW += below.T @ up\n", "", "self.dW += below.T @ up"),
        ("self.dV += self.steps[-1].T @ dout", "pass", "self.dV += self.steps[-1].T @ dout"),
    ],
)
def test_object_is_repaired(tmp_path, old, new, after):
    assert old in OBJECT
    module = module_of(tmp_path, OBJECT.replace(old, new))
    rng = np.random.default_rng(0)
    layers = module.Layers(*(0.7 * rng.standard_normal(shape) for shape in ((4, 4), (4, 2))))
    report = check_call(layers.forward, rng.standard_normal((5, 4)), backward=layers.backward, repair=True)
    assert report.ok is False
    assert report.repair.after.strip() == after


KEEPS_ITS_INPUT = """
import numpy as np

class Linear:
    def __init__(self):
        self.w, self.x = np.full((3, 3), 0.3), None

    def forward(self, x):
        self.x = x
        return x @ self.w

    def backward(self, d):
        self.dw = self.x.T @ d
        return d @ self.w

def step(layer, x, y):
    error = layer.forward(x) - y
    dx = layer.backward(error)
    return 0.5 * np.sum(error ** 2), dx, layer.dw
"""


@pytest.mark.slow
def test_a_layer_before_the_input_that_it_keeps_needs_one_edit(tmp_path):
    module = module_of(tmp_path, KEEPS_ITS_INPUT)
    rng = np.random.default_rng(0)
    report = check_call(module.step, module.Linear(), *rng.standard_normal((2, 5, 3)), repair=True)
    assert report.repair.says == "self.w must be transposed"
    assert "∂loss/∂x, not ∂loss/∂x" not in str(report)


@pytest.mark.slow
def test_update_is_moved_not_deleted(check):
    report = check(("    dh = ", "    W2 -= 0.1 * dW2\n    dh = "))
    assert report.blame[0].kind == "stale"
    assert report.blame[0].says.startswith("W2 is read after line 11 changes it")
    assert all(line in report.repair.after for line in ("W2 -= 0.1 * dW2\n", "dh = dscores @ W2.T\n"))


@pytest.mark.slow
def test_two_mistakes_are_repaired_together(check):
    report = check(("(scores - y) / len(x)\n", "(y - scores) / len(x)\n"), (" + 2 * reg * W1", ""))
    assert report.repair.diff.count("\n-    ") == 2
    assert "+    dscores = (scores - y) / len(x)\n" in report.repair.diff
    assert {each.code.split(" = ")[0].strip() for each in report.blame[:2]} == {"dscores", "dW1"}


@pytest.mark.slow
def test_nothing_is_claimed_for_nonsense(check):
    report = check(("(scores - y) / len(x)", "np.cos(3.7 * scores) + 1.3"))
    assert not report.ok
    assert report.repair is None


def first_statement(tmp_path, text):
    """The first statement of the function that a text defines."""
    file = tmp_path / "layers.py"
    file.write_text(text)
    source = Source(str(file))
    function = source.tree.body[0]
    return Site(source, function.body[0], function.body, function)


def test_limit_is_replaced_by_0_only(tmp_path):
    text = "def f(d):\n    dz = 2 * np.maximum(d, 1)\n    return dz\n"
    edited = [edit.changes[0] for edit in constants(first_statement(tmp_path, text))]
    limit = text.index("1)")
    assert {edit.text for edit in edited if edit.start == limit} == {"0"}
    assert len(edited) > 5


def test_another_layer_is_written_in_names_that_exist(tmp_path):
    text = "def f(W1, W2, dW1, dW2):\n    dW2 += l2_slope(W2, W1)\n    return dW1, dW2\n"
    assert {edit.says for edit in siblings(first_statement(tmp_path, text))} == {
        "dW1 += l2_slope(W1, W1) was missing",
        "dW2 += l2_slope(W2, W2) was missing",
    }


@pytest.mark.slow
def test_the_verdict_stays_when_the_search_is_ended(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        NETWORK.replace("h.T @ dscores", "np.cos(3.7 * W2)")
        .replace("import numpy as np", "import time\nimport numpy as np")
        .replace("    z =", "    time.sleep(0.02)\n    z =")
    )
    recorded = {
        "call": "step(*(rng.standard_normal(s) for s in ((4, 5), (5, 3), (6, 4), (6, 3))), 0.1)",
        "run": None, "nth": 1, "loss": None, "backward": None, "of": {}, "points": 3, "repair": True,
    }  # fmt: skip
    request = {
        "target": f"{file}:step", "recorded": recorded, "reference": None, "sizes": [3, 3, 3, 3], "reg": None,
        "dtype": None, "seed": 0, "tolerance": 0.0, "surrogate": False,
    }  # fmt: skip

    async def ended():
        found = asyncio.Event()
        task = asyncio.create_task(run_apart(request, time_limit=100, on_verdict=found.set))
        await asyncio.wait_for(found.wait(), 90)
        task.cancel()
        return await task

    answer = asyncio.run(ended())
    assert answer.interrupted
    assert answer.report["ok"] is False
    assert answer.report["repair"] is None


@pytest.mark.slow
def test_the_verdict_stays_when_the_search_fails(tmp_path, monkeypatch, capfd):
    (tmp_path / "net.py").write_text(NETWORK.replace("h.T @ dscores", "h.T @ scores"))
    (tmp_path / "sitecustomize.py").write_text(
        "from autograd_ref.crosscheck.program.repair import search\nsearch.Search.mended = None\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path[1:]]))
    call = "step(*(rng.standard_normal(s) for s in ((4, 5), (5, 3), (6, 4), (6, 3))), 0.1)"
    monkeypatch.setattr(sys, "argv", ["handgrad", "check", f"{tmp_path}/net.py:step", "--call", call])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capfd.readouterr()
    assert ended.value.code == 1
    assert "dW2 is wrong" in out
    assert "the search for a repair failed: an error in this checker" in err


UPDATES = """
import numpy as np

class Model:
    def __init__(self, W, V):
        self.W, self.V, self.l2 = W, V, 0.001

    def step(self, x, y):
        h = np.tanh(x @ self.W)
        error = h @ self.V - y
        loss = 0.5 * np.sum(error**2) + 0.5 * self.l2 * (np.sum(self.W**2) + np.sum(self.V**2))
        dV = h.T @ error + self.l2 * self.V
        dW = x.T @ ((error @ self.V.T) * (1 - h**2)) + self.l2 * self.V.sum()
        self.W -= 0.1 * dW
        self.V -= 0.1 * dV
        return loss
"""


@pytest.mark.slow
def test_values_are_those_before_the_step_changes_them(tmp_path):
    module = module_of(tmp_path, UPDATES)
    n = np.random.default_rng(0).standard_normal
    report = check_call(module.Model(n((4, 3)), n((3, 2))).step, n((5, 4)), n((5, 2)), repair=True)
    assert report.repair.after.endswith("* (1 - h**2)) + self.l2 * self.W\n")


def test_slopes_are_the_programs_own():
    text = "def f(x, c):\n    u = c * x ** 3\n    t = np.tanh(u)\n    total = t.sum()\n    return x * t / 2"
    found = slopes_in(ast.parse(text))
    assert {"1 - t ** 2", "c * 3 * x ** 2", "x * (1 - t ** 2) / 2"} <= set(found)
    assert not any("sum" in each or "total" in each for each in found)
    c, near = 0.3, 1e-5

    def value(x):
        return x * np.tanh(c * x**3) / 2

    x = np.float64(0.7)
    space = {"np": np, "x": x, "c": c, "t": np.tanh(c * x**3), "u": c * x**3}
    through = next(each for each in found if each.startswith("(t + x"))
    assert eval(through, space) == pytest.approx((value(x + near) - value(x - near)) / (2 * near))
