"""Other people's programs: tensors with their graph, states beside parameters, namedtuples."""

import ast
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import gammaln

from autograd_ref import NotJudged, check_call
from autograd_ref.crosscheck.isolated.rule_names import functions_in
from autograd_ref.crosscheck.isolated.whole import is_unclear
from autograd_ref.crosscheck.program.calling import watch
from autograd_ref.crosscheck.program.calling.loops import loops_of
from autograd_ref.crosscheck.program.calling.watch import watching
from autograd_ref.crosscheck.program.paths import holder, is_of_gradients
from autograd_ref.recording import check_operations, record, record_or_undo
from autograd_ref.recording.bounds.difference import _terms

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
