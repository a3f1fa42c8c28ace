"""The pictures of a sweep, whatever its results."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from handgrad.runs.config import Config
from handgrad.sweep.grid import Grid
from handgrad.sweep.plots import draw_sweep
from handgrad.sweep.summary import best_table, on_the_edge, summarise, train_command

AXES = {"hidden": (10, 1000), "activation": ("relu", "tanh"), "reg": (0.0,), "lr": (0.1, 0.2), "iters": (10,)}


def found(grid, diverges):
    """Results that get better with the number of the point."""
    results = {}
    for number in range(len(grid.points)):
        accuracy = None if diverges(number) else 0.2 + 0.01 * number
        results[number] = {
            "train_accuracy": accuracy,
            "val_accuracy": accuracy,
            "loss": accuracy,
            "diverged": accuracy is None,
            "run": {"seconds": 1 + number},
        }
    return results


@pytest.mark.slow
@pytest.mark.parametrize("diverges", [lambda number: number % 2, lambda number: True])
def test_every_sweep_can_be_drawn(diverges):
    grid = Grid(Config(), AXES, seeds=2)
    pictures = draw_sweep(grid, summarise(grid, found(grid, diverges)))
    assert set(pictures) == {
        "accuracy-hidden", "accuracy-activation", "accuracy-lr", "heatmap-hidden-activation",
        "heatmap-hidden-lr", "heatmap-activation-lr", "time",
    }  # fmt: skip
    for png in pictures.values():
        assert np.ptp(imread(io.BytesIO(png))[..., :3]) > 0.5


def test_the_edge_is_the_end_of_an_axis_of_numbers():
    axes = AXES | {"hidden": (1000, 10, 100), "lr": (0.1, 0.2, 0.3)}
    best = summarise(grid := Grid(Config(), axes, seeds=1), found(grid, lambda number: False))[0]
    assert (best.point.hidden, best.point.activation, best.point.lr) == (100, "tanh", 0.3)
    assert on_the_edge(grid, best) == ["lr"]


def test_best_has_the_highest_mean_and_did_not_diverge():
    grid = Grid(Config(), AXES, seeds=2)
    best, *others = summarise(grid, found(grid, lambda number: number == 15))
    assert (best.point.hidden, best.point.activation, best.point.lr, best.seeds) == (1000, "tanh", 0.1, 2)
    assert best.val == pytest.approx((0.32 + 0.33) / 2)
    assert best.val_spread == pytest.approx(0.01 / np.sqrt(2))
    assert best.seconds == pytest.approx(13.5)
    assert (others[-1].point.lr, others[-1].diverged, others[-1].val) == (0.2, 1, pytest.approx(0.34))
    assert len(best_table([best, *others], rows=3).rows) == 3
    assert (
        train_command(best.point)
        == "handgrad train --hidden 1000 --activation tanh --lr 0.1 --reg 0.0 --iters 10"
    )
