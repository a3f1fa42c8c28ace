"""The output of `handgrad check TARGET...`, and its exit code."""

import dataclasses
import json

import pytest

from autograd_ref.crosscheck.isolated import command
from autograd_ref.crosscheck.isolated.process import Answer
from autograd_ref.crosscheck.isolated.result import TargetResult, tally
from autograd_ref.crosscheck.quantity import Quantity
from autograd_ref.crosscheck.reports.report import Advice, Diagnosis, Report

pytestmark = pytest.mark.slow

RIGHT = "handgrad.two_layer_net:TwoLayerNet"
SUBMISSION = """\
import handgrad

class Naive(handgrad.TwoLayerNet):
    def loss(self, X, y=None, reg=0.0):
        if y is None:
            return super().loss(X)
        loss, grads = super().loss(X, y, reg)
        return loss, {**grads, "W1": grads["W1"] - 2 * reg * self.params["W1"]}

def unpenalised(params, X, y, reg):
    net = handgrad.TwoLayerNet(*params["W1"].shape, params["W2"].shape[1], dtype=X.dtype)
    net.params = params
    return net.loss(X, y, 0.0)

def echo(params, X, y, reg):
    raise ValueError(f"{X.shape} {params['W1'].shape} {params['W2'].shape} {X.dtype} {reg}")
"""
QUANTITY = Quantity("dW1", (3, 2), False, 0.5, 0.1, 1e9, 1e-12, (2, 1), 1.0, 1.5, 1.5, "hand")
REPORT = Report(
    "net.py:Net",
    "float64",
    False,
    "dW1",
    diagnosis=(Diagnosis("reg-halved", ("dW1",), (), "dW1: yours has 2·reg·W."),),
    warnings=(Advice("no-max-shift", "Subtract the maximum."),),
    penalty={"W1": 2.0},
    quantities=(QUANTITY,),
)


@pytest.fixture
def submission(tmp_path):
    file = tmp_path / "submission.py"
    file.write_text(SUBMISSION)
    return file


def test_single_target_gets_a_full_report_and_warnings_pass(handgrad, submission):
    code, out, err = handgrad("check", f"{submission}:unpenalised")
    assert (code, err) == (0, "")
    assert out.startswith(f"{submission}:unpenalised: the gradient is right (float64).\n")
    assert "dW1" in out
    assert "Warning: The loss has no penalty" in out
    assert "Penalty read off the loss" in out
    assert "\x1b" not in out
    assert not any(line.endswith(" ") for line in out.splitlines())


@pytest.fixture
def answered(monkeypatch):
    """Set the answer about each target, in place of a process."""

    def answer_with(**answers):
        async def run_apart(request, **options):
            return answers[request["target"]]

        monkeypatch.setattr(command, "run_apart", run_apart)

    return answer_with


def test_a_warning_is_a_failure_when_strict(handgrad, answered):
    answered(net=Answer(dataclasses.replace(REPORT, ok=True, first_wrong=None).to_json(), None))
    assert handgrad("check", "net", "--json")[0] == 0
    code, out, _ = handgrad("check", "net", "--strict", "--json")
    assert code == 1
    assert json.loads(out)["ok"] is True
    assert [each["id"] for each in json.loads(out)["warnings"]] == ["no-max-shift"]


def test_single_target_not_judged_is_one_line(handgrad, submission):
    code, out, err = handgrad("check", f"{submission}:Net")
    assert (code, out) == (2, "")
    assert err == (
        f"handgrad: {submission}:Net: could not be judged: there is no Net in {submission}; "
        "it has Naive, unpenalised, echo\n"
    )


def test_of_several_targets_what_is_not_wrong_is_one_line(handgrad, submission):
    targets = [f"{submission}:Nobody", f"{submission}:Naive", RIGHT, f"{submission}:unpenalised"]
    code, out, err = handgrad("check", *targets, "--dtype", "float32", "--seed", "1")
    assert (code, err) == (1, "")
    *lines, last = out.splitlines()
    right = lines.index(f"{targets[2]}: the gradient is right (float32).")
    assert "dW1[" in "".join(lines[2:right])
    lines[2:right] = []
    assert lines[0].startswith(f"{targets[0]}: could not be judged: there is no Nobody in ")
    assert lines[1].startswith(f"{targets[1]}: dW1 is wrong (float32): reg-halved.")
    assert lines[2] == f"{targets[2]}: the gradient is right (float32)."
    assert lines[3] == f"{targets[3]}: the gradient is right (float32). Warnings: no-penalty."
    assert last == "1 right, 1 right with warnings, 1 wrong, 1 could not be judged."


def test_target_not_judged_outweighs_right_ones(handgrad, answered):
    right = Answer(dataclasses.replace(REPORT, ok=True, first_wrong=None).to_json(), None)
    answered(nobody=Answer(None, "there is none"), net=right, wrong=Answer(REPORT.to_json(), None))
    assert handgrad("check", "nobody", "net")[0] == 2
    assert handgrad("check", "nobody", "wrong", "net")[0] == 1


def test_options_set_the_first_problem(handgrad, submission):
    sizes = ("--batch", 3, "--input-size", 20, "--hidden-size", 40, "--output-size", 4)
    code, _, err = handgrad("check", f"{submission}:echo", *sizes, "--reg", 0.5, "--dtype", "float32")
    assert code == 2
    assert "ValueError: (3, 20) (20, 40) (40, 4) float32 0.5" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((RIGHT, "--cifar10", "."), "--cifar10 is for handgrad's own network and goes with no target"),
        (("--seed", "3"), "--seed goes with a target, FILE.py:NAME"),
        (("--strict",), "--strict goes with a target, FILE.py:NAME"),
        (("--hidden-size", "3", "--json"), "--hidden-size goes with a target, FILE.py:NAME"),
        ((RIGHT, "--batch", "0"), "--batch must be at least 1, not 0"),
        (
            (RIGHT, "--run", "-m no_such"),
            f"{RIGHT}: could not be judged: --run fails with ImportError: No module named no_such",
        ),
        ((RIGHT, "--reg", "-1"), "--reg must be finite and at least 0, not -1.0"),
        ((RIGHT, "--seed", "-1"), "--seed must be finite and at least 0, not -1"),
        ((RIGHT, "--time-limit", "nan"), "--time-limit must be finite and at least 0, not nan"),
        ((RIGHT, "--reference", "a.py:f", "--batch", "3"), "--batch is for networks; with --reference"),
    ],
)
def test_options_that_would_be_ignored_or_make_no_sense_are_refused(handgrad, arguments, message):
    code, out, err = handgrad("check", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"handgrad: {message}")
    assert len(err.splitlines()) == 1


HAND = """\
import numpy as np
def hand(params, x):
    return float(np.sum(np.sin(params["a"]) * x)), {"a": np.cos(params["a"]) * x}
def wrong(params, x):
    return float(np.sum(np.sin(params["a"]) * x)), {"a": -np.cos(params["a"]) * x}
"""
REFERENCE = """\
import jax.numpy as jnp
def reference(params, x):
    return jnp.sum(jnp.sin(params["a"]) * x)
"""
EXAMPLE = """\
def example(rng):
    return {"a": rng.standard_normal(4)}, rng.standard_normal(4)
"""


@pytest.mark.parametrize("holder", ["hand.py", "reference.py"])
def test_function_is_compared_with_its_reference(handgrad, tmp_path, holder):
    for name, text in {"hand.py": HAND, "reference.py": REFERENCE}.items():
        (tmp_path / name).write_text(text + EXAMPLE * (name == holder))
    options = ("--reference", f"{tmp_path / 'reference.py'}:reference", "--json")
    code, out, _ = handgrad(
        "check", f"{tmp_path / 'hand.py'}:hand", f"{tmp_path / 'hand.py'}:wrong", *options
    )
    assert code == 1
    assert [json.loads(line)["ok"] for line in out.splitlines()] == [True, False]


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ("", "define example(rng) -> (params, *args)"),
        ("def example(rng): return {}", "example(rng) must return a tuple (params, *args), not dict"),
        ("def example(rng):\n    1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_function_without_arguments_to_check_at_is_refused(handgrad, tmp_path, example, message):
    file = tmp_path / "hand.py"
    file.write_text(HAND + example)
    code, _, err = handgrad("check", f"{file}:hand", "--reference", f"{file}:hand")
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_failing_reference_is_distinguished_from_its_target(handgrad, tmp_path):
    file = tmp_path / "hand.py"
    file.write_text(HAND)
    code, _, err = handgrad("check", f"{file}:hand", "--reference", f"{file}:reference")
    assert code == 2
    assert f"its reference {file}:reference: there is no reference in {file}; it has hand, wrong" in err


def test_report_survives_json():
    answer = Answer(json.loads(json.dumps(REPORT.to_json())), None)
    assert TargetResult.of("net.py:Net", answer) == TargetResult("net.py:Net", REPORT)


def test_the_tally_counts_each_kind():
    right = Report("net.py:Net", "float64", True, None)
    results = [TargetResult("net.py:Net", report) for report in (REPORT, right, right, None)]
    assert tally(results) == "2 right, 1 wrong, 1 could not be judged."
