"""Beside the gradient: is anything the caller holds changed, is the answer the same twice, is it robust?"""

from dataclasses import replace

import numpy as np

from autograd_ref.crosscheck.bounds import Bounds
from autograd_ref.crosscheck.network.call_forms import Subject
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.report import Diagnosis, Warned
from handgrad.two_layer_net import PARAMETERS

__all__ = ["find_faults", "find_weaknesses"]


def find_faults(subject: Subject, problem: Problem, bounds: Bounds) -> tuple[str, Diagnosis] | None:
    """Call the network as its users do, and look at what they hold afterwards.

    Args:
        subject: someone's network, which answers on this problem.
        problem: an ordinary one.
        bounds: what rounding allows two answers to differ by.

    Returns:
        What was found first, X, y, params, scores or determinism, with its diagnosis; None if all is well.
    """
    X, y = problem.X.copy(), problem.y.copy()
    subject.set_params(problem.params)
    held = _held_scores(subject, X)
    scores = None if held is None else np.array(held, np.float64)
    first = subject.call(X, y, problem.reg)
    changed = [name for name, is_, was in (("X", X, problem.X), ("y", y, problem.y)) if not _same(is_, was)]
    after = subject.params if subject.net is None else subject.net.params
    for name in PARAMETERS:
        if not _same(np.asarray(after[name]).ravel(), problem.params[name].ravel()):
            changed.append(name)
    if changed:
        what = changed[0] if changed[0] in ("X", "y") else "params"
        text = f"A call of loss changes {', '.join(changed)}, which belong to the caller: work on a copy."
        return what, Diagnosis("inputs-mutated", tuple(changed), (), text)

    subject.set_params(problem.params)
    second = subject.call(problem.X.copy(), problem.y.copy(), problem.reg)
    failed = first.error or second.error
    if failed is not None:
        text = f"The same call, which gave an answer before, stops at {failed}."
        return "determinism", Diagnosis("not-deterministic", ("loss",), (), text)
    for name in ("loss", *PARAMETERS):
        one, other = (each.loss if name == "loss" else each.grads[name] for each in (first, second))
        radius = np.max(bounds.radius[name if name == "loss" else f"d{name}"])
        if not _alike(np.asarray(one), np.asarray(other), radius):
            quantity = name if name == "loss" else f"d{name}"
            text = f"The same call gives another {quantity} the second time: something random or left over."
            return "determinism", Diagnosis("not-deterministic", (quantity,), (), text)

    if held is not None and scores is not None and not _same(np.asarray(held, np.float64), scores):
        text = (
            "The scores that loss(X) returned change when loss is called again: return a new array, and "
            "subtract the maximum or the one-hot from a copy."
        )
        return "scores", Diagnosis("scores-overwritten", ("scores",), (), text)
    shifted = _shifted_scores(subject, problem)
    if shifted is not None:
        return "scores", Diagnosis("scores-overwritten", ("scores",), (), shifted)
    return None


def find_weaknesses(subject: Subject, problem: Problem) -> list[Warned]:
    """Scores far from 0, and far from each other: is the loss still finite?

    Args:
        subject: someone's network.
        problem: an ordinary one.

    Returns:
        A warning for each weakness.
    """
    found = []
    b2 = problem.params["b2"]
    offset = {**problem.params, "b2": b2 + b2.dtype.type(1000)}
    if not _finite(subject, replace(problem, params=offset)):
        text = (
            "With scores near 1000 the loss is not finite: subtract each row's maximum before exp, "
            "scores - scores.max(axis=1, keepdims=True)."
        )
        found.append(Warned("no-max-shift", text))
    # A right class whose probability underflows: exp(-2000) is 0 in float64, and so in float32.
    gap = b2.copy()
    gap[problem.y[0]] = -2000
    if not found and not _finite(subject, replace(problem, params={**problem.params, "b2": gap})):
        text = (
            "Where a probability underflows to 0, -log(p) is infinite: use log-sum-exp, "
            "np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(N), y]."
        )
        found.append(Warned("log-underflow", text))
    return found


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


def _alike(one: np.ndarray, other: np.ndarray, radius: float) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=0, atol=radius, equal_nan=True)


def _held_scores(subject: Subject, X: np.ndarray) -> np.ndarray | None:
    try:
        held = subject.scores(X)
    except Exception:
        return None
    return held if isinstance(held, np.ndarray) and held.dtype.kind == "f" and held.ndim == 2 else None


def _shifted_scores(subject: Subject, problem: Problem) -> str | None:
    """The in-place shift of a stable softmax, seen in the scores that the caller gets."""
    subject.set_params(problem.params)
    held = _held_scores(subject, problem.X.copy())
    if held is None or len(held) == 0:
        return None
    biased = {**problem.params, "b2": problem.params["b2"] + problem.dtype.type(1)}
    subject.set_params(biased)
    raised = _held_scores(subject, problem.X.copy())
    if raised is None or raised.shape != held.shape:
        return None
    at_zero = np.all(held.max(axis=1) == 0) and np.all(raised.max(axis=1) == 0)
    if not at_zero:
        return None
    return (
        "The scores that loss(X) returns have each row's maximum subtracted: shift a copy, and return the "
        "scores themselves."
    )


def _finite(subject: Subject, problem: Problem) -> bool:
    outcome = subject.evaluate(problem)
    values = [np.asarray(outcome.loss), *outcome.grads.values()]
    return outcome.error is None and all(np.isfinite(value).all() for value in values)
