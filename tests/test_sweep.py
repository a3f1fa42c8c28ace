"""A sweep gives each point the result of training it alone, on any workers, even after being killed."""

import json
import os
import signal
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext
from multiprocessing import resource_tracker
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from child_runs import child, finished
from matplotlib.image import imread
from strict_types import unchecked
from threadpoolctl import threadpool_limits

from handgrad.files import locked
from handgrad.runs.config import Config
from handgrad.runs.trainer import Trainer
from handgrad.sweep import directory as sweep_module
from handgrad.sweep.directory import SweepError, make_sweep, run_sweep
from handgrad.sweep.grid import Grid
from handgrad.sweep.stacks import train_points
from handgrad.sweep.workers import Workers, process_pool

AXES = {
    "hidden": (6, 9),
    "activation": ("relu",),
    "reg": (0.01,),
    "lr": (0.02, 0.05, 300.0),
    "iters": (20, 1200),
}
GRID = Grid(Config(batch=50, decay=0.99, flip=True), AXES, seeds=2)
FLAGS = (
    "sweep --batch 50 --decay 0.99 --flip --seeds 2"
    " --hidden 6,9 --reg 0.01 --lr 0.02,0.05,300 --iters 20,1200"
)

# The command line in a process of its own, without the pictures and the end, which take
# longer than the sweep.
# At a given call of os.fsync it kills itself with SIGKILL, without any clean-up.
SWEEP = """
import os, signal, sys
from handgrad.cli.main import main
from handgrad.sweep import directory as sweep
sweep.draw_sweep = lambda *_: {}
sweep.train_and_test = lambda *_: "untested"
left, fsync = int(sys.argv.pop(1)), os.fsync
def dying(descriptor):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)
os.fsync = dying
main()
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


ONE = Workers(Here().submit, lambda: 1)


def lines(directory):
    """The part of the results that is the same in every run of a sweep, in the order of the points."""
    found = [json.loads(line) for line in (directory / "results.jsonl").read_text().splitlines()]
    for line in found:
        assert set(line.pop("run")) == {"seconds", "worker", "time"}
    return sorted(found, key=lambda line: line["point"])


@pytest.fixture(autouse=True)
def _no_pictures(request, monkeypatch):
    if "pictures" not in request.node.name:
        monkeypatch.setattr(sweep_module, "draw_sweep", lambda grid, settings: {})


@pytest.fixture(scope="module", autouse=True)
def _one_blas_thread():
    """Undo the limit that training a stack in this process leaves behind."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, digits):
    directory = make_sweep(GRID, tmp_path_factory.mktemp("sweeps") / "undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_module, "draw_sweep", lambda grid, settings: {})
        with unchecked():
            run_sweep(directory, digits, ONE)
    return directory


def test_every_point_has_the_same_result_as_alone(undisturbed, digits):
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
            continue  # many steps magnify the rounding of the first
        trainer = Trainer(point, digits)
        while not trainer.done:
            trainer.step()
        last = trainer.history.evaluations[-1]
        assert line["loss"] == pytest.approx(trainer.history.losses[-1], rel=1e-4)
        assert line["train_accuracy"] == pytest.approx(last.train_accuracy, abs=0.011)
        assert line["val_accuracy"] == pytest.approx(last.val_accuracy, abs=0.011)


@pytest.mark.parametrize("options", [{"momentum": 0.9}, {"dropout": 0.2}])
def test_unstacked_point_matches_a_run_bit_for_bit(options, digits):
    points = [Config(hidden=5, iters=30, lr=lr, **options) for lr in (0.01, 1e4)]
    good, diverged = train_points(points, digits)
    trainer = Trainer(points[0], digits)
    while not trainer.done:
        trainer.step()
    assert good["loss"] == trainer.history.losses[-1]
    assert good["val_accuracy"] == trainer.history.evaluations[-1].val_accuracy
    assert diverged["diverged"]


def test_networks_that_end_early_do_not_disturb_the_others(digits):
    points = [Config(hidden=hidden, iters=hidden, schedule="cosine") for hidden in (4, 9, 6)]
    for point, outcome in zip(points, train_points(points, digits), strict=True):
        trainer = Trainer(point, digits)
        while not trainer.done:
            trainer.step()
        assert outcome["loss"] == pytest.approx(trainer.history.losses[-1], rel=1e-5)


class Backwards(Here):
    """Leaves the tasks until four are there, and then does the last first."""

    def __init__(self):
        self.tasks = []

    def submit(self, fn, /, *arguments):
        self.tasks.append((Future(), fn, arguments))
        if len(self.tasks) == 4:
            Thread(target=self.work).start()
        return self.tasks[-1][0]

    def work(self):
        for future, function, arguments in reversed(self.tasks):
            future.set_result(function(*arguments))


@pytest.mark.slow
def test_neither_the_order_of_completion_nor_threads_change_a_result(digits, tmp_path, monkeypatch):
    monkeypatch.setattr("handgrad.sweep.grid.STACK_UNITS", 27)
    grid = Grid(GRID.base, AXES | {"iters": (5, 30)}, seeds=2)
    assert len(grid.stacks) == 4
    found = []
    with ThreadPoolExecutor(4) as threads:
        four = [Workers(executor.submit, lambda: 4) for executor in (Backwards(), threads)]
        # One at a time, so that they are recorded in their order: of what is done at once none is first.
        for name, workers in zip(("here", "backwards", "threads"), (ONE, *four), strict=True):
            directory = make_sweep(grid, tmp_path / name)
            run_sweep(directory, digits, workers)
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


def until(look, seconds=60):
    """Wait until a function returns something, and return it."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)
    return found


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.usefixtures("as_users_call")
def test_killed_sweep_resumes_where_it_was(undisturbed, digits, tmp_path):
    directory = tmp_path / "sweep"
    # The grid, the first stack; the second is written, but not yet synced.
    sweep = child(SWEEP, 3, *FLAGS.split(), "--out", directory, "--jobs", 1)
    worker = until(lambda: in_training(directory))
    assert finished(sweep)[0] == -signal.SIGKILL
    until(lambda: not in_training(directory) and not Path(f"/proc/{worker[0]}").exists())
    there = (directory / "results.jsonl").read_bytes()
    assert 12 <= there.count(b"\n") <= 24
    # The last line may be cut off anywhere.
    half = there[: there.index(b"\n", len(there) * 2 // 3) - 40]
    (directory / "results.jsonl").write_bytes(half)
    run_sweep(directory, digits, ONE)
    assert (directory / "results.jsonl").read_bytes().startswith(half[: half.rindex(b"\n") + 1])
    assert lines(directory) == lines(undisturbed)


def test_finished_sweep_trains_nothing(undisturbed, digits):
    before = (undisturbed / "results.jsonl").read_bytes()
    run_sweep(undisturbed, digits, Workers(None, lambda: 1))
    assert (undisturbed / "results.jsonl").read_bytes() == before


def small(directory, **axes):
    """A new sweep that takes no time."""
    usual = {"hidden": (3,), "activation": ("relu",), "reg": (0.0,), "lr": (0.01,), "iters": (3,)}
    return make_sweep(Grid(Config(batch=20), usual | axes), directory)


def test_failed_task_loses_no_results(digits, tmp_path, monkeypatch):
    monkeypatch.setattr("handgrad.sweep.grid.STACK_UNITS", 3)
    directory, train = small(tmp_path / "sweep", lr=(0.01, 0.02, 0.03)), sweep_module.train_stack

    def failing(points, shared):
        if points[0].lr == 0.02:
            raise MemoryError("no room")
        return train(points, shared)

    monkeypatch.setattr(sweep_module, "train_stack", failing)
    with pytest.raises(
        SweepError, match=r"MemoryError: no room; 1 of 3 .* handgrad sweep --resume"
    ) as raised:
        run_sweep(directory, digits, ONE)
    assert str(directory) in str(raised.value)
    assert not (directory / "data").exists()
    monkeypatch.setattr(sweep_module, "train_stack", train)
    run_sweep(directory, digits, ONE)
    assert [line["point"] for line in lines(directory)] == [0, 1, 2]


def die(points, shared):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_worker_that_always_dies_ends_the_sweep(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_module, "DEATHS", 2)
    monkeypatch.setattr(sweep_module, "train_stack", die)
    with process_pool(1) as workers:
        assert workers.submit(os.getpid).result(60) != os.getpid()
        with pytest.raises(SweepError, match=r"a worker died 2 times in a row .*; 0 of 1 points"):
            run_sweep(small(tmp_path / "sweep"), digits, workers)


@pytest.mark.slow
def test_ctrl_c_reaches_no_worker_that_is_still_starting():
    resource_tracker._resource_tracker._stop()  # as in a new process
    with process_pool(1) as workers:
        assert signal.SIGINT in workers.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result(60)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nonsense\n", "line 1, is not a result of this sweep"),
        ('{"point": 1}\n', "line 1, is not a result of this sweep: there is no point 1"),
        ('{"point": 0, "lr": 5}\n', "line 1, is not a result of this sweep"),
        ("twice", "line 2, is not a result of this sweep: point 0 occurs twice"),
        ("other", "line 1, is not a result of this sweep: point 0 has other settings"),
    ],
)
def test_a_damaged_record_is_named_and_left_alone(handgrad, digits, tmp_path, content, message):
    directory = small(tmp_path / "sweep")
    run_sweep(directory, digits, ONE)
    path = directory / "results.jsonl"
    good = path.read_text()
    content = {"twice": 2 * good, "other": good.replace('"lr": 0.01', '"lr": 0.02')}.get(content, content)
    path.write_text(content)
    code, out, err = handgrad("sweep", "--resume", directory)
    assert (code, out) == (2, "")
    assert f"handgrad: {path}, {message}" in err.splitlines()[-1]
    assert path.read_text() == content


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--hidden", "0"], "hidden must be at least 1, not 0"),
        (["--hidden", "1:2:9"], "hidden 1:2:9 has 1 more than once"),
        (
            ["--lr", "1:2:3:x"],
            "lr must be values separated by commas, or FIRST:LAST:COUNT[:log], not 1:2:3:x",
        ),
        (["--seeds", "0"], "seeds must be at least 1"),
        (["--jobs", "0"], "--jobs must be at least 1"),
        (["--jobs", "2", "--local-cluster", "2"], "--jobs and --local-cluster exclude each other"),
        (["--data", "cifar10", "--data-dir", "nowhere"], "nowhere"),
        (["--resume", "nowhere", "--out", "there"], "--resume uses the settings of the sweep"),
        (["--resume", "nowhere", "--hidden", "3"], "--resume uses the settings of the sweep"),
        (["--resume", "nowhere"], "nowhere does not contain a sweep: there is no sweep.json"),
    ],
)
def test_bad_usage_is_named_and_leaves_nothing(handgrad, tmp_path, monkeypatch, flags, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = handgrad("sweep", *flags)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_sweep_is_neither_overwritten_nor_run_twice_at_once(handgrad, tmp_path):
    directory = small(tmp_path / "sweep")
    assert f"{directory} already contains a sweep" in handgrad("sweep", "--out", directory)[2]
    with locked(directory):
        code, _, err = handgrad("sweep", "--resume", directory)
    assert code == 2
    assert "is in use by another process" in err


@pytest.mark.slow
def test_the_command_trains_shows_and_tests_the_best_alone_with_its_pictures(handgrad, tmp_path, monkeypatch):
    monkeypatch.setattr("handgrad.sweep.workers.process_pool", lambda count: nullcontext(ONE))
    directory = tmp_path / "sweep"
    flags = ["--hidden", "4,8", "--lr", "0.05,1e4", "--iters", "60", "--seeds", "2", "--batch", "50"]
    code, out, err = handgrad("sweep", *flags, "--out", directory)
    assert code == 0, err
    assert "8 of 8 points, best so far" in err
    rows = out.splitlines()
    assert rows[0].split()[:4] == ["hidden", "lr", "val", "%"]
    best = max((4, 8), key=lambda hidden: mean_accuracy(directory, hidden))
    assert rows[1].split()[:2] == [str(best), "0.05"]
    assert f"{100 * mean_accuracy(directory, best):.1f} ±" in rows[1]
    assert sum("2 of 2" in row for row in rows) == 2
    test = json.loads((directory / "test.json").read_text())
    assert f"{test['accuracy']:.2%} of 200 test images" in out
    assert rows[-1] == f"handgrad train --batch 50 --hidden {best} --iters 60"
    pictures = {"accuracy-hidden", "accuracy-lr", "heatmap-hidden-lr", "time"}
    assert {path.stem for path in directory.glob("*.png")} == pictures
    for name in pictures:
        assert np.ptp(imread(directory / f"{name}.png")[..., :3]) > 0.5

    # Again: nothing is trained and the test part is left alone.
    monkeypatch.setattr("handgrad.sweep.directory.predict_run", None)
    code, again, _ = handgrad("sweep", "--resume", directory)
    assert (code, again) == (0, out)


def mean_accuracy(directory, hidden):
    return np.mean(
        [line["val_accuracy"] for line in lines(directory) if line["hidden"] == hidden and line["lr"] == 0.05]
    )


def test_sweep_in_which_all_diverge_fails(handgrad, tmp_path, monkeypatch):
    monkeypatch.setattr("handgrad.sweep.workers.process_pool", lambda count: nullcontext(ONE))
    code, out, _ = handgrad("sweep", "--lr", "1e9", "--iters", "50", "--out", tmp_path / "sweep")
    assert code == 1
    assert "every combination diverged" in out
