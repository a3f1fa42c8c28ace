"""The numbers that the study page's script computes, compared with Python's."""

# ruff: noqa: F401, F811 - the browser is a fixture, which arguments name

import json
import re
from dataclasses import replace
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from study_browser import browser

from autograd_ref.crosscheck.problems import random_problem
from autograd_ref.study.example import worked_problem
from autograd_ref.study.numbers import page_numbers
from autograd_ref.study.program import PROGRAM, run
from autograd_ref.study.rendering.template import FOLDER
from autograd_ref.study.source import read_steps
from autograd_ref.two_layer_net import precision
from handgrad.activations import ACTIVATIONS, ActivationName

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def script(browser):
    """Evaluates JavaScript beside the two files that compute."""
    page = browser.new_page()
    for name in ("network", "explain"):
        page.add_script_tag(content=(FOLDER / "script" / f"{name}.js").read_text(encoding="utf-8"))
    return page


def given(problem):
    """A problem as the script takes it."""
    values = {"X": problem.X, "y": problem.y, **problem.params, "reg": problem.reg}
    return {
        **{name: np.atleast_2d(np.asarray(value)).tolist() for name, value in values.items()},
        "activation": problem.activation,
    }


def drawn(activation, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    sizes = tuple(int(size) for size in rng.integers(2, 6, size=4))
    problem = random_problem(rng, sizes, reg=float(rng.uniform(0, 0.5)))
    params = {name: scale * value for name, value in problem.params.items()}
    return replace(problem, params=params, activation=activation)


def deviations(found, expected):
    """Return the largest difference for each key, in units of its largest entry."""
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert np.shape(found[key]) == np.atleast_2d(value).shape, key
    return {
        key: np.abs(np.asarray(found[key]) - value).max() / max(np.abs(value).max(), 1e-3)
        for key, value in expected.items()
    }


@pytest.mark.parametrize("activation", get_args(ActivationName))
def test_script_computes_what_python_computes(script, activation):
    problems = [drawn(activation, seed, scale) for seed in range(3) for scale in (0.3, 1.0, 4.0)]
    problems.append(replace(worked_problem(), activation=activation))
    found = script.evaluate("all => all.map(network.numbers)", [given(problem) for problem in problems])
    for problem, numbers in zip(problems, found, strict=True):
        off = deviations(numbers, page_numbers(problem, read_steps(problem)))
        assert max(off.values()) < 1e-11, max(off, key=off.get)


def test_script_has_the_activations_of_python(script):
    assert script.evaluate("Object.keys(network.activations)") == list(ACTIVATIONS)


@pytest.mark.parametrize("activation", get_args(ActivationName))
def test_script_activations_far_out(script, activation):
    z = np.concatenate([[-700.0, -45.0, -38.0, -8.0, 8.0, 38.0, 45.0, 700.0, 0.0], np.linspace(-6, 6, 241)])
    found = script.evaluate(
        "([name, z]) => network.activations[name].map(f => z.map(f))", [activation, z.tolist()]
    )
    for values, function in zip(found, ACTIVATIONS[activation], strict=True):
        expected = function(z)
        np.testing.assert_allclose(np.array(values, float), expected, rtol=1e-11, atol=2e-15)


def test_script_wrong_slope_is_noticed(script):
    problem = drawn("tanh", 1)
    values = given(problem) | {"activation": "sigmoid"}
    off = deviations(script.evaluate("network.numbers", values), page_numbers(problem, read_steps(problem)))
    assert off["dz1/dz1"] > 1e-3


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_script_differences_find_the_gradient(script, activation):
    problem = drawn(activation, 3)
    numbers = page_numbers(problem, read_steps(problem))
    for key in ("dscores/dscores", "dh1/dh1", "dh1/dW2", "dh1/db2", "dz1/dz1", "dW1/db1", "dW1_penalty/dW1"):
        found = script.evaluate(
            "([given, key]) => network.differences(given, ...key.split('/'))", [given(problem), key]
        )
        np.testing.assert_allclose(found, np.atleast_2d(numbers[key]), rtol=1e-5, atol=1e-8)


def test_sum_of_an_entry_is_written_out(script):
    values = given(worked_problem())
    first = script.evaluate("given => explain.of('z1/z1', network.numbers(given), 0, 0, 'relu')", values)
    assert (first["entry"], first["right"], first["value"]) == (
        "z1[0, 0]",
        "1·1 + 2·0.5 + (−1)·(−1) − 0.5",
        "2.5",
    )
    assert ["given/W1", 2, 0] in first["uses"]


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_every_sum_gives_its_entry(script, activation):
    problem = replace(worked_problem(), activation=activation)
    found = script.evaluate(
        """([given, activation]) => {
            const v = network.numbers(given);
            return explain.keys.flatMap(key => v[key].flatMap((row, i) => row.map((x, j) =>
                [key, x, explain.of(key, v, i, j, activation)])));
        }""",
        [given(problem), activation],
    )
    assert len(found) > 60
    scope = {
        "max": max,
        "log": np.log,
        "e": np.e,
        "silu": lambda z: float(ACTIVATIONS["silu"].forward(np.array([float(z)]))[0]),
    }
    for key, value, entry in found:
        code = re.sub(r"log ([\d.]+)", r"log(\1)", entry["right"])
        for sign, operator in (("·", "*"), ("−", "-"), ("^", "**")):
            code = code.replace(sign, operator)
        assert abs(eval(code, scope) - value) < 2e-3, (key, entry)
        shown = float(entry["value"].replace("−", "-"))
        assert abs(shown - value) <= 5.1e-5
        assert entry["uses"]


def test_numbers_of_the_hard_place_are_jax_jacobian():
    problem = worked_problem()
    numbers = page_numbers(problem, read_steps(problem))
    with precision(np.float64):
        jacobian = jax.jacobian(jax.nn.softmax)(jnp.asarray(numbers["scores/scores"][0]))
    np.testing.assert_allclose(numbers["hard/jacobian"], jacobian, rtol=1e-14)
    np.testing.assert_allclose(numbers["hard/long"], numbers["hard/short"], rtol=1e-14)


def test_numbers_after_an_update_match_the_program():
    problem = worked_problem()
    numbers = page_numbers(problem, read_steps(problem))
    made = run(PROGRAM, problem.params, problem.X, problem.y, problem.reg)
    moved = {q: value - 0.5 * made[f"d{q}"] for q, value in problem.params.items()}
    after = run(PROGRAM, moved, problem.X, problem.y, problem.reg)["loss"]
    assert numbers["update/loss/0.5"] == pytest.approx(after, rel=1e-13)
    assert numbers["update/predicted/0.5"] == pytest.approx(made["loss"] - 0.5 * numbers["update/square"])
    halves = numbers["shards/0/dW1"] + numbers["shards/1/dW1"]
    np.testing.assert_allclose(halves / 2, numbers["dW1/dW1"], rtol=1e-13)


def test_example_in_the_page_is_json():
    assert json.loads(json.dumps(given(worked_problem())))["reg"] == [[0.1]]
