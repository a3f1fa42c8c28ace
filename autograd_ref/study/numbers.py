"""Every number of the worked example that the page shows, by the keys of its script.

The script computes the same numbers from the reader's input (`rendering/script/network.js`); tests compare
the two.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autograd_ref.crosscheck.problems import Problem
from autograd_ref.study.source import GIVEN, Step
from handgrad.shards import shard_gradients
from handgrad.two_layer_net import PARAMETERS, trace_gradients

__all__ = ["LEARNING_RATE", "LEARNING_RATES", "page_numbers"]

LEARNING_RATE = 0.1
# Learning rates for which the page shows the effect of one update.
LEARNING_RATES = (0.01, 0.1, 0.5, 1.0, 2.0)


def page_numbers(problem: Problem, steps: Sequence[Step]) -> dict[str, np.ndarray]:
    """Return the numbers of the hand derivation, as arrays in float64.

    Their keys are ``given/q``, ``<step>/q``, ``last/q``, ``hard/...``, ``shards/k/q`` and ``update/...``.
    """
    given = {"X": problem.X, "y": problem.y, **problem.params, "reg": problem.reg}
    found = {f"given/{name}": given[name] for name in (*GIVEN, "reg")}
    last: dict[str, Any] = {}
    for step in steps:
        found |= {f"{step.key}/{name}": value for name, value in step.made.items()}
        last |= step.made
    found |= {f"last/{name}": value for name, value in {**given, **last}.items()}
    found |= _softmax_of_the_first(last, problem.y)
    found |= _shards(problem)
    found |= _updates(problem, last)
    return {key: np.asarray(value, np.float64) for key, value in found.items()}


def _softmax_of_the_first(last: Mapping[str, Any], y: np.ndarray) -> dict[str, Any]:
    """Return the softmax's Jacobian for the first sample, and its scores' adjoint computed in two ways."""
    p, one_hot = last["probs"][0], np.eye(last["probs"].shape[1])
    jacobian = np.diag(p) - np.outer(p, p)
    dp = -one_hot[y[0]] / p[y[0]]
    return {
        "hard/dp": dp,
        "hard/jacobian": jacobian,
        "hard/long": dp @ jacobian,
        "hard/short": p - one_hot[y[0]],
        "hard/spoiled": last["probs"] - one_hot[y],
    }


def _shards(problem: Problem) -> dict[str, Any]:
    """Return the part of each sample, as if each had its own machine."""
    found: dict[str, Any] = {}
    for k in range(len(problem.y)):
        rows = slice(k, k + 1)
        part = shard_gradients(problem.params, problem.X[rows], problem.y[rows], problem.activation)
        found[f"shards/{k}/dW1"] = part.grads["W1"]
    return found


def _updates(problem: Problem, last: Mapping[str, Any]) -> dict[str, Any]:
    """Return one step of gradient descent, and the loss after it for several learning rates."""
    square = sum(float(np.vdot(last[f"d{q}"], last[f"d{q}"])) for q in PARAMETERS)
    found: dict[str, Any] = {"update/square": square}
    for q in PARAMETERS:
        found[f"update/{q}"] = problem.params[q] - LEARNING_RATE * last[f"d{q}"]
    for rate in LEARNING_RATES:
        params = {q: problem.params[q] - rate * last[f"d{q}"] for q in PARAMETERS}
        moved = trace_gradients(params, problem.X, problem.y, problem.reg, problem.activation)
        found[f"update/loss/{rate:g}"] = moved.loss
        found[f"update/predicted/{rate:g}"] = float(last["loss"]) - rate * square
    return found
