"""Plain minibatch SGD, as `TwoLayerNet.train` promises it."""

import numpy as np
import pytest

from handgrad import TwoLayerNet
from handgrad.data.datasets import load_digits


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((23, 4)), rng.integers(0, 3, 23)
    return X[:20], y[:20], X[20:], y[20:]


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_every_step_matches_its_description(data, activation):
    X, y, X_val, y_val = data
    net, by_hand = (TwoLayerNet(4, 6, 3, std=0.3, activation=activation, rng=5) for _ in range(2))
    history = net.train(X, y, X_val, y_val, 0.2, 0.5, 0.01, num_iters=9, batch_size=5)

    rate, losses, train_acc, val_acc = 0.2, [], [], []
    for step in range(9):
        batch = by_hand.rng.choice(20, 5)
        loss, grads = by_hand.loss(X[batch], y[batch], 0.01)
        losses.append(loss)
        for name in grads:
            by_hand.params[name] = by_hand.params[name] - rate * grads[name]
        if (step + 1) % 4 == 0:  # 20 rows in batches of 5: an epoch is 4 steps
            train_acc.append(np.mean(by_hand.predict(X[batch]) == y[batch]))
            val_acc.append(np.mean(by_hand.predict(X_val) == y_val))
            rate *= 0.5
    assert len(losses) == 9
    # The two may round differently: nine steps at well under 100 roundings each.
    np.testing.assert_allclose(history["loss_history"], losses, rtol=1000 * np.finfo(float).eps)
    for name in net.params:
        np.testing.assert_allclose(net.params[name], by_hand.params[name], rtol=0, atol=1e-13)
    assert history["train_acc_history"] == train_acc
    assert history["val_acc_history"] == val_acc
    assert len(val_acc) == 2


def test_a_batch_larger_than_the_data_makes_every_step_an_epoch(data):
    history = TwoLayerNet(4, 6, 3, rng=0).train(*data, num_iters=3, batch_size=50)
    assert len(history["loss_history"]) == len(history["val_acc_history"]) == 3


def test_training_writes_to_no_argument(data):
    before = [value.copy() for value in data]
    for value in data:
        value.flags.writeable = False
    TwoLayerNet(4, 6, 3, std=0.3, rng=0).train(*data, num_iters=5, batch_size=4)
    for value, was in zip(data, before, strict=True):
        np.testing.assert_array_equal(value, was)


@pytest.mark.slow
def test_network_learns_the_digits():
    X, y = load_digits()
    net = TwoLayerNet(64, 40, 10, std=0.1, rng=0)
    net.train(X[:1500], y[:1500], X[1500:], y[1500:], 0.005, 1.0, num_iters=2000, batch_size=100)
    assert np.mean(net.predict(X[1500:]) == y[1500:]) > 0.88


def test_verbose_prints_progress(data, capsys):
    TwoLayerNet(4, 6, 3, rng=0).train(*data, num_iters=100, verbose=True)
    assert "100" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"X_val": np.zeros((3, 5))}, ValueError, r"X_val must have shape \(N, 4\)"),
        ({"y_val": np.array([0, 1, 9])}, ValueError, r"y_val must be in \[0, 3\); y_val\[2\] is 9"),
        ({"y": np.zeros(19, int)}, ValueError, r"y must have shape \(20,\)"),
        ({"num_iters": 0}, ValueError, "num_iters must be at least 1"),
        ({"batch_size": 2.5}, TypeError, "batch_size must be an integer"),
        ({"learning_rate": float("nan")}, ValueError, "learning_rate must be finite"),
        ({"reg": -1.0}, ValueError, "reg must be finite and at least 0"),
    ],
)
@pytest.mark.usefixtures("as_users_call")
def test_bad_arguments_are_named(data, changes, error, message):
    X, y, X_val, y_val = data
    arguments = {"X": X, "y": y, "X_val": X_val, "y_val": y_val, **changes}
    with pytest.raises(error, match=message):
        TwoLayerNet(4, 6, 3, rng=0).train(**arguments)
