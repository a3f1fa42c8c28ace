"""Networks with every activation: right ones pass, and a mistaken slope is named."""

import numpy as np
import pytest
from field.networks import as_function

from autograd_ref import check_network
from autograd_ref.crosscheck.mistakes.catalogue import CATALOGUE
from autograd_ref.crosscheck.mistakes.replay import Values
from autograd_ref.crosscheck.network.call_forms import NetworkUnderTest
from autograd_ref.crosscheck.network.read_activation import read_activation
from autograd_ref.crosscheck.problems import random_problem
from benchmarks.checkers import mistaken_networks as networks
from handgrad import TwoLayerNet
from handgrad.activations import ACTIVATIONS

FORWARD, BACKWARD = "h1 = np.maximum(0, z1)", networks.MASK
SIGMOID = "1 / (1 + np.exp(-z1))"
CUBIC = "np.sqrt(2 / np.pi) * (z1 + 0.044715 * z1**3)"
# As people write them: the forward, and the factor on dh1.
WRITTEN = {
    "leaky_relu": ("np.where(z1 > 0, z1, 0.01 * z1)", "np.where(z1 >= 0, 1, 0.01)"),
    "sigmoid": (SIGMOID, "h1 * (1 - h1)"),
    "tanh": ("np.tanh(z1)", "(1 - h1**2)"),
    "elu": ("np.where(z1 > 0, z1, np.exp(z1) - 1)", "np.where(z1 > 0, 1, h1 + 1)"),
    "gelu": (
        "z1 * __import__('scipy.special').special.ndtr(z1)",
        "(__import__('scipy.special').special.ndtr(z1) + z1 * np.exp(-z1**2 / 2) / np.sqrt(2 * np.pi))",
    ),
    "gelu_tanh": (
        f"0.5 * z1 * (1 + np.tanh({CUBIC}))",
        f"(0.5 * (1 + np.tanh({CUBIC})) + 0.5 * z1 * (1 - np.tanh({CUBIC})**2)"
        " * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * z1**2))",
    ),
    "silu": (f"z1 * {SIGMOID}", f"({SIGMOID} * (1 + z1 * (1 - {SIGMOID})))"),
    "softplus": ("np.log(1 + np.exp(z1))", SIGMOID),
}  # fmt: skip
NDTR = "__import__('scipy.special').special.ndtr"
# Activation, the factor on dh1, and the name of the mistake.
MISTAKES = [
    ("relu", "np.where(z1 > 0, 1, 0.01)", "leaky-in-relu-backward"),
    ("leaky_relu", "(h1 > 0)", "leaky-slope-missing"),
    ("leaky_relu", "1", "slope-missing"),
    ("sigmoid", "h1", "sigmoid-without-one-minus"),
    ("sigmoid", "z1 * (1 - z1)", "slope-at-input"),
    ("sigmoid", "np.exp(-h1) / (1 + np.exp(-h1))**2", "slope-at-output"),
    ("tanh", "(1 - z1**2)", "slope-at-input"),
    ("tanh", "(1 - np.tanh(h1)**2)", "slope-at-output"),
    ("tanh", "1", "slope-missing"),
    ("elu", "np.where(z1 > 0, 1, z1 + 1)", "slope-at-input"),
    ("elu", "np.where(z1 > 0, 1, np.exp(h1))", "slope-at-output"),
    ("gelu", f"{NDTR}(z1)", "product-rule-half"),
    ("gelu", WRITTEN["gelu_tanh"][1], "slope-of-another"),
    ("gelu_tanh", WRITTEN["gelu"][1], "slope-of-another"),
    ("silu", SIGMOID, "product-rule-half"),
    ("softplus", "(1 - np.exp(-z1))", "slope-at-input"),
    ("softplus", "(z1 > 0)", "slope-of-another"),
]  # fmt: skip


def edits(name, factor=None):
    forward, right = WRITTEN.get(name, ("np.maximum(0, z1)", "(z1 > 0)"))
    return [(FORWARD, f"h1 = {forward}"), (BACKWARD, f"dz1 = dh1 * {factor or right}")]


def instance(*edited):
    """A network of the size of the first problem, so that JAX compiles each activation once."""
    return networks.network(*edited)(7, 10, 5)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITTEN)
def test_a_right_network_passes_and_its_activation_is_read(name):
    for dtype in ("float64", "float32"):
        report = check_network(instance(*edits(name)), dtype=dtype)
        assert report.ok, str(report)
        assert report.activation == name
        assert f"Activation of the hidden layer, read off its outputs: {name}." in report.sentences()


@pytest.mark.slow
def test_a_trace_is_judged_stage_by_stage_with_the_activation_read():
    report = check_network(TwoLayerNet(7, 10, 5, activation="tanh"))
    assert report.ok, str(report)
    assert (report.activation, len(report.quantities)) == ("tanh", 12)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "factor", "id_"), MISTAKES)
def test_a_mistaken_slope_is_named(name, factor, id_):
    report = check_network(instance(*edits(name, factor)))
    assert report.activation == name
    assert [each.id for each in report.diagnosis] == [id_], str(report)
    assert report.first_wrong == "dW1"
    assert "write dz1 = dh1 * " in report.diagnosis[0].text


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_the_activation_is_read_off_the_scores_or_the_loss_even_if_that_is_mistaken(dtype):
    problem = random_problem(np.random.default_rng(0), (9, 7, 10, 5), dtype=dtype)
    for name in ACTIVATIONS:
        right = networks.network(*edits(name))
        mistaken = networks.network(*edits(name), *networks.MISTAKES["loss-sum-not-mean"][1])
        for target in (right, as_function(right), mistaken, as_function(mistaken)):
            assert read_activation(NetworkUnderTest(target, problem), problem) == name


@pytest.mark.slow
def test_two_mistakes_are_named_in_a_network_with_tanh():
    both = [*edits("tanh", "(1 - z1**2)"), *networks.MISTAKES["reg-halved"][1]]
    # Both change dW1: the slope upstream of it, the penalty in it.
    report = check_network(instance(*both))
    assert {each.id for each in report.diagnosis} == {"slope-at-input", "reg-halved"}


@pytest.mark.slow
def test_unknown_activation_is_reported():
    softsign = [(FORWARD, "h1 = z1 / (1 + np.abs(z1))"), (BACKWARD, "dz1 = dh1 / (1 + np.abs(z1))**2")]
    report = check_network(instance(*softsign))
    assert report.activation is None
    assert report.ok is None
    assert "--reference" in report.signature


def test_every_wrong_derivative_of_the_catalogue_differs_from_the_right_one():
    """A mistake that computes what is right would explain anything."""
    z = np.random.default_rng(0).normal(0, 2, (20, 5))
    for name, activation in ACTIVATIONS.items():
        unused = np.zeros(0)
        v = Values(unused, unused, unused, unused, unused, unused, activation)
        v.z1, v.h1, v.dh1 = z, activation.forward(z), np.ones_like(z) / 3
        for mistake in CATALOGUE:
            if mistake.step == "dz1" and name in mistake.activations:
                wrong = mistake.replacement(v)
                if mistake.id != "relu-clips-upstream":
                    assert np.abs(wrong - v.dh1 * activation.derivative(z)).max() > 1e-4, (name, mistake.id)
