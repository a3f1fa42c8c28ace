"""Minibatches and schedules."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handgrad import TwoLayerNet
from handgrad.data.minibatches import Minibatch
from handgrad.runs.schedules import cosine, epoch_decay, linear_warmup


@pytest.fixture
def pixels():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (50, 24), dtype=np.uint8), rng.integers(0, 3, 50, dtype=np.uint8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_minibatch_is_the_converted_rows_minus_the_mean(pixels, dtype):
    X, y = pixels
    mean = X.mean(axis=0)
    minibatch = Minibatch(X, y, 6, np.dtype(dtype), mean=mean)
    for batch in ([0, 49, 7, 7, 3, 1], [5, 4, 3, 2, 1, 0]):
        minibatch.gather(np.array(batch))
        np.testing.assert_array_equal(minibatch.X, X[batch].astype(dtype) - mean.astype(dtype))
        np.testing.assert_array_equal(minibatch.y, y[batch])


@pytest.mark.parametrize("lie", [np.asfortranarray, lambda X: np.repeat(X, 2, axis=1)[:, ::2]])
def test_data_may_have_any_memory_order(pixels, lie):
    X, y = pixels
    minibatch = Minibatch(lie(X.astype(np.float32)), y, 3, np.dtype(np.float32))
    minibatch.gather(np.array([4, 2, 0]))
    np.testing.assert_array_equal(minibatch.X, X[[4, 2, 0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_half_of_the_images_are_mirrored(pixels, dtype):
    X, y = pixels
    X = X.astype(dtype)
    mean = np.arange(24.0)
    minibatch = Minibatch(
        X, y, 500, np.dtype(np.float32), mean=mean, flip=(2, 3, 4), rng=np.random.default_rng(0)
    )
    batch = np.random.default_rng(1).integers(0, 50, 500)
    minibatch.gather(batch)
    images = (minibatch.X + mean.astype(np.float32)).reshape(500, 2, 3, 4)
    straight = X[batch].reshape(500, 2, 3, 4).astype(np.float32)
    mirrored = (images == straight[..., ::-1]).all(axis=(1, 2, 3))
    assert ((images == straight).all(axis=(1, 2, 3)) | mirrored).all()
    assert abs(mirrored.sum() - 250) <= 5 * np.sqrt(500 / 4)  # five standard deviations
    np.testing.assert_array_equal(minibatch.y, y[batch])


def test_wrong_rows_and_wrong_images_are_refused(pixels):
    X, y = pixels
    minibatch = Minibatch(X, y, 2, np.dtype(np.float32))
    for batch in ([0, 50], [-1, 0]):
        with pytest.raises(IndexError, match=r"takes rows in \[0, 50\)"):
            minibatch.gather(np.array(batch))
    with pytest.raises(ValueError, match="flip must be the shape of an image of 24 numbers"):
        Minibatch(X, y, 2, np.dtype(np.float32), flip=(1, 5, 5), rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="flip needs an rng"):
        Minibatch(X, y, 2, np.dtype(np.float32), flip=(2, 3, 4))


def test_training_on_bytes_minus_mean_equals_training_on_the_difference(pixels):
    X, y = pixels
    mean = np.round(X.mean(axis=0))  # whole numbers: the difference is exact
    nets = [TwoLayerNet(24, 8, 3, std=0.1, dtype=np.float32, rng=1) for _ in range(2)]
    options = {"learning_rate": 1e-3, "num_iters": 20, "batch_size": 10}
    on_bytes = nets[0].train(X[:40], y[:40], X[40:], y[40:], **options, mean=mean)
    Z = X - mean
    on_difference = nets[1].train(Z[:40], y[:40], Z[40:], y[40:], **options)
    assert on_bytes == on_difference
    np.testing.assert_array_equal(nets[0].predict(X, mean=mean), nets[1].predict(Z))
    with pytest.raises(ValueError, match=r"mean must have shape \(24,\)"):
        nets[0].predict(X, mean=mean[:5])


def test_epoch_decay():
    rates = [epoch_decay(0.8, 0.5, 3)(step) for step in range(8)]
    assert rates == [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2]


def test_cosine_falls_from_the_whole_rate_by_half_to_zero():
    schedule = cosine(2.0, 10)
    rates = [schedule(step) for step in range(11)]
    assert rates[0] == 2.0
    assert math.isclose(rates[5], 1.0, rel_tol=1e-15)
    assert rates[10] == schedule(11) == 0.0
    assert all(a > b for a, b in itertools.pairwise(rates))


@given(st.integers(0, 30), st.floats(1e-4, 10.0))
def test_warmup_rises_in_equal_parts_and_then_changes_nothing(steps, rate):
    schedule = cosine(rate, 100)
    warm = linear_warmup(schedule, steps)
    rises = np.diff([0.0] + [warm(step) for step in range(steps + 1)])
    np.testing.assert_allclose(
        rises, schedule(steps) / (steps + 1), rtol=0, atol=4 * (steps + 1) * 2**-52 * rate
    )
    assert all(warm(step) == schedule(step) for step in range(steps, 100))
