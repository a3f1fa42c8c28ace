"""`handgrad train` and `handgrad predict` as their users call them."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from child_runs import FILES, FLAGS

from handgrad.fused.blas import blas_threads
from handgrad.runs import directory as run_module
from handgrad.runs.checkpoint import load_checkpoint
from handgrad.runs.config import Config
from handgrad.runs.diagnostics import Diagnostics
from handgrad.runs.trainer import DivergedError, Trainer
from handgrad.sweep.settings import usual_sweep
from handgrad.sweep.summary import train_command


def test_run_writes_settings_checkpoint_history_and_pictures(handgrad, tmp_path):
    code, out, err = handgrad("train", "--out", tmp_path / "run", *FLAGS)
    assert code == 0, err
    assert f"handgrad predict {tmp_path / 'run'}" in out
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["hidden"], config["iters"], config["nesterov"], config["threads"]) == (6, 30, True, 1)
    for name in ("loss", "accuracy", "diagnostics", "weights"):
        assert (tmp_path / "run" / f"{name}.png").read_bytes().startswith(b"\x89PNG")

    with (tmp_path / "run" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, 31))
    # Warm-up: 4 steps rise in fifths to the cosine's rate at step 4.
    peak = 2e-3 / 2 * (1 + np.cos(np.pi * 4 / 30))
    expected = [peak * part / 5 for part in range(1, 6)]
    np.testing.assert_allclose([float(row["learning_rate"]) for row in rows[:5]], expected, rtol=1e-12)
    evaluated = [int(row["step"]) for row in rows if row["val_accuracy"]]
    assert evaluated == [13, 26, 30]  # 1397 images in batches of 100: an epoch is 13 steps
    assert all(0 <= float(rows[step - 1]["train_accuracy"]) <= 1 for step in evaluated)
    for step, row in enumerate(rows, 1):
        cells = [row[name] for name in Diagnostics._fields[1:]]
        assert all(cells) if step in evaluated else not any(cells)


def test_settings_of_a_run_can_be_used_again_and_changed(handgrad, tmp_path, monkeypatch):
    config = Config(hidden=6, iters=5, threads=1, schedule="cosine")
    (tmp_path / "config.json").write_text(json.dumps(config.to_json()))
    started = []
    monkeypatch.setattr(run_module, "start_run", lambda config, out: started.append(config) or out)
    code, _, err = handgrad("train", "--config", tmp_path / "config.json", "--lr", "0.5", "--out", tmp_path)
    assert (code, err) == (0, "")
    assert started == [replace(config, lr=0.5)]
    assert handgrad("train", "--config", tmp_path / "config.json", "--preset", "notes")[0] == 2
    code, _, err = handgrad("train", "--config", tmp_path / "none.json")
    assert code == 2
    assert "none.json" in err


@pytest.mark.slow
def test_progress_is_plain_lines_away_from_a_terminal_and_a_bar_on_one(handgrad, tmp_path, monkeypatch):
    _, _, err = handgrad("train", "--out", tmp_path / "plain", *FLAGS)
    line = err.splitlines()[-1]
    for part in ("step 30 of 30", "loss", "train", "val", "images/s", "s left"):
        assert part in line
    assert "\x1b" not in err
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "140")
    _, _, err = handgrad("train", "--out", tmp_path / "bar", *FLAGS)
    assert "━" in err
    assert "30/30 loss" in err
    assert "images/s" in err


@pytest.mark.slow
def test_divergence_is_reported_and_the_last_good_checkpoint_kept(handgrad, tmp_path):
    run = tmp_path / "run"
    code, _, err = handgrad("train", "--out", run, "--lr", "80", "--iters", "500", "--decay", "0.9")
    assert code == 1
    line = next(line for line in err.splitlines() if line.startswith("handgrad:"))
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert f"diverged at step {len(rows) + 1} of 500" in line
    assert f"the last finite loss was {float(rows[-1]['loss']):.6g}" in line
    assert "learning rate" in line
    state = load_checkpoint(run / "checkpoint.npz")
    assert f"keeps the checkpoint of step {len(state['losses'])}" in line
    assert all(np.isfinite(state[name]).all() for name in ("W1", "b1", "W2", "b2", "losses"))
    assert {path.name for path in run.iterdir()} == FILES


def test_parameters_that_are_not_finite_are_never_kept(digits, tmp_path):
    trainer = Trainer(Config(hidden=3), digits)
    keeper = run_module._Keeper(trainer, tmp_path)
    trainer.step()
    keeper.save()
    trainer.step()
    trainer.net.params["W2"][1, 2] = np.inf
    with pytest.raises(
        DivergedError, match=r"step 2 of 4000.*W2 is no longer finite; the last finite loss was"
    ):
        keeper.save()
    assert keeper.saved == len(load_checkpoint(tmp_path / "checkpoint.npz")["losses"]) == 1


def test_a_directory_that_cannot_be_made_exits_with_2(handgrad, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = handgrad("train", "--out", tmp_path / "file" / "run")
    assert (code, out) == (2, "")
    assert err.startswith(f"handgrad: cannot make {tmp_path / 'file' / 'run'}: Not a directory")
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_digits_are_trained_on_one_thread_by_default(tmp_path):
    with blas_threads(2):
        run_module.start_run(Config(hidden=2, iters=1), tmp_path / "run")
    assert run_module.read_config(tmp_path / "run").threads == 1


@pytest.mark.slow
def test_runs_without_a_directory_are_numbered(handgrad, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert handgrad("train", "--iters", "2", "--hidden", "2")[0] == 0
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"digits-1", "digits-2"}


def test_a_directory_without_a_run_is_named(handgrad, tmp_path):
    for command in (("train", "--resume"), ("predict",)):
        code, _, err = handgrad(*command, tmp_path)
        assert code == 2
        assert f"{tmp_path} does not contain a run: there is no config.json" in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--hidden", "0"], "hidden must be at least 1, not 0"),
        (["--seed", "-1"], "seed must be at least 0"),
        (["--lr", "nan"], "lr must be finite"),
        (["--dropout", "1"], "dropout must be below 1"),
        (["--nesterov"], "nesterov needs a momentum above 0"),
        (
            ["--schedule", "cosine", "--decay", "0.9"],
            "decay is a setting of the schedule decay, not of cosine",
        ),
        (["--threads", "0"], "threads must be at least 1"),
        (["--data", "cifar10", "--data-dir", "nowhere"], "nowhere"),
    ],
)
def test_bad_settings_are_named_and_leave_nothing(handgrad, tmp_path, flags, message):
    code, _, err = handgrad("train", "--out", tmp_path / "run", *flags)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_preset_sets_what_no_flag_sets(handgrad, monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(run_module, "start_run", lambda config, out: started.append(config) or out)
    handgrad("train", "--preset", "notes", "--seed", "7", "--out", tmp_path)
    notes = {"data": "cifar10", "hidden": 150, "lr": 2e-3, "reg": 0.045, "iters": 4000, "batch": 200}
    assert started == [Config(**notes, decay=0.95, std=1e-4, seed=7)]


def test_cifar10_has_usual_settings_of_its_own(handgrad, monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(run_module, "start_run", lambda config, out: started.append(config) or out)
    for flags in ([], ["--data", "cifar10"], ["--data", "cifar10", "--lr", "0.05"]):
        handgrad("train", "--out", tmp_path, *flags)
    other = Config(data="cifar10", lr=2e-3, std=0.01)
    assert started == [Config(), other, replace(other, lr=0.05)]
    assert train_command(started[2]) == "handgrad train --data cifar10 --lr 0.05"
    assert usual_sweep("cifar10").grid().points == (other,)


@pytest.mark.slow
def test_predict_prints_accuracy_overall_and_for_each_class(handgrad, tmp_path, digits):
    run = tmp_path / "run"
    assert handgrad("train", "--out", run, "--iters", "700", "--threads", "1")[0] == 0
    code, out, _ = handgrad("predict", run)
    assert code == 0
    state = load_checkpoint(run / "checkpoint.npz")
    h1 = np.maximum((digits.X_test - digits.mean) @ state["W1"].astype(float) + state["b1"], 0)
    predicted = (h1 @ state["W2"].astype(float) + state["b2"]).argmax(axis=1)
    right = predicted == digits.y_test
    assert right.mean() > 0.8
    lines = out.splitlines()
    assert f"{right.mean():.2%} of 200 test images" in lines[0]
    for digit, line in enumerate(lines[1:]):
        mine = digits.y_test == digit
        assert line.split() == [
            str(digit),
            f"{right[mine].mean():.1%}",
            str(right[mine].sum()),
            "of",
            str(mine.sum()),
        ]
    assert (run / "confusion.png").read_bytes().startswith(b"\x89PNG")

    config = (run / "config.json").read_text()
    (run / "config.json").write_text(config.replace('"digits"', '"cifar10"'))
    code, _, err = handgrad("predict", run, "--data-dir", tmp_path / "nowhere")
    assert (code, "nowhere" in err) == (2, True)


def test_checkpoints_are_cheap_and_frequent(digits, tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(run_module.time, "perf_counter", lambda: clock[0])
    saves = []

    def save(path, state):
        saves.append(clock[0])
        clock[0] += 0.005 if len(saves) < 4 else 0.5  # seconds on a fast disk, then on a slow one

    monkeypatch.setattr(run_module, "save_checkpoint", save)
    keeper = run_module._Keeper(Trainer(Config(hidden=2), digits), tmp_path)
    for _ in range(20_000):
        keeper.save_in_time()
        clock[0] += 0.01
    gaps = np.diff(saves)
    np.testing.assert_allclose(gaps[:3], 2, atol=0.03)
    np.testing.assert_allclose(gaps[4:], 50.5, atol=0.03)


def test_help_fits_a_screen_and_has_groups(handgrad, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    status, out, _ = handgrad("train", "--help")
    assert status == 0
    assert len(out.splitlines()) <= 55
    assert all(f"{group} options" in out for group in ("main", "optimizer", "network", "data"))
