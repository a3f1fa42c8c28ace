"""The study page without a browser: its sources, its texts and its numbers."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handgrad
from autograd_ref import two_layer_net as reference
from autograd_ref.crosscheck.problems import random_problem
from autograd_ref.study import page, speed, witnesses
from autograd_ref.study.course_notes import as_published
from autograd_ref.study.equations import equations
from autograd_ref.study.example import judge_steps, worked_problem
from autograd_ref.study.hard_places import notes_reports
from autograd_ref.study.jax_source import GRADIENT, jax_source, loss_source
from autograd_ref.study.mistaken_networks import break_it, train
from autograd_ref.study.network_diagram import draw
from autograd_ref.study.program import PROGRAM, run, slip_ups
from autograd_ref.study.rendering.language import FOLDER, LANGUAGES, Words
from autograd_ref.study.rendering.markup import code_html, formula, prose
from autograd_ref.study.rendering.matrices import cells
from autograd_ref.study.source import read_function, read_steps
from handgrad import layers, two_layer_net
from handgrad.activations import ActivationName


@pytest.fixture(scope="module")
def steps():
    return read_steps(worked_problem())


def test_steps_match_the_source_in_its_order(steps):
    assert [step.key for step in steps] == [
        *("z1", "h1", "scores", "data_loss", "loss"),
        *("dscores", "dh1", "dW2_penalty", "dz1", "dW1", "dW1_penalty"),
    ]
    trace = worked_problem().net().trace(*(getattr(worked_problem(), name) for name in ("X", "y", "reg")))
    values = {name: value for step in steps for name, value in step.made.items()}
    for name in trace.keys() & values.keys():
        np.testing.assert_array_equal(values[name], trace[name])


def test_dependencies_are_found_by_changing_values(steps):
    leads = {step.key: step.leads for step in steps}
    assert leads["dh1"] == {"dh1": ("dscores", "W2"), "dW2": ("dscores", "h1"), "db2": ("dscores",)}
    assert leads["data_loss"] == {"data_loss": ("scores", "y"), "probs": ("scores",)}
    assert leads["dz1"] == {"dz1": ("dh1", "z1")}
    drawn = {(edge.start, edge.end) for edge in draw(steps).edges}
    assert {("dscores", "dW2"), ("z1", "dz1"), ("W1", "loss")} <= drawn
    assert ("dscores", "dW1") not in drawn


def test_letters_of_a_derivation_stand_for_the_quantities_of_the_step(steps):
    rule = next(rule for step in steps if step.key == "dh1" for rule in step.rules)
    assert rule.name == "affine_backward"
    assert rule.marks | {"dz": "dscores", "x": "h1", "dx": "dh1", "W": "W2", "dW": "dW2"} == rule.marks
    penalty = next(rule for step in steps if step.key == "loss" for rule in step.rules)
    assert "W" not in penalty.marks  # it is called for both
    shown = formula("dx_{ni} = \\sum_j dz_{nj} W_{ij}", rule.marks)
    assert [part.split('"')[0] for part in shown.split('data-q="')[1:]] == ["dh1", "dscores", "W2"]


def test_every_step_agrees_with_jax_and_a_wrong_one_does_not(steps, monkeypatch):
    problem = worked_problem()
    for step, judged in zip(steps, judge_steps(steps, problem), strict=True):
        assert [each.name for each in judged] == list(step.targets)
        assert all(each.quantity.ok for each in judged)

    def halved(W, reg):
        return 2 * reg * W

    halved.__module__ = layers.__name__
    monkeypatch.setattr(two_layer_net, "l2_penalty_backward", halved)
    wrong = read_steps(problem)
    judgements = zip(wrong, judge_steps(wrong, problem), strict=True)
    found = {step.key: all(each.quantity.ok for each in judged) for step, judged in judgements}
    assert {key for key, ok in found.items() if not ok} == {"dW2_penalty", "dW1_penalty"}


def test_jax_equations_compute_the_step():
    lettered = read_steps(random_problem(np.random.default_rng(0), tuple(page.SIZES.values())))
    by_key = dict(zip((step.key for step in lettered), equations(lettered, page.SIZES), strict=True))
    for step in lettered:
        written = by_key[step.key]
        known = set(step.before)
        used = {operand for equation in written for operand in equation.operands}
        for equation in written:
            for operand in equation.operands:
                assert operand in known or operand in "NDHC" or float(operand) is not None
            known.add(equation.result)
            assert equation.result in used or equation.result in step.targets
        assert set(step.targets) <= {equation.result for equation in written}
    transposed = by_key["dW1"][-1]
    assert (transposed.result, transposed.shape, transposed.primitive) == ("dW1", "D×H", "transpose")


@pytest.mark.slow
def test_a_change_in_layers_shows_with_no_other_edit(tmp_path):
    shutil.copytree(Path(handgrad.__file__).parent, tmp_path / "handgrad")
    file = tmp_path / "handgrad" / "layers.py"
    source = file.read_text()
    for old, new in (
        ("return x.T @ dz, dz.sum(axis=0)", "return x.T @ dz, np.add.reduce(dz, axis=0)"),
        ("so $db_j = \\sum_n dz_{nj}$", "so $db_j = \\sum_m dz_{mj}$"),
    ):
        assert source.count(old) == 1
        source = source.replace(old, new)
    file.write_text(source)
    program = """
from autograd_ref.study.example import worked_problem
from autograd_ref.study.rendering.language import Words
from autograd_ref.study.source import read_steps
rule = next(rule for step in read_steps(worked_problem()) if step.key == "dW1" for rule in step.rules)
words = Words([])
print(rule.code, words.derivation(rule.derivation, rule.marks))
"""
    root = Path(handgrad.__file__).parents[1]
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(root)!r}]\n{program}"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    ).stdout  # fmt: skip
    assert "np.add.reduce(dz, axis=0)" in shown
    assert shown.count(">m</mi>") == 2 * 2  # the sum and its term, in each language
    assert '<div class="zh" lang="zh-Hans"><p lang="zh-Hans">' in shown
    assert shown.count('<p lang="en">') == shown.count('<p lang="zh-Hans">')


def test_text_from_code_is_escaped():
    hostile = '<script>alert("&")</script>'
    for shown in (
        prose(f"{hostile} `{hostile}` *{hostile}*"),
        code_html(f"x = '{hostile}'  # {hostile}", {"x": hostile}),
        formula("a <script> b"),
    ):
        assert "<script" not in shown
        assert "&lt;" in shown
    with pytest.raises(ValueError, match="cannot be shown"):
        formula("\\frac{")


def test_texts_are_complete_in_both_languages(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "text")
    Words([], tmp_path / "text")
    chinese = tmp_path / "text" / "zh" / "steps.toml"
    text = chinese.read_text(encoding="utf-8")
    assert text.count('next = "下一步"\n') == 1
    chinese.write_text(text.replace('next = "下一步"\n', ""), encoding="utf-8")
    with pytest.raises(ValueError, match=r"zh lacks walk\.next"):
        Words([], tmp_path / "text")


def test_every_mistake_has_its_words():
    ids = {mistake.id for mistake in slip_ups()}
    for language in LANGUAGES:
        table = tomllib.loads((FOLDER / language / "break.toml").read_text(encoding="utf-8"))
        assert table["mistakes"].keys() == ids
    # The checker's sentences are English; each mistake's is translated.
    assert table["sentences"].keys() == ids | {"refusal"}


def test_untranslated_derivation_is_shown_in_the_original():
    shown = Words([]).derivation(("A new sentence about $x^{2}$ and {1}.",), {})
    assert shown.count("A new sentence about") == shown.count("and {1}.") == 2
    assert '<div class="zh" lang="zh-Hans"><p lang="en">' in shown


def test_true_gradient_belongs_to_the_loss():
    problem = worked_problem()
    trace = problem.net().trace(problem.X, problem.y, problem.reg)
    expected = np.concatenate([trace[f"d{q}"].ravel() for q in problem.params])
    np.testing.assert_allclose(witnesses._true_gradient(problem), expected, rtol=1e-14)
    assert Decimal(1) / 3 == Decimal("0.3333333333333333333333333333")  # the precision is as it was


def test_speed_figures_match_the_benchmark():
    results = json.loads(speed.RESULTS.read_text(encoding="utf-8"))
    assert speed.read_speed() == speed.summarise(results), "run python -m autograd_ref.study.speed"


@pytest.mark.parametrize("upright", [False, True])
def test_diagram_edges_pass_beside_boxes(steps, upright):
    picture = draw(steps, upright=upright)
    boxes = {node.name: (node.x, node.y, node.half_width + 2, node.half_height + 2) for node in picture.nodes}
    for edge in picture.edges:
        for start, end in pairwise(edge.points):
            for x, y in np.linspace(start, end, 50):
                behind = [
                    name
                    for name, (x0, y0, w, h) in boxes.items()
                    if name not in (edge.start, edge.end) and abs(x - x0) < w and abs(y - y0) < h
                ]
                assert not behind, (edge.start, edge.end)
    for x, y, w, h in boxes.values():
        assert w < x < picture.width - w
        assert h < y < picture.height - h
    assert {"reg", "dloss"} <= boxes.keys()


# `test_every_step_agrees_with_jax_and_a_wrong_one_does_not` runs the program with ReLU.
@pytest.mark.slow
@pytest.mark.parametrize("activation", get_args(ActivationName))
def test_jax_source_makes_the_step(activation):
    problem = replace(worked_problem(), activation=activation)
    with reference.precision(np.float64):
        for step in read_steps(problem):
            scope = {**vars(reference), "jax": jax, "jnp": jnp}
            scope |= {name: jnp.asarray(value) for name, value in step.before.items()}
            scope["y"] = scope["y"].astype(jnp.int32)
            exec(jax_source(step, activation).code, scope)
            for name, value in step.made.items():
                np.testing.assert_allclose(scope[name], value, rtol=1e-12, atol=1e-15, err_msg=step.key)


def test_functions_are_shown_with_their_defaults(steps):
    shown = [rule.code for step in steps for rule in step.rules]
    shown += [code for step in steps for code in jax_source(step).functions]
    for code in ("def l2_penalty_forward(W, reg, c=2.0):", "def penalty(W, reg, c=2.0):"):
        assert any(each.startswith(code) for each in shown), code
    # No annotation is left, and each can be pasted and defined.
    for code in shown:
        exec(code, {"np": np, "jnp": jnp, "jax": jax})
        assert ":" not in code.splitlines()[0].rstrip(":")


@pytest.mark.slow
def test_refusal_names_the_line_that_is_shown():
    refusal, _ = notes_reports()
    number = int(re.search(r"line (\d+)", refusal)[1])
    assert "dscores" in read_function(as_published).code.splitlines()[number - 1]
    chinese = tomllib.loads((FOLDER / "zh" / "break.toml").read_text(encoding="utf-8"))
    assert re.findall(r"第 (\d+) 行", json.dumps(chinese, ensure_ascii=False)) == [str(number)]


@pytest.mark.slow
def test_one_line_of_jax_makes_the_gradient():
    problem = worked_problem()
    with reference.precision(np.float64):
        scope = {
            **vars(reference), "jax": jax, "reg": problem.reg,
            "params": {q: jnp.asarray(value) for q, value in problem.params.items()},
            "X": jnp.asarray(problem.X), "y": jnp.asarray(problem.y, jnp.int32),
        }  # fmt: skip
        exec(loss_source(read_steps(problem)), scope)
        exec(GRADIENT, scope)
    made = run(PROGRAM, problem.params, problem.X, problem.y, problem.reg)
    for q, gradient in scope["grads"].items():
        np.testing.assert_allclose(gradient, made[f"d{q}"], rtol=1e-12, atol=1e-15)


def test_program_is_the_hand_derivation(steps):
    problem = worked_problem()
    made = run(PROGRAM, problem.params, problem.X, problem.y, problem.reg)
    for step in steps:
        for name, value in step.made.items():
            if step.key != "dh1" or name != "dW2":
                np.testing.assert_allclose(
                    made[name],
                    value + 4 * problem.reg * problem.params["W1"]
                    if (step.key, name) == ("dW1", "dW1")
                    else value,
                    rtol=1e-12,
                    atol=1e-15,
                )


@pytest.mark.slow
def test_mistakes_match_the_checkers_catalogue():
    problem = worked_problem()
    for mistake in slip_ups():
        broken = break_it(mistake, problem)
        assert mistake.id in [each.id for each in broken.whole.diagnosis]
        assert not broken.whole.ok
        assert broken.unchanged == (
            mistake.id in ("reg-bias-in-loss-only", "integer-truncation", "float32-inside")
        )


def test_training_with_a_mistake_is_worse():
    losses, stopped = train(PROGRAM)
    assert losses[-1] < losses[0] / 1.5
    assert not stopped
    by_id = {mistake.id: mistake for mistake in slip_ups()}
    wrong, _ = train(by_id["relu-mask-missing"].lines)
    assert wrong[-1] > losses[-1] + 0.05
    diverged, _ = train(by_id["one-hot-sign"].lines)
    assert len(diverged) < len(losses)
    _, stopped = train(by_id["dW-transposed"].lines)
    assert "could not be broadcast" in stopped


def test_matrix_columns_align_by_their_points():
    rows = cells([[1.0, 0.25], [-0.5, 3.0]], right=[[1.0, 0.25], [0.5, 3.0]])
    assert rows == [[("1", ".0", False), ("0.25", "", False)], [("−0.5", "", True), ("3", ".00", False)]]


def test_a_folder_that_cannot_be_made_is_an_error(handgrad, tmp_path):
    file = tmp_path / "file"
    file.touch()
    code, out, err = handgrad("study", "--out", file)
    assert (code, out) == (2, "")
    assert err == f"handgrad: {file} is a file, not a directory: name another one\n"
