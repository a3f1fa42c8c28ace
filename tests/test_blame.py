"""A mistake of each kind: the named line and its explanation; right programs are not blamed."""

# ruff: noqa: F401, F811 - the browser is a fixture, which arguments name

import ast
import linecache
import sys
from pathlib import Path

import numpy as np
import pytest
from study_browser import browser

from autograd_ref import check_call
from autograd_ref.crosscheck.reports.listed import Row, listing_html
from autograd_ref.crosscheck.reports.report import Report

NETWORK = """
import numpy as np


def network(X, y, W1, b1, W2, b2, reg):
    N = X.shape[0]
    z1 = X @ W1 + b1
    h1 = np.maximum(z1, 0)
    scores = h1 @ W2 + b2
    shifted = scores - scores.max(axis=1, keepdims=True)
    probs = np.exp(shifted)
    probs = probs / probs.sum(axis=1, keepdims=True)
    loss = -np.log(probs[np.arange(N), y]).sum() / N + reg * np.sum(W1 * W1) + reg * np.sum(W2 * W2)
    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores /= N
    dW2 = h1.T @ dscores
    dW2 += 2 * reg * W2
    db2 = dscores.sum(axis=0)
    dh1 = dscores @ W2.T
    dz1 = dh1 * (z1 > 0)
    dW1 = X.T @ dz1
    dW1 += 2 * reg * W1
    db1 = dz1.sum(axis=0)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
"""

# What is replaced, by what, the lines that may be named first, and the kinds that may be said.
MISTAKES = {
    "operator": ("dz1 = dh1 * (z1 > 0)", "dz1 = dh1 - (z1 > 0)", ["dz1 = "], {"operator"}),
    "sign": ("dscores[np.arange(N), y] -= 1", "dscores[np.arange(N), y] += 1", ["dscores[np"], {"operator"}),
    "mask": ("dz1 = dh1 * (z1 > 0)", "dz1 = dh1 * (z1 < 0)", ["dz1 = "], {"operator"}),
    "constant": ("dW1 += 2 * reg * W1", "dW1 += 3 * reg * W1", ["dW1 += "], {"factor"}),
    "name": ("db1 = dz1.sum(axis=0)", "db1 = dh1.sum(axis=0)", ["db1 = "], {"name", "step"}),
    "omitted step": ("    dz1 = dh1 * (z1 > 0)", "    dz1 = dh1", ["dz1 = ", "dW1 = ", "db1 = "], {"step"}),
    "stale": (
        "    dh1 = dscores @ W2.T",
        "    h1 *= h1\n    dh1 = dscores @ W2.T\n    dW2 = h1.T @ dscores + 2 * reg * W2",
        ["dW2 = h1.T @ dscores +"],
        {"stale"},
    ),
    "overwritten": ("dW2 += 2 * reg * W2", "dW2 = 2 * reg * W2", ["dW2 = 2"], {"overwritten"}),
    "operand": ("    dscores /= N\n", "    dscores = N / dscores\n", ["dscores = N"], {"operand"}),
    "term": ("    dW2 += 2 * reg * W2\n", "", ["dW2 = ", "return loss"], {"term"}),
    "axis": ("db1 = dz1.sum(axis=0)", "db1 = dz1.mean(axis=0)", ["db1 = "], {"axis"}),
    "region": ("dscores = probs.copy()", "dscores = 3 * np.sqrt(probs) + 1", ["dscores = "], {"region"}),
    "factor": ("    dscores /= N\n", "", ["dscores[np", "dW2 = ", "db2 = ", "dh1 = "], {"factor", "step"}),
}  # fmt: skip


@pytest.fixture
def judged(tmp_path):
    """Judge the network with one text replaced by another."""
    rng = np.random.default_rng(0)
    given = [rng.standard_normal(s) for s in ((6, 4), (4, 5), (5,), (5, 3), (3,))]

    def check(old: str = "", new: str = "", **options) -> tuple[Report, list[str]]:
        source = NETWORK.replace(old, new) if old else NETWORK
        assert not old or source != NETWORK
        path = tmp_path / f"network_{len(list(tmp_path.iterdir()))}.py"
        path.write_text(source)
        space: dict = {"__name__": path.stem}
        exec(compile(source, str(path), "exec"), space)
        sys.modules[path.stem] = type(sys)(path.stem)
        X, *parameters = given
        W1, b1, W2, b2 = parameters
        y = np.random.default_rng(1).integers(0, 3, 6)
        report = check_call(space["network"], X, y, W1, b1, W2, b2, 0.1, **options)
        linecache.checkcache()
        return report, source.split("\n")

    return check


@pytest.mark.slow
@pytest.mark.parametrize("kind", MISTAKES)
def test_first_named_line_is_the_mistake(judged, kind):
    old, new, starts, kinds = MISTAKES[kind]
    report, lines = judged(old, new)
    assert report.ok is False
    first = report.blame[0]
    code = lines[first.line - 1].strip()
    assert any(code.startswith(start) for start in starts), str(report)
    assert first.kind in kinds
    # In the stale case, the line that overwrites multiplies by one operand too many.
    assert kind in ("operand", "stale") or "operand" not in {each.kind for each in report.blame}
    assert len(report.blame) <= 3
    ast.parse(lines[first.line - 1][first.col : first.end_col].strip())


@pytest.mark.slow
def test_right_program_is_not_blamed(judged):
    report, _ = judged()
    assert report.ok is True
    assert report.blame == ()


@pytest.mark.slow
def test_text_shows_place_and_carets(judged):
    report, lines = judged("dz1 = dh1 * (z1 > 0)", "dz1 = dh1 - (z1 > 0)")
    number = next(i for i, line in enumerate(lines, 1) if "dz1 = dh1 -" in line)
    said = str(report).split("\n")
    start = f"{Path(report.blame[0].file).name}:{number}: "
    at = next(i for i, line in enumerate(said) if line.startswith(start))
    assert "with * for - here, every gradient is right at 3 points" in said[at]
    assert said[at + 1] == f"{number:>5} │ dz1 = dh1 - (z1 > 0)"
    assert said[at + 2] == "      │       ^^^^^^^^^^^^^^"
    assert Report.from_json(report.to_json()) == report


@pytest.mark.slow
def test_listing_shows_second_names(judged):
    report, _ = judged("    dz1 = dh1 * (z1 > 0)", "    dz1 = dh1", explain=True)
    found = {each.code: each for each in report.lines}
    assert (found["dz1 = dh1"].what, found["dz1 = dh1"].ok) == ("wrong", False)
    row = next(row for row in report.listing if row.code.strip() == "dz1 = dh1")
    assert row.note == "✗ ∂loss/∂h1, not ∂loss/∂z1"
    assert row.values.startswith("6×5, float64\n[[")
    assert "∂loss/∂z1:\n[[" in row.values
    assert "<details><summary>" in report.to_html()


@pytest.mark.slow
def test_listing_says_what_each_line_computes(judged):
    report, lines = judged("dz1 = dh1 * (z1 > 0)", "dz1 = dh1 * (z1 < 0)", explain=True)
    found = {each.code.split(" = ")[0]: each for each in report.lines}
    assert (found["dh1"].what, found["dh1"].name, found["dh1"].factor, found["dh1"].ok) == (
        "adjoint",
        "h1",
        1.0,
        True,
    )
    assert (found["dz1"].what, found["dz1"].name, found["dz1"].ok) == ("wrong", "z1", False)
    assert found["db2"].ok is True
    listed = [row.code for row in report.listing]
    assert listed == [line.rstrip() for line in lines[4 : 4 + len(listed)]]
    page = report.to_html()
    assert "✗ not ∂loss/∂z1" in page
    assert "<script" not in page


LAYER = """
import numpy as np


def forward(x, W, b):
    out = np.tanh(x @ W + b)
    return out, (x, W, out)


def backward(dout, cache):
    x, W, out = cache
    dz = dout * (1 - out**2)
    return dz @ W.T, x.T @ dz, dz.sum(axis=0)


def gradients(x, W, b):
    out, cache = forward(x, W, b)
    loss = np.sum(out) + 0.5 * np.sum(W * W)
    dx, dW, db = backward(np.ones_like(out), cache)
    if loss > -100:
        dW += W
    return loss, dx, dW, db


def moved(x, W, b):
    loss, dx, dW, db = gradients(x, W, b)
    W -= 0.1 * dW
    b -= 0.1 * db
    return loss
"""


@pytest.fixture
def layer(tmp_path):
    """Judge a function of the layer with one text replaced by another."""

    def check(target: str, old: str, new: str, **options) -> tuple[Report, list[str]]:
        source = LAYER.replace(old, new)
        assert source != LAYER or old == new
        path = tmp_path / f"layer_{len(list(tmp_path.iterdir()))}.py"
        path.write_text(source)
        space: dict = {"__name__": path.stem}
        exec(compile(source, str(path), "exec"), space)
        rng = np.random.default_rng(0)
        report = check_call(
            space[target], *(rng.standard_normal(s) for s in ((5, 4), (4, 4), (4,))), **options
        )
        linecache.checkcache()
        return report, [source.split("\n")[each.line - 1].strip() for each in report.blame]

    return check


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "old", "new", "nth", "line"),
    [
        ("gradients", "return out, (x, W, out)", "return out, (x, W.T, out)", 1, "return out, (x, W.T, out)"),
        ("gradients", "loss > -100", "loss < -100", 0, "if loss < -100:"),
        ("moved", "W -= 0.1 * dW", "W[...] = -0.1 * dW", 0, "W[...] = -0.1 * dW"),
    ],
)
def test_place_that_computes_nothing_is_named(layer, target, old, new, nth, line):
    report, named = layer(target, old, new)
    assert report.ok is False
    assert named[nth] == line
    assert all(
        (each.kind == "region") == each.says.startswith("the mistake may be here") for each in report.blame
    )


PARTS = """
import numpy as np


def shown(x, v):
    padded = np.pad(x, 1)
    loss = np.sum(v * padded**2)
    dpadded = 2 * v * padded
    dx = dpadded[1:-1]
    return loss, dx, padded**2


def named(u, v):
    return np.sum(u**2 * v), 2 * u * v, u**2


def turned(x, W):
    return np.sum((x @ W) ** 2), 2 * (x.T @ x @ W)


def letters(größe, W):
    loss = np.sum(np.sin(größe * W))
    é, dgröße = "ü", np.cos(größe * W) * W
    return loss, dgröße, np.cos(größe * W) * größe


def every(x, W, V, a):
    S = np.tanh(x @ W)
    loss = np.sum(a * S) + np.sum((x @ V) ** 2)
    loss += np.sum(W * W)
    loss += np.sum(np.exp(W))
    slope = 1 - S**2
    dW = x.T @ (a * slope)
    dW += 2 * W
    dW += np.exp(W)
    dVt = (2 * (x @ V)).T @ x
    S[0] = 0
    da = S * 1.0
    return loss, dW, dVt.T, da


def chain(z, W):
    def times(z, W):
        out = z @ W
        return out

    def backward(dout, z, W):
        dz = dout @ W.T
        return dz, z.T @ dout

    h = times(z, W)
    k = times(h, W)
    dh, dW = backward(np.ones_like(k), h, W)
    dx, more = backward(dh, z, W)
    for i in range(len(dW)):
        dW[i] += more[i]
    return np.sum(k), dx, dW
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Judge one of the functions with one text replaced by another."""
    folder = tmp_path_factory.mktemp("parts")

    def check(target: str, shapes: tuple, old: str = "", new: str = "", **options) -> Report:
        source = PARTS.replace(old, new) if old else PARTS
        assert not old or source != PARTS
        path = folder / f"parts_{len(list(folder.iterdir()))}.py"
        path.write_text(source, encoding="utf-8")
        space: dict = {"__name__": path.stem}
        exec(compile(source, str(path), "exec"), space)
        rng = np.random.default_rng(0)
        return check_call(space[target], *(rng.standard_normal(s) for s in shapes), **options)

    return check


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "shapes", "old", "new", "kind", "at"),
    [
        ("shown", ((5,), (7,)), "dpadded[1:-1]", "dpadded[2:]", "index", "dpadded[2:]"),
        ("named", ((5,), (5,)), "2 * u * v, u**2", "u**2, 2 * u * v", "misnamed", None),
        ("turned", ((5, 4), (4, 4)), "x.T @ x @ W)", "x.T @ x @ W.T)", "transpose", "x.T @ x @ W.T"),
        ("letters", ((4,), (4,)), '"ü", np.cos(größe *', '"ü", np.cos(größe -', "operator", "größe - W"),
    ],
)  # fmt: skip
def test_kind_and_columns_of_expression(parts, target, shapes, old, new, kind, at):
    report = parts(target, shapes, old, new)
    first = report.blame[0]
    assert first.kind == kind, str(report)
    assert at is None or first.code[first.col : first.end_col] == at


@pytest.mark.slow
def test_listing_has_every_kind_of_value(parts):
    report = parts("every", ((4, 4), (4, 4), (4, 4), (4, 4)), explain=True)
    found = {each.code: (each.what, each.name, each.factor, each.ok) for each in report.lines}
    assert found == {
        "slope = 1 - S**2": ("auxiliary", None, None, None),
        "dW = x.T @ (a * slope)": ("contribution", "W", 1.0, True),
        "dW += 2 * W": ("partial", "W", 1.0, True),
        "dW += np.exp(W)": ("adjoint", "W", 1.0, True),
        "dVt = (2 * (x @ V)).T @ x": ("transposed", "V", 1.0, True),
        "S[0] = 0": ("stale", "S", None, None),
        "da = S * 1.0": ("wrong", "a", None, False),
        "return loss, dW, dVt.T, da": ("adjoint", "V", 1.0, True),
    }
    notes = {row.code.strip(): row.note for row in report.listing}
    assert notes["S[0] = 0"] == "overwrites S, which line 38 still reads"
    assert notes["dW += 2 * W"] == "the part of ∂loss/∂W that comes through lines 28 and 30 ✓"


@pytest.mark.slow
def test_listing_distinguishes_calls(parts):
    report = parts("chain", ((4, 4), (4, 4)), explain=True)
    assert report.ok is True
    notes = {row.code.strip(): row.note for row in report.listing}
    assert notes["out = z @ W"] == "out"
    assert notes["h = times(z, W)"] == "h"
    assert notes["dz = dout @ W.T"] == "∂loss/∂h, then ∂loss/∂z ✓"
    assert notes["dx, more = backward(dh, z, W)"].startswith("∂loss/∂z ✓; the part of ∂loss/∂W")
    assert notes["dW[i] += more[i]"] == "∂loss/∂W ✓"


@pytest.mark.slow
def test_listing_names_every_result(layer):
    report, _ = layer("gradients", "", "", explain=True)
    notes = {row.code.strip(): row.note for row in report.listing}
    part = "the part of ∂loss/∂W that comes through line 6 ✓"
    assert notes["return dz @ W.T, x.T @ dz, dz.sum(axis=0)"] == f"∂loss/∂x ✓; {part}; ∂loss/∂b ✓"
    assert notes["dx, dW, db = backward(np.ones_like(out), cache)"] == f"∂loss/∂x ✓; {part}; ∂loss/∂b ✓"
    assert notes["dW += W"] == "∂loss/∂W ✓"


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1200])
def test_page_leaves_room_for_long_code_and_notes(browser, width):
    code = "    dx, dw = " + "backward(dout, cache) + " * 9 + "0"
    row = Row("f.py", 7, code, "∂loss/∂x ✓; " * 20, True, "2×2\n" + "1.5 " * 99)
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.set_content(listing_html("f.py:" + "long_name" * 9, "said " * 99, [row]))
    for opened in (False, True):
        page.evaluate("opened => document.querySelector('details').open = opened", opened)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.querySelector('code').offsetWidth") > 0.45 * width
    assert page.locator("details pre").is_visible()
    page.close()
