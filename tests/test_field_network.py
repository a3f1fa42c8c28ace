"""Cases from the field, as networks and on the command line: the verdicts and the messages."""

import json
import sys
from functools import partial

import jax
import numpy as np
import pytest
from field import networks as f
from some_quick import some_quick

from autograd_ref import NotJudged, check_network
from autograd_ref.crosscheck.isolated import limits

FOREVER = """\
import numpy as np

def loss(params, X, y, reg):
    return 0.0, params

while True: pass
"""

# The verdict, and a part of what is said.
CASES = {
    "cost kept": (False, f.CostKept, "another loss the second time"),
    "softmax over everything": (False, f.softmax_over_all, "over the whole batch and all classes"),
    "gradient of another loss": (
        False,
        f.gradient_of_another_loss,
        "The gradient belongs to the mean softmax cross-entropy",
    ),
    "hidden delta": (False, f.hidden_delta_is_the_output_error, "dscores itself is used where dh1 belongs"),
    "squared error": (False, f.squared_error, "half the squared error of sigmoid(scores)"),
    "label smoothing": (True, f.label_smoothing, "label smoothing of 0.1"),
    "class weights": (False, f.class_weights, "db2 is wrong"),
    "in JAX": (True, f.in_jax, "the gradient is right"),
    "half": (False, f.penalised(0.5), "The adjoints of the hidden layer are 0.5 times the right ones"),
    "sign": (False, f.penalised(-1), "The adjoints of the hidden layer have the wrong sign"),
    "penalty of the sum": (False, f.penalised(1, np.sum), "it grows as sum(W1) and sum(W2)"),
    "penalty of sizes": (
        False,
        f.penalised(1, lambda W: np.abs(W).sum()),
        "it grows as sum(|W1|) and sum(|W2|)",
    ),
    "one-hot labels": (True, f.one_hot_labels, "np.eye(5)[rng.integers(0, 5, 9)]"),
    "a key added": (True, f.adds_a_key, "A call adds cache to params"),
}
REFUSED = {
    "columns": (f.Columns, "samples in the columns of X"),
    "the book's contract": (f.BookContract, r"gradient\(x, t\) is not called"),
    "other arguments": (f.other_arguments, r"other_arguments\(theta1, theta2, X, y, lam\) takes other"),
    "a layer's loss": (f.pair, r"pair\(x, y\) takes other arguments"),
    "a layer": (f.Layer, "Layer is a class without loss"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", some_quick(CASES, 4))
def test_network_gets_its_verdict(name):
    ok, target, said = CASES[name]
    report = check_network(target)
    assert report.ok is ok, str(report)
    assert said in str(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", some_quick(REFUSED, 2))
def test_other_form_gets_the_expected_one_in_the_message(name):
    target, message = REFUSED[name]
    with pytest.raises(NotJudged, match=message) as caught:
        check_network(target)
    assert "--run 'SCRIPT.py'" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_nothing_is_read_off_a_loss_that_is_not_deterministic():
    report = check_network(f.CostKept)
    assert (report.first_wrong, report.signature) == ("determinism", None)
    assert (report.quantities, report.penalty, report.warnings) == ((), {}, ())


@pytest.mark.slow
def test_unrecorded_network_is_compared_with_its_own_values(monkeypatch):
    monkeypatch.setattr("autograd_ref.crosscheck.network.check.check_by_recording", lambda *_, **__: None)
    report = check_network(f.label_smoothing)
    assert "agree with differences of its own loss" in report.signature
    assert "--reference" in report.signature
    assert (report.ok, report.diagnosis, report.penalty, report.first_wrong) == (None, (), {}, None)
    assert all(each.ok is None and each.reason for each in report.quantities)
    said = check_network(f.squared_error).signature
    assert "dW2[" in said
    assert "dW1[" not in said  # the first layer's gradient is right by its own loss


@pytest.mark.slow
@pytest.mark.parametrize("switch", [False, True])
def test_a_network_in_jax_computes_in_the_checked_precision(switch):
    with jax.enable_x64(switch):
        assert check_network(f.in_jax, sizes=(3, 4, 5, 6)).ok


@pytest.mark.slow
def test_endless_import_reports_its_line(handgrad, tmp_path):
    file = tmp_path / "forever.py"
    file.write_text(FOREVER)
    for limit in (3, 15, 60):  # a busy machine may need longer to come to that line
        code, _, err = handgrad("check", f"{file}:loss", "--time-limit", limit)
        assert code == 2
        if "its import" in err:
            break
    assert "its import still runs at line 6" in err


@pytest.mark.slow
def test_verdicts_on_the_command_line(handgrad, tmp_path):
    file = tmp_path / "hands.py"
    file.write_text(
        "import jax.numpy as jnp\nimport numpy as np\n"
        "def unexercised(w, x):\n    return np.float64(0.0), 0 * w\n"
        "def rough(w, x):\n    return np.float64(0.0), w.sum() * 0 + x\n"
        "def loss(w, x):\n    return jnp.sum(jnp.maximum(0.0, x @ w - 100.0))\n"
        "def example(rng):\n    return rng.standard_normal(3), rng.standard_normal((5, 3))\n"
    )
    code, out, _ = handgrad("check", f"{file}:unexercised", "--reference", f"{file}:loss", "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["points"]) == (2, None, 3)
    assert "nothing flows into it" in found["quantities"][-1]["reason"]


@pytest.mark.slow
def test_surrogate_and_tolerance_reach_the_check(handgrad, tmp_path):
    file = tmp_path / "hands.py"
    file.write_text(
        "import jax, jax.numpy as jnp\nimport numpy as np\n"
        "def hand(w):\n    return np.sum(w), -1.001 * np.ones_like(w)\n"
        "def loss(w):\n    return jnp.sum(2 * jax.lax.stop_gradient(w) - w)\n"
        "def example(rng):\n    return (rng.standard_normal(3),)\n"
    )
    check = partial(handgrad, "check", f"{file}:hand", "--reference", f"{file}:loss", "--json")
    assert check()[0] == 1
    code, out, _ = check("--surrogate", "--tolerance", "0.01")
    assert (code, json.loads(out)["ok"]) == (0, True)
    code, _, err = handgrad("check", f"{file}:hand", "--surrogate")
    assert code == 2
    assert "--surrogate goes with --reference" in err


def test_time_limit_is_enough_without_system_limits(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    limits.limit(2**30, 1.0)
