"""Interruptions that a run survives, and runs that `handgrad train --resume` refuses."""

import re
import shutil
import signal
import time

import numpy as np
import pytest
from child_runs import CHILD, DIES, FILES, FLAGS, UNLIMITED, child, finished
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from handgrad.files import locked
from handgrad.runs import directory as run_module
from handgrad.runs.checkpoint import load_checkpoint, save_checkpoint
from handgrad.runs.config import Config
from handgrad.runs.trainer import Trainer


def wait_for_steps(directory, at_least=1):
    path = directory / "checkpoint.npz"
    for _ in range(600):
        if path.exists() and len(load_checkpoint(path)["losses"]) >= at_least:
            return
        time.sleep(0.05)
    pytest.fail("no checkpoint with steps in 30 seconds")


def assert_same_run(directory, other):
    state, expected = (load_checkpoint(each / "checkpoint.npz") for each in (directory, other))
    assert state.keys() == expected.keys()
    for name, q in expected.items():
        np.testing.assert_array_equal(state[name], q, err_msg=name)
        assert state[name].dtype == q.dtype
    assert (directory / "history.csv").read_bytes() == (other / "history.csv").read_bytes()


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run that was never disturbed."""
    directory = tmp_path_factory.mktemp("trained") / "run"
    code, _, err = finished(child(CHILD, 2, UNLIMITED, "train", "--out", directory, *FLAGS))
    assert code == 0, err
    return directory


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a run, which a test may damage."""
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.slow
def test_run_killed_at_any_moment_resumes_bit_for_bit(handgrad, trained, tmp_path):
    run = tmp_path / "run"
    path = run / "checkpoint.npz"

    def killed(where, time, *arguments):
        code, _, err = finished(child(DIES, where, time, "train", *arguments))
        assert code == -signal.SIGKILL, err

    killed("fsync", 1, "--out", run, *FLAGS)  # while config.json is written
    assert {each.name for each in run.iterdir()} == {".config.json.partial"}
    killed("fsync", 2, "--out", run, *FLAGS)  # the same command again; while the first checkpoint is written
    assert (run / "config.json").exists()
    assert not path.exists()
    killed("step", 6, "--resume", run)
    assert len(load_checkpoint(path)["losses"]) == 5
    # A resumed run writes the checkpoint and the history once before its first step: 2 calls, then 2 a step.
    killed("fsync", 2 + 2 * 4 + 1, "--resume", run)  # while the fifth checkpoint is written
    assert len(load_checkpoint(path)["losses"]) == 9
    assert (run / ".checkpoint.npz.partial").stat().st_size > 0
    killed("replace", 2 + 2 * 4, "--resume", run)  # between a checkpoint and its history
    assert len(load_checkpoint(path)["losses"]) == 13
    code, _, err = handgrad("train", "--resume", run)
    assert code == 0, err
    assert_same_run(run, trained)
    assert {each.name for each in run.iterdir()} == FILES


@pytest.mark.slow
def test_run_killed_from_outside_resumes_bit_for_bit(handgrad, tmp_path):
    flags = "--hidden 20 --iters 20000 --momentum 0.5 --threads 1 --dtype float64"
    process = child(CHILD, 0.1, UNLIMITED, "train", "--out", tmp_path / "run", *flags.split())
    wait_for_steps(tmp_path / "run")
    process.kill()
    assert finished(process)[0] == -signal.SIGKILL
    reached = len(load_checkpoint(tmp_path / "run" / "checkpoint.npz")["losses"])
    assert 0 < reached < 20000
    # 500 steps on, instead of all that are left.
    config = run_module.read_config(tmp_path / "run")
    trainer, data = run_module.load_run(tmp_path / "run", config)
    undisturbed = Trainer(config, data)
    while undisturbed.steps < reached + 500:
        undisturbed.step()
    while trainer.steps < reached + 500:
        trainer.step()
    for name, q in undisturbed.state().items():
        np.testing.assert_array_equal(trainer.state()[name], q, err_msg=name)


# Unshrunk: every example is small, and shrinking takes minutes.
@pytest.mark.slow
@settings(max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    config=st.builds(
        Config,
        hidden=st.integers(1, 9),
        batch=st.integers(1, 40),
        momentum=st.sampled_from([0.0, 0.9]),
        dropout=st.sampled_from([0.0, 0.4]),
        flip=st.booleans(),
        dtype=st.sampled_from(["float32", "float64"]),
        activation=st.sampled_from(["relu", "tanh", "gelu"]),
        seed=st.integers(0, 2**40),
        iters=st.just(12),
    ),
    first=st.integers(0, 12),
)
def test_restored_trainer_takes_the_same_steps(config, first, digits, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "checkpoint.npz"
    undisturbed, broken_off, resumed = (Trainer(config, digits) for _ in range(3))
    for _ in range(first):
        broken_off.step()
    save_checkpoint(path, broken_off.state())
    resumed.restore(load_checkpoint(path))
    for trainer in (undisturbed, resumed):
        while not trainer.done:
            trainer.step()
    expected, state = undisturbed.state(), resumed.state()
    assert state.keys() == expected.keys()
    for name, q in expected.items():
        np.testing.assert_array_equal(state[name], q, err_msg=name)


@pytest.mark.slow
def test_control_c_saves_and_says_how_to_continue(handgrad, tmp_path):
    run = tmp_path / "run"
    process = child(CHILD, 0.1, UNLIMITED, "train", "--out", run, "--hidden", "20", "--iters", "1000000")
    wait_for_steps(run)
    process.send_signal(signal.SIGINT)
    code, _, err = finished(process)
    assert code == 130
    assert "Traceback" not in err
    steps = len(load_checkpoint(run / "checkpoint.npz")["losses"])
    assert f"stopped after step {steps} of 1000000" in err
    assert f"handgrad train --resume {run}" in err
    assert {path.name for path in run.iterdir()} == FILES


@pytest.mark.slow
def test_a_full_disk_is_found_out_before_training(tmp_path):
    # 1000 bytes hold the settings but no checkpoint.
    code, out, err = finished(child(CHILD, 1, 1000, "train", "--out", tmp_path / "run", *FLAGS))
    assert (code, out) == (2, "")
    assert err.startswith(f"handgrad: cannot write {tmp_path / 'run' / 'checkpoint.npz'}: File too large")
    assert len(err.splitlines()) == 1
    assert not list((tmp_path / "run").glob(".*"))


@pytest.mark.slow
def test_a_disk_that_fills_up_costs_no_checkpoint(handgrad, tmp_path):
    # The checkpoint has room at first, and no more when it holds some hundred losses.
    run, flags = tmp_path / "run", ("--hidden", "6", "--iters", "5000", "--threads", "1")
    code, _, err = finished(child(CHILD, 0.01, 9000, "train", "--out", run, *flags))
    assert code == 2
    assert "Traceback" not in err
    line = next(line for line in err.splitlines() if line.startswith("handgrad:"))
    kept = len(load_checkpoint(run / "checkpoint.npz")["losses"])
    assert "File too large" in line
    assert f"the checkpoint of step {kept} is kept" in line
    assert not list(run.glob(".*"))


@pytest.mark.slow
def test_a_run_is_neither_overwritten_nor_trained_twice_at_once(handgrad, trained, run):
    before = (run / "checkpoint.npz").read_bytes()
    code, _, err = handgrad("train", "--out", run)
    assert code == 2
    assert f"{run} already contains a run" in err
    with locked(run):
        code, _, err = handgrad("train", "--resume", run)
    assert code == 2
    assert "is in use by another process" in err
    assert (run / "checkpoint.npz").read_bytes() == before
    # A run that is done can be resumed, too, and stays what it is.
    (run / "loss.png").unlink()
    assert handgrad("train", "--resume", run)[0] == 0
    assert (run / "loss.png").exists()
    assert_same_run(run, trained)


@pytest.mark.slow
def test_run_can_be_trained_longer(handgrad, tmp_path):
    flags = ("--hidden", "6", "--batch", "100", "--decay", "0.9", "--threads", "1", "--quiet")
    for name, iters in (("short", "20"), ("long", "30")):
        assert handgrad("train", "--out", tmp_path / name, "--iters", iters, *flags)[0] == 0
    code, out, err = handgrad("train", "--resume", tmp_path / "short", "--iters", "30", "--quiet")
    assert (code, err) == (0, "")
    assert "30 steps" in out
    mine, theirs = (load_checkpoint(tmp_path / name / "checkpoint.npz") for name in ("short", "long"))
    for name in ("W1", "b1", "W2", "b2", "losses"):
        np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)
    assert run_module.read_config(tmp_path / "short") == run_module.read_config(tmp_path / "long")
    code, _, err = handgrad("train", "--resume", tmp_path / "short", "--iters", "25")
    assert code == 2
    assert "is a run with --iters 30; it cannot continue with 25" in err


def damage_config(run):
    (run / "config.json").write_text('{"hiden": 5}')


def truncate_checkpoint(run):
    (run / "checkpoint.npz").write_bytes((run / "checkpoint.npz").read_bytes()[:-300])


def pickle_checkpoint(run):
    np.savez(run / "checkpoint.npz", W1=np.array([{}], object))


def narrow_checkpoint(run):
    state = load_checkpoint(run / "checkpoint.npz")
    save_checkpoint(run / "checkpoint.npz", state | {"W2": state["W2"][:-1]})


def other_images(run):
    state = load_checkpoint(run / "checkpoint.npz")
    save_checkpoint(run / "checkpoint.npz", state | {"mean": state["mean"] + 1})


def another_activation(run):
    text = (run / "config.json").read_text()
    assert '"activation": "relu"' in text
    (run / "config.json").write_text(text.replace('"activation": "relu"', '"activation": "tanh"'))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "flags", "message"),
    [
        (None, ["--lr", "0.5"], "is a run with --lr 0.002; it cannot continue with 0.5"),
        (None, ["--iters", "40"], "falls to 0 over its 30 steps: it cannot train longer"),
        (None, ["--out", "x"], "give no --out, --preset"),
        (None, ["--config", "x"], "give no --out, --preset or --config"),
        (None, ["--preset", "notes"], "give no --out, --preset"),
        (damage_config, [], "config.json does not contain the settings of a run: .*hiden"),
        (truncate_checkpoint, [], "checkpoint.npz is not a checkpoint, or is damaged"),
        (pickle_checkpoint, [], "checkpoint.npz is not a checkpoint, or is damaged"),
        (narrow_checkpoint, [], r"checkpoint.npz contains W2 as float32 \(5, 10\), not as float32 \(6, 10\)"),
        (another_activation, [], "checkpoint.npz belongs to a network with relu, not tanh"),
        (other_images, [], "checkpoint.npz belongs to other training images"),
    ],
)
def test_run_that_cannot_continue_is_refused(handgrad, run, spoil, flags, message):
    if spoil:
        spoil(run)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    code, out, err = handgrad("train", "--resume", run, *flags)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert re.search(message, err), err
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
