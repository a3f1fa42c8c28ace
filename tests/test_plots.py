"""The pictures of a run: their contents, whatever happened in the run."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from handgrad.runs.diagnostics import Diagnostics
from handgrad.runs.history import Evaluation, History
from handgrad.runs.plots import (
    filter_images,
    plot_accuracy,
    plot_confusion,
    plot_diagnostics,
    plot_loss,
    plot_weights,
)
from handgrad.runs.prediction import count_confusion


def pixels(png):
    return imread(io.BytesIO(png), format="png")[..., :3]


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_weight_appears_at_its_pixel_in_its_colour(channel):
    W1 = np.zeros((3 * 4 * 5, 2))
    W1[channel * 20 + 1 * 5 + 3, 1] = 0.7  # row 1, column 3 of a 4×5 image
    images = filter_images(W1, (3, 4, 5))
    expected = np.full((2, 4, 5, 3), 0.5)
    expected[1, 1, 3, channel] = 1
    np.testing.assert_array_equal(images, expected)

    # In the picture of 2 columns each pixel is 10×10, with 2 white ones around every filter.
    picture = pixels(plot_weights(W1, (3, 4, 5)))
    assert picture.shape == (40 + 4, 2 * 50 + 6, 3)
    second = picture[2:42, 54:104]
    assert np.argmax(second[15, 35]) == channel
    assert second[15, 35, channel] == 1
    assert np.ptp(second[15, 25]) == 0
    assert (picture[:2] == 1).all()


def test_a_negative_weight_is_dark_and_one_channel_is_grey():
    W1 = np.zeros((6, 1), np.float32)
    W1[2] = -3
    np.testing.assert_array_equal(filter_images(W1, (1, 2, 3))[0, ..., 0], [[0.5, 0.5, 0], [0.5, 0.5, 0.5]])
    picture = pixels(plot_weights(W1, (1, 2, 3)))
    np.testing.assert_array_equal(picture[..., 0], picture[..., 2])


@pytest.mark.slow
def test_band_of_activations_stays_within_their_range(monkeypatch):
    bands = []
    monkeypatch.setattr(
        "matplotlib.axes.Axes.fill_between", lambda _, x, low, high, **__: bands.append((low, high))
    )
    look = Diagnostics(1, 0, 0.0, 0.25, 0.5, 1e-3, 1e-3, 0.2, 1e-3, 1e-3)
    for name in ("relu", "tanh", "sigmoid", "leaky_relu"):
        plot_diagnostics(History([1.0], [Evaluation(1, 0.6, 0.4)], [look]), 10, name)
    relu, tanh, sigmoid, leaky = [(low.item(), high.item()) for low, high in bands]
    assert relu == (0, 0.75)
    assert tanh == (-0.25, 0.75)
    assert sigmoid == (pytest.approx(0, abs=1e-20), 0.75)
    assert leaky == (-0.25, 0.75)


@pytest.mark.slow
@pytest.mark.parametrize(
    "history",
    [
        History(),
        History([2.3]),
        History([2.3, 1e300, 3.0], [Evaluation(3, 0.5, 0.25)]),
        History(
            np.linspace(3, 1, 1000).tolist(),
            [Evaluation(step, 0.6, 0.4) for step in (100, 500, 1000)],
            [
                Diagnostics(step, 1, 0.5, 0.1, 1e300, 1e-3, 0.0, 0.2, 1e-3, np.inf)
                for step in (100, 500, 1000)
            ],
        ),
    ],
)
def test_every_history_can_be_drawn(history):
    for png, shape in (
        (plot_loss(history), (600, 960, 3)),
        (plot_accuracy(history), (600, 960, 3)),
        (plot_diagnostics(history, 10, "gelu"), (840, 1200, 3)),
    ):
        picture = pixels(png)
        assert picture.shape == shape
        assert np.ptp(picture) > 0.5


def test_confusion_counts_true_by_row_and_predicted_by_column():
    y, predicted = np.array([0, 0, 1, 2, 2]), np.array([0, 2, 1, 2, 2])
    confusion = count_confusion(y, predicted, 4)
    np.testing.assert_array_equal(confusion, [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]])
    assert np.ptp(pixels(plot_confusion(confusion, ("a", "b", "c", "d")))) > 0.5
