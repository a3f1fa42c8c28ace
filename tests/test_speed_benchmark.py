"""The speed benchmark: who is let in, what is kept, and what is made of the times. No time is asserted."""

import json
import os
import signal
import time
from dataclasses import replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from benchmarks.__main__ import _read
from benchmarks.speed import contenders, full, growth, referee, rounds, tables
from benchmarks.speed.agreement import agree, compare_runs
from benchmarks.speed.cases import BASE, Case, full_cases
from benchmarks.speed.contenders import CONTENDERS, LIMIT, OURS, entry, load, missing
from benchmarks.speed.contenders.interface import Data
from benchmarks.speed.ratios import Ratio, disagree, limit, ratio_of
from benchmarks.speed.report import all_tables, notes, report
from benchmarks.speed.schema import CaseResult, Entrant, Results, Work
from benchmarks.speed.work import count_work, gemm_flops, operations
from benchmarks.speed.worker import Worker, WorkerEndedError, environment, imported

TINY = Case(hidden=8, batch_size=5, features=12, rows=40, classes=3)
INSTALLED = [name for name in CONTENDERS if name not in missing([name]) and name != "torch.compile"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The tiny case's data, and what the referee expects."""
    folder = tmp_path_factory.mktemp("tiny")
    return SimpleNamespace(folder=folder, expected=referee.prepare(TINY, folder))


def found_by(name, data):
    """What a contender leaves for the referee: the gradient, and the parameters after two steps."""
    contender, found = load(name)(data), {}
    if "gradient" in contender.tasks:
        loss, grads = contender.gradient(1)
        found["gradient"] = {"loss": np.asarray(loss), **{name: grad.copy() for name, grad in grads.items()}}
    contender.steps(data.first_batches())
    found["step"] = contender.params()
    return found


@pytest.mark.parametrize("name", INSTALLED)
def test_every_contender_is_right(name, tiny):
    found = found_by(name, Data(TINY, tiny.folder))
    for task, arrays in found.items():
        assert referee.complaint(TINY, tiny.expected, task, arrays) is None


def test_the_notes_as_published_are_refused_for_their_penalty(tiny):
    found = found_by("notes as published", Data(TINY, tiny.folder))
    for task, arrays in found.items():
        assert referee.complaint(TINY, tiny.expected, task, arrays).startswith(f"{task}: W1 is wrong by")


def test_a_penalty_too_small_to_be_missed_is_no_case(tmp_path):
    single = replace(BASE, batch_size=1, rows=2)  # where the data's part of the gradient is largest
    assert referee.prepare(single, tmp_path)
    with pytest.raises(ValueError, match=r"half of the penalty is only .* of the gradient of W1"):
        referee.prepare(replace(single, reg=1e-3), tmp_path)


@pytest.mark.parametrize(
    "spoil",
    [lambda q: q * 1.01, lambda q: q * np.nan, lambda q: q[..., None], lambda q: q + 0.01 * np.abs(q).max()],
)
def test_the_referee_sees_one_wrong_array(spoil, tiny):
    for name in tiny.expected["gradient"]:
        spoiled = tiny.expected["gradient"] | {name: spoil(tiny.expected["gradient"][name])}
        assert f"gradient: {name} " in referee.complaint(TINY, tiny.expected, "gradient", spoiled)
    assert "b2 is not there" in referee.complaint(
        TINY, tiny.expected, "step", {name: tiny.expected["step"][name] for name in ("W1", "b1", "W2")}
    )


def test_in_a_pass_the_wrong_one_gets_no_time_and_who_waits_is_stopped(monkeypatch):
    states = []
    play = rounds._play

    def watched(turns, workers, entrants, budget):
        time.sleep(0.1)  # a signal may take a moment
        stats = [Path(f"/proc/{each._pid}/stat").read_text() for each in workers.values()]
        states.extend(stat.rsplit(")", 1)[1].split()[0] for stat in stats)
        play(turns, workers, entrants, budget)

    monkeypatch.setattr(rounds, "_play", watched)
    monkeypatch.setattr(rounds, "TURN_SECONDS", 1e-4)
    names = ["course notes", "notes as published"]
    with imported(names, environment(1)) as libraries:
        found = rounds.run_pass(TINY, libraries, rounds.Budget(2, 2, 0.0))
    right, wrong = (found[name] for name in names)
    assert states == ["T", "T"]
    assert right.refused is None
    assert {task: [len(each) for each in passes] for task, passes in right.seconds.items()} == {
        "gradient": [1],
        "step": [2],
    }
    assert right.peak_bytes > 0
    assert set(right.threads.values()) == {1}
    assert wrong.refused.startswith("gradient: W1 is wrong by")
    assert not wrong.seconds


def test_a_contender_that_ends_says_its_last_words_and_the_next_can_work(tmp_path, tiny):
    with imported(["course notes"], environment(1)) as libraries:
        library = libraries["course notes"]
        worker = Worker(library, TINY, tmp_path)  # there is no data
        with pytest.raises(WorkerEndedError, match="ended with code 1: FileNotFoundError"):
            worker.ready()
        worker.stop()

        worker = Worker(library, TINY, tiny.folder)
        worker.ready()
        os.kill(worker._pid, signal.SIGKILL)
        with pytest.raises(WorkerEndedError, match="ended with code -9"):
            worker.ask("threads")
        worker.stop()

        worker = Worker(library, TINY, tiny.folder)
        assert "step" in worker.ready()["tasks"]
        assert set(worker.ask("threads").values()) == {1}
        pid = worker._pid
        worker.stop()
    assert not Path(f"/proc/{pid}").exists()


def test_a_library_that_cannot_be_imported_refuses_its_contender():
    with imported(["course notes"], environment(1) | {"PYTHONHOME": "/nowhere"}) as libraries:
        found = rounds.run_pass(TINY, libraries, rounds.Budget(2, 2, 0.0))
    assert found["course notes"].refused.startswith("ended with code 1")
    assert not found["course notes"].seconds


def test_one_thread_too_many_is_refused(tiny):
    np.savez(tiny.folder / "some.step.npz", **tiny.expected["step"])
    answers = {"first": 0.1, "turn": [1.0, 1.0], "threads": {"XLA": 2, "numpy": 1}}
    worker = SimpleNamespace(name="some", ask=lambda question, *_: answers[question])
    entrant = Entrant()
    rounds._admit(worker, entrant, TINY, ["step"], tiny.expected, tiny.folder)
    assert entrant.refused == "threads: {'XLA': 2} where 1 were asked for"


def test_rounds_go_on_at_least_so_often_and_then_as_long_as_there_is_time():
    assert [rounds.Budget(2, 4, 0.0).goes_on(done) for done in range(5)] == [True, True, False, False, False]
    assert [rounds.Budget(2, 4, np.inf).goes_on(done) for done in range(5)] == [True] * 4 + [False]


def test_a_library_that_is_not_installed_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr(contenders, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    command = "pip install -e '.[torch]'"
    assert missing([*CONTENDERS, LIMIT]) == {"PyTorch": command, "torch.compile": command}


def test_the_pin_is_kept_with_a_warning_or_left_out(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    assert environment(2, native_blas=False)["OPENBLAS_CORETYPE"] == "Prescott"
    assert "OPENBLAS_CORETYPE" not in environment(2)
    assert environment(2)["OPENBLAS_NUM_THREADS"] == environment(2)["PJRT_NPROC"] == "2"
    (warning,) = full.warnings(full._empty_results({}, quick=False, native_blas=False))
    assert "OPENBLAS_CORETYPE=Prescott" in warning
    assert "--native-blas" in warning
    assert not full.warnings(full._empty_results({}, quick=False, native_blas=True))


def test_the_cases_have_every_size_of_the_issue():
    cases = full_cases()
    assert len(set(cases)) == len(cases)
    assert {case.hidden for case in cases} == {50, 150, 500, 1024, 4096}
    assert {case.batch_size for case in cases} == {1, 20, 200, 2000}
    assert {case.features for case in cases} >= {64, 3072}
    assert {case.dtype for case in cases} == {"float32", "float64"}
    assert [case for case in cases if case == BASE]


def test_the_count_by_hand_is_the_gemms_and_a_little_and_xla_agrees():
    case = Case(hidden=40, features=300, batch_size=64)
    by_hand = sum(each.flops for each in operations(64, 300, 40, 10))
    work = count_work(case)
    assert gemm_flops(case) == 2 * 64 * (2 * 300 * 40 + 3 * 40 * 10)
    assert gemm_flops(case) < by_hand < 1.06 * gemm_flops(case)
    assert work.hand_flops == by_hand
    assert 0.95 < work.xla_flops / by_hand < 1.05
    assert work.least_bytes < work.hand_bytes


def results_of(seconds, sizes=(50, 150, 500), spread=0.01):
    """A made-up run over H: seconds of a step by contender, as functions of H."""
    rng = np.random.default_rng(0)
    work = Work(10**9, 10**8, 10**7, 1e9, 1e8)
    cases = []
    for hidden in sizes:
        found = {
            name: Entrant(
                seconds={
                    "step": [[each(hidden) * rng.normal(1, spread) for _ in range(6)] for _ in range(2)]
                },
                first_seconds={"step": [each(hidden) + 2]},
                versions={"numpy": "2.0"},
                threads={"numpy": 1},
                peak_bytes=10**8,
                working_bytes=hidden * 10**6,
            )
            for name, each in seconds.items()
        }
        found[LIMIT] = Entrant(seconds={"gemm": [[0.17] * 6] * 2, "copy": [[0.02] * 6] * 2})
        cases.append(CaseResult(replace(BASE, hidden=hidden), work, found))
    libraries = {entry(name).imports: [0.5] for name in seconds}
    head = ("a CPU", 2, "3.11", "Linux", "2025-01-01T00:00:00+00:00", "python -m benchmarks", {})
    absent = {"PyTorch": "pip install -e '.[torch]'"}
    return Results(*head, missing=absent, import_seconds=libraries, cases=cases)


SOME = {OURS: lambda H: 1e-5 * H, "course notes": lambda H: 2e-5 * H, "JAX jit": lambda H: 2e-3 + 5e-6 * H}


def test_results_are_read_as_they_were_written(tmp_path):
    results = results_of(SOME)
    results.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == results
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


@pytest.mark.parametrize("change", [{"schema": 0}, {"cases": [{}]}, {"more": 1}, {"cases": 3}])
def test_a_file_that_is_no_result_is_refused(change, tmp_path, capsys):
    path = tmp_path / "results.json"
    results_of(SOME).write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=r"results.json is no results.json of these benchmarks: "):
        Results.read(path)
    with pytest.raises(SystemExit) as exit_:
        _read(path)
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_who_is_refused_in_one_pass_has_no_times():
    found = {"one": Entrant(seconds={"step": [[1.0, 2.0]]}), "two": Entrant(seconds={"step": [[3.0]]})}
    full.merge(found, {"one": Entrant(seconds={"step": [[4.0]]}), "two": Entrant(refused="wrong")})
    assert found["one"].seconds == {"step": [[1.0, 2.0], [4.0]]}
    assert found["two"].refused == "wrong"
    assert not found["two"].seconds


def test_a_ratio_is_that_of_the_rounds_and_its_interval_holds_it():
    ours = np.random.default_rng(1).lognormal(0, 0.5, 12)  # the machine, as it comes and goes
    noise = np.random.default_rng(2).normal(1, 0.02, 12)
    found = ratio_of([2 * ours * noise], [ours])
    assert found.low < 2 < found.high
    assert found.high - found.low < 0.2
    assert ratio_of([2 * ours, 2 * ours], [ours, ours]) == (2, 2, 2)
    assert ratio_of([[2.0], [3.0]], [[1.0], [1.0]]) == (2.5, 2, 3)  # too few rounds to draw from
    assert disagree(ours)
    assert not disagree(noise)


def test_more_rounds_do_not_narrow_the_interval_but_more_processes_do():
    ours, spread = np.ones(100), np.random.default_rng(0).normal(1, 0.1, (9, 100))
    few, many = ratio_of([spread[0, :20]], [ours[:20]]), ratio_of([spread[0]], [ours])
    several = ratio_of(spread, [ours] * 9)
    few, many, several = (found.high - found.low for found in (few, many, several))
    assert many > 0.8 * few
    assert several == pytest.approx(2 * 2.58 * 1.25 * 0.1 / 3, rel=0.1)  # that of a median of nine


def test_the_interval_of_a_run_holds_what_another_one_finds():
    rng = np.random.default_rng(0)

    def run():
        """Two passes of 15 rounds; a process is off by 3 %, a round by 8 %."""
        return [2 * rng.normal(1, 0.03) * rng.normal(1, 0.08, 15) for _ in range(2)]

    ones = [np.ones(15)] * 2
    pairs = [[ratio_of(run(), ones) for _ in range(2)] for _ in range(150)]
    assert sum(agree(*pair) for pair in pairs) >= 147


def test_the_limit_is_the_gemms_at_their_rate_and_the_gather():
    (case, *_) = results_of(SOME).cases
    gemm = 2 * 200 * (2 * 3072 * 50 + 3 * 50 * 10) * 0.17 / (2 * 2048**3)
    gather = 2 * 200 * 3072 * 4 * 0.02 / (2 * 2**27)
    assert limit(case, "gradient") == pytest.approx(gemm)
    assert limit(case, "step") == pytest.approx(gemm + gather)
    assert limit(case, "epoch") == pytest.approx(50 * (gemm + gather))


def test_an_exponent_and_a_crossing_are_found_where_they_are():
    results = results_of(SOME | {"handgrad plain": lambda H: 1e-8 * H**2}, sizes=(50, 150, 500, 1024))
    found = growth.exponent(results.cases, "hidden", growth.times("handgrad plain", "step"))
    assert found.slope == pytest.approx(2, abs=0.02)
    assert growth.exponent(results.cases, "features", growth.times(OURS, "step")) is None
    found = growth.crossings(results.cases, "step")
    crossings = {(each.faster_before, each.faster_after): each.hidden for each in found}
    assert crossings[OURS, "JAX jit"] == pytest.approx(400, rel=0.1)  # 1e-5·H = 2e-3 + 5e-6·H
    assert ("course notes", OURS) not in crossings


def test_the_report_says_where_it_loses_who_is_refused_and_what_is_missing(tmp_path, capsys):
    results = results_of(SOME | {"JAX scan": lambda H: 5e-6 * H})
    results.cases[0].entrants["scikit-learn"] = Entrant(refused="step: W1 is wrong by 5e-02 of its norm")
    report(results, tmp_path, Console(width=200))
    said = capsys.readouterr().out
    assert "Where handgrad fused loses" in said
    assert "JAX scan 0.50" in said
    assert "scikit-learn, H=50, N=200, D=3072, float32, 1 thread: step: W1 is wrong" in said
    assert "PyTorch; `pip install -e '.[torch]'` brings it in" in said
    assert {path.name for path in tmp_path.iterdir()} == {
        "step-time.png",
        "step-ratios.png",
        "step-share.png",
    }
    cells = set(chain(*chain(*(table.rows for table in all_tables(results)))))
    assert "nan" not in cells
    (row,) = [row for row in tables.headline_table(results).rows if row[2] == "150"]
    assert row[5].endswith(", JAX scan")
    assert not [text for text in notes(results_of({OURS: SOME[OURS]})) if "loses" in text]


def test_a_part_of_a_run_is_told_too(tmp_path, capsys):
    results = results_of(SOME)
    rest = [CaseResult(replace(BASE, threads=2, dtype="float64"), results.cases[0].work)]
    other = results_of(SOME).cases[0]
    results.cases = [replace(other, case=replace(other.case, threads=2)), *rest, *results.cases[1:]]
    report(results, tmp_path, Console(width=200))
    said = capsys.readouterr().out
    assert "H=150, N=200, D=3072, float64, 2 threads: 0 of 2 passes" in said
    results.cases = rest
    report(results, tmp_path, Console(width=200))


def test_two_runs_agree_when_each_has_the_others_ratio_in_its_interval(capsys):
    assert agree(Ratio(2.0, 1.9, 2.2), Ratio(2.1, 1.95, 2.3))
    assert not agree(Ratio(2.0, 1.9, 2.2), Ratio(2.1, 2.05, 2.3))
    slower = results_of(SOME | {"JAX jit": lambda H: 4e-3 + 1e-5 * H})
    one, other = (results_of(SOME, sizes=range(50, 250, 20)) for _ in range(2))
    assert compare_runs(one, other, Console(width=200))
    assert "20 of 20 ratios are within each other's intervals" in capsys.readouterr().out
    off = other.cases[0].entrants["JAX jit"].seconds  # one may be missed
    off["step"] = [[1.05 * seconds for seconds in rounds] for rounds in off["step"]]
    assert compare_runs(one, other, Console(width=200))
    said = capsys.readouterr().out
    assert "19 of 20 ratios" in said
    assert "H=50, N=200, D=3072, float32, 1 thread" in said
    assert not compare_runs(results_of(SOME), slower, Console(width=200))
    assert "3 of 6 ratios" in capsys.readouterr().out
    assert not compare_runs(one, replace(one, cases=[]), Console(width=200))
    assert "no ratio in common" in capsys.readouterr().out
