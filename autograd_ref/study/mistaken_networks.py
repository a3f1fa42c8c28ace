"""Every mistake in the catalogue, made in the worked example, in the checker and in training."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float

from autograd_ref.crosscheck.comparison import compare_trace
from autograd_ref.crosscheck.network.check import check_network
from autograd_ref.crosscheck.problems import Problem, random_problem
from autograd_ref.crosscheck.quantity import Quantity
from autograd_ref.crosscheck.reports.report import Report
from autograd_ref.study.program import PROGRAM, SlipUp, run
from autograd_ref.two_layer_net import QUANTITIES
from handgrad.two_layer_net import PARAMETERS, TwoLayerNet

__all__ = ["Broken", "break_it", "train"]

# The spiral of CS231n's notes (https://cs231n.github.io/neural-networks-case-study/), small.
POINTS, TURNS, NOISE = 30, 4.0, 0.2
BATCH, SIZE = 5, 6
HIDDEN, STEPS, LEARNING_RATE, REG = 12, 100, 0.5, 1e-3


@dataclass(frozen=True)
class Broken:
    """A network with one mistake.

    Attributes:
        mistake: the mistake.
        right: the right value of ``mistake.shows`` in the worked example.
        wrong: the mistaken network's value; None if it stops before.
        error: the error that stopped it, or nothing.
        whole: the checker's report on the loss and the gradient it returns, as for any network.
        stages: every quantity judged as a single step, if all have the right shapes.
        losses: the true loss before each training step of the right network.
        mistaken_losses: the same for the mistaken network, up to the step where it stops or overflows.
        training_error: the error that stopped its training, or nothing.
    """

    mistake: SlipUp
    right: np.ndarray
    wrong: np.ndarray | None
    error: str
    whole: Report
    stages: tuple[Quantity, ...] | None
    losses: Float[np.ndarray, " steps"]
    mistaken_losses: Float[np.ndarray, " fewer"]
    training_error: str

    @property
    def first_wrong(self) -> str:
        """The first quantity that is wrong by itself; if steps cannot be judged, the checker's first."""
        wrong = [quantity.name for quantity in self.stages or () if not quantity.ok]
        return wrong[0] if wrong else str(self.whole.first_wrong)

    @property
    def unchanged(self) -> bool:
        """Whether the mistake does not change the worked example."""
        return self.wrong is not None and np.array_equal(self.right, self.wrong)


def break_it(mistake: SlipUp, problem: Problem) -> Broken:
    """Make a mistake in the worked example, and return its effects."""
    given = (problem.params, problem.X, problem.y, problem.reg)
    right = np.asarray(run(PROGRAM, *given)[mistake.shows])
    wrong, error = None, ""
    try:
        wrong = np.asarray(run(mistake.lines, *given)[mistake.shows], np.float64)
    except ValueError as stopped:
        error = str(stopped)
    whole = check_network(_returning(mistake), name=mistake.id)
    # With as many hidden units as classes, the untransposed product fits, too.
    hidden = 3 if mistake.id == "W2-not-transposed" else HIDDEN
    losses, _ = train(PROGRAM, hidden)
    mistaken_losses, training_error = train(mistake.lines, hidden)
    return Broken(
        mistake, right, wrong, error, whole, _stages(mistake), losses, mistaken_losses, training_error
    )


def _returning(mistake: SlipUp) -> Any:
    """Return the mistaken network as a function in the checker's form."""

    def network(params: Any, X: Any, y: Any, reg: Any) -> Any:
        values = run(mistake.lines, params, X, y, reg)
        return values["loss"], {name: values[f"d{name}"] for name in PARAMETERS}

    return network


def _stages(mistake: SlipUp) -> tuple[Quantity, ...] | None:
    """Judge each step on its own operands, if all have the right shapes.

    All layers are equally wide, so that products fit that otherwise would not.
    """
    problem = random_problem(np.random.default_rng(0), (BATCH, SIZE, SIZE, SIZE), reg=0.1)
    values = run(mistake.lines, problem.params, problem.X, problem.y, problem.reg)
    right = run(PROGRAM, problem.params, problem.X, problem.y, problem.reg)
    if any(np.shape(values[name]) != np.shape(right[name]) for name in QUANTITIES):
        return None
    given = {"X": problem.X, "y": problem.y, **problem.params}
    return compare_trace(problem, {**given, **{name: values[name] for name in QUANTITIES}}).quantities


@cache
def train(lines: tuple[str, ...], hidden: int = HIDDEN) -> tuple[Float[np.ndarray, " steps"], str]:
    """Train on a spiral with a program's gradient, and measure the right loss.

    Return the true loss before each step, and the error that stopped the training, or nothing.
    """
    X, y = _spiral()
    params: Mapping[str, np.ndarray] = TwoLayerNet(2, hidden, 3, std=0.5, rng=0).params
    losses: list[float] = []
    with np.errstate(all="ignore"):
        for _ in range(STEPS):
            true = float(run(PROGRAM, params, X, y, REG)["loss"])
            if not np.isfinite(true):
                break
            losses.append(true)
            try:
                made = run(lines, params, X, y, REG)
                params = {q: value - LEARNING_RATE * made[f"d{q}"] for q, value in params.items()}
            except ValueError as stopped:
                return np.array(losses), str(stopped)
    return np.array(losses), ""


def _spiral() -> tuple[np.ndarray, np.ndarray]:
    """Return three classes, each an arm of a spiral around the origin."""
    rng = np.random.default_rng(0)
    radius = np.linspace(0.05, 1, POINTS)
    arms = []
    for j in range(3):
        angle = np.linspace(j * TURNS, (j + 1) * TURNS, POINTS) + NOISE * rng.standard_normal(POINTS)
        arms.append(np.column_stack([radius * np.sin(angle), radius * np.cos(angle)]))
    return np.concatenate(arms), np.repeat(np.arange(3), POINTS)
