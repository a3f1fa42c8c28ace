"""At kinks and ties an adjoint is the interval between one-sided derivatives, and nothing else widens."""

import numpy as np
import pytest

from autograd_ref.arithmetic.rounding import Bound
from autograd_ref.crosscheck.function.judging import joint_units
from autograd_ref.recording import NotRecorded, adjoints, check_operations, record, ties_of

X = np.array([0.0, 0.0, 1.0, -1.0])


def interval(function, *arguments):
    recording = record(function, *arguments)
    found = adjoints(recording, recording.value(recording.result))
    adjoint = found.of[recording.leaves[0].value]
    return adjoint.low, adjoint.high


def masked_write(x):
    h = x * 1.0
    h[h < 0] = 0
    return np.sum(h)


def written_sign(x):
    sign = np.ones(4)
    sign[x < 0] = -1.0
    return np.sum(sign * x)


# At 0 the slope is between the one on the left and the one on the right.
KINKS = {
    (0.0, 1.0): [
        lambda x: np.sum(np.maximum(x, 0)),
        lambda x: np.sum(np.maximum(0, x, out=np.empty_like(x))),
        lambda x: np.sum(np.where(x > 0, x, 0)),
        lambda x: np.sum(np.where(np.logical_not(x <= 0), x, 0.0)),
        lambda x: np.sum(x * (x > 0)),
        lambda x: np.sum((x > 0).astype(float) * x),
        lambda x: np.sum(x * np.heaviside(x, 0.5)),
        lambda x: np.sum(x * (np.sign(x) > 0)),
        lambda x: np.sum(np.clip(x, 0, None)),
        lambda x: x.clip(0, 10).sum(),
        masked_write,
        lambda x: sum(max(0.0, each) for each in x),
        lambda x: np.sum(np.fmax(x.reshape(2, 2), 0)),
    ],
    (-1.0, 1.0): [
        lambda x: np.abs(x).sum(),
        lambda x: np.sum(np.sign(x) * x),
        lambda x: np.sum(np.where(x > 0, x, -x)),
        lambda x: np.sum(x * (2 * (x > 0) - 1)),
        lambda x: np.sum(x * (1 - 2 * (x < 0))),
        lambda x: np.sum(x * np.copysign(1.0, x)),
        lambda x: sum(np.sign(each) * each for each in x),
        written_sign,
    ],
    (0.1, 1.0): [
        lambda x: np.sum(x * np.where(x > 0, 1.0, 0.1)),
        lambda x: np.sum(x * ((x > 0) + 0.1 * (x <= 0))),
        lambda x: np.sum(x / np.where(x >= 0, 1.0, 10.0)),
    ],
}


def test_kink_at_zero_is_between_its_slopes():
    for (left, right), functions in KINKS.items():
        low, high = interval(
            lambda xs, functions=functions: sum(each(x) for each, x in zip(functions, xs, strict=True)),
            np.array([X] * len(functions)),
        )
        np.testing.assert_allclose(low, [[left, left, right, left]] * len(functions), atol=1e-15)
        np.testing.assert_allclose(high, [[right, right, right, left]] * len(functions), atol=1e-15)


def test_steps_of_several_causes_are_independent():
    low, high = interval(lambda x: np.sum(x * ((x > 0) - 0.5 * (x[::-1] > 0))), np.zeros(2))
    np.testing.assert_array_equal([low, high], [[-0.5] * 2, [1.0] * 2])


def test_tied_maximum_is_shared():
    low, high = interval(lambda x: 3 * np.max(x), np.array([2.0, 1.0, 2.0]))
    np.testing.assert_array_equal(low, [0, 0, 0])
    np.testing.assert_array_equal(high, [3, 0, 3])
    low, high = interval(lambda x: x.max(axis=1).sum(), np.array([[2.0, 1.0], [1.0, 1.0]]))
    np.testing.assert_array_equal(low, [[1, 0], [0, 0]])
    np.testing.assert_array_equal(high, [[1, 0], [1, 1]])


def test_tied_sort():
    low, high = interval(lambda x: np.sum(np.sort(x) * np.array([1.0, 2.0, 4.0])), np.array([5.0, 1.0, 1.0]))
    np.testing.assert_array_equal(low, [4, 1, 1])
    np.testing.assert_array_equal(high, [4, 2, 2])


def test_only_what_depends_on_a_tie_is_an_interval():
    def network(x, w):
        h = np.maximum(x @ w, 0)
        return np.sum(np.tanh(h) * np.array([1.0, 2.0]))

    x = np.array([[1.0, 2.0], [0.5, -1.0]])
    w = np.array([[2.0, 0.3], [-1.0, 0.4]])
    recording = record(network, x, w)
    found = adjoints(recording, recording.value(recording.result))
    leaf = {each.path: found.of[each.value] for each in recording.leaves}
    assert (x @ w)[0, 0] == 0
    np.testing.assert_allclose(leaf["x"].slack, np.array([[1.0, 0.5], [0, 0]]) * [[1], [0]] * 1.0, rtol=1e-15)
    np.testing.assert_allclose(leaf["w"].slack, [[0.5, 0], [1.0, 0]], rtol=1e-15)


def test_jump_is_not_a_kink():
    low, high = interval(lambda x: np.sum(np.where(x > 0, x, 5.0)) + np.sum((x + 1) * np.sign(x)), X.copy())
    np.testing.assert_array_equal(low, high)


def test_mask_that_is_not_at_its_edge_widens_nothing():
    mask = np.array([True, False, True, False])
    low, high = interval(lambda x: np.sum(np.where(mask, x, 0.0)), X.copy())
    np.testing.assert_array_equal(low, high)


def test_softmax_shift_at_a_tie_stays_sharp():
    def loss(x):
        e = np.exp(x - x.max())
        return np.log(e.sum()) - np.log(e[0])

    low, high = interval(loss, np.array([1.0, 1.0, 0.0]))
    assert np.abs(high - low).max() < 1e-14


def test_zero_cotangent_through_an_infinite_slope_is_zero():
    low, high = interval(lambda x: np.sum(np.where(x > 0.5, np.sqrt(np.abs(x)), 1.0)), X.copy())
    np.testing.assert_allclose(low, [0, 0, 0.5, 0])
    np.testing.assert_array_equal(low, high)


def test_every_use_has_its_contribution():
    def loss(x):
        return np.sum(x * x) + np.sum(np.sin(x)) + 3 * x[0]

    x = np.array([0.3, -0.2])
    recording = record(loss, x)
    found = adjoints(recording, recording.value(recording.result))
    leaf = recording.leaves[0].value
    parts = [part.centre for (user, i), part in found.contributions.items() if user.inputs[i] is leaf]
    assert len(parts) == 4
    np.testing.assert_allclose(sum(parts), found.of[leaf].centre, rtol=1e-15)
    np.testing.assert_allclose(found.of[leaf].centre, 2 * x + np.cos(x) + [3, 0], rtol=1e-15)


def test_forward_is_what_the_loss_depends_on():
    def step(w):
        loss = np.sum(w**2)
        gradient = 2 * w
        return loss, gradient

    recording = record(step, np.ones(3))
    found = adjoints(recording, recording.value(recording.result[0]))
    assert found.is_forward(recording.leaves[0].value)
    assert not found.is_forward(recording.value(recording.result[1]))


def test_loss_of_several_entries_is_refused():
    recording = record(lambda w: w * 2, np.ones(3))
    with pytest.raises(ValueError, match=r"one real number; this is float64 of shape \(3,\)"):
        adjoints(recording, recording.value(recording.result))


SCALE = np.array([1.0, -2.0, 4.0, 8.0])


def maximum_at(x):
    y = x[:2] * 1.0
    np.maximum.at(y, [0, 0, 1], x[1:])
    return np.sum(y * SCALE[:2])


def partitioned(x):
    y = x * 1.0
    y.partition(1)
    return np.sum(y * SCALE)


@pytest.mark.parametrize(
    ("function", "x", "low", "high"),
    [
        (lambda x: np.sum(np.maximum.accumulate(x) * SCALE), [1, 1, 0, 1], [1, 0, 0, 0], [11, 10, 0, 8]),
        (lambda x: np.sum(np.minimum.accumulate(x) * SCALE), [1, 1, 3, 1], [1, 0, 0, 0], [11, 10, 0, 8]),
        (maximum_at, [4, 4, 4, 5], [0, 0, 0, -2], [1, 1, 1, -2]),
        (partitioned, [2, 2, 5, 1], [-2, -2, 8, 1], [4, 4, 8, 1]),
        (lambda x: 3 * np.median(x), [2, 2, 5], [0, 0, 0], [3, 3, 0]),
        (lambda x: np.percentile(x, 40), [2, 2, 5, 1], [0.2, 0.2, 0, 0], [0.8, 0.8, 0, 0]),
        (lambda x: np.nanmax(x), [4, 4, 1], [0, 0, 0], [1, 1, 0]),
    ],
)
def test_order_among_equals_is_open(function, x, low, high):
    found = interval(function, np.array(x, float))
    np.testing.assert_allclose(found, [low, high], atol=1e-15)


@pytest.mark.parametrize("function", [np.ptp, np.linalg.norm, lambda x: np.sum(np.maximum.reduceat(x, [0]))])
def test_corner_without_a_rule_is_refused(function):
    with pytest.raises(NotRecorded, match="no single derivative here"):
        interval(lambda x: function(x), np.zeros(3))


def test_partition_hands_adjoints_to_what_was_moved():
    recording = record(partitioned, np.array([4.0, 3.0, 2.0, 1.0]))
    check_operations(recording)
    found = adjoints(recording, recording.value(recording.result))
    order = np.argsort(np.argsort([4.0, 3.0, 2.0, 1.0]))
    moved = np.argsort(np.argsort(np.partition([4.0, 3.0, 2.0, 1.0], 1)))
    expected = SCALE[np.argsort(moved)][order]
    np.testing.assert_array_equal(found.of[recording.leaves[0].value].centre, expected)


@pytest.mark.parametrize(
    ("function", "x", "right", "wrong"),
    [
        (lambda x: 3 * np.max(x), [2, 1, 2, 2], [[3, 0, 0, 0], [1, 0, 1, 1]], [[3, 0, 3, 3], [0, 0, 0, 0]]),
        (lambda x: np.max(x.reshape(2, 2), 1).sum(), [2, 2, 1, 1], [[1, 0, 0.5, 0.5]], [[1, 0, 1, 1]]),
        (lambda x: np.sum(np.sort(x) * SCALE), [5, 5, 5, 1], [[4, 8, -2, 1]], [[8, 8, 8, 1]]),
        (lambda x: np.sum(np.maximum(x, 0)), [0, 1, 0], [[0, 1, 0], [1, 1, 0.5]], [[2, 1, 0]]),
        (lambda x: np.sum(np.maximum(x[:2], x[2:])), [1, 2, 1, 0], [[1, 1, 0, 0]], [[1, 1, 1, 0]]),
        (lambda x: 2 * max(x[0], x[1], x[2]), [4, 4, 1], [[2, 0, 0], [1, 1, 0]], [[2, 2, 0]]),
        (
            lambda x: x.reshape(2, 2).max(1).max(),
            [2] * 4,
            [[1, 0, 0, 0], [0, 0.5, 0.5, 0]],
            [[1] * 4, [1, 0, 1, 0]],
        ),
        (masked_write, [0, 1, -1], [[0, 1, 0], [1, 1, 0]], [[1, 1, 1]]),
    ],
)
def test_shares_at_a_tie_belong_together(function, x, right, wrong):
    for proposed in right:
        assert is_possible(function, x, proposed)
    for proposed in wrong:
        assert not is_possible(function, x, proposed)
        assert is_possible(function, x, proposed, 100.0)


def is_possible(function, x, proposed, room=1e-12):
    """Whether some choice at every tie gives a gradient, by the rule that judges gradients."""
    recording, proposed = record(function, np.array(x, float)), np.array(proposed, float)
    found, leaf = adjoints(recording, recording.value(recording.result)), recording.leaves[0].value
    decided, ties = ties_of(recording.tape, found, leaf)
    assert ties.span is not None
    bound = Bound(np.full(leaf.shape, room), found.of[leaf].centre, found.of[leaf].slack)
    together = joint_units(proposed, decided, bound, ties)
    alone = bound.excess(proposed) <= bound.radius
    return bool(np.all(alone) and (together is None or np.all(together <= 1)))


def test_tie_with_a_constant_leaves_the_next_one_open():
    assert is_possible(lambda x: np.maximum(x.max(), 2.0), [2.0, 2.0], np.ones(2))
