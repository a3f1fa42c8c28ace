"""Mistakes, and the computation of code with mistakes.

A mistake replaces one step of the computation. Replayed on a problem, it gives exactly the loss and gradients
of code with this mistake, so it can be recognised by them. The steps that it may replace:

- upstream, with an effect on what follows: ``inputs``, ``scores``, ``probs``, ``dscores``, ``dh1``, ``dz1``;
- ``loss``: the value alone;
- local, in one gradient at a time: ``data``, the part that comes from the batch, ``scale``, a factor on it,
  ``penalty``, and ``whole``, their sum.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd_ref.crosscheck.problems import Problem
from handgrad.activations import ACTIVATIONS, Activation
from handgrad.trace import BIASES, PARAMETERS, WEIGHTS, adjoint_of, layer_of, quantity_of

__all__ = [
    "ALL",
    "LOCAL",
    "OF_BIASES",
    "OF_WEIGHTS",
    "UPSTREAM",
    "Context",
    "Mistake",
    "Values",
    "local_gradient",
    "replay",
]

UPSTREAM = ("inputs", "scores", "probs", "dscores", "dh1", "dz1")
LOCAL = ("data", "scale", "penalty", "whole")

OF_WEIGHTS, OF_BIASES = tuple(map(adjoint_of, WEIGHTS)), tuple(map(adjoint_of, BIASES))
ALL = (*OF_WEIGHTS, *OF_BIASES)


@dataclass
class Values:
    """All values that code with mistakes has computed so far, in the order of computation."""

    X: np.ndarray
    y: np.ndarray
    W1: np.ndarray
    b1: np.ndarray
    W2: np.ndarray
    b2: np.ndarray
    activation: Activation
    z1: np.ndarray = field(init=False)
    h1: np.ndarray = field(init=False)
    scores: np.ndarray = field(init=False)
    probs: np.ndarray = field(init=False)
    losses: np.ndarray = field(init=False)  # of each sample
    penalty: float = field(init=False)
    loss: float = field(init=False)
    dscores: np.ndarray = field(init=False)
    dh1: np.ndarray = field(init=False)
    dz1: np.ndarray = field(init=False)

    @property
    def one_hot(self) -> np.ndarray:
        """A row for each sample, with 1 at its label."""
        return np.eye(self.b2.size)[self.y]


@dataclass(frozen=True)
class Mistake:
    """A mistake in one step.

    Attributes:
        step: the step that it replaces.
        replacement: the function that replaces it: of the values so far, for an upstream step or the loss; of
            the `Context`, for a local one.
        text: the explanation, and the line to write; formatted with ``tensors``, ``line``, ``slope`` and the
            penalty.
        tensors: for a local step, the gradients in which it can occur.
        activations: the activations with which it can occur.
    """

    id: str
    step: str
    replacement: Callable[[Any], Any]
    text: str
    tensors: tuple[str, ...] = ALL
    activations: tuple[str, ...] = tuple(ACTIVATIONS)


@dataclass(frozen=True)
class Context:
    """The inputs of a local mistake in one gradient.

    Attributes:
        values: everything computed so far.
        adjoint: the adjoint of the layer's output.
        q: the parameter.
        data: the right part from the batch; for ``whole``, the right sum.
        c: the penalty's coefficient, as read off the loss.
        c_weights: the coefficient of the layer's weights.
        reg: strength of the penalty.
    """

    values: Values
    adjoint: np.ndarray
    q: np.ndarray
    data: np.ndarray
    c: float
    c_weights: float
    reg: float

    @property
    def N(self) -> int:  # noqa: N802
        """The number of samples in the batch."""
        return len(self.values.y)


def replay(problem: Problem, mistakes: tuple[Mistake, ...]) -> Values:
    """Compute every quantity up to dz1 in float64, as code with these upstream mistakes does.

    Raises:
        ValueError: shapes do not fit, neither here nor in the mistaken code.
    """
    from scipy.special import log_softmax, softmax  # loads slowly, and recorded programs want none of it

    instead = {mistake.step: mistake.replacement for mistake in mistakes}
    exact = {name: np.asarray(value, np.float64) for name, value in problem.params.items()}
    X = np.asarray(problem.X, np.float64)
    v = Values(X=X, y=problem.y, **exact, activation=ACTIVATIONS[problem.activation])
    if "inputs" in instead:
        v = instead["inputs"](v)
    right = np.arange(len(v.y)), v.y
    v.z1 = v.X @ v.W1 + v.b1
    v.h1 = v.activation.forward(v.z1)
    v.scores = v.h1 @ v.W2 + v.b2
    if "scores" in instead:
        v.scores = instead["scores"](v)
    v.probs = softmax(v.scores, axis=1)
    if "probs" in instead:
        v.probs = instead["probs"](v)
        v.losses = -np.log(v.probs[right])
    else:
        v.losses = -log_softmax(v.scores, axis=1)[right]
    squares = ((name, float(np.vdot(getattr(v, name), getattr(v, name)))) for name in PARAMETERS)
    v.penalty = sum(problem.objective.coefficient(name) * problem.reg * square for name, square in squares)
    v.loss = v.losses.mean() + v.penalty

    v.dscores = (v.probs - v.one_hot) / len(v.y)
    if "dscores" in instead:
        v.dscores = instead["dscores"](v)
    v.dh1 = instead["dh1"](v) if "dh1" in instead else v.dscores @ v.W2.T
    v.dz1 = v.dh1 * v.activation.derivative(v.z1)
    if "dz1" in instead:
        v.dz1 = instead["dz1"](v)
    return v


def local_gradient(tensor: str, v: Values, problem: Problem, mistakes: tuple[Mistake, ...]) -> np.ndarray:
    """Compute a gradient from the values upstream, as code with these local mistakes does, and in its shape.

    Raises:
        ValueError: shapes do not fit, neither here nor in the mistaken code.
    """
    instead = {mistake.step: mistake.replacement for mistake in mistakes}
    name, objective = quantity_of(tensor), problem.objective
    left, adjoint, weights = (v.X, v.dz1, "W1") if layer_of(tensor) == 1 else (v.h1, v.dscores, "W2")
    data = left.T @ adjoint if name in WEIGHTS else adjoint.sum(axis=0)
    context = Context(
        values=v,
        adjoint=adjoint,
        q=getattr(v, name),
        data=data,
        c=objective.coefficient(name),
        c_weights=objective.coefficient(weights),
        reg=objective.reg,
    )
    data = instead["data"](context) if "data" in instead else data
    data = data * instead["scale"](context) if "scale" in instead else data
    penalty = instead["penalty"](context) if "penalty" in instead else 2 * context.c * context.reg * context.q
    if np.shape(data) != np.shape(penalty) and name in BIASES and not np.any(penalty):
        whole = np.asarray(data)  # nothing is added to a bias without a penalty, so its shape need not fit
    else:
        whole = np.asarray(data + penalty)
    if "whole" in instead:
        whole = instead["whole"](whole)
    return np.asarray(whole, np.float64)
