"""Forms that `check_network` accepts or refuses, and its reports beside the gradient."""

import json
from dataclasses import replace

import numpy as np
import pytest
from field.networks import as_function

from autograd_ref import NotJudged, Report, assert_network_gradients, check_network
from autograd_ref.crosscheck.comparison import compare_gradients
from autograd_ref.crosscheck.network.verdicts import measured_bounds, verdicts
from autograd_ref.crosscheck.problems import random_problem
from autograd_ref.crosscheck.reference import reference_of
from autograd_ref.two_layer_net import QUANTITIES
from benchmarks.checkers import mistaken_networks as networks
from handgrad import TwoLayerNet, two_layer_net
from handgrad.activations import Activation, relu

BIAS_2 = networks.BIAS_2
RETURN = "return loss, grads"


def as_later_contract(net_class):
    """The same network under the contract of the exercise from 2021 on."""

    class Later:
        def __init__(self, input_dim=12, hidden_dim=10, num_classes=7, weight_scale=1e-3, reg=0.0):
            self.inner = net_class(input_dim, hidden_dim, num_classes, weight_scale)
            self.params, self.reg = self.inner.params, reg

        def loss(self, X, y=None):
            return self.inner.loss(X, y, self.reg)

    return Later


@pytest.mark.slow
@pytest.mark.parametrize("form", [lambda c: c, as_function, as_later_contract, lambda c: c(7, 10, 5)])
def test_all_forms_get_the_same_verdict(form):
    right = networks.network()
    wrong = networks.network(*networks.MISTAKES["reg-halved"][1])
    assert check_network(form(right)).ok
    report = check_network(form(wrong))
    assert [each.id for each in report.diagnosis] == ["reg-halved"]
    assert report.first_wrong == "dW1"
    assert report.penalty == {"W1": 1.0, "b1": 0.0, "W2": 1.0, "b2": 0.0}


@pytest.mark.slow
def test_an_instance_gets_its_parameters_back():
    net = networks.network()(4, 6, 3)
    before = dict(net.params)
    check_network(net)
    assert list(net.params) == list(before)
    for name, value in before.items():
        assert net.params[name] is value


@pytest.mark.slow
def test_biases_held_as_rows_are_judged_as_vectors():
    rows = networks.network(
        ("np.zeros(hidden_size)", "np.zeros((1, hidden_size))"),
        ("np.zeros(output_size)", "np.zeros((1, output_size))"),
        (networks.BIAS_1, "np.sum(dz1, axis=0, keepdims=True)"),
        (BIAS_2, "np.sum(dscores, axis=0, keepdims=True)"),
    )
    assert check_network(rows).ok


def test_the_penalty_read_off_the_loss_is_reported():
    half = networks.network(*networks.HARMLESS["half the penalty"])
    assert check_network(half).penalty == {"W1": 0.5, "b1": 0.0, "W2": 0.5, "b2": 0.0}
    odd = check_network(networks.network(*networks.HARMLESS["an odd coefficient"])).penalty
    assert abs(odd["W1"] - 0.37) < 1e-9
    biases = networks.network(*networks.HARMLESS["biases penalised in loss and gradient"])
    assert check_network(biases).penalty == {"W1": 1.0, "b1": 0.5, "W2": 1.0, "b2": 0.0}


@pytest.mark.slow
def test_foreign_loss_is_reported_first():
    report = check_network(networks.network(*networks.UNKNOWN["cubic penalty"][1]))
    assert report.ok is None
    assert "Its penalty of W1 is not a square." in report.signature
    report = check_network(networks.network(*networks.UNKNOWN["loss off by a constant"][1]))
    assert report.ok is None
    assert "The loss is not the mean softmax cross-entropy" in report.signature


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ("no shift", "no-max-shift"),
        ("log of the probability", "log-underflow"),
        ("no penalty", "no-penalty"),
    ],
)
def test_weaknesses_are_warnings_and_not_errors(name, warning):
    report = check_network(networks.network(*networks.HARMLESS[name]))
    assert report.ok
    assert [each.id for each in report.warnings] == [warning]


def test_the_right_network_has_no_warning():
    assert check_network(networks.network()).warnings == ()
    assert check_network(TwoLayerNet).warnings == ()


@pytest.mark.slow
def test_with_a_trace_every_wrong_stage_is_found(monkeypatch):
    mistaken = {"relu": Activation(relu, np.ones_like)}
    monkeypatch.setattr(two_layer_net, "ACTIVATIONS", mistaken)
    monkeypatch.setattr(two_layer_net, "l2_penalty_backward", lambda W, reg, c=2.0: 2 * reg * W)
    report = check_network(TwoLayerNet)
    assert [each.name for each in report.quantities] == list(QUANTITIES)
    assert [each.name for each in report.quantities if not each.ok] == ["dW2", "dz1", "dW1"]
    assert report.first_wrong == "dW2"
    assert {each.id for each in report.diagnosis} == {"reg-halved", "relu-mask-missing"}


@pytest.mark.slow
def test_a_trace_does_not_hide_what_loss_returns():
    class Deceptive(TwoLayerNet):
        def loss(self, X, y=None, reg=0.0):
            result = super().loss(X, y, reg)
            return result if y is None else (result[0], {**result[1], "b2": 2 * result[1]["b2"]})

    report = check_network(Deceptive)
    assert report.first_wrong == "db2"
    assert report.diagnosis == ()
    assert report.signature == "db2 is 2 times the right one."


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([(RETURN, "return loss")], "loss must return"),
        ([(RETURN, 'return loss, {"W1": grads["W1"]}')], "grads must have the keys W1, b1, W2, b2; found W1"),
        ([(RETURN, "return loss, list(grads.values())")], "grads must be a dict, not list"),
        ([(RETURN, "raise RuntimeError('later')")], r"loss stops at line \d+: RuntimeError: later"),
        ([(RETURN, 'grads["b1"] = "none"; return loss, grads')], "must hold real numbers"),
        (
            [(RETURN, "return np.ones(3) * loss, grads")],
            r"loss must be one number, not an array of shape \(3,\)",
        ),
        ([('self.params["b2"] = np.zeros(output_size)', "pass")], "params must be a dict with the keys"),
        ([("self.params = {}", "self.params = {}; raise OSError('disk')")], "raised OSError: disk"),
    ],
)
def test_what_cannot_be_judged_says_why(edits, message):
    with pytest.raises(NotJudged, match=message):
        check_network(networks.network(*edits))


@pytest.mark.parametrize("target", [3, "TwoLayerNet", None])
def test_object_that_is_not_a_network_is_named_so(target):
    with pytest.raises(NotJudged, match="neither a class or instance"):
        check_network(target)


@pytest.mark.slow
def test_a_wrong_shape_is_a_wrong_gradient():
    report = check_network(networks.network((BIAS_2, "dscores")))
    assert report.first_wrong == "db2"
    assert "must have shape" in str(report)


def test_an_exception_that_only_some_shapes_raise_is_a_wrong_gradient():
    report = check_network(networks.network(*networks.MISTAKES["W2-not-transposed"][1]))
    assert not report.ok
    assert report.first_wrong == "dW1"
    assert [each.id for each in report.diagnosis] == ["W2-not-transposed"]


def test_the_assertion_carries_the_report():
    assert_network_gradients(networks.network())
    with pytest.raises(AssertionError, match=r"dW1 is wrong .*: reg-halved") as caught:
        assert_network_gradients(networks.network(*networks.MISTAKES["reg-halved"][1]))
    shown = [str(each.path) for each in caught.traceback.filter(caught)]
    assert not [path for path in shown if path.endswith(("check.py", "report.py"))]


def test_reports_as_json_html_and_text():
    report = check_network(networks.network(*networks.MISTAKES["relu-mask-missing"][1]), name="mine")
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert set(found) >= {
        *("target", "ok", "first_wrong", "diagnosis", "signature", "warnings", "penalty", "quantities"),
    }
    assert set(found["diagnosis"][0]) == {"id", "tensors", "equivalent", "text"}
    assert set(found["quantities"][0]) >= {
        *("name", "shape", "ok", "max_abs", "max_rel", "bound_units", "resolution", "index"),
        *("hand", "automatic", "finite_difference"),
    }
    assert found["target"] == "mine"
    assert str(Report.from_json(found)) == str(report)
    assert "relu-mask-missing" in report._repr_html_()
    assert len(str(report).splitlines()) < 12


@pytest.mark.slow
def test_three_values_show_which_one_is_wrong():
    report = check_network(networks.network(*networks.MISTAKES["bias-mean"][1]))
    wrong = next(each for each in report.quantities if each.name == "db1")
    assert wrong.odd_one_out == "hand"
    assert abs(wrong.finite_difference - wrong.automatic) < 1e-6 * abs(wrong.automatic - wrong.hand)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(3, 4, 5, 6), (1, 3, 2, 2), (20, 30, 8, 4)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sizes_and_reg_of_the_first_problem_can_be_chosen(sizes, dtype):
    assert check_network(networks.network(), sizes=sizes, reg=0.5, dtype=dtype, seed=3).ok
    wrong = networks.network(*networks.MISTAKES["reg-doubled"][1])
    report = check_network(wrong, sizes=sizes, reg=0.5, dtype=dtype, seed=3)
    assert [each.id for each in report.diagnosis] == ["reg-doubled"]


def test_units_within_rounding_of_the_kink_are_listed():
    report = check_network(networks.network())
    # Made so by the problem: one unit exactly at 0 on one sample, one within rounding of it on another.
    assert ("dead units and kinks", 1, 1) in report.kinks
    assert {problem for problem, _, _ in report.kinks} == {"dead units and kinks"}
    assert Report.from_json(report.to_json()).kinks == report.kinks


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_right_network_is_right_on_every_draw(seed):
    for dtype, sizes in (("float32", None), ("float64", None), ("float32", (30, 5, 8, 4))):
        report = check_network(networks.network(), dtype=dtype, seed=seed, sizes=sizes)
        assert report.ok, str(report)
        assert report.warnings == ()


@pytest.mark.slow
def test_a_loss_that_fails_somewhere_says_where():
    report = check_network(networks.network((RETURN, "return (loss if reg < 5 else np.nan), grads")))
    assert report.first_wrong == "loss"
    assert report.signature == "The loss is not finite on the problem 'large penalty', reg=10."
    report = check_network(networks.network(("N, D = X.shape", "N, D = X.shape; assert D != 6")))
    assert report.signature.startswith("On the problem 'square', N=9, D=6, H=6, C=6, reg=0.2, loss stops at")


def test_a_call_that_fails_the_second_time_is_not_deterministic():
    counted = 'N, D = X.shape; self.calls = getattr(self, "calls", 0) + 1; assert self.calls < 4'
    report = check_network(networks.network(("N, D = X.shape", counted)))
    assert report.first_wrong == "determinism"
    assert "stops at" in report.diagnosis[0].text


def test_gradients_are_judged_although_the_loss_is_rounded():
    rounded = (RETURN, "return np.float32(loss), grads")
    report = check_network(networks.network(rounded))
    assert report.ok
    assert [each.id for each in report.warnings] == ["loss-rounded"]
    report = check_network(networks.network(rounded, *networks.MISTAKES["reg-halved"][1]))
    assert report.first_wrong == "dW1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edit", "first_wrong"),
    [("return np.nan * loss, grads", "loss"), ('grads["W2"] *= np.inf; return loss, grads', "dW2")],
)
def test_gradient_that_is_not_finite_is_wrong(edit, first_wrong):
    report = check_network(networks.network((RETURN, edit)))
    assert (report.ok, report.first_wrong) == (False, first_wrong)
    assert "finite" in report.signature


def test_a_fault_beside_the_gradient_does_not_hide_a_wrong_one():
    edits = [*networks.MISTAKES["reg-halved"][1], (RETURN, "X += 1; return loss, grads")]
    report = check_network(networks.network(*edits))
    assert report.first_wrong == "X"
    assert [each.id for each in report.diagnosis] == ["inputs-mutated", "reg-halved"]


def test_a_loss_that_is_finite_nowhere_is_wrong():
    edit = (RETURN, "assert not (N == 9 and D == 7 and reg == 0.1); return np.nan, grads")
    report = check_network(networks.network(edit))
    assert (report.ok, report.first_wrong) == (False, "loss")
    assert report.signature == "The loss is not finite on any problem."


@pytest.mark.slow
def test_gradient_that_nothing_flows_into_is_not_judged():
    report = check_network(networks.network()(7, 10, 1))  # one class: no score moves the loss
    assert report.ok is None
    assert {each.name for each in report.quantities if each.ok is None} == {"db2", "db1"}
    assert "nothing flows into it" in str(report)
    with pytest.raises(NotJudged, match="nothing flows into it"):
        assert_network_gradients(networks.network()(7, 10, 1))


@pytest.mark.slow
def test_measured_bounds_take_the_place_of_wide_ones():
    problem = random_problem(np.random.default_rng(0), (9, 7, 10, 5), dtype="float32")
    derived = reference_of(problem).bounds
    for name, bound in measured_bounds(problem, {}, seed=0).items():
        assert 0 < np.median(bound.radius) < np.median(derived.radius[name]), name
    grads = dict(problem.params)  # any values: only the choice of bounds matters
    wide = compare_gradients(problem, 0.0, grads)
    hidden = replace(wide, quantities=tuple(replace(q, ok=True, seen=0.03) for q in wide.quantities))
    seen = replace(wide, quantities=tuple(replace(q, ok=True, seen=1.0) for q in wide.quantities))
    assert {q.ok for q in verdicts([hidden], lambda _: hidden, "float32")[1:]} == {None}
    assert all(q.ok for q in verdicts([hidden], lambda _: seen, "float32"))
    found = verdicts([hidden], lambda _: wide, "float32")
    assert not any(q.ok for q in found[1:])


@pytest.mark.slow
def test_a_tolerance_widens_every_bound():
    rough = (RETURN, 'grads["W1"] = grads["W1"] * 1.001; return loss, grads')
    assert check_network(networks.network(rough)).first_wrong == "dW1"
    report = check_network(networks.network(rough), tolerance=0.01)
    assert report.ok
    assert "widened to 0.01" in str(report)


def test_an_exception_of_the_authors_code_is_the_cause_with_its_own_frames(tmp_path):
    with pytest.raises(NotJudged, match="RuntimeError: later") as caught:
        assert_network_gradients(networks.network((RETURN, "raise RuntimeError('later')")))
    trace = caught.value.__cause__.__traceback__
    assert trace.tb_frame.f_code.co_name == "loss"
    assert trace.tb_next is None
