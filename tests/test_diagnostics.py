"""The diagnostics of a hidden layer match their definitions on all images."""

import numpy as np
import pytest

from handgrad import TwoLayerNet
from handgrad.activations import ACTIVATIONS
from handgrad.runs.config import Config
from handgrad.runs.diagnostics import ROWS, SATURATED, Diagnoser, Diagnostics
from handgrad.runs.trainer import Trainer

N, D, H, C = 5 * ROWS + 7, 6, 12, 3


def make(activation="relu", dtype=np.float64):
    rng = np.random.default_rng(0)
    net = TwoLayerNet(D, H, C, std=0.05, activation=activation, dtype=dtype, rng=rng)
    X, y = rng.integers(0, 256, (N, D), np.uint8), rng.integers(0, C, N)
    mean = X.mean(axis=0)
    net.params["b1"][:4] = [-1e3, -1e3, 1e3, 0]
    # A unit that fires on the last image alone, which only a look at all images shows.
    X[-1] = 255
    net.params["W1"][:, 4] = 1
    z = (X - mean).sum(axis=1)
    net.params["b1"][4] = -(np.sort(z)[-2] + z[-1]) / 2
    return net, X, y, mean


def by_definition(net, X, mean):
    z1 = (X - mean) @ net.params["W1"].astype(float) + net.params["b1"]
    return (np.abs(ACTIVATIONS[net.activation].derivative(z1)) < SATURATED).all(axis=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid", "gelu"])
def test_dead_units_match_definition(activation, dtype):
    net, X, y, mean = make(activation, dtype)
    diagnoser = Diagnoser(net, (X[:20], y[:20]), X, mean)
    dead = diagnoser.find_dead_units(np.ones(H, bool))
    np.testing.assert_array_equal(dead, by_definition(net, X, mean))
    expected = {"relu": [0, 1], "leaky_relu": [], "sigmoid": [0, 1, 2, 4], "gelu": [0, 1]}[activation]
    assert np.flatnonzero(dead).tolist() == expected
    assert diagnoser.diagnose(net.params, 1).dead_units == len(expected)


@pytest.mark.parametrize(
    ("change", "looks"),
    [
        (lambda params: params["W1"].__imul__(0.9), False),
        (lambda params: params["W1"][:, 0].__iadd__(1e-3), False),
        (lambda params: params["b1"].__setitem__(0, -300), False),
        (lambda params: params["b1"].__setitem__(0, 1), True),  # alive again
        (lambda params: params["W1"][:, 0].__iadd__(3), True),  # and again
        (lambda params: params["W1"].__imul__(-100), True),
    ],
)
def test_dead_unit_is_examined_again_only_if_it_may_have_revived(change, looks, monkeypatch):
    net, X, y, mean = make()
    diagnoser = Diagnoser(net, (X[:20], y[:20]), X, mean)
    everyone = np.ones(H, bool)
    first = diagnoser.find_dead_units(everyone)
    assert np.flatnonzero(first).tolist() == [0, 1]
    change(net.params)
    suspects = np.zeros(H, bool)
    suspects[0] = True
    looked = []
    copyto = np.copyto
    monkeypatch.setattr(np, "copyto", lambda *args, **options: looked.append(1) or copyto(*args, **options))
    dead = diagnoser.find_dead_units(suspects)
    assert bool(looked) == looks
    assert dead[0] == by_definition(net, X, mean)[0]


def test_other_diagnostics_match_definition():
    net, X, y, mean = make("tanh")
    before = {name: q + 0.25 for name, q in net.params.items()}
    found = Diagnoser(net, (X[:50], y[:50]), X, mean).diagnose(before, 7)
    trace = net.trace(X[:50] - mean, y[:50])
    slope = 1 - trace["h1"] ** 2
    norm = np.linalg.norm
    expected = Diagnostics(
        7, by_definition(net, X, mean).sum(), (slope < SATURATED).mean(), trace["h1"].mean(),
        trace["h1"].std(), norm(trace["dh1"]), norm(trace["dz1"]), norm(trace["dz1"]) / norm(trace["dh1"]),
        *(0.25 * np.sqrt(before[name].size) / norm(before[name]) for name in ("W1", "W2")),
    )  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_trainer_takes_diagnostics_with_accuracies(digits):
    trainer = Trainer(Config(hidden=5, iters=20, batch=700, std=0.1), digits)
    while not trainer.done:
        before = {name: q.copy() for name, q in trainer.net.params.items()}
        trainer.step()
        update = [
            np.linalg.norm(trainer.net.params[name] - before[name]) / np.linalg.norm(before[name])
            for name in ("W1", "W2")
        ]
        steps = [each.step for each in trainer.history.diagnostics]
        assert steps == [each.step for each in trainer.history.evaluations]
        if trainer.steps in steps:
            np.testing.assert_allclose(trainer.history.diagnostics[-1][-2:], update, rtol=1e-5)
    assert steps[-1] == 20
