"""A sweep's results: those of each point alone, whoever trains them, and however often it is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from child_runs import child, finished

from handgrad import sweep as sweep_module
from handgrad.config import Config
from handgrad.sweep import SweepError, make_sweep, read_grid, run_sweep
from handgrad.sweep_grid import Grid
from handgrad.sweep_stack import train_points
from handgrad.sweep_workers import Workers
from handgrad.trainer import Trainer

AXES = {"hidden": (6, 9), "reg": (0.01,), "lr": (0.02, 0.05, 300.0), "iters": (20, 800)}
GRID = Grid(Config(batch=50, decay=0.99, flip=True), AXES, seeds=2)
FLAGS = (
    "sweep --hidden 6,9 --reg 0.01 --lr 0.02,0.05,300 --iters 20,800 --seeds 2 --batch 50 --decay 0.99 --flip"
)

# The command line in a process of its own, without the pictures and the end, which take longer than the sweep.
# At a given call of os.fsync it kills itself, as nobody can prevent or clean up after.
SWEEP = """
import os, signal, sys
from handgrad import cli, sweep, sweep_best
sweep.draw_sweep = lambda *_: {}
sweep_best.test_best = lambda *_: "untested"
left, fsync = int(sys.argv.pop(1)), os.fsync
def dying(descriptor):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)
os.fsync = dying
cli.main()
"""
NEVER = 0


class Here(Executor):
    """Does each task at once, in this thread."""

    def submit(self, fn, /, *arguments):
        result = Future()
        try:
            result.set_result(fn(*arguments))
        except Exception as error:
            result.set_exception(error)
        return result


ONE = Workers(Here(), lambda: 1)


def lines(directory):
    """What must not differ between two runs of a sweep, in the order of the points."""
    found = [json.loads(line) for line in (directory / "results.jsonl").read_text().splitlines()]
    for line in found:
        assert set(line.pop("run")) == {"seconds", "worker", "time"}
    return sorted(found, key=lambda line: line["point"])


@pytest.fixture(autouse=True)
def _no_pictures(request, monkeypatch):
    if "pictures" not in request.keywords:
        monkeypatch.setattr(sweep_module, "draw_sweep", lambda grid, settings: {})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    directory = make_sweep(GRID, tmp_path_factory.mktemp("sweeps") / "undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_module, "draw_sweep", lambda grid, settings: {})
        run_sweep(directory, ONE)
    return directory


def test_every_point_has_the_result_that_it_has_alone(undisturbed, digits):
    # Within rounding: that the steps are the same is shown in test_stacked_sgd.
    found = lines(undisturbed)
    assert [line["point"] for line in found] == list(range(24))
    for point, line in zip(GRID.points, found, strict=True):
        assert {name: line[name] for name in ("hidden", "reg", "lr", "iters", "seed", "flip", "decay")} == {
            "hidden": point.hidden, "reg": point.reg, "lr": point.lr, "iters": point.iters,
            "seed": point.seed, "flip": True, "decay": 0.99,
        }  # fmt: skip
        assert line["diverged"] == (point.lr == 300)
        if line["diverged"]:
            assert (line["loss"], line["train_accuracy"], line["val_accuracy"]) == (None, None, None)
            continue
        if point.iters > 20:
            continue  # so many steps magnify the rounding of the first
        trainer = Trainer(point, digits)
        while not trainer.done:
            trainer.step()
        last = trainer.history.evaluations[-1]
        assert line["loss"] == pytest.approx(trainer.history.losses[-1], rel=1e-4)
        assert line["train_accuracy"] == pytest.approx(last.train_accuracy, abs=0.011)
        assert line["val_accuracy"] == pytest.approx(last.val_accuracy, abs=0.011)


@pytest.mark.parametrize("options", [{"momentum": 0.9}, {"dropout": 0.2}])
def test_what_is_not_stacked_has_to_the_bit_the_result_of_a_run(options, digits):
    points = [Config(hidden=5, iters=30, lr=lr, **options) for lr in (0.01, 1e4)]
    good, diverged = train_points(points, digits)
    trainer = Trainer(points[0], digits)
    while not trainer.done:
        trainer.step()
    assert good["loss"] == trainer.history.losses[-1]
    assert good["val_accuracy"] == trainer.history.evaluations[-1].val_accuracy
    assert diverged["diverged"]


class Backwards(Here):
    """Leaves the tasks until four are there, and then does the last first."""

    def __init__(self):
        self.tasks = []

    def submit(self, fn, /, *arguments):
        self.tasks.append((Future(), fn, arguments))
        if len(self.tasks) == 4:
            for future, function, its in reversed(self.tasks):
                future.set_result(function(*its))
        return self.tasks[-1][0]


def test_neither_the_order_of_completion_nor_threads_change_a_result(tmp_path, monkeypatch):
    monkeypatch.setattr("handgrad.sweep_grid.STACK_UNITS", 27)
    grid = Grid(GRID.base, AXES | {"iters": (5, 30)}, seeds=2)
    assert len(grid.stacks) == 4
    found = []
    with ThreadPoolExecutor(4) as threads:
        for name, executor in (("here", Here()), ("backwards", Backwards()), ("threads", threads)):
            directory = make_sweep(grid, tmp_path / name)
            run_sweep(directory, Workers(executor, lambda: 4))
            found.append(lines(directory))
    assert found[0] == found[1] == found[2]
    firsts = [(tmp_path / name / "results.jsonl").read_text()[:12] for name in ("here", "backwards")]
    assert firsts[0] != firsts[1]


def in_training(directory):
    """The processes that have mapped a sweep's images."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{directory}/data/X_train.npy" in (process / "maps").read_text():
                found.append(int(process.name))
        except OSError:
            continue  # gone, or not ours
    return found


def until(look, seconds=30):
    """What a function finds, as soon as that is something."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)
    return found


@pytest.mark.parametrize("workers", [("--jobs", 2), ("--local-cluster", 2)])
def test_a_worker_that_is_killed_changes_no_result(undisturbed, tmp_path, workers):
    directory = tmp_path / "sweep"
    sweep = child(SWEEP, NEVER, *FLAGS.split(), "--out", directory, *workers)
    victim = until(lambda: in_training(directory))[0]
    os.kill(victim, signal.SIGKILL)
    code, out, err = finished(sweep)
    assert code == 0, err
    assert "untested" in out
    assert lines(directory) == lines(undisturbed)
    assert len((directory / "results.jsonl").read_text().splitlines()) == 24
    assert f':{victim}"' not in (directory / "results.jsonl").read_text()


def test_a_sweep_that_is_killed_goes_on_where_it_was(undisturbed, tmp_path):
    directory = tmp_path / "sweep"
    # The grid, the images' description, the first stack; the second is written, but not yet synced.
    sweep = child(SWEEP, 4, *FLAGS.split(), "--out", directory, "--jobs", 1)
    worker = until(lambda: in_training(directory))
    assert finished(sweep)[0] == -signal.SIGKILL
    until(lambda: not in_training(directory) and not Path(f"/proc/{worker[0]}").exists())
    there = (directory / "results.jsonl").read_bytes()
    assert 12 <= there.count(b"\n") <= 24
    # The last line may be cut off anywhere.
    half = there[: there.index(b"\n", len(there) * 2 // 3) - 40]
    (directory / "results.jsonl").write_bytes(half)
    run_sweep(directory, ONE)
    assert (directory / "results.jsonl").read_bytes().startswith(half[: half.rindex(b"\n") + 1])
    assert lines(directory) == lines(undisturbed)


def test_a_sweep_that_is_done_trains_nothing(undisturbed, tmp_path):
    before = (undisturbed / "results.jsonl").read_bytes()
    run_sweep(undisturbed, Workers(None, lambda: 0))
    assert (undisturbed / "results.jsonl").read_bytes() == before
