"""Functions that numba compiles are recorded as the Python that they are written in."""

import sys

import numpy as np
import pytest
from loaded_text import module_of

from autograd_ref import check_call
from handgrad.cli.main import main

pytest.importorskip("numba")
pytestmark = pytest.mark.slow

LAYER = """
import numpy as np
from numba import njit, prange, vectorize

@vectorize
def slope(h):
    return 1.0 if h > 0 else 0.01

@njit
def forward(x, w):
    h = np.empty((x.shape[0], w.shape[1]))
    for i in range(h.shape[0]):
        for j in range(h.shape[1]):
            s = 0.0
            for k in range(x.shape[1]):
                s += x[i, k] * w[k, j]
            h[i, j] = s if s > 0 else 0.01 * s
    return h

@njit(parallel=True)
def backward(x, g):
    dw = np.zeros((x.shape[1], g.shape[1]))
    for k in prange(x.shape[1]):
        for j in range(g.shape[1]):
            for i in range(x.shape[0]):
                dw[k, j] += x[i, k] * g[i, j]
    return dw

def step(x, w, y):
    h = forward(x, w)
    return 0.5 * np.sum((h - y) ** 2), backward(x, (h - y) * slope(h))
"""
CALL = "step(np.random.randn(5, 3), np.random.randn(3, 2), np.random.randn(5, 2))"


@pytest.mark.parametrize(("old", "new"), [("", ""), ("(h - y) * slope", "(y - h) * slope")])
def test_compiled_functions_are_judged_in_this_interpreter(tmp_path, old, new):
    module = module_of(tmp_path, LAYER.replace(old, new))
    arrays = [np.random.default_rng(0).standard_normal(shape) for shape in ((5, 3), (3, 2), (5, 2))]
    assert check_call(module.step, *arrays).ok is (not new)
    assert type(module.forward).__name__ == "CPUDispatcher"


def test_a_line_of_a_compiled_function_is_named_and_repaired(tmp_path, monkeypatch, capfd):
    file = tmp_path / "layer.py"
    file.write_text(LAYER.replace("+= x[i, k] * g[i, j]", "+= 2 * x[i, k] * g[i, j]"))
    monkeypatch.setattr(sys, "argv", ["handgrad", "check", f"{file}:step", "--call", CALL])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capfd.readouterr().out
    assert "+                dw[k, j] += x[i, k] * g[i, j]" in said
    assert "such as races, are not seen" in said
