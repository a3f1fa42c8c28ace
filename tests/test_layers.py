"""The forward/backward pairs: values, dtypes, extreme inputs, no writing to arguments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from handgrad import layers
from handgrad.activations import relu, relu_derivative

DTYPES = [np.float32, np.float64]


def finite(dtype, shape):
    bound = float(np.finfo(dtype).max)
    width = np.dtype(dtype).itemsize * 8
    return hnp.arrays(dtype, shape, elements=st.floats(-bound, bound, width=width))


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_softmax_cross_entropy_is_finite_for_every_finite_input(dtype, data):
    N, C = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    scores = data.draw(finite(dtype, (N, C)))
    y = data.draw(hnp.arrays(np.int64, N, elements=st.integers(0, C - 1)))
    loss, probs = layers.softmax_cross_entropy_forward(scores, y)
    dscores = layers.softmax_cross_entropy_backward(probs, y)
    for value in (loss, probs, dscores):
        assert np.isfinite(value).all()
        assert value.dtype == dtype
    assert loss >= 0
    # C exponentials, C - 1 additions and C divisions, each off by a few units roundoff.
    assert np.all(np.abs(probs.sum(axis=1) - 1) <= 8 * C * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_underflowing_probability_gives_the_true_loss(dtype):
    scores = np.array([[0, 10_000]], dtype)
    loss, probs = layers.softmax_cross_entropy_forward(scores, np.array([0]))
    assert loss == 10_000  # log(1 + exp(-10000)) is below half a unit in the last place
    assert probs.tolist() == [[0, 1]]


def test_dscores_is_not_an_alias_of_probs():
    scores = np.arange(6.0).reshape(2, 3)
    _, probs = layers.softmax_cross_entropy_forward(scores, np.array([0, 1]))
    before = probs.copy()
    dscores = layers.softmax_cross_entropy_backward(probs, np.array([0, 1]))
    assert not np.shares_memory(dscores, probs)
    np.testing.assert_array_equal(probs, before)


def test_gradient_of_the_penalty_is_four_reg_w():
    W = np.array([[1.0, -2.0], [0.5, 0.0]])
    assert layers.l2_penalty_forward(W, 0.25) == 2 * 0.25 * (1 + 4 + 0.25)
    np.testing.assert_array_equal(layers.l2_penalty_backward(W, 0.25), 4 * 0.25 * W)
    np.testing.assert_array_equal(layers.l2_penalty_backward(W, 0.25, c=0.5), 0.25 * W)


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_dtype_is_promoted_and_no_argument_written(dtype):
    rng = np.random.default_rng(0)
    x, W, b, dz = (rng.standard_normal(s).astype(dtype) for s in ((5, 4), (4, 3), (3,), (5, 3)))
    y = np.array([0, 2, 1, 1, 0])
    arguments = (x, W, b, dz, y)
    for value in arguments:
        value.flags.writeable = False
    z = layers.affine_forward(x, W, b)
    loss, probs = layers.softmax_cross_entropy_forward(z, y)
    results = (
        *(z, loss, probs, relu(z), relu_derivative(z)),
        *layers.affine_backward(dz, x, W),
        layers.softmax_cross_entropy_backward(probs, y),
        layers.l2_penalty_forward(W, 0.1),
        layers.l2_penalty_backward(W, 0.1),
    )
    assert {result.dtype for result in results} == {np.dtype(dtype)}


def test_relu_has_slope_0_at_the_kink():
    z = np.array([-1.0, -0.0, 0.0, np.finfo(float).tiny, 2.0])
    assert relu(z).tolist() == [0, 0, 0, np.finfo(float).tiny, 2]
    assert relu_derivative(z).tolist() == [0, 0, 0, 1, 1]
