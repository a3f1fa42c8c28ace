"""Read off someone's network which activation its hidden layer has."""

from dataclasses import replace
from itertools import product
from typing import get_args

import numpy as np

from autograd_ref.crosscheck.mistakes.catalogue import CATALOGUE
from autograd_ref.crosscheck.mistakes.replay import Mistake, replay
from autograd_ref.crosscheck.network.call_forms import Subject
from autograd_ref.crosscheck.problems import Problem
from handgrad.activations import ActivationName
from handgrad.two_layer_net import PARAMETERS

__all__ = ["read_activation"]

# Relative to the largest: above the rounding of float32, below what any two activations differ by.
CLOSE = 1e-5
NAMES: tuple[ActivationName, ...] = get_args(ActivationName)
BEFORE_LOSS = ("inputs", "scores", "probs", "loss")


def read_activation(subject: Subject, problem: Problem) -> ActivationName | None:
    """The activation whose scores or, where it offers none, whose loss comes nearest to the network's.

    If none is near, each mistake that changes the loss is tried with each activation.

    Args:
        subject: someone's network.
        problem: an ordinary one, which it answers.

    Returns:
        The name; None if no activation leads there.
    """
    plain = replace(problem, reg=0.0)
    found = {"scores": _scores(subject, plain), "loss": np.asarray(subject.evaluate(plain).loss)}
    mistakes = [(), *((mistake,) for mistake in CATALOGUE if mistake.step in BEFORE_LOSS)]
    for chosen, quantity in product(mistakes, found):
        value = found[quantity]
        if value is None:
            continue
        distances = {name: _distance(plain, name, chosen, quantity, value) for name in NAMES}
        nearest = min(NAMES, key=distances.__getitem__)
        if distances[nearest] < CLOSE:
            return nearest
    return None


def _scores(subject: Subject, problem: Problem) -> np.ndarray | None:
    subject.set_params(problem.params)
    try:
        scores = np.array(subject.scores(problem.X.copy()), np.float64)
    except Exception:
        return None
    return scores if scores.shape == (len(problem.y), problem.sizes[2]) else None


def _distance(
    problem: Problem, name: ActivationName, mistakes: tuple[Mistake, ...], quantity: str, value: np.ndarray
) -> float:
    """How far the value is from that of code with this activation and these mistakes, relative to it."""
    if any(name not in mistake.activations for mistake in mistakes):
        return np.inf
    with np.errstate(all="ignore"):
        v = replay(replace(problem, activation=name), dict.fromkeys(PARAMETERS, 0.0), mistakes)
        if quantity == "loss" and mistakes and mistakes[0].step == "loss":
            v["loss"] = mistakes[0].replacement(v)
        distance = float(np.max(np.abs(v[quantity] - value)) / np.max(np.abs(v[quantity])))
    return distance if np.isfinite(distance) else np.inf
