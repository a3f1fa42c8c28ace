"""Programs as more strangers write them: forces, masks, halves by other names, checks of their own."""

import ast

import numpy as np
import pytest

from autograd_ref import check_call
from autograd_ref.crosscheck.isolated.whole import names_in
from autograd_ref.crosscheck.program.calling import loops
from autograd_ref.crosscheck.program.calling.forms import counterpart, forward_of
from autograd_ref.crosscheck.program.calling.target import Asked, check_round

A, B = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.25, -0.5])


def round_of(text, **space):
    """The report on one round of the only loop in a text."""
    (loop,) = loops.loops_of(text)
    names = {"np": np, **space}
    made = loops.round_of(loop, "program.py", names, names)
    return check_round(made, "program.py", Asked("program.py:1", None, 1, None, None, {}, 1, None, 0, 0.0))


TRIPLET = """
for _ in range(2):
    za, zn = a @ W, n @ W
    loss = np.sum(za * zn)
    da, dn = zn, {factor} * za
    dW = a.T @ da + n.T @ dn
    W = W - 0.1 * dW
"""


@pytest.mark.parametrize("width", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_adjoint_of_an_output_is_not_a_gradient_by_data_of_its_name(width):
    rng = np.random.default_rng(0)
    given = {"W": rng.normal(size=(3, width)), "a": rng.normal(size=(4, 3)), "n": rng.normal(size=(4, 3))}
    report = round_of(TRIPLET.format(factor=1), **given)
    assert report.ok
    assert [each.of for each in report.quantities] == ["W"]
    assert round_of(TRIPLET.format(factor=2), **given).ok is False


def with_own_check(x):
    """The loss, its gradient, and central differences of the loss."""
    found = np.zeros_like(x)
    for i in range(x.size):
        old = x[i]
        x[i] = old + 1e-3
        above = np.sum(x * x)
        x[i] = old - 1e-3
        found[i] = (above - np.sum(x * x)) / 2e-3
        x[i] = old
    return np.sum(x * x), 2 * x, np.abs(found - 2 * x).max()


def test_own_check_of_a_program_takes_no_exponential_time():
    assert check_call(with_own_check, np.linspace(0.5, 2, 24), points=1, of={"return[1]": "x"}).ok


def pulled(position, factor=1.0):
    distance = np.sqrt(np.sum(position * position))
    energy = 0.5 * (distance - 1) ** 2
    forces = -factor * (distance - 1) / distance * position
    return energy, forces


def test_forces_are_minus_the_gradient_of_the_energy():
    report = check_call(pulled, A, points=1)
    assert report.ok
    assert "minus the energy" in str(report)
    assert check_call(pulled, A, -1.0, points=1).ok is False


def masked(logits, mask, factor=1.0):
    left = mask * logits
    return np.sum(left * left), factor * 2 * mask * left


@pytest.mark.parametrize(("factor", "ok"), [(1.0, True), (1.5, False)])
def test_gradient_belongs_to_no_mask(factor, ok):
    report = check_call(masked, A, np.array([0.0, 1.0, 1.0]), factor, points=1)
    assert report.ok is ok
    assert [each.of for each in report.quantities] == ["logits"]


def recursive(rates, seen, factor=1.0):
    """A recursion of numbers, with its derivative carried along, like GARCH's."""
    level, by_level, loss, gradient = 1.0, np.zeros(2), 0.0, np.zeros(2)
    for each in seen:
        by_level = np.array([each, level]) * factor + rates[1] * by_level
        level = rates[0] * each + rates[1] * level
        loss = loss + level * level
        gradient = gradient + 2 * level * by_level
    return loss, gradient


@pytest.mark.slow
def test_long_recursion_of_numbers_is_explained_in_time():
    seen = np.random.default_rng(0).random(40)
    assert check_call(recursive, np.array([0.2, 0.7]), seen, points=3).ok
    assert check_call(recursive, np.array([0.2, 0.7]), seen, 1.1, points=3).blame


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        ("norm_fwd", "norm_bwd"), ("fprop", "bprop"), ("Layer.fprop", "Layer.bprop"),
        ("Layer.__call__", "Layer.backward"), ("norm", "norm_bwd"), ("norm_forward", "norm_backward"),
    ],
)  # fmt: skip
def test_halves_are_found_by_their_names(forward, backward):
    known = {forward, backward}
    assert counterpart(forward, lambda name: print if name in known else None) == ("backward", backward)
    assert forward_of(backward, known) == forward


def test_score_is_the_gradient_of_a_log_likelihood():
    assert counterpart("score", {"loglik": print}.get) == ("loss", "loglik")
    assert counterpart("nll_grad", {"nll": print}.get) == ("loss", "nll")


def test_backward_halves_are_not_listed_apart(tmp_path):
    file = tmp_path / "layers.py"
    file.write_text("def norm_fwd(x): ...\ndef norm_bwd(dout, cache): ...\ndef bwd(x): ...\n")
    assert list(names_in(str(file))) == ["norm_fwd", "bwd"]
    assert ast.parse(file.read_text())
