"""The benchmarks' own parts: a contender called wrongly would make a comparison unfair, unnoticed."""

import json
import os
import signal
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from autograd_ref.crosscheck.comparison import compare_trace
from autograd_ref.crosscheck.problems import random_problem
from autograd_ref.crosscheck.reference import reference_of
from benchmarks import __main__ as command_line
from benchmarks.activations import runs as activation_runs
from benchmarks.activations.compare import best, compare_activations, dead_table, loss_table
from benchmarks.activations.runs import Run, RunResult, all_runs
from benchmarks.blame import bench
from benchmarks.checkers import compare as checkers
from benchmarks.checkers import mistaken_networks as networks
from benchmarks.checkers import recording, timing
from benchmarks.checkers.bounds import NETWORKS, measure_bounds, whole
from benchmarks.checkers.contenders import CONTENDERS
from benchmarks.checkers.hard_problems import hard_problem
from benchmarks.checkers.recorded_step import two_layer_step
from benchmarks.checkers.recording_programs import A_ROUND, KINDS, SIDE, of_sixty_kinds, one_by_one
from benchmarks.checkers.smallest_error import smallest_caught, with_error
from benchmarks.processes import BenchmarkError, Worker, WorkerFailedError, environment, some_cpus
from benchmarks.results import RESULTS, Picture, Table, publish, write_json, write_section
from handgrad.activations import ACTIVATIONS

# SciPy's own threshold is too tight for a forward difference: it flags the right network.
PASSING = [name for name in CONTENDERS if "1.5e-7" not in name and find_spec(CONTENDERS[name].needs)]
NAMING = [name for name in PASSING if not name.startswith(("jax", "scipy"))]


def ordinary():
    return random_problem(np.random.default_rng(0), (9, 7, 10, 5), reg=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", PASSING)
def test_checkers_pass_right_networks_and_catch_coarse_errors(name):
    _, edits = networks.MISTAKES["bias-mean"]
    finding = CONTENDERS[name].check(networks.network(*edits), ordinary())
    assert not finding.ok
    assert finding.first_wrong == ("db1" if name in NAMING else None)
    assert CONTENDERS[name].check(networks.network(), ordinary()).ok


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMING)
def test_checkers_name_wrong_shape(name):
    _, edits = networks.MISTAKES["bias-wrong-axis"]
    finding = CONTENDERS[name].check(networks.network(*edits), ordinary())
    assert not finding.ok
    assert finding.first_wrong == "db1"


def test_missing_checker_is_listed_with_install_command(monkeypatch, tmp_path, capsys):
    score = {"mistakes": 2, "in_catalogue": 1, "harmless": 1, "missed": [], "first_wrong_not_named": ["one"]}
    score |= {"mistake_not_named": [], "false_alarms": [], "smallest_caught": 1e-9}
    asked = []
    monkeypatch.setattr(checkers, "find_spec", lambda name: None if name == "torch" else name)
    monkeypatch.setattr(checkers, "score", lambda contender, problem: asked.append(contender) or score)
    monkeypatch.setattr(checkers, "time_checks", lambda names, _: {name: {100: [2.0, 1.0]} for name in names})
    checkers.compare_checkers([100], tmp_path)
    printed = capsys.readouterr().out
    assert "Not installed: torch; `pip install -e '.[torch]'`" in printed
    assert "torch gradcheck" not in printed
    assert not any(contender.needs == "torch" for contender in asked)
    assert {path.name for path in tmp_path.iterdir()} == {"checkers.json", "checkers.md"}


@pytest.mark.slow
def test_smallest_error_of_handgrads_checker():
    assert checkers.smallest_error_caught(CONTENDERS["handgrad check_network"], ordinary()) <= 1e-10


def test_check_over_the_limit_has_no_time(monkeypatch):
    monkeypatch.setattr(timing, "ROUNDS", 2)
    times = timing.time_checks(["CS231n ≤ 1e-4"], [100])
    ((parameters, seconds),) = times["CS231n ≤ 1e-4"].items()
    assert abs(parameters - 100) < 20
    assert len(seconds) == 2
    assert min(seconds) > 0

    def exceed(worker, question, timeout=None):
        os.kill(worker.pid, signal.SIGPROF)  # as the timer does
        return worker.receive()

    monkeypatch.setattr(Worker, "ask", exceed)
    assert list(timing.time_checks(["CS231n ≤ 1e-4"], [100, 1000])["CS231n ≤ 1e-4"].values()) == [None]


@pytest.mark.slow
@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("network", NETWORKS)
def test_right_networks_pass_hard_problems(network, dtype):
    # Ten thousand are the benchmark's. In the last two, a subnormal adjoint meets large factors.
    for number in (*range(8), 480, 7892):
        problem = hard_problem(number, dtype)
        trace = NETWORKS[network](problem)
        for comparison in (whole(problem, trace, reference_of(problem)), compare_trace(problem, trace)):
            assert comparison.ok, f"{problem.name}: {comparison.first_wrong}"


@pytest.mark.slow
def test_recorded_program_is_of_sixty_kinds_and_every_kind_matters():
    assert len(KINDS) == 60
    program, x, w = of_sixty_kinds(0)
    recorded = recording.recording_time(program, x, w)
    assert abs(recorded["operations"] - A_ROUND) <= 6
    ends = [(program(x + 1e-6 * step, w) - program(x - 1e-6 * step, w)) / 2e-6 for step in (np.eye(SIDE), 1)]
    assert all(np.isfinite(ends))
    assert all(np.abs(ends) > 1e-3)


def test_recording_command_shows_what_was_measured(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(recording, "ROUNDS", 1)
    monkeypatch.setattr(recording, "Worker", Here)
    monkeypatch.setattr(recording, "some_cpus", lambda count: [])  # there may be one alone
    programs = {
        "sixty kinds": lambda: recording.recording_time(*one_by_one(2)),
        "one by one": lambda: recording.recording_time(*one_by_one(3)),
        "step, float32": lambda: recording.recording_time(*two_layer_step(3, 2, 2, 2, "float32")),
        "step, float64": lambda: recording.recording_time(*two_layer_step(3, 2, 2, 2, "float64")),
        "memory": lambda: {"bytes": 2e6, "recording": 1.5, "bounds": 2.25},
        "bounds of 7": lambda: {"operations": 7, "adjoints": 0.5, "together": 1.5, "widest": 1e-9},
    }
    monkeypatch.setattr(recording, "answers", lambda: programs)
    recording.measure_recording(tmp_path)
    printed = capsys.readouterr().out
    (row,) = [line.split() for line in printed.splitlines() if line.startswith("7 operations of 60 kinds")]
    assert row[5:] == ["0.50", "s", "1.50", "s"]
    assert "values have 2 MB: 1.50 times as much while it is recorded, 2.25 times as much more" in printed
    assert json.loads((tmp_path / "recording.json").read_text())["one by one"]["operations"] == 4 * 9


class Here:
    """A worker in this process."""

    def __init__(self, module, name, cpus):
        assert len(cpus) <= 2

    def ask(self, name):
        return recording.answers()[name]()

    def stop(self):
        pass


def test_hard_problem_is_reproduced_by_its_number():
    one, again, other = hard_problem(7, "float32"), hard_problem(7, "float32"), hard_problem(8, "float32")
    assert one.name == again.name != other.name
    assert one.dtype == np.float32
    assert np.array_equal(one.X, again.X)


@pytest.mark.slow
def test_bounds_command_reports_false_alarms(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("benchmarks.checkers.bounds.LARGE", (5, 4, 3, 2))
    monkeypatch.setattr("benchmarks.checkers.bounds.DRAWS", 1)
    measure_bounds(1, tmp_path)
    assert "0 false alarms in 1 random problems" in capsys.readouterr().out

    def wrong(problem):
        trace = dict(NETWORKS["TwoLayerNet"](problem))
        return trace | {"db2": trace["db2"] * 1.01 + 1}

    monkeypatch.setitem(NETWORKS, "wrong", wrong)
    measure_bounds(1, tmp_path)
    assert "False alarm: 0: N, D, H, C" in capsys.readouterr().out
    assert json.loads((tmp_path / "bounds.json").read_text())["alarms"]


@pytest.mark.parametrize("threshold", [1.0, 0.3, 1e-9, 3e-17])
def test_bisection_finds_threshold_to_power_of_two(threshold):
    smallest = smallest_caught(lambda error: error >= threshold)
    assert threshold <= smallest < 2 * threshold


def test_bisection_without_catch_returns_none():
    assert smallest_caught(lambda error: False, largest=10) is None


def test_error_is_planted_in_median_entry_only():
    value = np.array([[0.0, 5.0, -1.0], [3.0, 0.0, 100.0]])
    off = with_error(value, 0.5)
    assert np.argwhere(off != value).tolist() == [[0, 1]]
    assert off[0, 1] == 7.5
    assert not with_error(np.zeros(3), 0.5).any()


def test_section_replaces_the_one_before(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- it -->\nold\n<!-- /it -->\nafter\n")
    write_section("it", "new", readme)
    assert readme.read_text() == "before\n<!-- it -->\nnew\n<!-- /it -->\nafter\n"
    assert list(tmp_path.iterdir()) == [readme]


def test_readme_without_markers_is_refused_and_unchanged(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("no markers\n")
    with pytest.raises(ValueError, match="must have the lines <!-- it --> and <!-- /it -->"):
        write_section("it", "new", readme)
    assert readme.read_text() == "no markers\n"


def test_parts_are_published_as_text_and_markdown(tmp_path, capsys):
    parts = [Table("Times", ["who", "s"], [["one", "1.0"]]), Picture("a.png", "A picture"), "A word."]
    publish("times", parts, tmp_path)
    printed = capsys.readouterr().out
    assert f"{tmp_path / 'a.png'}: A picture\n\nA word.\n" in printed
    table = "Times:\n\n| who | s |\n| --- | ---: |\n| one | 1.0 |"
    assert (tmp_path / "times.md").read_text() == f"# Times\n\n{table}\n\n![A picture](a.png)\n\nA word.\n"


def test_json_numbers_are_rounded(tmp_path):
    write_json(tmp_path / "new" / "it.json", {"a": [1 / 3, 12345678901], "b": (None, True, "x")})
    assert (tmp_path / "new" / "it.json").read_text() == '{"a":[0.3333333,12345678901],"b":[null,true,"x"]}\n'


def test_environment_limits_threads_and_drops_pins(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    assert environment(2, native_blas=False)["OPENBLAS_CORETYPE"] == "Prescott"
    assert "OPENBLAS_CORETYPE" not in environment(2)
    assert environment(2)["OPENBLAS_NUM_THREADS"] == environment(2)["PJRT_NPROC"] == "2"


def test_too_few_cpus_are_an_error():
    with pytest.raises(BenchmarkError, match="100000 threads need 100000 CPUs; there are"):
        some_cpus(100_000)


ECHO = """
import os, sys
from benchmarks.processes import connect
questions, answer = connect()
print("not an answer")
answer(sorted(os.sched_getaffinity(0)))
for question in questions:
    if question == "fail":
        raise ValueError("asked to")
    answer([question, *sys.argv[1:]])
"""


@pytest.fixture
def echo(tmp_path, monkeypatch):
    """A worker that answers with what it is asked."""
    (tmp_path / "echo_worker.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path.cwd())]))
    worker = Worker("echo_worker", "more", cpus=some_cpus(1))
    yield worker
    worker.stop()


def test_worker_answers_on_its_cpus(echo):
    assert echo.receive() == some_cpus(1)
    assert echo.ask({"a": [1]}) == [{"a": [1]}, "more"]


def test_worker_that_fails_is_reported_with_its_last_line(echo):
    echo.receive()
    with pytest.raises(WorkerFailedError, match="ended with code 1: ValueError: asked to") as failure:
        echo.ask("fail")
    assert failure.value.code == 1


def test_paused_worker_does_not_answer_until_asked(echo):
    echo.receive()
    echo.pause()
    with pytest.raises(WorkerFailedError, match="no answer in 0 s"):
        echo.ask("lost", timeout=0.2)
    assert echo.ask_paused("one") == ["lost", "more"]


@pytest.mark.slow
def test_activation_run_is_measured_after_every_epoch(monkeypatch, digits):
    monkeypatch.setattr(activation_runs, "EPOCH", 3)
    result = activation_runs.train(Run("tanh", "Glorot", 0.1, 0, epochs=2, calm=1), digits)
    assert not result.diverged
    assert {len(values) for values in result.epochs.values()} == {4}
    loss, accuracy = result.epochs["loss"], result.epochs["val"]
    assert loss[0] is None
    assert accuracy[0] < 0.3 < accuracy[2]
    assert abs(accuracy[3] - accuracy[2]) < 0.1  # a hundredth of the learning rate
    assert activation_runs.train(Run("relu", "He", 1e9, 0, epochs=2), digits).diverged


def test_activation_runs_are_distinct():
    runs = all_runs()
    assert len({run.key for run in runs}) == len(runs)
    assert {run.activation for run in runs} == set(ACTIVATIONS)


@pytest.mark.slow
def test_kept_activation_runs_are_not_made_again(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("benchmarks.activations.compare.train", None)
    (tmp_path / "activations.json").write_text((RESULTS / "activations.json").read_text())
    compare_activations(None, tmp_path)
    assert "Dead units of 100" in capsys.readouterr().out
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".md", ".png"}


def test_best_rate_ignores_diverged_runs():
    names = ("loss", "val", *activation_runs.MEASURED)
    runs = {
        run.key: RunResult(run.learning_rate < 0.05, {name: [run.learning_rate] * 5 for name in names})
        for run in all_runs()
    }
    assert best(runs, "relu", "He")[0] == 0.1
    assert best(runs, "relu", "notes") is None
    assert loss_table(runs).rows[0][1:3] == ["0.1", "0.100"]
    assert loss_table(runs).rows[0][-1] == "–"
    assert dead_table(runs).rows[0][2] == "0.001 → 0.001 (diverged)"


@pytest.mark.parametrize(
    "command", [["report"], ["activations", "--data-dir", "nowhere"], ["recipe", "--threads", "100000"]]
)
def test_failure_is_one_line_and_exit_code_2(command, monkeypatch, capsys, tmp_path):
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "results.json").write_text("{}")
    for out in (tmp_path, tmp_path / "damaged"):
        monkeypatch.setattr("sys.argv", ["benchmarks", *command, "--out", str(out)])
        with pytest.raises(SystemExit) as exit_:
            command_line.main()
        assert exit_.value.code == 2
        assert capsys.readouterr().err.startswith("error: ")


def test_help_lists_the_other_benchmarks(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmarks", "--help"])
    with pytest.raises(SystemExit) as exit_:
        command_line.main()
    assert exit_.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in command_line.COMMANDS)


def test_interrupted_measurement_is_continued(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "programs", list)
    ran = []

    def measured(number, folder):
        if number == len(ran) == 1 and not broken:
            raise KeyboardInterrupt
        ran.append(number)
        return {"number": number}

    def results(seed):
        found = bench.Bench(tmp_path, 1, seed, True, tmp_path / "log.jsonl")
        return list(found._done(bench._Task(str(i), measured, (i,)) for i in range(2)))

    broken = False
    with pytest.raises(KeyboardInterrupt):
        results(0)
    broken = True
    assert results(0) == [{"number": 0}, {"number": 1}]
    assert ran == [0, 1]
    results(1)  # another sample
    assert ran == [0, 1, 0, 1]
