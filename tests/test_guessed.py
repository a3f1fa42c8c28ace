"""Networks without a given call, and constants in logarithms."""

import numpy as np
import pytest
from field import other_networks as f

from autograd_ref import NotJudged, check_call, check_network

# The quantities that are wrong.
CASES = {
    "hinge loss, dW1 for W1": (f.hinge, set()),
    "three layers in a list": (f.three, set()),
    "columns": (f.propagate, set()),
    "a sum for a mean": (f.linwrong, {"db"}),
    "moved attributes": (f.Attrs, set()),
    "three layers, half": (f.ThreeWrong, {"db2"}),
    "biases in the weights, out first": (f.octave, set()),
    "pairs": (f.pairs, set()),
    "log(p + 1e-7)": (f.Book, set()),
    "log(p + 1e-7), and a mistake": (f.BookOff, {"db1"}),
    "a layer": (f.Dense, set()),
    "a layer that keeps its output": (f.Cell, set()),
    "a loss whose backward is given 1": (f.SoftmaxWithLoss, set()),
    "a loss whose backward takes the same": (f.MeanSquare, set()),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_network_is_judged_by_a_call_made_up_from_names(name):
    target, wrong = CASES[name]
    report = check_network(target, sizes=(6, 4, 5, 3))
    assert {each.name for each in report.quantities if each.ok is False} == wrong, str(report)
    assert report.ok is (not wrong)
    assert report.form == "recorded"
    assert "--call" in report.signature
    assert report.call in report.signature
    guarded = [each.id for each in report.warnings] == ["guarded-logarithm"]
    assert guarded is name.startswith("log")


@pytest.mark.slow
def test_calls_that_contradict_each_other_judge_nothing():
    with pytest.raises(NotJudged, match=r"it is right as .* but wrong as .*: say which is meant, --call"):
        check_network(f.mse, sizes=(6, 4, 5, 3))


def mean_over_all(W, X, Y):
    error = X @ W - Y
    return np.mean(error**2), 2 * X.T @ error / len(Y)


def of_vectors(w, X, y):
    return mean_over_all(w, X, y)


@pytest.mark.slow
def test_a_mean_that_is_wrong_for_matrices_is_not_right_with_names_of_matrices():
    with pytest.raises(NotJudged, match="say which is meant, --call"):
        check_network(mean_over_all)
    assert check_network(of_vectors).ok


def test_functions_without_pair_or_with_several_steps_are_not_judged():
    scores, labels = np.array([[0.2, 0.8], [0.7, 0.3]]), np.array([1, 0])
    with pytest.raises(NotJudged, match="backward takes dvalues, y_true, which include labels"):
        check_call(f.CrossEntropy().forward, scores, labels, backward=f.CrossEntropy.backward)
    with pytest.raises(NotJudged, match="W is moved more than once in the call: let it make one step"):
        check_call(f.fit, np.ones((2, 1)), scores, labels[:, None].astype(float))


def optimize(w, X, y, steps=2):
    costs = []
    for i in range(steps):
        r = X @ w - y
        dw = X.T @ r
        if i == 0:
            costs.append(np.sum(r * r) / 2)
        w = w - 0.1 * dw
    return w, {"dw": dw}, costs


def test_gradient_of_a_later_step_is_not_held_against_the_loss_of_the_first():
    given = np.ones(2), np.array([[0.2, 0.8], [0.7, 0.3], [0.1, 0.5]]), np.array([1.0, 0.0, 1.0])
    with pytest.raises(NotJudged, match="w is moved more than once in the call: let it make one step"):
        check_call(optimize, *given)
    assert check_call(optimize, *given, steps=1).ok


class Agent:
    def __init__(self):
        self.W = np.array([[0.3, -0.2], [0.5, 0.1]])

    def update(self, now, later, rewards):
        target = rewards + 0.9 * later @ self.W
        error = now @ self.W - target
        self.loss = np.sum(error * error) / 2
        self.W -= 0.1 * now.T @ error


def test_target_that_depends_on_the_parameters_and_is_held_constant_is_said():
    given = np.array([[0.2, 0.8], [0.7, 0.3]]), np.array([[0.1, 0.4], [0.3, 0.9]]), np.ones((2, 2))
    with pytest.raises(NotJudged, match=r"are right if target \(line \d+\) is held constant"):
        check_call(Agent().update, *given)
