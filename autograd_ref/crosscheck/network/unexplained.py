"""Describe the errors of a network that no known mistake explains."""

from collections.abc import Sequence

import numpy as np

from autograd_ref.crosscheck.comparison import TENSORS
from autograd_ref.crosscheck.error_pattern import CLOSE, describe
from autograd_ref.crosscheck.network.diagnosis import CheckedProblem
from handgrad.activations import ACTIVATIONS
from handgrad.trace import quantity_of

__all__ = ["describe_unexplained"]

HIDDEN = ("dW1", "db1")


def describe_unexplained(checked: Sequence[CheckedProblem], unexplained: set[str]) -> str | None:
    """Describe each unexplained error by a pattern that holds on every problem that shows it.

    Args:
        checked: the results on each problem.
        unexplained: the wrong quantities.

    Returns:
        A few sentences, or None if there is nothing to say.
    """
    answered = [one for one in checked if one.result.error is None]
    for one in answered:
        if not np.isfinite(one.result.loss):
            return f"The loss is not finite on the problem {one.problem.name!r}, reg={one.problem.reg:g}."
    hidden = _describe_hidden(answered) if unexplained <= {"dW1", "db1"} else None
    if hidden is not None:
        sentences = [hidden]
    else:
        texts = {tensor: _description(tensor, answered) for tensor in TENSORS if tensor in unexplained}
        sentences = [text for text in texts.values() if text is not None]
        silent = [tensor for tensor, text in texts.items() if text is None]
        if silent:
            names = ", ".join(silent)
            sentences.append(
                f"{names}: no known mistake that was tried explains this, and no simple pattern."
            )
    failed = next((one for one in checked if one.result.error is not None), None)
    if failed is not None:
        problem, (D, H, C) = failed.problem, failed.problem.sizes
        where = f"{problem.name!r}, N={len(problem.y)}, D={D}, H={H}, C={C}, reg={problem.reg:g}"
        sentences.append(f"On the problem {where}, loss stops at {failed.result.error}.")
    return " ".join(sentences) or None


def _description(tensor: str, answered: Sequence[CheckedProblem]) -> str | None:
    """Return a sentence that holds on every problem where the gradient is wrong, or names the problem."""
    factor = _data_factor(tensor, answered)
    if factor is not None:
        what = "has the wrong sign" if factor == -1 else f"is {factor:.6g} times the right one"
        penalised = any(one.problem.objective.coefficient(quantity_of(tensor)) for one in answered)
        part = f"The part of {tensor} that comes from the batch" if penalised else tensor
        return f"{part} {what}."
    multiple = _penalty_multiple(tensor, answered)
    if multiple is not None:
        return f"{tensor} is off by {multiple:.6g}·reg·{quantity_of(tensor)}.".replace(" 1·", " ")
    wrong = [one for one in answered if _is_wrong(tensor, one)]
    texts = [_described(tensor, one) for one in wrong]
    if not texts or None in texts:
        return None
    if len(set(texts)) == 1:
        return texts[0]
    return f"On the problem {wrong[0].problem.name!r}: {texts[0]}"


def _described(tensor: str, one: CheckedProblem) -> str | None:
    q = quantity_of(tensor)
    return describe(
        tensor,
        one.result.grads[q],
        one.reference.trace[tensor],
        one.problem.params[q],
        one.reference.bounds.radius[tensor],
    )


def _is_wrong(tensor: str, one: CheckedProblem) -> bool:
    hand, right = one.result.grads[quantity_of(tensor)], np.asarray(one.reference.trace[tensor])
    if hand.shape != right.shape or not np.isfinite(hand).all():
        return True
    bound = one.reference.bounds.of(tensor, right)
    return bool(np.any(bound.excess(hand) > bound.radius))


def _penalty_part(tensor: str, one: CheckedProblem) -> np.ndarray:
    """Return the penalty's part of a gradient."""
    q, objective = quantity_of(tensor), one.problem.objective
    factor = 2 * objective.coefficient(q) * objective.reg
    return factor * np.asarray(one.problem.params[q], np.float64)


def _same_multiple(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float | None:
    """Return the factor between the two arrays of each pair, if it is the same on all problems."""
    if not pairs or any(one.shape != other.shape or not np.isfinite(one).all() for one, other in pairs):
        return None
    longest = max(pairs, key=lambda pair: float(np.vdot(pair[1], pair[1])))
    square = float(np.vdot(longest[1], longest[1]))
    if square == 0:
        return None
    ratio = float(np.vdot(longest[0], longest[1])) / square
    ratio = round(ratio) if abs(ratio - round(ratio)) < CLOSE else ratio
    for one, other in pairs:
        size = max(float(np.max(np.abs(one), initial=0.0)), float(np.max(np.abs(ratio * other), initial=0.0)))
        if np.max(np.abs(one - ratio * other), initial=0.0) > CLOSE * size:
            return None
    return ratio


def _data_factor(tensor: str, answered: Sequence[CheckedProblem]) -> float | None:
    """Return the factor, other than 0 and 1, of the batch's part, if it is the same on all problems."""
    if any(
        one.result.grads[quantity_of(tensor)].shape != one.reference.trace[tensor].shape for one in answered
    ):
        return None
    # At a kink either side is right, so there need not be a common factor.
    pairs = []
    for one in answered:
        penalty, units = _penalty_part(tensor, one), sorted({h for _, h in one.reference.bounds.kinks})
        parts = [
            one.result.grads[quantity_of(tensor)] - penalty,
            np.asarray(one.reference.trace[tensor]) - penalty,
        ]
        drop = [np.delete(part, units, axis=-1) if tensor in HIDDEN else part for part in parts]
        pairs.append((drop[0], drop[1]))
    factor = _same_multiple(pairs)
    return None if factor in (None, 0, 1) or abs(factor - 1) < CLOSE else factor


def _penalty_multiple(tensor: str, answered: Sequence[CheckedProblem]) -> float | None:
    """Return the m of an error m·reg·q, if it is the same on all problems."""
    q = quantity_of(tensor)
    if any(one.result.grads[q].shape != one.problem.params[q].shape for one in answered):
        return None
    pairs, wrong = [], []
    for one in answered:
        hand, right = one.result.grads[q], np.asarray(one.reference.trace[tensor])
        if one.problem.reg == 0:
            if _is_wrong(tensor, one):
                return None
            continue
        bound = one.reference.bounds.of(tensor, right)
        if np.any(bound.slack):
            continue
        wrong.append(_is_wrong(tensor, one))
        pairs.append((hand - right, one.problem.reg * np.asarray(one.problem.params[q], np.float64)))
    multiple = _same_multiple(pairs) if any(wrong) else None
    return multiple or None


def _describe_hidden(answered: Sequence[CheckedProblem]) -> str | None:
    """Describe the hidden layer's adjoints from dW1 and db1, if the pattern is the same on all problems."""
    trace_shapes = all(
        one.result.grads[quantity_of(tensor)].shape == one.reference.trace[tensor].shape
        for one in answered
        for tensor in HIDDEN
    )
    if not answered or not trace_shapes:
        return None
    factors = [factor for tensor in HIDDEN if (factor := _data_factor(tensor, answered)) is not None]
    if len(factors) == 2 and abs(factors[0] / factors[1] - 1) < CLOSE:
        what = "have the wrong sign" if factors[0] == -1 else f"are {factors[0]:.6g} times the right ones"
        return f"The adjoints of the hidden layer {what}, and dW1 and db1 with them: look at dh1 and dz1."
    if all(map(_takes_dscores, answered)):
        return (
            "dscores itself is used where dh1 belongs, which fits only if H = C: write dh1 = dscores @ W2.T."
        )
    wrong = [one for one in answered if any(_is_wrong(tensor, one) for tensor in HIDDEN)]
    texts = {_hidden_pattern(one) for one in wrong}
    return texts.pop() if len(texts) == 1 else None


def _takes_dscores(one: CheckedProblem) -> bool:
    """Whether the hidden layer's gradients follow from dz1 = dscores times the activation's slope."""
    trace, activation = one.reference.trace, ACTIVATIONS[one.problem.activation]
    dscores = np.asarray(trace.dscores)
    if dscores.shape != trace.z1.shape:
        return False
    dz1 = dscores * activation.derivative(np.asarray(trace.z1))
    replayed = {"dW1": np.asarray(trace.X).T @ dz1, "db1": dz1.sum(axis=0)}
    return all(
        np.max(np.abs(one.result.grads[quantity_of(tensor)] - data - _penalty_part(tensor, one)))
        <= CLOSE * np.max(np.abs(data))
        for tensor, data in replayed.items()
    )


def _hidden_pattern(one: CheckedProblem) -> str | None:
    """Locate the origin of an error of dW1 and db1 in the hidden layer, if it is in few entries of dz1.

    An error δ of dz1 causes the errors Xᵀδ and Σₙδ. These are D + 1 equations for each unit; with fewer
    samples in question, they show whether δ is zero on all others.
    """
    trace, grads = one.reference.trace, one.result.grads
    X, z1, dz1 = (np.asarray(getattr(trace, name)) for name in ("X", "z1", "dz1"))
    system = np.vstack([X.T, np.ones(len(X))])
    target = np.vstack([grads["W1"] - trace.dW1, grads["b1"] - trace.db1])
    if _solved(system, target, z1 <= 0) is not None:
        return "dz1 is wrong only in inactive units, where z1 <= 0."
    delta = _solved(system, target, z1 > 0)
    if delta is None or np.isnan(delta).all():
        return None
    size = np.abs(delta)
    wrong, right = size > CLOSE * np.nanmax(size), size <= CLOSE * np.nanmax(size)
    smallest, largest = np.min(np.abs(dz1[wrong])), np.max(np.abs(dz1[right]), initial=0.0)
    # If every active unit is wrong, nothing is known about the size.
    return "dz1 is wrong only where |dz1| is large." if smallest > largest > 0 else None


def _solved(system: np.ndarray, target: np.ndarray, support: np.ndarray) -> np.ndarray | None:
    """Return δ on the support with system @ δ = target, unit by unit; None if there is none.

    NaN marks units with too many samples on the support for a solution.
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
