"""Calls of any NumPy code: the loss, and the array to which each gradient belongs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from judged_programs import judge
from program_calls import CALLS
from program_mistakes import MISTAKES
from recorded_networks import PROGRAMS

from autograd_ref import NotJudged, assert_call, check_call
from autograd_ref.crosscheck.program import verdict
from autograd_ref.crosscheck.program.blame import blame

RNG = np.random.default_rng(5)
W, V, x = RNG.standard_normal((3, 2)), RNG.standard_normal((3, 2)), RNG.standard_normal((4, 3))
y = RNG.standard_normal((4, 2))
A, B = RNG.standard_normal((3, 3)), RNG.standard_normal((3, 3))


# Half of the programs in each dtype: what costs time is to compile each kind of operation once in each.
HALVES = {name: ("float64", "float32")[i % 2] for i, name in enumerate(sorted(CALLS))}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype"), HALVES.items())
def test_program_is_right_and_its_mistake_is_wrong_where_it_is(tmp_path, monkeypatch, name, dtype):
    # The search for the line takes half of the time, and has tests of its own.
    monkeypatch.setattr(verdict, "blame", lambda found, wrong: blame(found, ()))
    found = judge(name, PROGRAMS, dtype)
    assert found["ok"], found
    assert found["form"] == "recorded"
    assert len(found["quantities"]) == CALLS[name].gradients
    assert all(each["of"] and each["from"] and each["seen"] >= 0.99 for each in found["quantities"])

    file = f"{CALLS[name].target.partition(':')[0]}.py"
    text, (line, instead, wrong) = (PROGRAMS / file).read_text(), MISTAKES[name]
    assert line in text
    (tmp_path / file).write_text(text.replace(line, instead, 1))
    found = judge(name, tmp_path, dtype, points=1)
    assert found["ok"] is False, found
    by_name = {each["name"]: each for each in found["quantities"] if each["ok"] is False}
    assert set(by_name) == wrong, found["text"]
    for each in by_name.values() if dtype == "float64" else ():
        assert each["finite_difference"] == pytest.approx(each["automatic"], rel=1e-4, abs=1e-6)


def half_square(W):
    r = x @ W - y
    return 0.5 * np.sum(r * r), x.T @ r


@pytest.mark.slow
def test_part_of_a_larger_array_is_judged_unless_another_overlaps_it():
    whole = RNG.standard_normal((9, 4))
    parts = check_call(half_square, whole[:6:2, :2])
    assert parts.ok, str(parts)
    assert check_call(half_square, np.asfortranarray(W)).ok

    def two_parts(W, V):
        return np.sum(W * W) / 2 + np.sum(V**3), W, 3 * V * V

    assert check_call(two_parts, whole[:3], whole[3:]).ok
    with pytest.raises(NotJudged, match=r"shares memory with another array .* a copy, [WV].copy\(\)"):
        check_call(two_parts, whole[:3], whole[2:])


def flat(W, b):
    r = x @ W + b - y
    return 0.5 * np.sum(r * r), np.concatenate([(x.T @ r).ravel(), r.sum(0)])


def flat_transposed(W, b):
    loss, grad = flat(W, b)
    return loss, np.concatenate([grad[6:], 2 * grad[:6].reshape(3, 2).ravel(order="F")])


@pytest.mark.slow
def test_one_vector_holds_several_gradients():
    report = check_call(flat, W, np.ones(2))
    assert report.ok, str(report)
    assert {(each.of, each.source) for each in report.quantities} == {
        ("W", "return[1][0:6]"),
        ("b", "return[1][6:8]"),
    }
    report = check_call(flat_transposed, W, np.ones(2))
    assert [each.of for each in report.quantities if not each.ok] == ["W"]


def logistic(preds, dtrain):
    p = 1 / (1 + np.exp(-preds))
    return p - dtrain, p * (1 - p)


def softmax(preds, labels, factor=1.0):
    e = np.exp(preds)
    p = e / e.sum(1, keepdims=True)
    grad = p.copy()
    grad[np.arange(len(labels)), labels] -= 1
    hess = factor * p * (1 - p)
    return grad, hess


@pytest.mark.slow
def test_objective_of_boosting_is_judged_in_both_derivatives():
    margins, labels = RNG.standard_normal(6), RNG.integers(0, 2, 6)
    logloss = "np.sum(np.log1p(np.exp(preds)) - dtrain * preds)"
    report = check_call(logistic, margins, labels.astype(float), loss=logloss)
    assert report.ok, str(report)
    assert [(each.name, each.source) for each in report.quantities] == [
        ("dpreds", "return[0]"),
        ("d2preds", "return[1]"),
    ]
    entropy = "-np.sum(np.log(p[np.arange(len(labels)), labels]))"
    scores = RNG.standard_normal((2, 3))
    report = check_call(softmax, scores, labels[:2], 2.0, loss=entropy)
    assert {each.name for each in report.quantities if not each.ok} == {"d2preds"}


def test_gradient_that_nothing_flows_into_is_not_judged():
    report = check_call(lambda W: (np.sum(np.maximum(x @ W - 1e3, 0)), np.zeros_like(W)), W)
    assert report.ok is None
    assert "nothing flows into it" in str(report)


class Layer:
    """A layer with state, and everything that a call may change."""

    def __init__(self):
        self.W, self.grads, self.calls = W.copy(), {"W": np.zeros_like(W)}, []

    def step(self, x, y, factor=1.0):
        self.calls.append(1)
        r = x @ self.W - y
        self.cost = 0.5 * np.sum(r * r)
        self.grads["W"][...] = factor * (x.T @ r)
        self.W -= 0.1 * self.grads["W"]


@pytest.mark.slow
def test_written_gradient_before_moved_weight_and_all_is_put_back():
    layer = Layer()
    report = check_call(layer.step, x, y)
    assert report.ok
    (quantity,) = report.quantities
    assert (quantity.name, quantity.of, quantity.source) == ("dW", "self.W", 'self.grads["W"]')
    assert report.loss == "self.cost"
    assert np.array_equal(layer.W, W)
    assert not layer.grads["W"].any()
    assert layer.calls == []
    assert not hasattr(layer, "cost")
    with pytest.raises(AssertionError, match=r"dW is wrong(.|\n)*factor \* \(x.T @ r\)") as caught:
        assert_call(layer.step, x, y, factor=1.001)
    shown = [str(each.path) for each in caught.traceback.filter(caught)]
    assert not [path for path in shown if path.endswith(("check.py", "report.py"))]


class Kept(Layer):
    """Its loss keeps what its backward pass reads, which takes no argument."""

    def forward(self, x):
        self.x = x
        return x @ self.W

    def loss(self, x, y):
        self.r = self.forward(x) - y
        return 0.5 * np.mean(self.r**2)

    def backward(self):
        return {"W": self.x.T @ self.r / self.r.size}


@pytest.mark.slow
def test_backward_without_arguments_belongs_to_a_loss():
    layer = Kept()
    assert check_call(layer.loss, x, y, backward=layer.backward, points=1).ok
    with pytest.raises(NotJudged, match="backward takes no adjoint"):
        check_call(layer.forward, x, backward=layer.backward, points=1)


def log_likelihood(x):
    if (x <= 0).any():
        raise ValueError("x must be positive")
    return np.sum(np.log(x)), np.exp(-np.log(x))


@pytest.mark.slow
def test_move_does_not_leave_the_domain():
    report = check_call(log_likelihood, np.array([1e-3, 5.0, 7.0, 2e-3, 9.0]))
    assert report.ok
    assert report.points == 3


def two(W, V):
    r = x @ W - x @ (2 * V)
    dW = x.T @ r
    dV = -2 * dW
    return 0.5 * np.sum(r * r), dW, dV


def swapped(W, V):
    loss, dV, dW = two(W, V)
    return loss, dW, dV


def test_name_comes_before_value():
    assert check_call(two, W, V).ok
    report = check_call(swapped, W, V)
    assert {(each.name, each.ok) for each in report.quantities} == {("dW", False), ("dV", False)}


def one_of_two(A, B):
    loss = np.sum(A @ B * B)
    return loss, (B @ B.T) * 0.5


def test_ambiguous_gradient_is_not_judged_without_of():
    with pytest.raises(NotJudged, match="may be the gradient for A or B: say which") as caught:
        check_call(one_of_two, A, B)
    told = re.search(r"--of '(.*?)=(.*?)'", str(caught.value))
    report = check_call(one_of_two, A, B, of={told[1]: told[2]})
    assert [(each.name, each.ok) for each in report.quantities] == [("dA", False)]
    with pytest.raises(NotJudged, match="no array C for --of; the call reads A, B"):
        check_call(one_of_two, A, B, of={told[1]: "C"})


def parameter_for_gradient(A, B):
    return np.sum(A @ B) + np.sum(B * B), {"A": A, "B": np.broadcast_to(A.sum(0)[:, None], B.shape) + 2 * B}


def test_parameter_returned_in_place_of_its_gradient_is_not_judged():
    told = r'return\[1\]\["A"\], beside .*, is an argument of the loss, and A gets no gradient'
    report = check_call(parameter_for_gradient, A, B)
    assert report.ok is None
    assert re.search(told, str(report)), str(report)
    assert check_call(parameter_for_gradient, A, B, of={'return[1]["B"]': "B"}).ok


def predict(W, x):
    return np.tanh(x @ W)


def predict_back(dhidden, W, x):
    da = dhidden * (1 - np.tanh(x @ W) ** 2)
    return da @ W.T, x.T @ da


@pytest.mark.slow
def test_pair_whose_backward_takes_the_inputs_and_returns_them_in_another_order():
    report = check_call(predict, W, x, backward=predict_back)
    assert report.ok, str(report)
    assert {(each.of, each.source) for each in report.quantities} == {("x", "return[0]"), ("W", "return[1]")}


def delta_rule(W, x, y):
    p = np.tanh(x @ W)
    return x.T @ ((p - y) * (1 - p * p))


def squared(W, x, y):
    return 0.5 * np.sum((np.tanh(x @ W) - y) ** 2)


@pytest.mark.slow
def test_loss_by_expression_of_locals_and_by_another_function():
    by_expression = check_call(delta_rule, W, x, y, loss="0.5 * np.sum((p - y) ** 2)")
    by_function = check_call(delta_rule, W, x, y, loss=squared)
    for report in (by_expression, by_function):
        assert report.ok, str(report)
        assert report.quantities[0].of == "W"
    assert by_expression.loss == "0.5 * np.sum((p - y) ** 2) (--loss)"
    assert by_function.loss == "squared()"


def network(W, V, x, y, slope=lambda h: 1 - h * h):
    h = np.tanh(x @ W)
    p = 1 / (1 + np.exp(-(h @ V)))
    d = (p - y) / len(y)
    return x.T @ (d @ V.T * slope(h)), h.T @ d


def ascent(W, x, y):
    out = np.tanh(x @ W)
    W += x.T @ (2 * (y - out) * (1 - out**2))


def chances(W, x, labels):
    e = np.exp(x @ W)
    p = e / e.sum(axis=1, keepdims=True)
    d = p.copy()
    d[np.arange(len(labels)), labels] -= 1
    return {"W": x.T @ d}


@pytest.mark.slow
def test_loss_that_is_never_computed_is_found_from_the_gradients():
    binary = "1 / 4 * -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p))"
    given = (W, RNG.standard_normal((2, 2)), x, y > 0)
    report = check_call(network, *given, slope=lambda h: 1 - h)
    assert [each.of for each in report.quantities if not each.ok] == ["W"]
    assert report.loss == f"no loss is computed; the gradients fit --loss '{binary}'"
    moved = check_call(ascent, W, x, y)
    assert moved.ok, str(moved)
    assert "0.5 * np.sum((out - y) ** 2)" in moved.loss
    labelled = check_call(chances, W, x, RNG.integers(0, 2, 4))
    assert labelled.ok
    assert "-np.sum(np.log(p[np.arange(len(labels)), labels]))" in labelled.loss
    with pytest.raises(NotJudged, match="returns no loss"):
        check_call(lambda W: np.cos(W), W)


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (lambda W: W @ W.T, {}, "the loss is an array of shape|returns no loss"),
        (lambda W: np.sum(W), {}, "no gradient"),
        (lambda W: 3, {}, "computes nothing from the arrays that it is given"),
        (lambda W: W.nothing, {}, r"fails at line \d+: AttributeError: .*'nothing'"),
        (lambda W: x @ W, {"loss": "np.sum(oot)"}, "--loss fails with .*'oot' is not defined"),
        (lambda W: x @ W, {"loss": "np.sum(out"}, "--loss is not an expression"),
        (lambda W: x @ W, {"loss": "out", "backward": np.sum}, "give one"),
    ],
)
def test_refusal_says_what_to_do(function, options, said):
    with pytest.raises(NotJudged, match=said) as caught:
        check_call(function, W, **options)
    assert "\n" not in str(caught.value)


def test_report_survives_json():
    report = check_call(two, W, V)
    found = report.to_json()
    assert found["form"] == "recorded"
    assert found["quantities"][0].keys() >= {"of", "from"}
    assert type(report).from_json(found) == report
    assert "return[1] for W" in report._repr_html_()


PRINTS = """
import numpy as np

class Net:
    def __init__(self):
        self.W = np.ones((3, 2))

    def step(self, x):
        print("on the way")
        out = np.tanh(x @ self.W)
        self.cost = np.sum(out**2)
        self.dW = x.T @ (out * (1 - out**2))
"""


@pytest.mark.slow
def test_command_prints_one_object_and_what_the_target_prints_goes_to_standard_error(tmp_path):
    (tmp_path / "net.py").write_text(PRINTS)
    command = [sys.executable, "-c", "from handgrad.cli.main import main; main()", "check", "net.py:Net.step"]
    given = ["--json", "--points", "1", "--call", "Net().step(rng.standard_normal((5, 3)))"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([*command, *given], cwd=tmp_path, env=environment, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert "on the way" in done.stderr
    assert (found["first_wrong"], found["form"], found["loss"]) == ("dW", "recorded", "self.cost")
    assert found["call"] == given[-1]
    uncalled = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert uncalled.returncode == 2
    assert uncalled.stderr.count("\n") == 1
