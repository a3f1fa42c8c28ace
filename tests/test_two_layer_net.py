"""The network's contract: what it returns, what it leaves alone, what it refuses."""

import dataclasses

import numpy as np
import pytest

from handgrad import TwoLayerNet
from handgrad.objective import Objective
from handgrad.trace import PARAMETERS, adjoint_of, layer_of, quantity_of

# The course's toy problem and its published figures (CS231n, assignment 1, 2017-2020).
SCORES = [
    [-0.81233741, -1.27654624, -0.70335995],
    [-0.17129677, -1.18803311, -0.47310444],
    [-0.51590475, -1.01354314, -0.8504215],
    [-0.15419291, -0.48629638, -0.52901952],
    [-0.00618733, -0.12435261, -0.15226949],
]
LOSS, REG = 1.30378789133, 0.025  # their reg 0.05 under reg·‖W‖² is 0.025 under 2·reg·‖W‖²


@pytest.fixture
def toy():
    net = TwoLayerNet(4, 10, 3, std=0.1, rng=np.random.RandomState(0))
    return net, 10 * np.random.RandomState(1).randn(5, 4), np.array([0, 1, 2, 2, 1])


@pytest.fixture
def small():
    rng = np.random.default_rng(0)
    net = TwoLayerNet(6, 5, 3, std=0.5, rng=1)
    net.params["b1"] += rng.standard_normal(5)
    return net, rng.standard_normal((40, 6)), rng.integers(0, 3, 40)


def test_published_scores_and_loss_of_the_course(toy):
    net, X, y = toy
    # The figures are rounded to 8 and 11 places.
    np.testing.assert_allclose(net.loss(X), SCORES, rtol=0, atol=0.5e-8)
    loss, _ = net.loss(X, y, REG)
    assert abs(loss - LOSS) <= 0.5e-11


def test_first_weights_are_drawn_first_and_biases_are_zero():
    net = TwoLayerNet(3, 4, 2, std=0.1, rng=7)
    rng = np.random.default_rng(7)
    np.testing.assert_array_equal(net.params["W1"], 0.1 * rng.standard_normal((3, 4)))
    np.testing.assert_array_equal(net.params["W2"], 0.1 * rng.standard_normal((4, 2)))
    assert type(net.params) is dict
    assert list(net.params) == ["W1", "b1", "W2", "b2"]
    assert not net.params["b1"].any()
    assert not net.params["b2"].any()


@pytest.mark.parametrize("rng", [None, 3, np.random.default_rng(3), np.random.RandomState(3)])
def test_every_kind_of_rng(rng):
    assert TwoLayerNet(3, 4, 2, rng=rng).params["W1"].any()


def test_a_seed_reproduces_and_no_global_state_is_touched():
    before = np.random.get_state()[1].copy()
    first, second = (TwoLayerNet(3, 4, 2, rng=5).params["W1"] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everything_stays_in_the_nets_dtype(dtype):
    net = TwoLayerNet(6, 5, 3, std=0.5, dtype=dtype, rng=0)
    X, y = np.random.default_rng(0).standard_normal((8, 6)), np.arange(8) % 3
    loss, grads = net.loss(X, y, 0.1)
    trace = net.trace(X, y, 0.1)
    results = [loss, net.loss(X), *grads.values(), *(trace[name] for name in trace if name != "y")]
    net.train(X, y, X, y, num_iters=3, batch_size=4)
    assert {value.dtype for value in [*results, *net.params.values()]} == {np.dtype(dtype)}


def test_the_trace_names_everything_in_the_order_of_computation(small):
    net, X, y = small
    trace = net.trace(X, y, 0.1)
    assert " ".join(trace) == ("X y W1 b1 z1 h1 W2 b2 scores probs loss dscores dW2 db2 dh1 dz1 dW1 db1")
    for name, value in trace.items():
        if name[0] == "d":
            assert value.shape == trace[name[1:]].shape
    loss, grads = net.loss(X, y, 0.1)
    assert loss == trace["loss"]
    assert list(grads) == list(net.params)
    for name, value in grads.items():
        np.testing.assert_array_equal(value, trace[f"d{name}"])


def test_trace_is_a_mapping_that_cannot_be_changed(small):
    net, X, y = small
    trace = net.trace(X, y, 0.1)
    assert trace["z1"] is trace.z1
    assert len(trace) == len(list(trace)) == 18
    assert all(trace[adjoint_of(name)] is grad for name, grad in trace.grads.items())
    with pytest.raises(KeyError, match="z3"):
        trace["z3"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        trace.z1 = trace.h1


def test_names_of_adjoints_and_layers():
    assert [quantity_of(adjoint_of(name)) for name in PARAMETERS] == list(PARAMETERS)
    assert [layer_of(name) for name in ("W1", "b2", "dW2", "dz1", "h1")] == [1, 2, 2, 1, 1]
    with pytest.raises(ValueError, match="loss does not belong to one layer"):
        layer_of("loss")


def test_objective_has_the_penalty_of_the_loss(small):
    net, X, y = small
    objective = Objective(reg=0.1)
    penalty = sum(objective.coefficient(q) * objective.reg * (net.params[q] ** 2).sum() for q in PARAMETERS)
    assert net.loss(X, y, 0.1)[0] - net.loss(X, y, 0.0)[0] == pytest.approx(penalty)
    assert Objective(penalty={"W1": 1.0}).coefficient("W2") == 0


def test_callers_arrays_are_not_written(small):
    net, X, y = small
    scores = net.loss(X)
    held = [X, y, scores, *net.params.values()]
    before = [value.copy() for value in held]
    for value in (X, y, *net.params.values()):
        value.flags.writeable = False
    net.loss(X, y, 0.1)
    net.loss(X[:3], y[:3])
    net.predict(X)
    trace = net.trace(X, y)
    assert not np.shares_memory(trace["dscores"], trace["probs"])
    for value, was in zip(held, before, strict=True):
        np.testing.assert_array_equal(value, was)


def test_integer_images_are_accepted(small):
    net, *_ = small
    pixels = np.random.default_rng(0).integers(0, 256, (7, 6), np.uint8)
    for dtype in (np.uint8, np.int64, np.float32):
        np.testing.assert_array_equal(net.loss(pixels.astype(dtype)), net.loss(pixels.astype(float)))
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("rows", [1, 1023, 1024, 1025, 3000])
def test_predict_is_the_argmax_for_any_number_of_rows(small, rows):
    net, *_ = small
    X = np.random.default_rng(0).standard_normal((rows, 6))
    np.testing.assert_array_equal(net.predict(X), net.loss(X).argmax(axis=1))


def test_predict_runs_in_bounded_memory():
    import tracemalloc

    net = TwoLayerNet(8, 64, 3, std=1.0, rng=0)
    X = np.zeros((200_000, 8), np.uint8)
    tracemalloc.start()
    try:
        net.predict(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The answer takes 8 bytes a row (and once more while it is joined); the hidden layer would take 512.
    assert peak < 200_000 * 8 * 2 + 4_000_000


def test_scores_and_predictions_come_from_the_activation(small):
    _, X, _ = small
    net = TwoLayerNet(6, 5, 3, std=2, activation="sigmoid", rng=1)
    W1, W2 = net.params["W1"], net.params["W2"]
    scores = (1 / (1 + np.exp(-X @ W1))) @ W2
    np.testing.assert_allclose(net.loss(X), scores, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(net.predict(X), scores.argmax(axis=1))


def test_params_may_be_replaced(small):
    net, X, y = small
    net.params = {name: np.ones(value.shape, np.float32) for name, value in net.params.items()}
    loss, grads = net.loss(X, y)
    assert loss.dtype == np.float64
    assert grads["W1"].shape == (6, 5)


def bad(**changes):
    arguments = {"X": np.zeros((4, 6)), "y": np.zeros(4, int), "reg": 0.0}
    return {**arguments, **changes}


def with_entry(value):
    X = np.zeros((4, 6))
    X[2, 1] = value
    return X


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (bad(X=with_entry(np.nan)), ValueError, r"X must be finite.*X\[2, 1\] is nan"),
        (bad(X=with_entry(-np.inf)), ValueError, r"X must be finite.*X\[2, 1\] is -inf"),
        (bad(X=np.zeros((4, 5))), ValueError, r"X must have shape \(N, 6\), not \(4, 5\)"),
        (bad(X=np.zeros(6)), ValueError, r"X must have shape \(N, 6\), not \(6,\)"),
        (bad(X=np.zeros((0, 6)), y=np.zeros(0, int)), ValueError, r"X must have at least one row"),
        (bad(X=np.full((4, 6), "a")), TypeError, r"X must hold real numbers"),
        (bad(X=[[1.0], [1.0, 2.0]]), TypeError, r"X must be an array of numbers"),
        (bad(X=np.zeros((4, 6), complex)), TypeError, r"X must hold real numbers, not dtype complex"),
        (bad(y=np.zeros(4)), TypeError, r"y must hold integers, not dtype float64"),
        (bad(y=np.zeros(3, int)), ValueError, r"y must have shape \(4,\)"),
        (bad(y=np.zeros((4, 1), int)), ValueError, r"y must have shape \(4,\)"),
        (bad(y=np.array([0, 1, 3, 0])), ValueError, r"y must be in \[0, 3\); y\[2\] is 3"),
        (bad(y=np.array([0, -1, 0, 0])), ValueError, r"y must be in \[0, 3\); y\[1\] is -1"),
        (bad(reg=-1.0), ValueError, r"reg must be finite and at least 0, not -1.0"),
        (bad(reg=float("nan")), ValueError, r"reg must be finite"),
        (bad(reg=float("inf")), ValueError, r"reg must be finite"),
        (bad(reg="much"), TypeError, r"reg must be a real number, not 'much'"),
    ],
)
@pytest.mark.usefixtures("as_users_call")
def test_bad_input_is_named(small, arguments, error, message):
    net, *_ = small
    with pytest.raises(error, match=message):
        net.loss(**arguments)


def test_a_number_that_float32_cannot_hold_is_named():
    net = TwoLayerNet(2, 2, 2, dtype=np.float32, rng=0)
    with pytest.raises(ValueError, match=r"X must be finite in float32; X\[0, 1\] is 1e\+39"):
        net.loss(np.array([[0, 1e39]]))


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("W1", np.zeros((5, 6)), ValueError, r"params\['W1'\] must have shape \(6, 5\), not \(5, 6\)"),
        ("b2", np.zeros((3, 1)), ValueError, r"params\['b2'\] must have shape \(3,\)"),
        ("W2", np.full((5, 3), "w"), TypeError, r"params\['W2'\] must hold real numbers"),
        ("W3", np.zeros(1), ValueError, r"params must have the keys W1, b1, W2, b2"),
    ],
)
@pytest.mark.usefixtures("as_users_call")
def test_params_that_do_not_fit_are_named(small, name, value, error, message):
    net, X, y = small
    net.params[name] = value
    with pytest.raises(error, match=message):
        net.loss(X, y)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 2, 2), ValueError, "input_size must be at least 1, not 0"),
        ((2, 2.0, 2), TypeError, "hidden_size must be an integer, not 2.0"),
        ((2, 2, True), TypeError, "output_size must be an integer, not True"),
        ((2, 2, 2, -1.0), ValueError, "std must be finite and at least 0"),
    ],
)
@pytest.mark.usefixtures("as_users_call")
def test_bad_sizes_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        TwoLayerNet(*arguments)


@pytest.mark.usefixtures("as_users_call")
def test_unknown_activation_is_refused():
    with pytest.raises(ValueError, match=r"activation must be one of relu, .*, softplus, not 'step'"):
        TwoLayerNet(2, 2, 2, activation="step")


@pytest.mark.usefixtures("as_users_call")
def test_other_dtypes_are_refused():
    with pytest.raises(TypeError, match="dtype must be float32 or float64"):
        TwoLayerNet(2, 2, 2, dtype=np.int64)


def test_repr_says_sizes_activation_and_dtype():
    net = TwoLayerNet(4, 3, 2, activation="tanh", dtype=np.float32)
    said = "TwoLayerNet(input_size=4, hidden_size=3, output_size=2, activation='tanh', dtype=float32)"
    assert repr(net) == said
