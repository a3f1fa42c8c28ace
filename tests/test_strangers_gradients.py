"""Gradients in other people's code: steps, rates, several outputs, scalars, fixed entries, rounding."""

from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from autograd_ref import check_call
from autograd_ref.crosscheck.errors import is_own_fault
from autograd_ref.crosscheck.program.calling.loops import loops_of, round_of
from autograd_ref.crosscheck.program.calling.target import Asked, check_round
from autograd_ref.crosscheck.reports.report import Report

PLACE = check_call.__code__.co_filename
A, B = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.25, -0.5])


class Gate:
    """A forward with two outputs, whose backward takes two adjoints and no cache."""

    def forward(self, x, c):
        self.t = np.tanh(x)
        self.c = c
        return self.t * c, c + x

    def backward(self, dh, dc):
        return dh * self.c * (1 - self.t**2) + dc, dh * self.t + dc


def squares(x):
    diff = x - 1
    return np.sum(diff**2), diff


@pytest.mark.slow
def test_backward_takes_an_adjoint_of_each_output_or_a_cache():
    n = np.random.default_rng(0).standard_normal
    gate = Gate()
    assert check_call(gate.forward, n(3), n(3), backward=gate.backward, points=1).ok
    assert check_call(gate.forward, n(3), n(3), backward=lambda gh, gc: gate.backward(gh, gc), points=1).ok
    forgets = lambda dh, dc: gate.backward(dh, 0 * dc)  # noqa: E731
    assert check_call(gate.forward, n(3), n(3), backward=forgets, points=1).ok is False
    assert check_call(squares, n(3), backward=lambda dout, diff: 2 * dout * diff, points=1).ok


def embedding_step(E, w, ids, y, g_w, lr=0.1, factor=1.0):
    r = E[ids] @ w - y
    g_w += E[ids].T @ r
    d = factor * np.outer(r, w)
    E[ids] -= lr * d
    return 0.5 * np.sum(r**2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ids", "factor", "right"), [((0, 3), 1, True), ((0, 3), 2, False), ((3, 3), 1, False)]
)
def test_rows_are_updated_with_the_named_rate(ids, factor, right):
    n = np.random.default_rng(0).standard_normal
    given = (n((4, 3)), n(3), np.array(ids), n(2), np.zeros(3))
    report = check_call(embedding_step, *given, factor=float(factor), points=1)
    assert {each.name: each.ok for each in report.quantities} == {"dE": right, "dw": True}


def ranking(scores, relevance):
    above = np.sign(relevance[:, None] - relevance) > 0
    distance = scores[:, None] - scores
    pushes = np.where(above, -1 / (1 + np.exp(distance)), 0)
    return np.log1p(np.exp(-distance))[above].sum(), pushes.sum(1) - pushes.sum(0)


@pytest.mark.slow
def test_labels_that_decide_a_branch_are_not_moved():
    given = np.array([0.3, -1.2, 0.8, 0.1]), np.array([0.0, 2.0, 1.0, 2.0])
    assert check_call(ranking, *given, points=2).ok


def spectral(x):
    S = np.fft.rfft(x)
    power = S.real**2 + S.imag**2
    weights = np.fft.irfft(np.where(np.arange(S.size) % (S.size - 1), 1, 2) * S, x.size) * x.size
    return np.sum(power), weights


@pytest.mark.slow
def test_real_and_imaginary_part_of_a_spectrum_add_up():
    assert check_call(spectral, np.random.default_rng(0).standard_normal(8), points=1).ok


def test_fault_of_the_checker_is_reported_as_one():
    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile("1 / 0", PLACE, "exec"))
    assert not is_own_fault(caught.value)  # this test is code of the user
    caught.value.__traceback__ = caught.value.__traceback__.tb_next
    assert is_own_fault(caught.value)


SCALARS = """
class Value:
    def __init__(self, data):
        self.data, self.grad = data, 0.0

for number in range(2):
    loss = Value((w.data * 3 - 1) ** 2 + b.data**2)
    for p in [b, w]:
        p.grad = 0.0
    w.grad += 6 * (w.data * 3 - 1)
    b.grad += 2 * b.data
    for p in [b, w]:
        p.data -= 0.1 * p.grad
"""


@pytest.mark.slow
@pytest.mark.parametrize("change", [("", ""), ("w.grad += 6", "w.grad += 2"), ("2 * b.data", "b.data")])
def test_loop_over_scalars_is_judged_by_all_of_them(change, tmp_path):
    file, source = tmp_path / "scalars.py", SCALARS.replace(*change)
    file.write_text(source)
    space = {"__name__": "scalars"}
    exec(compile(source.partition("for number")[0], str(file), "exec"), space)
    space |= {name: space["Value"](0.5) for name in ("w", "b", "p", "loss")}
    asked = Asked("scalars", None, 1, None, None, {}, 1, None, 0, 0.0)
    report = check_round(round_of(loops_of(source)[0], str(file), space, space), str(file), asked)
    wrong = {"w": "w.g", "b": "* b"}
    assert {each.of: each.ok for each in report.quantities} == {
        f"{name}.data": text not in change[0] for name, text in wrong.items()
    }


def potentials(f, a, factor=1.0):
    plan = a * np.exp(f)
    return np.sum(f * a) - np.sum(plan), a - factor * plan


@pytest.mark.slow
def test_residual_that_is_another_gradient_moves_nothing():
    report = check_call(potentials, A, np.abs(B), points=1)
    assert report.ok
    assert [each.of for each in report.quantities] == ["f"]


def triangular(L, x):
    z = L @ x
    return 0.5 * np.sum(z * z), np.tril(np.outer(z, x))


@pytest.mark.slow
def test_zeros_of_a_triangular_matrix_are_distinguished():
    report = check_call(triangular, np.tril(np.ones((3, 3))), A, points=1)
    assert report.ok is False
    assert "let the loss read L * mask" in report.signature
    assert check_call(triangular, np.ones((3, 3)), A, points=1).signature == "Without a gradient: x."


@pytest.mark.slow
def test_errors_after_an_early_stop_are_distinguished():
    off = lambda x, error: (np.sum(x * x), 2 * x * (1 + error))  # noqa: E731
    assert "--tolerance 1e-06" in check_call(off, A, 1e-9, points=1).signature
    assert "tolerance" not in str(check_call(off, A, 1e-3, points=1).signature)


class Scale:
    """A parameter may be called g, like a gradient; windows are read-only views of memory that is moved."""

    def __init__(self):
        self.g = SimpleNamespace(value=np.array([0.5, -1.0]), grad=np.zeros(2))

    def forward(self, x):
        self.windows = np.lib.stride_tricks.sliding_window_view(x, 2)
        return self.windows @ self.g.value

    def backward(self, d):
        self.g.grad += d @ self.windows
        dx = np.zeros(len(d) + 1)
        dx[:-1] += d * self.g.value[0]
        dx[1:] += d * self.g.value[1]
        return dx


@pytest.mark.slow
def test_parameter_may_be_called_g_and_windows_are_restored():
    scale, x = Scale(), A + 0
    scale.forward(x)
    for _ in range(2):
        report = check_call(scale.forward, x, backward=scale.backward, points=2)
        assert report.ok
        assert len(report.quantities) == 2
        np.testing.assert_array_equal(x, A)
        np.testing.assert_array_equal(scale.windows[:, 0], A[:-1])


def quantised(w, x):
    error = np.round(4 * w) / 4 * x
    return np.sum(error), 1.0 * x, error / x


@pytest.mark.slow
def test_straight_through_estimator_is_named():
    report = check_call(quantised, A + 0.1, B, points=1)
    assert report.ok is False
    assert "np.round (line" in report.signature
    with (console := Console(width=200)).capture() as printed:
        console.print(Report.from_json(report.to_json()))
    assert "nan" not in printed.get()  # no error is relative to a derivative of 0
    assert "straight-through" not in str(check_call(potentials, A, np.abs(B), 2.0, points=1).signature)


def shared(x, y, factor):
    r = x + factor * y
    loss = 0.5 * np.sum(r * r)
    d = r + 0
    return loss, d, d


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "right"), [(1.0, True), (2.0, False)])
def test_one_array_may_be_two_gradients(factor, right):
    report = check_call(shared, A, B, factor, points=1)
    assert [each.name for each in report.quantities] == ["dx", "dy"]
    assert report.ok is right
    # A backward may return its own argument.
    report = check_call(lambda x, y: x + factor * y, A, B, backward=lambda dout: (dout, dout), points=1)
    assert report.ok is right


class Dense:
    """Gradients are added to arrays that exist."""

    def __init__(self):
        self.W, self.b = B + 0, np.array(0.5)
        self.dW, self.db = np.zeros(3), np.zeros(())

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout, b_too=True):
        self.dW += self.x * dout
        if b_too:
            self.db += dout


@pytest.mark.slow
def test_unwritten_gradient_is_reported():
    dense = Dense()
    assert check_call(dense.forward, A, backward=dense.backward, points=1).ok
    report = check_call(dense.forward, A, backward=lambda dout: dense.backward(dout, b_too=False), points=1)
    assert report.ok is None
    assert "self.db, where the gradient for self.b belongs, is not written" in str(report)
