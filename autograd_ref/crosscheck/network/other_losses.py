"""Losses other than the mean softmax cross-entropy, recognised by their values."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from scipy.special import expit, log_expit, log_softmax, logsumexp, softmax

from autograd_ref.crosscheck.mistakes.replay import replay
from autograd_ref.crosscheck.problems import Problem
from handgrad.activations import ActivationName

__all__ = ["OtherLoss", "recognise"]

# A loss is recognised if it differs from a known one by less than this on every problem, relative to it.
CLOSE, EXACT = 1e-3, 1e-6

Function = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class OtherLoss:
    """A recognised loss.

    Attributes:
        text: its description, to follow "The loss is".
        activation: the activation of the hidden layer with which it fits.
    """

    text: str
    activation: ActivationName


def recognise(problems: Sequence[Problem], losses: Sequence[float]) -> OtherLoss | None:
    """Name a loss by its values.

    Args:
        problems: the problems on which it was computed; their penalty is left out.
        losses: its value on each, without the penalty.

    Returns:
        The known loss that is closest on all of them; None if none is close.
    """
    best: tuple[float, OtherLoss] | None = None
    for activation in get_args(ActivationName):
        with np.errstate(all="ignore"):
            plain = [replace(problem, activation=activation, reg=0.0) for problem in problems]
            scores = [replay(problem, ()).scores for problem in plain]
            points = list(zip(scores, (problem.y for problem in problems), losses, strict=True))
            for text, function in _candidates(points):
                off = max(_distance(function(s, y), loss) for s, y, loss in points)
                if off < (CLOSE if best is None else best[0]):
                    best = off, OtherLoss(text, activation)
    if best is None:
        return None
    off, found = best
    return found if off < EXACT else replace(found, text=f"{found.text}, to within {off:.0e} of itself")


def _distance(value: float, loss: float) -> float:
    distance = abs(value - loss) / abs(loss) if loss else float("inf")
    return distance if np.isfinite(distance) else float("inf")


def _one_hot(s: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.eye(s.shape[1])[y]


def _entropy(s: np.ndarray, y: np.ndarray) -> float:
    return float(-log_softmax(s, axis=1)[np.arange(len(y)), y].sum())


def _over_everything(s: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean(logsumexp(s) - s[np.arange(len(y)), y]))


def _with_binary_terms(s: np.ndarray, y: np.ndarray) -> float:
    others = 1 - _one_hot(s, y)
    return _entropy(s, y) - float(np.sum(others * np.log1p(-softmax(s, axis=1))))


def _binary(s: np.ndarray, y: np.ndarray) -> float:
    t = _one_hot(s, y)
    return -float(np.sum(t * log_expit(s) + (1 - t) * log_expit(-s)))


def _hinge(s: np.ndarray, y: np.ndarray) -> float:
    margins = np.maximum(0, s - s[np.arange(len(y)), y][:, None] + 1)
    return float(margins.sum() - len(y))


def _squares(of: Callable[[np.ndarray], np.ndarray]) -> Function:
    return lambda s, y: float(np.sum((of(s) - _one_hot(s, y)) ** 2))


SUMS: dict[str, Function] = {
    "softmax cross-entropy": _entropy,
    "softmax cross-entropy with the terms of binary cross-entropy, (1 - t)·log(1 - p), added": (
        _with_binary_terms
    ),
    "binary cross-entropy of sigmoid(scores)": _binary,
    "a multiclass hinge loss": _hinge,
    "the squared error of the scores": _squares(lambda s: s),
    "the squared error of sigmoid(scores)": _squares(expit),
    "the squared error of the softmax's probabilities": _squares(lambda s: softmax(s, axis=1)),
}
# Factors of a sum over samples and classes.
SCALES: dict[str, Function] = {
    "summed over the batch": lambda s, y: 1.0,
    "averaged over the batch": lambda s, y: 1 / len(y),
    "averaged over batch and classes": lambda s, y: 1 / s.size,
}


def _candidates(points: Sequence[tuple[np.ndarray, np.ndarray, float]]) -> Iterator[tuple[str, Function]]:
    for name, total in SUMS.items():
        for how, scale in SCALES.items():
            for factor, said in ((1.0, ""), (0.5, "half ")):
                if (name, how, factor) != ("softmax cross-entropy", "averaged over the batch", 1.0):
                    yield f"{said}{name}, {how}", _scaled(total, scale, factor)
    text = (
        "cross-entropy of a softmax that divides by the sum over the whole batch and all classes: sum over "
    )
    yield text + "the classes alone, axis=1", _over_everything
    s, y, loss = points[0]
    entropy, uniform = _entropy(s, y) / len(y), -float(log_softmax(s, axis=1).mean())
    epsilon = (loss - entropy) / (uniform - entropy) if uniform != entropy else 0.0
    if EXACT < epsilon < 1:
        text = f"softmax cross-entropy with label smoothing of {epsilon:.4g}"
        yield (
            text,
            lambda s, y: (
                (1 - epsilon) * _entropy(s, y) / len(y) - epsilon * float(log_softmax(s, axis=1).mean())
            ),
        )


def _scaled(total: Function, scale: Function, factor: float) -> Function:
    return lambda s, y: factor * scale(s, y) * total(s, y)
