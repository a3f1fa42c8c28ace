"""Failures of the assert functions in a test: one clear message, and a traceback of the user's code alone."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autograd_ref import (
    NotJudged,
    assert_call,
    assert_gradients,
    assert_network_gradients,
    assert_rule,
    check_call,
)
from autograd_ref.crosscheck.reports.asserted import in_python

W, X = np.arange(6.0).reshape(2, 3), np.ones((4, 2))


def step(W, X):
    h = X @ W
    return 0.5 * np.sum(h * h), X.T @ h


def stops(W, X):
    raise KeyError("W3")


def hand(params, X):
    loss, dW = step(params["W"], X)
    return loss, {"W": dW}


def reference(params, X):
    return 0.5 * jnp.sum((X @ params["W"]) ** 2)


def reference_stops(params, X):
    return params["W3"]


@jax.custom_vjp
def double(x):
    return 2 * x


def in_jax(x):
    return jnp.sum(x), jnp.ones_like(x)


class Network:
    def __init__(self, input_size, hidden_size, output_size):
        self.params = {
            "W1": np.ones((input_size, hidden_size)),
            "b1": np.ones(hidden_size),
            "W2": np.ones((hidden_size, output_size)),
            "b2": np.ones(output_size),
        }

    def loss(self, X, y, reg):
        raise RuntimeError("later")


P = {"W": W}
SHOWN = [
    (lambda: assert_call(step, W, X, points=0), ValueError, "points must be at least 1"),
    (lambda: assert_call(step, W), NotJudged, r"^step: the call fails with TypeError: .* step\(W, X\)$"),
    (lambda: assert_call(stops, W, X), NotJudged, r"stops: the call fails at line \d+: KeyError: 'W3'"),
    (lambda: assert_call(np.cos, W), NotJudged, r"loss='0.5 \* np.sum.* backward=NAME"),
    (lambda: assert_call(step, jnp.ones(2), X), NotJudged, r"computes with arrays of JAX or PyTorch"),
    (lambda: assert_call(in_jax, np.ones(2)), NotJudged, r"computes with arrays of JAX or PyTorch"),
    (lambda: assert_gradients(reference, hand, P, X), NotJudged, "pass hand first"),
    (lambda: assert_gradients(stops, reference, P, X), NotJudged, r"hand fails at line \d+: KeyError"),
    (lambda: assert_gradients(hand, reference_stops, P, X), NotJudged, r"reference fails at line \d+: Key"),
    (lambda: assert_gradients(hand, reference, {"W": W.astype(int)}, X), NotJudged, r"W.astype\(float\)"),
    (lambda: assert_gradients(hand, reference, {"W": W[:0]}, X), NotJudged, "all its arrays are empty"),
    (lambda: assert_network_gradients("Network"), NotJudged, "'Network' is neither a class"),
    (lambda: assert_network_gradients(Network), NotJudged, r"Network: loss stops at line \d+: Runtime"),
    (lambda: assert_rule(double, jnp.ones(2), seed=-1), ValueError, "seed must be at least 0"),
    (lambda: assert_rule(double, jnp.ones(2)), NotJudged, "double: the call fails with .*using defvjp"),
    (lambda: assert_rule(np.tanh, jnp.ones(2)), NotJudged, "assert_gradients in Python"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "said"), SHOWN)
def test_failure_shows_the_users_code_alone(call, kind, said):
    with pytest.raises(kind, match=said) as caught:
        call()
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    error = caught.value
    while error is not None:
        info = pytest.ExceptionInfo.from_exception(error)
        shown = {str(each.path) for each in info.traceback.filter(info)}
        assert {path for path in shown if "beartype" not in path and "strict_types" not in path} == {__file__}
        assert not getattr(error, "__notes__", [])
        error = error.__cause__


def test_cause_is_the_users_exception():
    with pytest.raises(NotJudged) as caught:
        assert_call(stops, W, X)
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.__cause__.__traceback__.tb_frame.f_code.co_name == "stops"


@pytest.mark.parametrize(
    ("grads", "said"),
    [
        (lambda loss, dW: (loss, (dW,)), "grads is tuple"),
        (lambda loss, dW: ({"W": dW}, loss), r"not \(grads, loss\)"),
        (lambda loss, dW: (loss, {"W": None}), "hand's dW is None"),
        (lambda loss, dW: (loss, {"w": dW}), "nothing for W.* grads has w"),
        (lambda loss, dW: {"W": dW}, "not a dict"),
        (lambda loss, dW: None, "not None"),
    ],
)
def test_other_results_of_hand(grads, said):
    with pytest.raises(NotJudged, match=said):
        assert_gradients(lambda params, X: grads(*step(params["W"], X)), reference, P, X)


def test_gradient_of_a_list_as_one_array():
    with pytest.raises(NotJudged, match=r"4 entries like params, not one array: np.array\(params\)"):
        assert_gradients(lambda w: (1.0, np.ones(4)), lambda w: jnp.sum(jnp.array(w)), [1.0, 2.0, 3.0, 4.0])


def test_options_in_the_words_of_python():
    assert in_python("write --loss 'np.sum(out)', or --backward NAME") == (
        "write loss='np.sum(out)', or backward=NAME"
    )
    assert in_python("""is meant: --of 'dW=params["W"]'""") == """is meant: of={'dW': 'params["W"]'}"""
    assert in_python("accept them by --tolerance 0.001.") == "accept them by tolerance=0.001."
    assert in_python("Loss: np.sum(out) (--loss).") == "Loss: np.sum(out) (loss=...)."


def test_report_of_a_check_keeps_the_commands_options():
    with pytest.raises(NotJudged, match="write what its loss is, --loss"):
        check_call(lambda W: np.cos(W), W)


STRANGERS_TEST = """
import jax
import numpy as np
from autograd_ref import assert_call, assert_gradients, assert_network_gradients, assert_rule


def step(W):
    return 0.5 * np.sum(W * W), W


@jax.custom_vjp
def double(x):
    return 2 * x


double.defvjp(lambda x: (2 * x, None), lambda _, g: (2 * g,))
W = np.ones(2)


def test_result():
    assert_call(step(W), W)


def test_name():
    assert_call("step", W)


def test_backward():
    assert_call(step, W, backward="step_backward")


def test_of():
    assert_call(step, W, of=["W"])


def test_seed():
    assert_call(step, W, seed="one")


def test_hand():
    assert_gradients(W, step, W)


def test_reference():
    assert_gradients(step, 3.0, W)


def test_sizes():
    assert_network_gradients(step, sizes=(5, 4, 3))


def test_rule():
    assert_rule(double(W), W)
"""
SAID = [
    "function must be callable, not a value of type tuple: give the function itself, not its result",
    "function must be callable, not a value of type str: give the function itself, not its name",
    "backward must be callable",
    "of must be a dict from gradients to arrays, {'dW': 'W'}, not ['W']",
    "seed must be an integer, not 'one'",
    "hand must be callable, not an array",
    "reference must be callable, not a value of type float",
    "sizes must be N, D, H, C, four numbers, not (5, 4, 3)",
    "function must be callable, not an array",
]


@pytest.mark.slow
def test_wrong_arguments_under_a_strangers_pytest(tmp_path):
    file = tmp_path / "test_mine.py"
    file.write_text(STRANGERS_TEST)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(file)]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    assert "9 failed" in shown
    assert [line for line in SAID if line not in shown] == []
    assert "/validation.py" not in shown
    assert "/check.py" not in shown
