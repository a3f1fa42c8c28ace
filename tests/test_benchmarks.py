"""The benchmarks' own parts: a contender called wrongly would make a comparison unfair without a word."""

from importlib.util import find_spec

import numpy as np
import pytest

from autograd_ref.crosscheck.comparison import compare_trace
from autograd_ref.crosscheck.problems import random_problem
from benchmarks.activations import runs as activation_runs
from benchmarks.activations.runs import Run
from benchmarks.checkers import compare as checkers
from benchmarks.checkers import mistaken_networks as networks
from benchmarks.checkers.bounds import NETWORKS, reference, whole
from benchmarks.checkers.contenders import CONTENDERS
from benchmarks.checkers.hard_problems import hard_problem
from benchmarks.checkers.sensitivity import planted, smallest_caught
from benchmarks.results import write_section
from handgrad.activations import ACTIVATIONS

# SciPy's own threshold is too tight for a forward difference: it flags the right network.
PASSING = [name for name in CONTENDERS if "1.5e-7" not in name and find_spec(CONTENDERS[name].needs)]
NAMING = [name for name in PASSING if not name.startswith(("jax", "scipy"))]


def ordinary():
    return random_problem(np.random.default_rng(0), (9, 7, 10, 5), reg=0.1)


@pytest.mark.parametrize("name", PASSING)
def test_every_checker_passes_the_right_network_and_catches_a_coarse_mistake(name):
    _, edits = networks.MISTAKES["bias-mean"]
    verdict = CONTENDERS[name].check(networks.network(*edits), ordinary())
    assert not verdict.ok
    assert verdict.first_wrong == ("db1" if name in NAMING else None)
    assert CONTENDERS[name].check(networks.network(), ordinary()).ok


@pytest.mark.parametrize("name", NAMING)
def test_a_gradient_of_the_wrong_shape_is_the_checkers_finding(name):
    _, edits = networks.MISTAKES["bias-wrong-axis"]
    verdict = CONTENDERS[name].check(networks.network(*edits), ordinary())
    assert not verdict.ok
    assert verdict.first_wrong == "db1"


def test_a_library_that_is_not_installed_is_listed_with_what_installs_it(monkeypatch, tmp_path, capsys):
    found = {"mistakes": 2, "in_catalogue": 1, "harmless": 1, "missed": [], "first_wrong_not_named": ["one"]}
    found |= {"mistake_not_named": [], "false_alarms": [], "smallest_caught": 1e-9}
    asked = []
    monkeypatch.setattr(checkers, "find_spec", lambda name: None if name == "torch" else name)
    monkeypatch.setattr(checkers, "score", lambda contender, problem: asked.append(contender) or found)
    monkeypatch.setattr(checkers, "time_checks", lambda names: {name: {100: [2.0, 1.0]} for name in names})
    checkers.compare_checkers(tmp_path)
    said = capsys.readouterr().out
    assert "Not installed: torch; `pip install -e '.[torch]'`" in said
    assert "torch gradcheck" not in said
    assert not any(contender.needs == "torch" for contender in asked)
    assert {path.name for path in tmp_path.iterdir()} == {"checkers.json", "checkers.png"}


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("network", NETWORKS)
def test_right_networks_are_not_flagged_on_hard_problems(network, dtype):
    # Ten thousand are the benchmark's. In the last two, a subnormal adjoint meets large factors.
    for number in (*range(8), 480, 7892):
        problem = hard_problem(number, dtype)
        trace = NETWORKS[network](problem)
        for comparison in (whole(problem, trace, reference(problem)), compare_trace(problem, trace)):
            assert comparison.ok, f"{problem.name}: {comparison.first_wrong}"


def test_a_hard_problem_is_drawn_again_by_its_number():
    one, again, other = hard_problem(7, "float32"), hard_problem(7, "float32"), hard_problem(8, "float32")
    assert one.name == again.name != other.name
    assert one.dtype == np.float32
    assert np.array_equal(one.X, again.X)


@pytest.mark.parametrize("threshold", [1.0, 0.3, 1e-9, 3e-17])
def test_bisection_finds_the_threshold_to_a_power_of_two(threshold):
    found = smallest_caught(lambda error: error >= threshold)
    assert threshold <= found < 2 * threshold


def test_bisection_says_when_nothing_is_caught():
    assert smallest_caught(lambda error: False, largest=10) is None


def test_only_the_median_entry_is_off():
    value = np.array([[0.0, 5.0, -1.0], [3.0, 0.0, 100.0]])
    off = planted(value, 0.5)
    assert np.argwhere(off != value).tolist() == [[0, 1]]
    assert off[0, 1] == 7.5
    assert not planted(np.zeros(3), 0.5).any()


def test_handgrads_checker_sees_what_no_finite_difference_can():
    contender = CONTENDERS["handgrad check_network"]
    assert checkers.sensitivity(contender, ordinary()) <= 1e-10


def test_a_section_takes_the_place_of_the_one_before(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- it -->\nold\n<!-- /it -->\nafter\n")
    write_section("it", "new", readme)
    assert readme.read_text() == "before\n<!-- it -->\nnew\n<!-- /it -->\nafter\n"
    assert list(tmp_path.iterdir()) == [readme]


def test_a_readme_without_the_markers_is_refused_and_left_alone(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("no markers\n")
    with pytest.raises(ValueError, match="must have the lines <!-- it --> and <!-- /it -->"):
        write_section("it", "new", readme)
    assert readme.read_text() == "no markers\n"


def test_a_run_with_an_activation_is_looked_at_after_every_epoch(monkeypatch, digits):
    monkeypatch.setattr(activation_runs, "EPOCH", 3)
    monkeypatch.setattr(activation_runs, "WATCHED", 3)
    found = activation_runs.train(Run("tanh", "Glorot", 0.1, 0, epochs=2, calm=1), digits)
    assert not found["diverged"]
    assert [each["step"] for each in found["epochs"]] == [0, 3, 6, 9]
    assert found["epochs"][0]["loss"] is None
    assert found["epochs"][0]["train"] < 0.3 < found["epochs"][2]["train"]
    update = [each["update_W1"] for each in found["epochs"][2:]]
    assert 0 < update[1] < 0.05 * update[0]  # a hundredth of the learning rate
    assert found["watched"].keys() == {"signs", "cosine", "straightness"}
    assert activation_runs.train(Run("relu", "He", 1e9, 0, epochs=2), digits)["diverged"]


def test_every_activations_run_is_another():
    runs = activation_runs.all_runs()
    assert len({run.key for run in runs}) == len(runs)
    assert {run.activation for run in runs} == set(ACTIVATIONS)
