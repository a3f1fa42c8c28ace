"""The worked example, small enough to follow by hand, and both sides' values in each of its steps."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from autograd_ref.crosscheck.bounds import stagewise_bounds
from autograd_ref.crosscheck.comparison import Quantity, judge
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.study.equations import counterpart
from autograd_ref.study.source import Step, read_steps
from autograd_ref.two_layer_net import PENALTY, precision

__all__ = ["Judged", "judge_step", "worked_problem"]


def worked_problem() -> Problem:
    """Two samples, three features, two hidden units and three classes, in numbers of one digit or two.

    One pre-activation is negative, so that the ReLU's mask shows; one sample is classified right, one wrong.
    """
    params = {
        "W1": np.array([[1.0, 0.5], [0.5, -1.0], [-1.0, 1.0]]),
        "b1": np.array([-0.5, 0.5]),
        "W2": np.array([[0.4, -0.2, 0.2], [-0.6, 0.8, 0.4]]),
        "b2": np.array([0.1, 0.0, -0.1]),
    }
    X = np.array([[1.0, 2.0, -1.0], [2.0, 0.0, 1.0]])
    return Problem("worked example", params, X, np.array([0, 2]), reg=0.1)


@dataclass(frozen=True)
class Judged:
    """One quantity of one step, by hand and automatically.

    Attributes:
        name: of the quantity.
        hand: by hand.
        automatic: what the reference makes of the same operands.
        quantity: the checker's judgement of the difference.
    """

    name: str
    hand: np.ndarray
    automatic: np.ndarray
    quantity: Quantity


def judge_step(step: Step, steps: list[Step], problem: Problem) -> list[Judged]:
    """Hold what a step made by hand against what the reference makes of the same operands.

    Args:
        step: one of the steps.
        steps: all of them, on the problem.
        problem: where.

    Returns:
        One judgement for each target.
    """
    with precision(np.float64):
        labels = {"y": step.before["y"].astype(np.int32)}
        automatic = jax.jit(counterpart(step))({**step.before, **labels})
        made = {name: np.asarray(value) for name, value in automatic.items()}
    # A step alone is bounded as the checker bounds a stage; before the penalty is added, as if there were none.
    values: dict[str, Any] = {**step.before}
    for each in steps:
        values |= each.made
    values |= step.made
    if "data_loss" in step.made:
        values["loss"] = step.made["data_loss"]
    final = step.adds or "loss" in step.targets
    bounds = stagewise_bounds(values, problem.dtype, problem.reg if final else 0.0, PENALTY)
    bounds.radius["data_loss"] = bounds.radius["loss"]
    return [
        Judged(name, np.asarray(hand), made[name], judge(name, hand, made[name], bounds, lambda *_: None))
        for name, hand in step.made.items()
    ]
