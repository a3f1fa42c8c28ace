"""Programs as strangers write them: tensors with their graph, states beside parameters, namedtuples."""

import ast
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import gammaln

from autograd_ref import NotJudged, check_call
from autograd_ref.crosscheck.errors import is_own_fault
from autograd_ref.crosscheck.isolated.rule_names import functions_in
from autograd_ref.crosscheck.isolated.whole import is_unclear
from autograd_ref.crosscheck.program.calling import watch
from autograd_ref.crosscheck.program.calling.loops import loops_of, round_of
from autograd_ref.crosscheck.program.calling.target import Asked, check_round
from autograd_ref.crosscheck.program.calling.watch import watching
from autograd_ref.crosscheck.program.paths import holder, is_of_gradients
from autograd_ref.recording import check_operations, record, record_or_undo
from autograd_ref.recording.bounds.difference import _terms

PLACE = check_call.__code__.co_filename

A, B = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.25, -0.5])


class Tensor:
    def __init__(self, data, parents=()):
        self.data, self.grad = np.array(data, dtype=float), np.zeros(np.shape(data))
        self.parents, self.back = set(parents), lambda: None

    def times(self, other):
        out = Tensor(self.data * other.data, (self, other))

        def back():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out.back = back
        return out

    def total(self):
        out = Tensor(self.data.sum(), (self,))

        def back():
            self.grad += out.grad

        out.back = back
        return out


class Model:
    def __init__(self):
        self.params = [Tensor(A), Tensor(B)]


def graph(model, *, returns_number=False, factor=1.0):
    product = model.params[0].times(model.params[1])
    loss = product.total()
    loss.grad = factor * np.ones(())
    loss.back()
    product.back()
    return (loss.data, [each.grad for each in model.params]) if returns_number else loss


def test_tensor_with_its_graph_is_a_loss_and_its_parameters_keep_their_paths():
    report = check_call(graph, Model(), points=1)
    assert report.ok
    assert {each.of: each.source for each in report.quantities} == {
        f"model.params[{i}].data": f"model.params[{i}].grad" for i in range(2)
    }
    assert check_call(graph, Model(), returns_number=True, points=1).ok
    assert check_call(graph, Model(), factor=2.0, points=1).ok is False


def along(y0, rate, seen):
    """Euler's method; the adjoint of the state gathers what the states differ by."""
    y1 = y0 + rate * y0
    first, second = y1 - seen, y1 + rate * y1 - seen
    loss = np.sum(first * first) + np.sum(second * second)
    adjoint = 2 * second
    drate = adjoint * y1
    adjoint = adjoint + rate * adjoint + 2 * first
    drate = drate + adjoint * y0
    return loss, drate, adjoint + rate * adjoint


def test_adjoint_of_a_state_is_not_a_state():
    report = check_call(along, A, B, np.ones(3), points=1)
    assert report.ok
    assert [each.of for each in report.quantities] == ["y0", "rate"]


Pose = namedtuple("Pose", "scale shift")


def placed(pose, source, target):
    left = pose.scale * source + pose.shift - target
    return np.sum(left * left), Pose(2 * left * source, 2 * left)


def test_arguments_beside_a_namedtuple_of_gradients_need_none():
    assert check_call(placed, Pose(A, B), B + 1, A + 1, points=1).ok


def matched(Q, K, T):
    left = Q * K - T
    return (np.sum(left * left), *(2 * left * K, 3 * left * Q))


def unlike(student, teacher):
    return np.sum(student * teacher), 2 * teacher


def test_only_targets_are_passed_over_where_a_gradient_may_belong_to_several():
    assert [each.ok for each in check_call(matched, A, B, np.ones(3), points=1).quantities] == [True, False]
    with pytest.raises(NotJudged) as refused:
        check_call(unlike, A, B, points=1)
    assert is_unclear(str(refused.value))


def test_names_tell_gradients_from_generators_and_what_holds_an_array():
    assert is_of_gradients("self.d['W']")
    assert not is_of_gradients("self.D['W']")
    assert [holder(each) for each in ("loss.data", "p[0].value", "data", "self.W")] == [
        "loss", "p[0]", "data", "self.W",
    ]  # fmt: skip


def test_terms_of_a_recursion_are_counted_once():
    def filtered(x):
        level = 0.0 * x
        for _ in range(16):
            level = level + 0.5 * (x - level)
        return level

    recording = record(filtered, np.array(1.0))
    assert 1 <= _terms(recording.final["return"][1]) < 3


PROGRAM = """
import numpy as np
W, X, count = np.ones(3), np.ones((4, 3)), 7

def chosen(row): return X[row]
def step(row): return chosen(row).sum()
def counted(row): return row + count
def train():
    for row in range(2):
        W[:] -= 0.1 * X[row]

step(1), counted(1), train()
"""


def test_function_of_global_arrays_is_met_unless_it_trains(tmp_path):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    met = []
    names = ["step", "counted", "train"]
    with watching(str(file), names, 1, lambda name, _: met.append(name), loops_of(PROGRAM), lambda *_: False):
        exec(compile(PROGRAM, str(file), "exec"), {"__name__": "program"})
    assert met == ["step"]


def test_globals_are_searched_in_the_first_calls_only(tmp_path, monkeypatch):
    text = "words = {'a': 1}\ndef number(word): return words[word]\nfor _ in range(99): number('a')"
    file, searched = tmp_path / "program.py", []
    monkeypatch.setattr(watch, "_read_by", lambda _: searched.append(1) or [])
    with watching(str(file), ["number"], 1, lambda *_: None) as counts:
        exec(compile(text, str(file), "exec"), {"__name__": "program"})
    assert (len(searched), counts) == (watch.SEARCHED, {"number": [99, 0]})


def test_array_given_twice_has_a_gradient_for_each_argument_or_one_for_both():
    assert check_call(lambda a, b: (np.sum(a * b * b), b * b, 2 * a * b), A, A, points=1).ok
    assert check_call(lambda a, b: (np.sum(a * b * b), 3 * a * a), A, A, points=1).ok
    assert check_call(lambda a, b: (np.sum(a * b * b), 4 * b * b, 2 * a * b), A, A, points=1).ok is False


class Part:
    def __init__(self):
        self.p, self.g = SimpleNamespace(w=A + 0), SimpleNamespace(w=None)


def chain(parts, x, factor=1.0):
    first = parts[0].p.w * x
    loss = np.sum(parts[1].p.w * first)
    parts[1].g.w = factor * first
    parts[0].g.w = factor * parts[1].p.w * x
    return loss


def test_stored_gradient_belongs_to_the_nearest_object():
    report = check_call(chain, [Part(), Part()], B, points=1)
    assert report.ok
    assert [each.of for each in report.quantities] == ["parts[1].p.w", "parts[0].p.w"]
    assert check_call(chain, [Part(), Part()], B, 2.0, points=1).ok is False


def test_call_that_raises_is_undone():
    kept = [A]

    def forward(x):
        kept.append(2 * x)
        x += 1
        raise ValueError

    x = B + 0
    with pytest.raises(ValueError, match=r"^$"):
        record_or_undo(forward, (x,), {})
    assert len(kept) == 1
    np.testing.assert_array_equal(x, B)


def test_logarithm_of_gamma_is_compared_beside_its_zeros():
    check_operations(record(lambda x: [gammaln(each) for each in x], np.linspace(0.9, 2.1, 121)))


@pytest.mark.parametrize(
    ("head", "found"), [("import torch", {"Dot": "Dot"}), ("from mytorch import Function", {})]
)
def test_class_function_is_not_always_pytorchs(head, found):
    assert functions_in(ast.parse(f"{head}\nclass Dot(Function): ...")) == found
    assert functions_in(ast.parse(f"{head}\nclass Function: ...\nclass Dot(Function): ...")) == {}


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
def test_rows_are_moved_by_the_rate_that_is_named(ids, factor, right):
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


def test_fault_of_the_checker_is_called_one():
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
def test_zeros_of_a_triangular_matrix_are_told_apart():
    report = check_call(triangular, np.tril(np.ones((3, 3))), A, points=1)
    assert report.ok is False
    assert "let the loss read L * mask" in report.signature
    assert check_call(triangular, np.ones((3, 3)), A, points=1).signature == "Without a gradient: x."


@pytest.mark.slow
def test_errors_of_an_early_stop_are_told_apart():
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
