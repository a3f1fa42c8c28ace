"""The study page: everything gathered, computed, and written into one file."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from autograd_ref.crosscheck.problems import Problem, random_problem
from autograd_ref.study import charts, hard_places
from autograd_ref.study.course_notes import as_published
from autograd_ref.study.equations import Equation, equations
from autograd_ref.study.example import Judged, judge_steps, worked_problem
from autograd_ref.study.language import Words
from autograd_ref.study.mistaken_networks import Broken, break_it, mistakes
from autograd_ref.study.network_diagram import draw
from autograd_ref.study.source import GIVEN, Step, read_function, read_steps
from autograd_ref.study.template import render
from autograd_ref.study.witnesses import hear_witnesses
from autograd_ref.two_layer_net import QUANTITIES
from handgrad.files import replace_file

__all__ = ["build_page", "write_page"]

FOLDER = Path(__file__).parent
BENCHMARKS = FOLDER.parents[1] / "benchmarks" / "results"
SPEED_PICTURE = "step-time.png"

# By these sizes the letters of the shapes are recognised: all different, and none of them a likely constant.
SIZES = {"N": 13, "D": 17, "H": 19, "C": 11}


class Row(NamedTuple):
    """A step with everything that its row shows."""

    step: Step
    equations: list[Equation]
    judged: list[Judged]


def write_page(directory: Path, results: Path = BENCHMARKS) -> Path:
    """Build the page and write it as ``index.html``.

    Args:
        directory: where; it is made if it is not there.
        results: where benchmarks leave their pictures.

    Returns:
        The file.

    Raises:
        OSError: it cannot be written.
        ValueError: a text is missing, or the sources are no longer what the page can read.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot make the folder {directory}: {error.strerror}") from None
    file = directory / "index.html"
    replace_file(file, build_page(results).encode())
    return file


def build_page(results: Path) -> str:
    """Compute everything and put it into the template.

    Args:
        results: where benchmarks leave their pictures.

    Returns:
        The page.

    Raises:
        ValueError: as `write_page`.
    """
    problem = worked_problem()
    steps = read_steps(problem)
    sizes = (SIZES["N"], SIZES["D"], SIZES["H"], SIZES["C"])
    lettered = read_steps(random_problem(np.random.default_rng(0), sizes))
    values = {name: value for step in steps for name, value in {**step.before, **step.made}.items()}
    shapes = {
        name: _shape(value) for step in lettered for name, value in {**step.before, **step.made}.items()
    }
    context = {
        **_hard_places(problem, values),
        "given": GIVEN,
        "values": values,
        "shapes": shapes,
        "made_in": {
            name: number for number, step in reversed(list(enumerate(steps))) for name in step.targets
        },
        "rows": [
            Row(*row)
            for row in zip(steps, equations(lettered, SIZES), judge_steps(steps, problem), strict=True)
        ],
        "pictures": [draw(steps), draw(steps, upright=True)],
        "groups": _by_group([break_it(mistake) for mistake in mistakes()]),
        "named": {name: name for name in values},
        "quantities": QUANTITIES,
        "witnesses": [hear_witnesses(dtype) for dtype in ("float64", "float32")],
        "activations": charts.activation_charts(),
        "speed": _speed(results),
        "versions": f"NumPy {np.__version__}, JAX {jax.__version__}",
    }
    return render(context, Words(values))


def _shape(value: Any) -> str:
    letters = {size: letter for letter, size in SIZES.items()}
    return "×".join(letters[size] for size in np.shape(value))


def _hard_places(problem: Problem, values: dict[str, Any]) -> dict[str, Any]:
    trace = problem.net().trace(problem.X, problem.y, problem.reg)
    refusal, report = hard_places.notes_reports()
    return {
        "collapse": hard_places.collapse(values["scores"][0], int(problem.y[0])),
        "alias": hard_places.alias(problem, trace),
        "kink": hard_places.kink(),
        "products": hard_places.products(trace),
        "refusal": refusal,
        "notes_report": report,
        "notes_code": read_function(as_published).code,
    }


def _by_group(broken: Sequence[Broken]) -> dict[str, list[Broken]]:
    """The mistakes by the part of the computation in which they are made."""
    groups: dict[str, list[Broken]] = {"penalty": [], "local": [], "upstream": [], "values": []}
    steps = {"penalty": "penalty", "data": "local", "scale": "local", "whole": "local"}
    steps |= {"loss": "values", "inputs": "values"}
    for each in broken:
        groups[steps.get(each.mistake.step, "upstream")].append(each)
    return groups


def _speed(results: Path) -> str | None:
    """The benchmarks' picture as a data URL, if there is one of a run on record."""
    picture = results / SPEED_PICTURE
    if not (results / "results.json").is_file() or not picture.is_file():
        return None
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
