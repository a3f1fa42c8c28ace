"""What a mistake is, and what code with mistakes computes.

A mistake replaces one step of the computation. Replayed on a problem it gives the very loss and gradients
that code with that mistake gives, so that it can be recognised by them. The steps that it may replace:

- upstream, with an effect on what follows: ``inputs``, ``scores``, ``probs``, ``dscores``, ``dh1``, ``dz1``;
- ``loss``: the value alone;
- local, in one gradient at a time: ``data``, the part that comes from the batch, ``scale``, a factor on it,
  ``penalty``, and ``whole``, their sum.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_ref.crosscheck.problems import Problem
from handgrad.activations import ACTIVATIONS
from handgrad.two_layer_net import PARAMETERS

__all__ = [
    "ALL",
    "BIASES",
    "LOCAL",
    "UPSTREAM",
    "WEIGHTS",
    "Context",
    "Mistake",
    "Values",
    "local_gradient",
    "replay",
    "softmax",
]

UPSTREAM = ("inputs", "scores", "probs", "dscores", "dh1", "dz1")
LOCAL = ("data", "scale", "penalty", "whole")

Values = dict[str, Any]
WEIGHTS, BIASES = ("dW1", "dW2"), ("db1", "db2")
ALL = (*WEIGHTS, *BIASES)


@dataclass(frozen=True)
class Mistake:
    """One way to go wrong.

    Attributes:
        id: what it is called.
        step: the step that it replaces.
        replacement: what stands there instead: of the values so far, for an upstream step or the loss; of
            the `Context`, for a local one.
        text: what is wrong, and the line to write; formatted with ``tensors``, ``line``, ``slope`` and the
            penalty.
        tensors: for a local step, the gradients in which it can be made.
        activations: the hidden layers in which it can be made.
    """

    id: str
    step: str
    replacement: Callable[[Any], Any]
    text: str
    tensors: tuple[str, ...] = ALL
    activations: tuple[str, ...] = tuple(ACTIVATIONS)


@dataclass(frozen=True)
class Context:
    """What a local mistake has to work with, in one gradient.

    Attributes:
        values: everything computed so far.
        left: the layer's input, whose transpose stands on the left of the weights' gradient.
        adjoint: that of the layer's output.
        q: the parameter.
        data: the right part from the batch; for ``whole``, the right sum.
        c: the penalty's coefficient, as read off the loss.
        c_weights: that of the layer's weights.
        reg: strength of the penalty.
    """

    values: Values
    left: np.ndarray
    adjoint: np.ndarray
    q: np.ndarray
    data: np.ndarray
    c: float
    c_weights: float
    reg: float

    @property
    def N(self) -> int:  # noqa: N802
        """Samples in the batch."""
        return len(self.values["y"])


def replay(problem: Problem, coefficients: Mapping[str, float], mistakes: tuple[Mistake, ...]) -> Values:
    """Every quantity up to dz1 as code with these upstream mistakes computes it, in float64.

    Args:
        problem: where.
        coefficients: the c of each parameter's penalty.
        mistakes: upstream ones, in different steps.

    Returns:
        X, y, the parameters, z1, h1, scores, probs, losses (one a sample), penalty, loss, dscores, dh1, dz1;
        and the functions activate and derivative.

    Raises:
        ValueError: shapes do not fit, as they would not in the mistaken code.
    """
    instead = {mistake.step: mistake.replacement for mistake in mistakes}
    exact = {name: np.asarray(value, np.float64) for name, value in problem.params.items()}
    v: Values = {"X": np.asarray(problem.X, np.float64), "y": problem.y, **exact}
    if "inputs" in instead:
        v |= instead["inputs"](v)
    N, C = len(v["y"]), v["b2"].size
    v["one_hot"] = np.eye(C)[v["y"]]
    v["z1"] = v["X"] @ v["W1"] + v["b1"]
    v["activate"], v["derivative"] = ACTIVATIONS[problem.activation]
    v["h1"] = v["activate"](v["z1"])
    v["scores"] = v["h1"] @ v["W2"] + v["b2"]
    if "scores" in instead:
        v["scores"] = instead["scores"](v)
    v["probs"] = softmax(v["scores"], axis=1)
    if "probs" in instead:
        v["probs"] = instead["probs"](v)
        v["losses"] = -np.log(v["probs"][np.arange(N), v["y"]])
    else:
        shifted = v["scores"] - v["scores"].max(axis=1, keepdims=True)
        v["losses"] = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(N), v["y"]]
    v["penalty"] = sum(coefficients[q] * problem.reg * np.vdot(v[q], v[q]) for q in PARAMETERS)
    v["loss"] = v["losses"].mean() + v["penalty"]

    v["dscores"] = (v["probs"] - v["one_hot"]) / N
    if "dscores" in instead:
        v["dscores"] = instead["dscores"](v)
    v["dh1"] = instead["dh1"](v) if "dh1" in instead else v["dscores"] @ v["W2"].T
    v["dz1"] = v["dh1"] * v["derivative"](v["z1"])
    if "dz1" in instead:
        v["dz1"] = instead["dz1"](v)
    return v


def local_gradient(
    tensor: str, v: Values, reg: float, coefficients: Mapping[str, float], mistakes: tuple[Mistake, ...]
) -> np.ndarray:
    """One gradient as code with these local mistakes computes it from the values upstream.

    Args:
        tensor: dW1, db1, dW2 or db2.
        v: from `replay`.
        reg: strength of the penalty.
        coefficients: the c of each parameter's penalty.
        mistakes: local ones, in different steps.

    Returns:
        The gradient, in the shape in which the mistaken code would return it.

    Raises:
        ValueError: shapes do not fit, as they would not in the mistaken code.
    """
    instead = {mistake.step: mistake.replacement for mistake in mistakes}
    q, layer = tensor[1:], tensor[2]
    left, adjoint = (v["X"], v["dz1"]) if layer == "1" else (v["h1"], v["dscores"])
    data = left.T @ adjoint if q[0] == "W" else adjoint.sum(axis=0)
    context = Context(v, left, adjoint, v[q], data, coefficients[q], coefficients[f"W{layer}"], reg)
    data = instead["data"](context) if "data" in instead else data
    data = data * instead["scale"](context) if "scale" in instead else data
    penalty = instead["penalty"](context) if "penalty" in instead else 2 * context.c * reg * context.q
    if np.shape(data) != np.shape(penalty) and q[0] == "b" and not np.any(penalty):
        whole = np.asarray(data)  # a bias without a penalty has nothing added that would have to fit
    else:
        whole = np.asarray(data + penalty)
    if "whole" in instead:
        whole = instead["whole"](whole)
    return np.asarray(whole, np.float64)


def softmax(scores: np.ndarray, axis: int) -> np.ndarray:
    """The softmax along an axis."""
    exp = np.exp(scores - scores.max(axis=axis, keepdims=True))
    p: np.ndarray = exp / exp.sum(axis=axis, keepdims=True)
    return p
