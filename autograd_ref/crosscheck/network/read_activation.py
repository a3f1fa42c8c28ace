"""Find the activation of a network's hidden layer."""

from dataclasses import replace
from itertools import product
from typing import get_args

import numpy as np

from autograd_ref.crosscheck.mistakes.catalogue import CATALOGUE
from autograd_ref.crosscheck.mistakes.replay import Mistake, replay
from autograd_ref.crosscheck.network.call_forms import NetworkUnderTest
from autograd_ref.crosscheck.problems import Problem
from handgrad.activations import ActivationName

__all__ = ["read_activation"]

# Relative to the largest: above the rounding of float32, below the difference of any two activations.
CLOSE = 1e-5
NAMES: tuple[ActivationName, ...] = get_args(ActivationName)
BEFORE_LOSS = ("inputs", "scores", "probs", "loss")


def read_activation(network: NetworkUnderTest, problem: Problem) -> ActivationName | None:
    """Return the activation whose scores, or else whose loss, is closest to the network's.

    If none is close, each mistake that changes the loss is tried with each activation.

    Args:
        network: the user's network.
        problem: an ordinary problem on which it works.

    Returns:
        The name; None if no activation fits.
    """
    plain = replace(problem, reg=0.0)
    given = {"scores": _scores(network, plain), "loss": np.asarray(network.evaluate(plain).loss)}
    mistakes = [(), *((mistake,) for mistake in CATALOGUE if mistake.step in BEFORE_LOSS)]
    for chosen, quantity in product(mistakes, given):
        value = given[quantity]
        if value is None:
            continue
        distances = {name: _distance(plain, name, chosen, quantity, value) for name in NAMES}
        nearest = min(NAMES, key=distances.__getitem__)
        if distances[nearest] < CLOSE:
            return nearest
    return None


def _scores(network: NetworkUnderTest, problem: Problem) -> np.ndarray | None:
    network.set_params(problem.params)
    try:
        scores = np.array(network.scores(problem.X.copy()), np.float64)
    except Exception:
        return None
    return scores if scores.shape == (len(problem.y), problem.sizes[2]) else None


def _distance(
    problem: Problem, name: ActivationName, mistakes: tuple[Mistake, ...], quantity: str, value: np.ndarray
) -> float:
    """Return a value's relative distance from the result with this activation and these mistakes."""
    if any(name not in mistake.activations for mistake in mistakes):
        return np.inf
    with np.errstate(all="ignore"):
        v = replay(replace(problem, activation=name), mistakes)
        if quantity == "loss" and mistakes and mistakes[0].step == "loss":
            v.loss = mistakes[0].replacement(v)
        replayed = v.loss if quantity == "loss" else v.scores
        distance = float(np.max(np.abs(replayed - value)) / np.max(np.abs(replayed)))
    return distance if np.isfinite(distance) else np.inf
