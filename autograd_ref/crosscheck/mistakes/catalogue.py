"""The catalogue of common mistakes in this network, each of them executable.

More specific mistakes come first: if several explain the same error, the first is named.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from autograd_ref.crosscheck.mistakes.activations import ACTIVATION_MISTAKES
from autograd_ref.crosscheck.mistakes.replay import OF_BIASES, OF_WEIGHTS, Mistake, Values
from handgrad.trace import PARAMETERS

__all__ = ["CATALOGUE", "FLOAT32_INSIDE", "log_epsilon"]


def _changed(change: Callable[[np.ndarray], np.ndarray], *names: str) -> Callable[[Values], Values]:
    def changed(v: Values) -> Values:
        arrays: dict[str, Any] = {name: change(getattr(v, name)) for name in names}
        return replace(v, **arrays)

    return changed


def _through_float32(value: np.ndarray) -> np.ndarray:
    return value.astype(np.float32).astype(np.float64)


def _whole_column(v: Values) -> np.ndarray:
    dscores = v.probs.copy()
    dscores[:, v.y] -= 1
    return dscores / len(dscores)


def _softmax_over_batch(scores: np.ndarray) -> np.ndarray:
    from scipy.special import softmax  # loads slowly

    return np.asarray(softmax(scores, axis=0))


_REG = "{tensors}: the loss has {penalty}, whose gradient is {right}; "
_ONE_HOT = "dscores: write dscores = probs.copy(); dscores[np.arange(N), y] -= 1; dscores /= N; yours "
_INTEGERS = "X or the parameters are cast to integers, which cuts off their fractions: use floats."
_FLOAT32 = "The inputs are float64, but the values pass through float32: keep the dtype of the inputs."

CATALOGUE: tuple[Mistake, ...] = (
    # The penalty's gradient.
    Mistake(
        "reg-bias-in-loss-only", "penalty", lambda k: 0 * k.q,
        _REG + "yours has none: add it, or take the biases out of the loss.", OF_BIASES,
    ),
    Mistake(
        "reg-on-bias", "penalty", lambda k: 2 * (k.c + k.c_weights) * k.reg * k.q,
        "{tensors}: a penalty's gradient is added, but the loss does not penalise the bias: write {line}.",
        OF_BIASES,
    ),
    Mistake("reg-missing", "penalty", lambda k: 0 * k.q, _REG + "yours has none.", OF_WEIGHTS),
    Mistake("reg-halved", "penalty", lambda k: k.c * k.reg * k.q, _REG + "yours has {half}."),
    Mistake("reg-doubled", "penalty", lambda k: 4 * k.c * k.reg * k.q, _REG + "yours has {double}."),
    Mistake("reg-sign", "penalty", lambda k: -2 * k.c * k.reg * k.q, _REG + "yours is subtracted."),
    Mistake(
        "reg-over-batch", "penalty", lambda k: 2 * k.c * k.reg * k.q / k.N,
        _REG + "yours is divided by N: the penalty is not a mean over the batch.",
    ),
    # The biases.
    Mistake(
        "bias-mean", "data", lambda k: k.adjoint.mean(axis=0),
        "{tensors}: the mean over the batch instead of the sum: write {line}.", OF_BIASES,
    ),
    # The sum of all entries of dscores is 0, so this mistake and the next are the same in db2.
    Mistake("bias-missing", "data", lambda k: 0 * k.data, "{tensors} {are} zero: write {line}.", OF_BIASES),
    Mistake(
        "bias-scalar", "data", lambda k: k.adjoint.sum(),
        "{tensors}: one number, the sum of all entries: write {line}.", OF_BIASES,
    ),
    Mistake(
        "bias-wrong-axis", "data", lambda k: k.adjoint.sum(axis=1),
        "{tensors}: the sum over the other axis; a bias feeds every sample, so write {line}.", OF_BIASES,
    ),
    # The weights.
    Mistake(
        "dW2-from-pre-activation", "data", lambda k: k.values.z1.T @ k.adjoint,
        "dW2: z1 is used in place of the layer's input h1: write dW2 = h1.T @ dscores.", ("dW2",),
    ),
    Mistake(
        "dW-transposed", "whole", lambda dW: dW.T, "{tensors} {are} transposed: write {line}.", OF_WEIGHTS
    ),
    Mistake(
        "dW-transposed", "data", lambda k: k.data.T, "{tensors} {are} transposed: write {line}.", OF_WEIGHTS,
    ),
    *ACTIVATION_MISTAKES,
    # The backward pass through the second layer.
    Mistake(
        "W2-not-transposed", "dh1", lambda v: v.dscores @ v.W2,
        "dh1: write dh1 = dscores @ W2.T; yours lacks the transpose, which fits only if H = C.",
    ),
    Mistake(
        "scores-used-as-dscores", "dh1", lambda v: v.scores @ v.W2.T,
        "dh1: the raw scores flow back in place of dscores: write dh1 = dscores @ W2.T.",
    ),
    # The softmax.
    Mistake(
        "scores-used-as-dscores", "dscores", lambda v: v.scores,
        "dscores: the raw scores flow back in its place: write dscores = (probs - one_hot) / N.",
    ),
    Mistake(
        "scores-used-as-dscores", "dscores", lambda v: v.scores / len(v.scores),
        "dscores: the raw scores flow back in its place: write dscores = (probs - one_hot) / N.",
    ),
    Mistake("one-hot-missing", "dscores", lambda v: v.probs / len(v.probs), _ONE_HOT + "is probs / N."),
    Mistake(
        "one-hot-sign", "dscores", lambda v: (v.probs + v.one_hot) / len(v.probs),
        _ONE_HOT + "adds the one-hot.",
    ),
    Mistake(
        "one-hot-whole-column", "dscores", _whole_column,
        _ONE_HOT + "has probs[:, y] -= 1, which subtracts from whole columns, not from one entry per row.",
    ),
    Mistake(
        "softmax-diagonal-jacobian", "dscores",
        lambda v: -v.one_hot * (1 - v.probs) / len(v.probs),
        _ONE_HOT + "has only the diagonal of the softmax's Jacobian: each score moves every probability.",
    ),
    Mistake(
        "softmax-axis", "probs", lambda v: _softmax_over_batch(v.scores),
        "The softmax runs over the batch: sum over the classes, axis=1.",
    ),
    Mistake(
        "softmax-axis", "probs",
        lambda v: _softmax_over_batch(v.scores - v.scores.max(axis=1, keepdims=True)),
        "The softmax's sum runs over the batch: sum over the classes, axis=1.",
    ),
    # The mean over the batch.
    Mistake(
        "batch-mean-missing", "scale", lambda k: k.N,
        "{tensors}: not divided by N, as the mean over the batch requires.",
    ),
    Mistake(
        "batch-mean-twice", "scale", lambda k: 1 / k.N,
        "{tensors}: divided by N twice; once is right.",
    ),
    Mistake(
        "divided-by-classes", "scale", lambda k: k.N / k.values.b2.size,
        "{tensors}: divided by the number of classes; the mean is over the batch, so divide by N.",
    ),
    # The loss alone.
    Mistake(
        "loss-sum-not-mean", "loss", lambda v: v.losses.sum() + v.penalty,
        "The loss is the sum over the batch, but this network's is the mean: divide it by N.",
    ),
    # The numbers.
    Mistake("integer-truncation", "inputs", _changed(np.trunc, "X"), _INTEGERS),
    Mistake("integer-truncation", "inputs", _changed(np.trunc, *PARAMETERS), _INTEGERS),
    Mistake("integer-truncation", "inputs", _changed(np.trunc, "X", *PARAMETERS), _INTEGERS),
    Mistake("float32-inside", "inputs", _changed(_through_float32, "X"), _FLOAT32),
    Mistake("float32-inside", "inputs", _changed(_through_float32, *PARAMETERS), _FLOAT32),
    Mistake("float32-inside", "inputs", _changed(_through_float32, "X", *PARAMETERS), _FLOAT32),
    Mistake(
        "float32-inside", "dscores",
        lambda v: _through_float32((v.probs - v.one_hot) / len(v.probs)),
        _FLOAT32,
    ),
)  # fmt: skip

# Everything in float32: recognised not by replay, which would need the same order of summation, but because
# all numbers are float32 numbers and right to its rounding.
FLOAT32_INSIDE = Mistake("float32-inside", "inputs", lambda v: v, _FLOAT32)


def log_epsilon(epsilon: float) -> Mistake:
    """Return the mistake of −log(p + ε) in the loss, with the gradient of −log p."""
    text = (
        f"The loss has -log(p + {epsilon:.3g}), but the gradient belongs to -log(p): use log-sum-exp, which "
        "needs no epsilon."
    )
    return Mistake(
        "log-epsilon",
        "loss",
        lambda v: -np.mean(np.log(np.exp(-v.losses) + epsilon)) + v.penalty,
        text,
    )
