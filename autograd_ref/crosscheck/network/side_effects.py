"""Faults besides the gradient: changed arguments, different answers to the same call, and overflow."""

from dataclasses import replace

import numpy as np

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.crosscheck.network.call_forms import NetworkUnderTest
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.reference import reference_of
from autograd_ref.crosscheck.reports.report import Advice, Diagnosis
from autograd_ref.recording.memory import are_same
from handgrad.trace import PARAMETERS

__all__ = ["find_faults", "find_weaknesses"]

ROUNDINGS = 64


def find_faults(network: NetworkUnderTest, problem: Problem) -> tuple[str, Diagnosis] | None:
    """Call the network like its users, and check their arrays afterwards.

    Args:
        network: the user's network, which works on this problem.
        problem: an ordinary problem.

    Returns:
        The first fault, in X, y, params, scores or determinism, with its diagnosis; None if there is none.
    """
    X, y = problem.X.copy(), problem.y.copy()
    network.set_params(problem.params)
    held = _held_scores(network, X)
    scores = None if held is None else np.array(held, np.float64)
    first = network.call(X, y, problem.reg)
    changed = [
        name for name, is_, was in (("X", X, problem.X), ("y", y, problem.y)) if not are_same(is_, was)
    ]
    after = network.given_params()
    for name in PARAMETERS:
        if not are_same(np.asarray(after[name]).ravel(), problem.params[name].ravel()):
            changed.append(name)
    if changed:
        what = changed[0] if changed[0] in ("X", "y") else "params"
        text = f"A call of loss changes {', '.join(changed)}, which belong to the caller: work on a copy."
        return what, Diagnosis("inputs-mutated", tuple(changed), (), text)

    network.set_params(problem.params)
    second = network.call(problem.X.copy(), problem.y.copy(), problem.reg)
    failed = first.error or second.error
    if failed is not None:
        text = f"The same call, which worked before, stops at {failed}."
        return "determinism", Diagnosis("not-deterministic", ("loss",), (), text)
    one, other = first.by_quantity(), second.by_quantity()
    radius = reference_of(problem).bounds.radius
    for quantity in one:
        size = np.max(np.abs(one[quantity]), initial=0.0, where=np.isfinite(one[quantity]))
        # The penalty is not known yet: its part may have an error of a few roundings of the whole.
        allowed = np.max(radius[quantity]) + ROUNDINGS * unit_roundoff(problem.dtype) * size
        if not _alike(one[quantity], other[quantity], float(allowed)):
            text = f"The same call gives another {quantity} the second time: it is random, or keeps state."
            return "determinism", Diagnosis("not-deterministic", (quantity,), (), text)

    if held is not None and scores is not None and not are_same(np.asarray(held, np.float64), scores):
        text = (
            "The scores that loss(X) returned change when loss is called again: return a new array, and "
            "subtract the maximum or the one-hot from a copy."
        )
        return "scores", Diagnosis("scores-overwritten", ("scores",), (), text)
    shifted = _shifted_scores(network, problem)
    if shifted is not None:
        return "scores", Diagnosis("scores-overwritten", ("scores",), (), shifted)
    return None


def find_weaknesses(network: NetworkUnderTest, problem: Problem) -> list[Advice]:
    """Test whether the loss is finite for scores far from 0, and far from each other.

    Args:
        network: the user's network.
        problem: an ordinary problem.

    Returns:
        Advice for each weakness.
    """
    weaknesses = []
    b2 = problem.params["b2"]
    offset = {**problem.params, "b2": b2 + b2.dtype.type(1000)}
    if not _finite(network, replace(problem, params=offset)):
        text = (
            "With scores near 1000 the loss is not finite: subtract each row's maximum before exp, "
            "scores - scores.max(axis=1, keepdims=True)."
        )
        weaknesses.append(Advice("no-max-shift", text))
    # The right class has a probability that underflows: exp(-2000) is 0 in float64, and so in float32.
    gap = b2.copy()
    gap[problem.y[0]] = -2000
    if not weaknesses and not _finite(network, replace(problem, params={**problem.params, "b2": gap})):
        text = (
            "Where a probability underflows to 0, -log(p) is infinite: use log-sum-exp, "
            "np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(N), y]."
        )
        weaknesses.append(Advice("log-underflow", text))
    return weaknesses


def _alike(one: np.ndarray, other: np.ndarray, radius: float) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=0, atol=radius, equal_nan=True)


def _held_scores(network: NetworkUnderTest, X: np.ndarray) -> np.ndarray | None:
    try:
        held = network.scores(X)
    except Exception:
        return None
    return held if isinstance(held, np.ndarray) and held.dtype.kind == "f" and held.ndim == 2 else None


def _shifted_scores(network: NetworkUnderTest, problem: Problem) -> str | None:
    """Detect the in-place shift of a stable softmax in the returned scores."""
    network.set_params(problem.params)
    held = _held_scores(network, problem.X.copy())
    if held is None or len(held) == 0:
        return None
    biased = {**problem.params, "b2": problem.params["b2"] + problem.dtype.type(1)}
    network.set_params(biased)
    raised = _held_scores(network, problem.X.copy())
    if raised is None or raised.shape != held.shape:
        return None
    at_zero = np.all(held.max(axis=1) == 0) and np.all(raised.max(axis=1) == 0)
    if not at_zero:
        return None
    return (
        "The scores that loss(X) returns have each row's maximum subtracted: shift a copy, and return the "
        "scores themselves."
    )


def _finite(network: NetworkUnderTest, problem: Problem) -> bool:
    result = network.evaluate(problem)
    return result.error is None and all(np.isfinite(value).all() for value in result.by_quantity().values())
