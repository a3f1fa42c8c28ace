"""The names in the tables: each is recorded with the right derivative, constant by nature, or refused."""

import types
import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.special
from recording_tables import CONSTANT, RECORDED, REFUSED
from test_recording import assert_same

from autograd_ref.recording import NotRecorded, adjoints, check_operations, record

MODULES = {
    "numpy": np,
    "numpy.linalg": np.linalg,
    "numpy.fft": np.fft,
    "numpy.lib.stride_tricks": np.lib.stride_tricks,
    "numpy.random": np.random,
    "scipy.special": scipy.special,
    "scipy.linalg": scipy.linalg,
    "ndarray": np.ndarray,
}


def by_name(table):
    """The expressions of each name."""
    found = {}
    for module, section in table.items():
        for expression, names in section.items():
            for name in names.split():
                found.setdefault((module, name), []).append(expression.replace("{}", name))
    return found


def public(module):
    """The names that a module offers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {*dir(module), *getattr(module, "__all__", ())}
        return {
            name
            for name in names
            if not name.startswith("_") and not isinstance(getattr(module, name), types.ModuleType)
        }


SOURCE = """
def program(x):
    p = 0.5 + 0.3 * np.tanh(x)
    q = 1.5 + 0.4 * np.sin(x)
    v = x[0] - 0.5 * x[1]
    w = x[:2].T * q[:1].T
    s = x @ x.T + 3 * np.eye(3, dtype=x.dtype)
    z = x + 1j * q
    i = np.arange(12).reshape(3, 4) % 5
    b = i > 1
    return total(
        {}
    )
"""
LINE = 12


def total(result):
    """One number that depends on every floating entry of a result."""
    if isinstance(result, (list, tuple)):
        return sum([total(each) for each in result], 0.0)
    if isinstance(result, np.ndarray) and result.dtype.kind in "fc" and result.size:
        weights = np.cos(np.arange(result.size)).reshape(result.shape)
        if result.dtype.kind == "c":
            return np.sum(result.real * weights) + np.sum(result.imag * (1 + weights))
        return np.sum(result * weights)
    if isinstance(result, complex):
        return result.real + 2 * result.imag
    return result * 1.5 if isinstance(result, (float, np.floating)) else 0.0


def program(expression):
    scope = {"np": np, "scipy": scipy, "total": total, "__name__": "covered"}
    exec(compile(SOURCE.format(expression), "<covered>", "exec"), scope)
    return scope["program"]


def given(dtype):
    return np.random.default_rng(5).standard_normal((3, 4)).astype(dtype)


def differences(function, step=1e-6):
    x = given(np.float64)
    found = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[index] += sign * step
            ends.append(float(function(moved)))
        found[index] = (ends[0] - ends[1]) / (2 * step)
    return found


def cases(table, quick=()):
    return [
        pytest.param(expression, id=f"{module}-{name}-{n}", marks=() if name in quick else pytest.mark.slow)
        for (module, name), expressions in by_name(table).items()
        for n, expression in enumerate(expressions)
    ]


@pytest.mark.parametrize("table", [RECORDED, CONSTANT, REFUSED])
def test_names_exist(table):
    for module, name in by_name(table):
        assert name in public(MODULES[module])


@pytest.mark.parametrize("expression", cases(RECORDED, quick={"sin", "fft", "angle", "vectorize", "nditer"}))
def test_recorded_derivative(expression):
    function = program(expression)
    with np.errstate(all="ignore"):
        plain = function(given(np.float64))
        recording = record(function, given(np.float64))
        expected = differences(function)
    assert_same(recording.result, plain)
    check_operations(recording)
    found = adjoints(recording, recording.value(recording.result))
    (leaf,) = recording.leaves
    assert leaf.value in found.of
    np.testing.assert_allclose(found.of[leaf.value].centre, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("expression", cases(RECORDED, quick={"cos", "rfft"}))
def test_recorded_in_single_precision(expression):
    function = program(expression)
    with np.errstate(all="ignore"):
        plain = function(given(np.float32))
        recording = record(function, given(np.float32))
    assert_same(recording.result, plain)
    check_operations(recording)


@pytest.mark.parametrize("expression", cases(CONSTANT, quick={"shape", "argmax"}))
def test_constant_has_no_derivative(expression):
    function = program(f"(0.0 * x[0, 0], {expression})")
    with np.errstate(all="ignore"):
        plain = function(given(np.float64))
        recording = record(function, given(np.float64))
        assert not differences(function).any()
    assert_same(recording.result, plain)
    check_operations(recording)
    found = adjoints(recording, recording.value(recording.result))
    assert not found.of[recording.leaves[0].value].centre.any()


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("expression", cases(REFUSED, quick={"matrix", "tobytes"}))
def test_refused_with_its_line(expression):
    function = program(expression)
    with np.errstate(all="ignore"), pytest.raises(NotRecorded) as caught:
        record(function, given(np.float64))
    assert (caught.value.place.file, caught.value.place.line) == ("<covered>", LINE)
