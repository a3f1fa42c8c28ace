"""What the errors of a network look like that no known mistake explains."""

from collections.abc import Sequence

import numpy as np

from autograd_ref.crosscheck.comparison import TENSORS
from autograd_ref.crosscheck.error_pattern import CLOSE, describe
from autograd_ref.crosscheck.network.diagnosis import CheckedProblem
from autograd_ref.crosscheck.network.read_penalty import Penalty
from handgrad.trace import quantity_of

__all__ = ["describe_unexplained"]

# A loss that is off by less of itself is the right one, rounded to float32 on the way.
ROUNDED = 1e-6


def describe_unexplained(
    checked: Sequence[CheckedProblem], unexplained: set[str], penalties: Sequence[Penalty]
) -> str | None:
    """Describe each unexplained error on the first problem that shows it.

    Args:
        checked: one for each problem.
        unexplained: quantities that are wrong.
        penalties: as read off the loss on each problem.

    Returns:
        A few sentences, or None where there is nothing to say.
    """
    not_squares = [penalty.not_a_square for penalty in penalties if penalty.not_a_square]
    if not_squares:
        names = ", ".join(not_squares[0])
        return f"The loss is not this network's loss plus c·reg·‖q‖²: its penalty of {names} is not a square."
    answered = [one for one in checked if one.result.error is None]
    if "loss" in unexplained:
        return _describe_loss(answered)
    hidden = _describe_hidden(answered) if unexplained == {"dW1", "db1"} else None
    if hidden is not None:
        return hidden
    texts = {tensor: _first_description(tensor, answered) for tensor in TENSORS if tensor in unexplained}
    sentences = [text for text in texts.values() if text is not None]
    silent = [tensor for tensor, text in texts.items() if text is None]
    if silent:
        names = ", ".join(silent)
        sentences.append(f"{names}: no mistake of the catalogue and no simple pattern explains this.")
    failed = next((one for one in checked if one.result.error is not None), None)
    if failed is not None:
        problem, (D, H, C) = failed.problem, failed.problem.sizes
        where = f"{problem.name!r}, N={len(problem.y)}, D={D}, H={H}, C={C}, reg={problem.reg:g}"
        sentences.append(f"On the problem {where}, loss stops at {failed.result.error}.")
    return " ".join(sentences) or None


def _describe_loss(answered: Sequence[CheckedProblem]) -> str:
    for one in answered:
        if not np.isfinite(one.result.loss):
            return f"The loss is not finite on the problem {one.problem.name!r}, reg={one.problem.reg:g}."
    error = max(abs(one.result.loss / float(one.reference.trace.loss) - 1) for one in answered)
    if error < ROUNDED:
        return f"The loss is right, but rounded on the way: it is off by {error:.0e} of itself."
    return "The loss is not this network's loss plus a penalty c·reg·‖q‖² of its parameters."


def _first_description(tensor: str, answered: Sequence[CheckedProblem]) -> str | None:
    q = quantity_of(tensor)
    texts = (
        describe(
            tensor,
            one.result.grads[q],
            one.reference.trace[tensor],
            one.problem.params[q],
            one.reference.bounds.radius[tensor],
        )
        for one in answered
    )
    return next((text for text in texts if text is not None), None)


def _describe_hidden(answered: Sequence[CheckedProblem]) -> str | None:
    for one in answered:
        trace, grads = one.reference.trace, one.result.grads
        if grads["W1"].shape != trace.dW1.shape or grads["b1"].shape != trace.db1.shape:
            return None
        error_W, error_b = grads["W1"] - trace.dW1, grads["b1"] - trace.db1
        if np.any(np.abs(error_W) > one.reference.bounds.radius["dW1"]):
            return _hidden_pattern(trace.X, trace.z1, trace.dz1, error_W, error_b)
    return None


def _hidden_pattern(
    X: np.ndarray, z1: np.ndarray, dz1: np.ndarray, error_W: np.ndarray, error_b: np.ndarray
) -> str | None:
    """Where in the hidden layer an error of dW1 and db1 comes from, if it comes from few entries of dz1.

    An error δ of dz1 makes the errors Xᵀδ and Σₙδ. With D + 1 equations for each unit and fewer samples in
    question, that δ is zero on all others can be told.

    """
    system = np.vstack([X.T, np.ones(len(X))])
    target = np.vstack([error_W, error_b])
    if _solved(system, target, z1 <= 0) is not None:
        return "dz1 is wrong only in inactive units, where z1 <= 0."
    delta = _solved(system, target, z1 > 0)
    if delta is None:
        return None
    size = np.abs(delta)
    wrong, right = size > CLOSE * np.nanmax(size), size <= CLOSE * np.nanmax(size)
    smallest, largest = np.min(np.abs(dz1[wrong])), np.max(np.abs(dz1[right]), initial=0.0)
    return f"dz1 is wrong only where |dz1| is large, above {largest:.3g}." if smallest > largest else None


def _solved(system: np.ndarray, target: np.ndarray, support: np.ndarray) -> np.ndarray | None:
    """δ on the support with system @ δ = target, unit by unit; None if there is none.

    NaN stands in the units with too many samples on the support to tell.
    """
    delta = np.zeros(support.shape)
    for unit in range(support.shape[1]):
        on = support[:, unit]
        if on.sum() >= len(system):
            delta[:, unit] = np.nan
            continue
        solution = np.linalg.lstsq(system[:, on], target[:, unit])[0]
        if np.max(np.abs(system[:, on] @ solution - target[:, unit])) > CLOSE * np.max(np.abs(target)):
            return None
        delta[on, unit] = solution
    return delta if np.nan_to_num(delta).any() else None
