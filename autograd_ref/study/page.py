"""The study page, computed and written to one file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, get_args

import jax
import numpy as np
from markupsafe import Markup

from autograd_ref.crosscheck.problems import Problem, random_problem
from autograd_ref.exercise.topic import topic_called
from autograd_ref.study import hard_places
from autograd_ref.study.course_notes import as_published
from autograd_ref.study.equations import Equation, equations
from autograd_ref.study.example import Judged, judge_steps, worked_problem
from autograd_ref.study.jax_source import GRADIENT, JaxSource, jax_source, loss_source
from autograd_ref.study.mistaken_networks import break_it
from autograd_ref.study.network_diagram import SEED, draw
from autograd_ref.study.numbers import LEARNING_RATE, LEARNING_RATES, page_numbers
from autograd_ref.study.program import slip_ups
from autograd_ref.study.rendering.charts import activation_charts
from autograd_ref.study.rendering.language import Words
from autograd_ref.study.rendering.template import render
from autograd_ref.study.source import GIVEN, Rule, Step, read_derivation, read_function, read_steps
from autograd_ref.study.speed import Speed, read_speed
from autograd_ref.study.witnesses import measure_witnesses
from autograd_ref.two_layer_net import QUANTITIES
from handgrad import shards
from handgrad.activations import ActivationName
from handgrad.files import make_directory, replace_file

__all__ = ["build_page", "write_page"]

# Sizes by which the letters of shapes are recognised: all different, and unlikely to be constants.
SIZES = {"N": 13, "D": 17, "H": 19, "C": 11}

SECTIONS = ("network", "steps", "hard", "break", "exercise", "witnesses", "activations", "after")


class Variant(NamedTuple):
    """The sources of both sides that a step shows, for one activation or for all."""

    activation: str
    rules: tuple[Rule, ...]
    jax: JaxSource


class Row(NamedTuple):
    """A step with the contents of its row."""

    step: Step
    variants: list[Variant]
    equations: list[Equation]
    judged: list[Judged]


def write_page(directory: Path) -> Path:
    """Build the page, and return the file ``index.html`` in a directory, which is created if necessary.

    Raises:
        OSError: the file cannot be written.
        ValueError: a text is missing, or the page cannot read the sources.
    """
    make_directory(directory)
    file = directory / "index.html"
    replace_file(file, build_page().encode())
    return file


def build_page() -> str:
    """Compute everything, and return the page; raise ValueError like `write_page`."""
    problem = worked_problem()
    steps = read_steps(problem)
    sizes = (SIZES["N"], SIZES["D"], SIZES["H"], SIZES["C"])
    lettered = read_steps(random_problem(np.random.default_rng(0), sizes))
    values = _values(steps)
    judged = judge_steps(steps, problem)
    broken = [break_it(mistake, problem) for mistake in slip_ups()]
    numbers = page_numbers(problem, steps)
    speed = read_speed()
    context = {
        **_hard_places(problem, values),
        "sections": SECTIONS,
        "given": (*GIVEN, "reg"),
        "values": values,
        "numbers": numbers,
        "entry": lambda key, i, j: float(np.atleast_2d(numbers[key])[i, j]),
        "example": Markup(json.dumps(_example(problem))),  # noqa: S704 - numbers and names of our own
        "shapes": {name: _shape(value) for name, value in _values(lettered).items()},
        "quantities_shown": list(values),
        "places": _places(steps),
        "rows": list(map(Row, steps, _variants(problem, steps), equations(lettered, SIZES), judged)),
        "exercise": _exercise(),
        "gradient": GRADIENT,
        "loss_source": loss_source(steps),
        "pictures": [draw(steps), draw(steps, upright=True)],
        "seeds": (SEED,),
        "groups": {group: list(each) for group, each in groupby(broken, lambda it: it.mistake.group)},
        "named": {name: name for name in values},
        "quantities": QUANTITIES,
        "witnesses": [measure_witnesses(dtype) for dtype in ("float64", "float32")],
        "activations": activation_charts(),
        "learning_rate": LEARNING_RATE,
        "learning_rates": LEARNING_RATES,
        "shards_derivation": read_derivation(shards),
        "speed": speed,
        "speed_figures": _speed_figures(speed),
        "versions": f"NumPy {np.__version__}, JAX {jax.__version__}",
    }
    return render(context, Words(values))


def _values(steps: Sequence[Step]) -> dict[str, Any]:
    return {name: value for step in steps for name, value in {**step.before, **step.made}.items()}


def _shape(value: Any) -> str:
    letters = {size: letter for letter, size in SIZES.items()}
    return "×".join(letters[size] for size in np.shape(value))


def _exercise() -> list[dict[str, Any]]:
    """The steps that the reader writes: what each is about, its hints, and its right line."""
    found = []
    for step in topic_called("two-layer-network").steps:
        hints = [dict(zip(step.hints, each, strict=True)) for each in zip(*step.hints.values(), strict=True)]
        answer = step.solution.strip().removeprefix(f"{step.name} = ")
        found.append({"name": step.name, "does": step.does, "hints": hints, "answer": answer})
    return found


def _example(problem: Problem) -> dict[str, Any]:
    """Return the initial data of the page's script."""
    params = {name: value.tolist() for name, value in problem.params.items()}
    own = {"X": problem.X.tolist(), "y": problem.y.tolist(), "reg": problem.reg}
    return {**own, **params, "activation": problem.activation}


def _places(steps: Sequence[Step]) -> dict[str, str]:
    """Return the place where each quantity is explained: the step that finishes it, or the given data."""
    places = {name: f"step-{step.key}" for step in steps for name in step.targets}
    return {**dict.fromkeys((*GIVEN, "reg"), "given"), **places, SEED: "instead-title"}


def _variants(problem: Problem, steps: Sequence[Step]) -> list[list[Variant]]:
    """Return each step's sources: one variant for all activations, or one for each if they differ."""
    by_activation = {name: read_steps(replace(problem, activation=name)) for name in get_args(ActivationName)}
    found = []
    for number in range(len(steps)):
        variants = [
            Variant(name, other[number].rules, jax_source(other[number], name))
            for name, other in by_activation.items()
        ]
        same = all(variant[1:] == variants[0][1:] for variant in variants)
        found.append([variants[0]._replace(activation="")] if same else variants)
    return found


def _hard_places(problem: Problem, values: Mapping[str, Any]) -> dict[str, Any]:
    trace = problem.net().trace(problem.X, problem.y, problem.reg)
    refusal, report = hard_places.notes_reports()
    return {
        "alias": hard_places.alias(problem, trace),
        "kink": hard_places.kink(),
        "products": hard_places.products(trace),
        "refusal": refusal,
        "notes_report": report,
        "notes_code": read_function(as_published).code,
    }


def _speed_figures(speed: Speed) -> dict[str, str]:
    """Return the figures in the text of the answer."""
    wide = [ratio for H, ratio in zip(speed.hidden, speed.gradient_ratio, strict=True) if H >= 150]
    return {
        "narrow": f"{speed.gradient_ratio[0]:.1f}",
        "narrow_width": f"{speed.hidden[0]}",
        "low": f"{min(wide):.2f}",
        "high": f"{max(wide):.2f}",
        "fused_low": f"{min(speed.step_ratio):.2f}",
        "fused_high": f"{max(speed.step_ratio):.2f}",
        "compile": f"{speed.compile_seconds:.1f}",
    }
