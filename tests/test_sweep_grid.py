"""The points of a sweep: how they are written, and which of them are trained together."""

import pytest

from handgrad.runs.config import Config
from handgrad.sweep.grid import STACK_UNITS, Grid, parse_axis
from handgrad.sweep.settings import SWEEP_PRESETS
from handgrad.sweep.summary import summarise


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("hidden", "10:200:20", tuple(range(10, 201, 10))),
        ("hidden", "10:1000:3:log", (10, 100, 1000)),
        ("hidden", "8:1:3", (8, 4, 1)),
        ("hidden", "50, 7", (50, 7)),
        ("iters", "1000,2000,4000", (1000, 2000, 4000)),
        ("reg", "0:0.3:11", (0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18, 0.21, 0.24, 0.27, 0.3)),
        ("lr", "1e-4:1e-2:5:log", (1e-4, 0.000316227766017, 1e-3, 0.00316227766017, 1e-2)),
        ("lr", "0.5:0.5:1", (0.5,)),
        ("activation", "relu, tanh", ("relu", "tanh")),
    ],
)
def test_an_axis_is_a_list_or_a_range_with_both_ends(name, text, values):
    assert parse_axis(name, text) == values


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("hidden", "1:3:5", "hidden 1:3:5 has 2 more than once"),
        ("reg", "0,0.1,0", "reg 0,0.1,0 has 0.0 more than once"),
        ("hidden", "50.5", "hidden takes whole numbers, not '50.5'"),
        ("lr", "fast", "lr takes numbers, not 'fast'"),
        ("lr", "1:2", "lr must be values separated by commas, or FIRST:LAST:COUNT"),
        ("lr", "1:2:3:lin", "lr must be values separated by commas, or FIRST:LAST:COUNT"),
        ("lr", "0:1:5:log", "both ends must be above 0"),
        ("lr", "1:2:1", "has two ends and cannot have one value"),
        ("lr", "1:2:0", "the count of lr 1:2:0 must be at least 1"),
        ("lr", "1:2:2.5", "lr takes whole numbers, not '2.5'"),
        ("activation", "relu:tanh:2", "activation must be values separated by commas, not relu:tanh:2"),
        ("iters", "", "iters takes whole numbers, not ''"),
    ],
)
def test_invalid_axis_is_named(name, text, message):
    with pytest.raises(ValueError, match=message):
        parse_axis(name, text)


def grid(base=None, seeds=1, **axes):
    usual = {"hidden": (150,), "activation": ("relu",), "reg": (1e-3,), "lr": (0.05,), "iters": (4000,)}
    return Grid(Config() if base is None else base, usual | axes, seeds)


def test_points_are_all_combinations_with_all_seeds():
    points = grid(hidden=(10, 20), iters=(5, 7), seeds=2).points
    assert [(point.hidden, point.iters, point.seed) for point in points] == [
        (10, 5, 0), (10, 5, 1), (10, 7, 0), (10, 7, 1), (20, 5, 0), (20, 5, 1), (20, 7, 0), (20, 7, 1),
    ]  # fmt: skip


@pytest.mark.usefixtures("as_users_call")
def test_a_point_that_cannot_be_trained_is_named_before_any_is():
    with pytest.raises(ValueError, match="hidden must be at least 1, not 0"):
        grid(hidden=(10, 0))
    with pytest.raises(ValueError, match=r"activation must be one of relu, .*, not 'rilu'"):
        grid(activation=("tanh", "rilu"))
    with pytest.raises(ValueError, match="seeds must be at least 1"):
        grid(seeds=0)


def test_stack_holds_points_of_one_seed_up_to_its_size():
    half = STACK_UNITS // 2
    stacks = grid(hidden=(half, half - 3, 3), lr=(1.0, 2.0), seeds=2).stacks
    points = grid(hidden=(half, half - 3, 3), lr=(1.0, 2.0), seeds=2).points
    assert sorted(sum(stacks, ())) == list(range(12))
    for stack in stacks:
        assert len({points[number].seed for number in stack}) == 1
        assert sum(points[number].hidden for number in stack) <= STACK_UNITS
    assert sorted(map(len, stacks)) == [2, 2, 4, 4]


def test_points_that_differ_only_in_steps_are_one_network():
    several = grid(hidden=(STACK_UNITS // 2,), iters=(10, 20, 30), lr=(1.0, 2.0))
    assert len(several.stacks) == 1
    assert several.work(several.stacks[0]) == 2 * 30 * (STACK_UNITS // 2)
    # The cosine of a shorter run falls faster.
    cosine = grid(Config(schedule="cosine"), hidden=(STACK_UNITS // 2,), iters=(10, 20, 30), lr=(1.0, 2.0))
    assert len(cosine.stacks) == 3


@pytest.mark.parametrize("options", [{"momentum": 0.9}, {"dropout": 0.5}])
def test_points_that_cannot_be_stacked_are_trained_alone(options):
    assert sorted(grid(Config(**options), hidden=(2, 3), iters=(4, 5)).stacks) == [(0,), (1,), (2,), (3,)]


def test_a_grid_survives_json(tmp_path):
    there = grid(Config(data_dir=tmp_path, flip=True), hidden=(3, 4), seeds=3)
    assert Grid.from_json(there.to_json()) == there


def test_presets_match_the_notes_three_figures():
    grids = {name: settings.grid() for name, settings in SWEEP_PRESETS.items()}
    assert {name: one.varied for name, one in grids.items()} == {
        "notes-hidden": ("hidden",), "notes-reg": ("reg",), "notes-lr-iters": ("lr", "iters"),
    }  # fmt: skip
    assert grids["notes-hidden"].axes["hidden"] == tuple(range(10, 201, 10))
    assert (len(grids["notes-reg"].points), grids["notes-reg"].points[-1].reg) == (11, 0.3)
    assert grids["notes-lr-iters"].axes["iters"] == (1000, 2000, 4000)
    for one in grids.values():
        assert (one.base.data, one.base.batch, one.base.decay, one.base.std) == ("cifar10", 200, 0.95, 1e-4)


def test_the_best_has_the_highest_mean_and_did_not_diverge_with_any_seed():
    axes = {"hidden": (5,), "activation": ("relu",), "reg": (0.0,), "lr": (1.0, 2.0, 3.0, 4.0), "iters": (3,)}
    grid = Grid(Config(), axes, seeds=2)
    found = {1.0: (0.3, 0.4), 2.0: (0.9, None), 3.0: (None, None), 4.0: (0.1, 0.7)}
    results = {}
    for number, point in enumerate(grid.points):
        val = found[point.lr][point.seed]
        results[number] = {
            "val_accuracy": val, "train_accuracy": val, "loss": val, "diverged": val is None,
            "run": {"seconds": 1.0},
        }  # fmt: skip
    settings = summarise(grid, results)
    assert [setting.point.lr for setting in settings] == [4.0, 1.0, 2.0, 3.0]
    assert settings[0].val == pytest.approx(0.4)
