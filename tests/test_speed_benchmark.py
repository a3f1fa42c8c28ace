"""The speed benchmark: admission of contenders, kept results, and statistics. No time is asserted."""

import json
import os
import time
from dataclasses import replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.processes import BenchmarkError, Worker
from benchmarks.speed import contenders, full, referee, rounds
from benchmarks.speed.cases import ALL_CPUS, BASE, GROUPS, Case, Group, full_cases, passes_over
from benchmarks.speed.contenders import CONTENDERS, LIMIT, OURS, load, missing
from benchmarks.speed.contenders.course_notes import Contender as CourseNotes
from benchmarks.speed.contenders.interface import Data
from benchmarks.speed.ratios import (
    limit,
    ratio_of,
    share_of_limit,
    share_of_products,
    spread,
    summarize,
)
from benchmarks.speed.report import STEADY_SPREAD, all_tables, headline, headline_table, notes, report
from benchmarks.speed.rounds import Pass
from benchmarks.speed.schema import CaseResult, ContenderResult, Results

TINY = Case(hidden=8, batch_size=5, features=12, rows=40, classes=3)
INSTALLED = [name for name in CONTENDERS if name not in missing([name]) and name != "torch.compile"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The tiny case's data, and what the referee expects."""
    folder = tmp_path_factory.mktemp("tiny")
    return SimpleNamespace(folder=folder, expected=referee.prepare(TINY, folder))


def computed_by(contender):
    """The results that a contender gives the referee: the gradient, and the parameters after two steps."""
    arrays = {}
    if "gradient" in contender.tasks:
        loss, grads = contender.gradient(1)
        arrays["gradient"] = {"loss": np.asarray(loss), **{name: grad.copy() for name, grad in grads.items()}}
    contender.steps(np.arange(2 * TINY.batch_size).reshape(2, -1))
    arrays["step"] = contender.params()
    return arrays


@pytest.mark.slow
@pytest.mark.parametrize("name", INSTALLED)
def test_contender_is_right(name, tiny):
    for task, arrays in computed_by(load(name)(Data(TINY, tiny.folder))).items():
        assert referee.find_error(TINY, tiny.expected, task, arrays) is None


def test_half_a_penalty_is_refused(monkeypatch, tiny):
    monkeypatch.setattr(CourseNotes, "penalty_factor", 2)  # the course notes as they are published
    for task, arrays in computed_by(CourseNotes(Data(TINY, tiny.folder))).items():
        assert referee.find_error(TINY, tiny.expected, task, arrays).startswith(f"{task}: W1 is wrong by")


@pytest.mark.slow
def test_penalty_too_small_to_be_missed_is_refused(tmp_path):
    single = replace(BASE, batch_size=1, rows=2)  # where the data's part of the gradient is largest
    assert referee.prepare(single, tmp_path)
    with pytest.raises(ValueError, match=r"half of the penalty is only .* of the gradient of W1"):
        referee.prepare(replace(single, reg=1e-3), tmp_path)


@pytest.mark.parametrize(
    "spoil",
    [lambda q: q * 1.01, lambda q: q * np.nan, lambda q: q[..., None], lambda q: q + 0.01 * np.abs(q).max()],
)
def test_referee_finds_one_wrong_array(spoil, tiny):
    for name in tiny.expected["gradient"]:
        spoiled = tiny.expected["gradient"] | {name: spoil(tiny.expected["gradient"][name])}
        assert f"gradient: {name} " in referee.find_error(TINY, tiny.expected, "gradient", spoiled)
    without_b2 = {name: tiny.expected["step"][name] for name in ("W1", "b1", "W2")}
    assert "b2 is missing" in referee.find_error(TINY, tiny.expected, "step", without_b2)


def test_disagreement_with_the_reference_ends_the_run(monkeypatch, tmp_path):
    monkeypatch.setattr("handgrad.two_layer_net.l2_penalty_backward", lambda W, reg: 2 * reg * W)
    with pytest.raises(BenchmarkError, match="handgrad and the reference disagree on dW1"):
        referee.prepare(TINY, tmp_path)


@pytest.fixture
def two_rounds(monkeypatch):
    """Let a pass end after two rounds."""
    monkeypatch.setattr(rounds, "LEAST_ROUNDS", 2)


def test_pass_times_right_contenders_and_pauses_them(monkeypatch, two_rounds):
    play = rounds.play
    monkeypatch.setattr(rounds, "ALL_CPUS", ALL_CPUS[::-1])  # it starts on another CPU

    def watch(turns, workers, done, until):
        assert {tuple(os.sched_getaffinity(worker.pid)) for worker in workers.values()} == {(ALL_CPUS[0],)}
        deadline = time.monotonic() + 30  # a signal may take a moment
        for worker in workers.values():
            while Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
                assert time.monotonic() < deadline
                time.sleep(0.01)
        play(turns, workers, done, until)

    monkeypatch.setattr(rounds, "play", watch)
    monkeypatch.setattr(rounds, "TURN_SECONDS", 1e-4)
    done = rounds.run_pass(TINY, ["course notes"], 0.0)
    assert not done.refused
    counts = {task: len(seconds) for task, seconds in done.rounds["course notes"].items()}
    assert counts == {"gradient": 1, "step": 2}
    assert f"numpy {np.__version__}" in done.libraries


def test_pass_gives_no_time_to_wrong_or_failing_contenders(monkeypatch, two_rounds):
    def prepare_another(case, folder):
        expected = referee.prepare(case, folder)
        return expected | {"step": {name: q + 1 for name, q in expected["step"].items()}}

    monkeypatch.setattr(rounds, "prepare", prepare_another)
    names = ["course notes", "handgrad fused", "fails"]  # the last is unknown to its process
    done = rounds.run_pass(TINY, names, 0.0)
    for name in names[:2]:
        assert done.refused[name].startswith("step: W1 is wrong by")
    assert done.refused["fails"] == "ended with code 1: KeyError: 'fails'"
    assert not done.rounds


def test_contender_that_ends_in_a_round_is_refused(monkeypatch, two_rounds):
    ask = Worker.ask

    def end(worker, question, timeout=None):
        if question[0] == "turn":
            worker._process.kill()
        return ask(worker, question, timeout)

    monkeypatch.setattr(rounds, "_times", lambda worker, task: 2)
    monkeypatch.setattr(Worker, "ask", end)
    done = rounds.run_pass(TINY, ["course notes"], 0.0)
    assert done.refused["course notes"].startswith("ended with code -9")
    assert summarize([done]) == {"course notes": ContenderResult(done.refused["course notes"])}


def test_one_thread_too_many_is_refused(monkeypatch):
    monkeypatch.setattr(rounds, "_ask", lambda worker, question: {"XLA": 2, "numpy": 1})
    with pytest.raises(BenchmarkError, match=r"threads: .'XLA': 2., not 1"):
        rounds.check_threads(None, 1)


@pytest.mark.parametrize(("until", "count"), [(0.0, 2), (np.inf, 4)])
def test_pass_has_a_least_and_a_most_of_rounds(until, count, monkeypatch, two_rounds):
    monkeypatch.setattr(rounds, "MOST_ROUNDS", 4)
    monkeypatch.setattr(rounds, "_ask", lambda worker, *question: 1.0)
    done = Pass()
    rounds.play({"one": {"step": 5}}, {"one": None}, done, until)
    assert done.rounds == {"one": {"step": [0.2] * count}}


def test_missing_library_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr(contenders, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    command = "pip install -e '.[torch]'"
    assert missing([*CONTENDERS, LIMIT]) == {"PyTorch": command, "torch.compile": command}


def test_cases_vary_one_size_at_a_time():
    cases = full_cases()
    assert len(set(cases)) == len(cases)
    assert {case.hidden for case in cases} == {50, 150, 500, 1024, 4096}
    assert {case.batch_size for case in cases} == {1, 8, 20, 64, 200, 1000, 2000, 5000}
    assert {case.features for case in cases} == {64, 784, 3072}
    assert {case for group in GROUPS.values() for case in group.cases} <= set(cases)
    assert {case.dtype for case in cases} == {"float32", "float64"}
    assert BASE in cases


def test_single_pass_begins_with_the_longest_steps():
    cases = [case for group in GROUPS.values() for case in group.cases]
    order = full.plan(cases, once=True)
    assert sorted(order, key=str) == sorted(cases, key=str)
    assert order[0] == Case(dtype="float64", batch_size=5000)
    assert order[-1] == Case(dtype="float32", batch_size=1, features=784)
    twice = full.plan(cases, once=False)
    assert {case: twice.count(case) for case in cases} == {case: passes_over(case) for case in cases}


@pytest.mark.slow
def test_run_keeps_what_it_measured(monkeypatch, tmp_path, two_rounds, capsys):
    monkeypatch.setattr(full, "quick_cases", lambda: [TINY])
    monkeypatch.setattr(full, "CONTENDERS", {name: CONTENDERS[name] for name in ("course notes", OURS)})
    monkeypatch.setattr(rounds, "MOST_ROUNDS", 2)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    results = full.run(tmp_path, quick=True, native_blas=True)
    assert [result.passes for result in results.cases] == [1]
    kept = Results.read(tmp_path / "results.json")
    ratio = kept.cases[0].ratio("course notes")
    assert ratio.low <= ratio.value <= ratio.high
    assert share_of_limit(kept.cases[0], OURS) > 0
    assert f"numpy {np.__version__}; " in kept.environment
    assert "no pin on OpenBLAS. `python -m benchmarks --native-blas --quick`" in kept.environment
    assert "Warning" not in capsys.readouterr().err

    monkeypatch.setattr(full, "QUICK_SECONDS", -1.0)
    full.run(tmp_path, quick=True, native_blas=False)
    warnings = capsys.readouterr().err
    assert "OPENBLAS_CORETYPE=Prescott pins" in warnings
    assert "--native-blas" in warnings


@pytest.mark.slow
def test_a_group_is_measured_into_earlier_results(monkeypatch, tmp_path, two_rounds):
    path = tmp_path / "results.json"
    results_of(SOME).write(path)
    earlier = Results.read(path)
    monkeypatch.setattr(full, "CONTENDERS", {name: CONTENDERS[name] for name in (OURS, "torch.compile")})
    monkeypatch.setattr(full, "GROUPS", {"small": Group([replace(TINY, batch_size=1)], "of one row", 60.0)})
    monkeypatch.setattr(rounds, "MOST_ROUNDS", 2)
    full.run(tmp_path, quick=False, native_blas=True, only=("small",))
    kept = Results.read(path)
    assert kept.cases[:-1] == earlier.cases
    assert kept.environment == earlier.environment
    assert "`python -m benchmarks --native-blas --only small`" in kept.groups["small"]
    assert kept.cases[-1].passes == 1
    assert share_of_products(kept.cases[-1], OURS) > 0
    report(kept, tmp_path)
    assert "Group small: " in (tmp_path / "speed.md").read_text()


def results_of(seconds, sizes=(50, 150, 500)):
    """A made-up run over H: seconds of a step by contender, as functions of H."""
    rng = np.random.default_rng(0)
    cases = []
    for hidden in sizes:
        passes = [
            Pass(
                {
                    name: {"step": list(step(hidden) * rng.normal(1, 0.01, 6))}
                    for name, step in seconds.items()
                }
                | {LIMIT: {"gemm": [0.17] * 6, "copy": [0.02] * 6}}
            )
            for _ in range(2)
        ]
        cases.append(CaseResult(replace(BASE, hidden=hidden), 2, summarize(passes)))
    return Results("a CPU", {"PyTorch": "pip install -e '.[torch]'"}, cases)


SOME = {OURS: lambda H: 1e-5 * H, "course notes": lambda H: 2e-5 * H, "JAX jit": lambda H: 2e-3 + 5e-6 * H}


def test_results_are_read_as_they_were_written(tmp_path):
    results = results_of(SOME)
    results.write(tmp_path / "results.json")
    again = Results.read(tmp_path / "results.json")
    assert all_tables(again) == all_tables(results)
    again.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "results.json").read_text()


@pytest.mark.parametrize("change", [{"cases": [{}]}, {"more": 1}, {"cases": 3}])
def test_file_that_is_not_a_result_is_refused(change, tmp_path):
    path = tmp_path / "results.json"
    results_of(SOME).write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BenchmarkError, match=r"results.json is not a results.json of this benchmark: "):
        Results.read(path)


def test_refusal_in_one_pass_leaves_no_times():
    first = Pass({OURS: {"step": [1.0, 2.0]}, "two": {"step": [3.0, 6.0]}})
    assert summarize([first])["two"].ratio == (3, 3, 3)
    again = Pass({OURS: {"step": [4.0]}}, {"two": "wrong"})
    results = summarize([first, again])
    assert results[OURS].median == {"step": 2.0}
    assert results["two"] == ContenderResult("wrong")
    assert summarize([Pass(first.rounds, {OURS: "wrong"})])["two"].ratio is None


def test_ratio_is_of_the_rounds_and_in_its_interval():
    ours = np.random.default_rng(1).lognormal(0, 0.5, 12)  # the machine, as it comes and goes
    noise = np.random.default_rng(2).normal(1, 0.02, 12)
    ratio = ratio_of([2 * ours * noise], [ours])
    assert ratio.low < 2 < ratio.high
    assert ratio.high - ratio.low < 0.2
    assert ratio_of([2 * ours, 2 * ours], [ours, ours]) == (2, 2, 2)
    assert ratio_of([[2.0], [3.0]], [[1.0], [1.0]]) == (2.5, 2, 3)  # too few rounds to draw from
    assert spread(ours) > STEADY_SPREAD > spread(noise)


@pytest.mark.slow
def test_interval_narrows_with_processes_not_with_rounds():
    ours, noise = np.ones(100), np.random.default_rng(0).normal(1, 0.1, (9, 100))
    few, many = ratio_of([noise[0, :20]], [ours[:20]]), ratio_of([noise[0]], [ours])
    several = ratio_of(noise, [ours] * 9)
    few, many, several = (ratio.high - ratio.low for ratio in (few, many, several))
    assert many > 0.8 * few
    assert several == pytest.approx(2 * 2.58 * 1.25 * 0.1 / 3, rel=0.1)  # of a median of nine


@pytest.mark.slow
def test_interval_holds_another_runs_ratio():
    rng = np.random.default_rng(0)

    def run():
        """Two passes of 15 rounds; a process is off by 3 %, a round by 8 %."""
        return [2 * rng.normal(1, 0.03) * rng.normal(1, 0.08, 15) for _ in range(2)]

    ones = [np.ones(15)] * 2
    pairs = [[ratio_of(run(), ones) for _ in range(2)] for _ in range(150)]
    assert sum(one.low <= other.value <= one.high for one, other in pairs) >= 148


def test_limit_is_the_gemms_at_their_rate_and_the_gather():
    (case, *_) = results_of(SOME).cases
    gemm = 2 * 200 * (2 * 3072 * 50 + 3 * 50 * 10) * 0.17 / (2 * 2048**3)
    gather = 2 * 200 * 3072 * 4 * 0.02 / (2 * 2**27)
    assert limit(case, "gradient") == pytest.approx(gemm)
    assert limit(case, "step") == pytest.approx(gemm + gather)


def test_report_lists_losses_refusals_and_missing(tmp_path, capsys):
    results = results_of(SOME | {"JAX scan": lambda H: 5e-6 * H})
    results.cases[0].contenders["scikit-learn"] = ContenderResult(refused="step: W1 is wrong by 5e-02")
    report(results, tmp_path)
    printed = capsys.readouterr().out
    assert "Where handgrad fused is slower" in printed
    assert "JAX scan 0.50" in printed
    assert "scikit-learn, H=50, N=200, D=3072, float32, 1 thread: step: W1 is wrong" in printed
    assert "PyTorch; `pip install -e '.[torch]'` installs it" in printed
    assert {path.name for path in tmp_path.iterdir()} == {"speed.md", "step-time.png"}
    cells = set(chain(*chain(*(table.rows for table in all_tables(results)))))
    assert "nan" not in cells
    (row,) = [row for row in headline_table(results).rows if row[2] == "150"]
    assert row[7].endswith(", JAX scan")
    assert not [text for text in notes(results_of({OURS: SOME[OURS]})) if "is slower" in text]


def test_headline_has_the_widths_and_the_ranges_of_the_groups():
    results = results_of(SOME)
    ratios = [f"{result.ratio('JAX jit').value:.2f}" for result in results.cases]
    sentences = headline(results)
    assert "\n  {} at H=50, {} at H=150, {} at H=500\n".format(*ratios) in sentences
    assert f"In both dtypes it is\n  {ratios[2]} to {ratios[0]} on one thread" in sentences


def test_part_of_a_run_is_reported(tmp_path, capsys):
    results = results_of(SOME)
    rest = [CaseResult(replace(BASE, threads=2, dtype="float64"))]
    results.cases += rest
    report(results, tmp_path)
    assert "H=150, N=200, D=3072, float64, 2 threads: 0 of 2 passes" in capsys.readouterr().out
    results.cases = rest
    report(results, tmp_path)
