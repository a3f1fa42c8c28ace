"""Every public name of NumPy's and SciPy's is recorded with its derivative, constant, or refused.

All expressions of a module are one program, with a line for each, and each depends on an array of its own. So
one recording and one backward pass give all derivatives, and two plain runs a difference of each.
"""

import io
import re
import types
import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.special
from recording_refused import REFUSED
from recording_tables import CONSTANT, MODULES, RECORDED, VARIABLES
from same_bits import assert_same

from autograd_ref.recording import NotRecorded, Place, adjoints, check_operations, record

ERRORS = (ArithmeticError, AttributeError, IndexError, TypeError, ValueError, np.linalg.LinAlgError)
SEED = np.random.default_rng(5).standard_normal((600, 3, 4))
# The array that is given to all, and what of it is the `x` of each expression.
FORMS = {
    "ordinary": (SEED, "xs[{}]"),
    "strided": (np.repeat(SEED, 2, -1), "xs[{}, ::-1, ::2]"),
    "broadcast": (SEED[:, 0], "np.broadcast_to(xs[{}], (3, 4))"),
    "tied": (np.round(1.5 * SEED) / 1.5, "xs[{}]"),
    "single": (SEED[:, 0, 0], "xs[{}, ...]"),
    "empty": (SEED[:, :0], "xs[{}]"),
}
TIED = {"broadcast", "tied"}
# Equal rows make equal singular values, and equal entries several extremes: corners.
REFUSED_IN = {"broadcast": {"cond", "ptp"}, "tied": {"ptp"}}
WEIGHTS = (1 + 0.5 * np.cos(np.arange(1000))).tolist()


def by_name(table, module):
    """The expressions of each name that this version of the module has."""
    return {
        name: expression.replace("{}", name)
        for expression, names in table.get(module, {}).items()
        for name in names.split()
        if hasattr(MODULES[module], name)
    }


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


def total(result):
    """One number that depends on every floating entry of a result."""
    if isinstance(result, (list, tuple)):
        return sum([total(each) for each in result], 0.0)
    if isinstance(result, np.ndarray) and result.dtype.kind in "fc":
        weights = np.array(WEIGHTS[: result.size])
        if result.dtype.kind == "c":
            return np.dot(result.real.ravel(), weights) + np.dot(result.imag.ravel(), 1 + weights)
        return np.dot(result.ravel(), weights)
    if isinstance(result, complex):
        return result.real + 2 * result.imag
    return result * 1.5 if isinstance(result, (float, np.floating)) else 0.0


class Program:
    """The expressions of some names, one after the other.

    Each call returns the loss, and for each name its number and its result, or the name of the error.
    """

    def __init__(self, expressions, form="ordinary"):
        self.names = list(expressions)
        given, place = FORMS[form]
        self.given = given[: len(self.names)]
        lines = ["def program(xs):", "    results.clear()", "    losses = []"]
        self.lines = {}
        for number, (name, expression) in enumerate(expressions.items()):
            used = set(re.findall(r"\b[a-z]\b", expression))
            lines += ["    try:", f"        x = {place.format(number)}"]
            lines += [f"        {each} = {how}" for each, how in VARIABLES.items() if each in used]
            lines += [f"        result = {expression}"]
            self.lines[len(lines)] = name
            lines += ["        loss = total(result)", "    except ERRORS as error:"]
            lines += ["        result, loss = type(error).__name__, 0.0", "    except NotRecorded as error:"]
            lines += ["        result, loss = error.place, 0.0"]
            lines += ["    losses.append(loss)", "    results.append(result)"]
        lines += ["    return sum(losses, 0.0 * np.sum(xs)), losses, list(results)"]
        self.scope = {"np": np, "scipy": scipy, "io": io, "total": total, "results": []}
        self.scope |= {"ERRORS": ERRORS, "NotRecorded": NotRecorded, "__name__": "covered"}
        exec(compile("\n".join(lines), "<covered>", "exec"), self.scope)

    def __call__(self, xs, how=lambda function, *args: function(*args)):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return how(self.scope["program"], xs)

    def differences(self, xs, step=1e-6):
        """The derivative of every loss, from below and from above."""
        middle = np.array(self(xs)[1], np.float64)
        sides = np.zeros((2, *xs.shape))
        for index in np.ndindex(xs.shape[1:]):
            for side, sign in zip(sides, (-1, 1), strict=True):
                moved = xs.copy()
                moved[:, *index] += sign * step
                with np.errstate(all="ignore"):
                    side[:, *index] = (np.array(self(moved)[1], np.float64) - middle) / (sign * step)
        return sides


def recorded(program, xs):
    """Record a program, with every value on its tape checked; says which name is refused."""
    try:
        recording = program(xs, record)
    except NotRecorded as error:
        raise AssertionError(f"{program.lines.get(error.place.line)}: {error}") from error
    plain = program(xs)
    for name, here, there in zip(program.names, recording.result[2], plain[2], strict=True):
        assert_same(here, there, name)
    return recording


def faults(expressions, form):
    """The names whose adjoints are not their derivatives, in float64 and float32."""
    refused = REFUSED_IN.get(form, set())
    program = Program({name: each for name, each in expressions.items() if name not in refused}, form)
    recordings = [recorded(program, program.given.astype(dtype)) for dtype in (np.float64, np.float32)]
    for recording in recordings:
        check_operations(recording)
    if not program.given.size:
        return {}
    sides = program.differences(program.given)
    return {
        name: fault
        for recording in recordings
        for name, fault in wrong(program, form, recording, sides).items()
    }


def wrong(program, form, recording, sides):
    """The same in one recording, with the derivatives of plain runs."""
    (leaf,) = recording.leaves
    found = adjoints(recording, recording.value(recording.result[0])).of[leaf.value]
    slack = np.zeros(sides[0].shape) if found.slack is None else found.slack
    with np.errstate(all="ignore"):
        # A jump or a vertical tangent has no derivative; an adjoint that is not finite claims nothing.
        defined = (np.abs(sides) < 1e3).all(0) & (np.isfinite(found.centre) | (form == "ordinary"))
        if form not in TIED:
            assert not slack.any()
            sides = np.broadcast_to(sides.mean(0), sides.shape)
        tolerance = slack + (1e-4 if form in TIED else 3e-6) * (1 + np.abs(sides).max(0))
        off = ~(np.abs(sides - found.centre) <= tolerance).all(0) & defined
    return {
        name: (found.centre[k], slack[k], sides[:, k]) for k, name in enumerate(program.names) if off[k].any()
    }


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_tested(module):
    listed = {*by_name(RECORDED, module), *by_name(CONSTANT, module), *by_name(REFUSED, module)}
    assert listed == public(MODULES[module])


@pytest.mark.slow
@pytest.mark.parametrize("module", RECORDED)
def test_recorded_with_the_right_derivative(module):
    """All forms are in one test, because they share compiled programs."""
    expressions = by_name(RECORDED, module)
    for form in FORMS:
        assert faults(expressions, form) == {}, form


@pytest.mark.slow
@pytest.mark.parametrize("module", CONSTANT)
def test_constant_by_nature(module):
    program = Program(by_name(CONSTANT, module))
    xs = program.given
    assert not program.differences(xs).any()
    recording = recorded(program, xs)
    check_operations(recording)
    found = adjoints(recording, recording.value(recording.result[0]))
    leaf = recording.leaves[0].value
    assert leaf not in found.of or not found.of[leaf].centre.any()


@pytest.mark.slow
@pytest.mark.parametrize("module", REFUSED)
def test_refused_with_its_line(module):
    program = Program(by_name(REFUSED, module))
    results = program.scope["results"] = []
    with pytest.raises(NotRecorded):
        program(program.given, record)
    passed = {
        name: result
        for (line, name), result in zip(program.lines.items(), results, strict=True)
        if not isinstance(result, Place) or (result.file, result.line) != ("<covered>", line)
    }
    assert passed == {}
