"""Several processes compute one result; one that dies or hangs is noticed."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from sharded_program import PLANTED

from autograd_ref.crosscheck.problems import random_problem, toy_problem
from autograd_ref.devices import check as sharded
from autograd_ref.devices.processes import NOTICED, ProcessEndedError, start_together
from handgrad.shards import combine_shards, shard_gradients, split_rows

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("sharded_program.py")


def test_two_processes_agree_and_a_penalty_for_each_shard_is_caught(monkeypatch):
    monkeypatch.setattr(sharded, "PROGRAM", (str(PROGRAM), "penalties"))
    rng = np.random.default_rng(0)
    right = random_problem(rng, (7, 4, 5, 3))
    planted = random_problem(rng, (8, 4, 5, 3), reg=PLANTED)
    found = sharded.check_sharded([right, planted], 8, 2, time_limit=600)
    wrong = [
        {side: [q.name for q in each.quantities if not q.ok] for side, each in one.sides.items()}
        for one in found
    ]
    penalised = ["loss", "dW2", "dW1"]
    assert wrong == [
        {"whole": [], "by hand": [], "JAX 8×1": [], "JAX 4×2": []},
        {"whole": [], "by hand": penalised, "JAX 8×1": penalised, "JAX 4×2": penalised},
    ]


def in_this_process(cases, *, processes, **options):
    """The results of `sharded.compute` in this process, with the shards computed one after the other."""
    found = []
    for case in cases:
        params, X, y = case.problem.params, case.problem.X, case.problem.y
        shards = [shard_gradients(params, X[rows], y[rows]) for rows in split_rows(len(y), case.data)]
        whole = combine_shards(shards, params, case.problem.reg)
        found.append(({"hand": whole} if case.hidden == 1 else {}) | {"jax": whole})
    return found


def test_command_prints_the_number_of_processes(handgrad, monkeypatch):
    monkeypatch.setattr(sharded, "compute", in_this_process)
    code, out, err = handgrad("check", "--processes", 3, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["ok"], found["shards"], found["processes"]) == (True, 3, 3)
    toy = found["problems"][0]
    assert list(toy) == ["name", "dtype", "ok", "shards", "processes", "device", "precision", "rows", "sides"]
    assert toy["rows"] == [2, 2, 1]
    assert (toy["device"], toy["precision"]) == ("cpu", "highest")
    assert list(toy["sides"]) == ["whole", "by hand", "JAX 3×1", "JAX 1×3"]
    code, out, _ = handgrad("check", "--shards", 2)
    assert code == 0
    assert "digits, float32: 2 shards of 100 rows, 1 process" in out
    assert "All agree: whole and in shards" in out


def test_a_killed_process_ends_the_run(monkeypatch):
    monkeypatch.setattr(sharded, "PROGRAM", (str(PROGRAM), "die"))
    message = "process 1 of 2 .* was ended by SIGKILL, before it was done, and the others were stopped"
    with pytest.raises(ProcessEndedError, match=message):
        sharded.check_sharded([toy_problem()], 2, 2, time_limit=600)


def together(text, folder, processes=2, time_limit=600.0):
    start_together(["-c", f"import os, sys, time\nme = sys.argv[1]\n{text}"], folder, processes, time_limit)


def test_death_of_one_process_ends_the_waiting_of_others(tmp_path):
    started = time.monotonic()
    with pytest.raises(ProcessEndedError, match=r"process 2 of 3 .* was ended by SIGKILL"):
        together("os.kill(os.getpid(), 9) if me == '2' else time.sleep(60)", tmp_path, 3)
    assert time.monotonic() - started < NOTICED


def test_reason_of_a_failing_process_is_passed_on(tmp_path):
    with pytest.raises(
        ProcessEndedError, match=r"process 0 of 1 .* exit code 1, ValueError: of no use, before"
    ):
        together("raise ValueError('of no use')", tmp_path, 1)
    with pytest.raises(ProcessEndedError, match="exit code 3, without output, before"):
        together("sys.exit(3)", tmp_path)


def test_hanging_process_is_not_waited_for(tmp_path):
    with pytest.raises(ProcessEndedError, match=r"2 processes did not finish within 0\.2 s"):
        together("time.sleep(60)", tmp_path, time_limit=0.2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--shards", 0), "--shards must be at least 1, not 0"),
        (("--shards", 65), "--shards must be at most 64, not 65"),
        (("--processes", 9), "--processes must be at most 8, not 9"),
        (("--shards", 7, "--processes", 2), "--shards must be a multiple of --processes"),
        (("--shards", 2, "--seed", 1), "--seed goes with a target"),
        (("--time-limit", 5), "--time-limit goes with a target"),
        (("net.py:Net", "--shards", 2), "--shards is for handgrad's own network"),
        (("net.py:Net", "--device", "cpu"), "--device is for handgrad's own network"),
    ],
)
def test_incompatible_counts_are_refused(handgrad, arguments, message):
    code, out, err = handgrad("check", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"handgrad: {message}")
    assert len(err.splitlines()) == 1
