"""The worked example, small enough to follow by hand, with both sides' values in each step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from autograd_ref.compiling.options import quick_options
from autograd_ref.crosscheck.bounds import stagewise_bounds
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.quantity import Quantity, judge
from autograd_ref.study.equations import counterpart
from autograd_ref.study.source import Step
from autograd_ref.two_layer_net import precision
from handgrad.objective import Objective

__all__ = ["Judged", "judge_steps", "worked_problem"]


def worked_problem() -> Problem:
    """Return two samples, three features, two hidden units and three classes, in numbers of few digits.

    One pre-activation is negative, to show the ReLU's mask; one sample is classified correctly, one is not.
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
    """A quantity of a step, computed by hand and by JAX from the same operands, and the verdict."""

    name: str
    hand: np.ndarray
    automatic: np.ndarray
    quantity: Quantity


def judge_steps(steps: Sequence[Step], problem: Problem) -> list[list[Judged]]:
    """Compare each step's results by hand with the reference's results for the same operands.

    Return a list for each step, with a verdict for each target.
    """
    functions = [counterpart(step) for step in steps]
    with precision(np.float64):
        before = [{**step.before, "y": step.before["y"].astype(np.int32)} for step in steps]
        automatic = jax.jit(
            lambda inputs: [f(given) for f, given in zip(functions, inputs, strict=True)],
            compiler_options=quick_options(),
        )(before)
    final: dict[str, Any] = dict(steps[0].before)
    for step in steps:
        final |= step.made
    return [_judge(step, made, final, problem) for step, made in zip(steps, automatic, strict=True)]


def _judge(
    step: Step, automatic: Mapping[str, Any], final: Mapping[str, Any], problem: Problem
) -> list[Judged]:
    # A single step has the checker's bound for a stage; before the penalty is added, the bound without
    # penalty.
    values = {**final, **step.before, **step.made}
    if "data_loss" in step.made:
        values["loss"] = step.made["data_loss"]
    with_penalty = step.adds or "loss" in step.targets
    bounds = stagewise_bounds(values, problem.dtype, Objective(problem.reg if with_penalty else 0.0))
    bounds.radius["data_loss"] = bounds.radius["loss"]
    judged = []
    for name, value in step.made.items():
        hand, other = np.asarray(value), np.asarray(automatic[name])
        quantity = judge(name, hand, other, bounds.of(name, other), lambda *_: None)
        judged.append(Judged(name, hand, other, quantity))
    return judged
