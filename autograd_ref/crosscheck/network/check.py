"""Check anyone's two-layer network: is its gradient right, which quantity is wrong first, and why?"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from autograd_ref.crosscheck.bounds import chained_bounds
from autograd_ref.crosscheck.comparison import Comparison, compare_gradients, compare_trace
from autograd_ref.crosscheck.error_pattern import describe, describe_hidden
from autograd_ref.crosscheck.network.call_forms import Outcome, Subject, fixed_sizes
from autograd_ref.crosscheck.network.diagnosis import TENSORS, Evidence, diagnose
from autograd_ref.crosscheck.network.read_activation import read_activation
from autograd_ref.crosscheck.network.read_penalty import Penalty, read_penalty
from autograd_ref.crosscheck.network.side_effects import find_faults, find_weaknesses
from autograd_ref.crosscheck.problems import Problem, network_problems
from autograd_ref.crosscheck.quantity import Quantity
from autograd_ref.crosscheck.report import Diagnosis, NotJudged, Report, Warned
from autograd_ref.two_layer_net import adjoints
from handgrad.validation import check_dtype, check_real

__all__ = ["assert_network_gradients", "check_network"]


def check_network(
    target: Any,
    *,
    dtype: DTypeLike = np.float64,
    sizes: tuple[int, int, int, int] | None = None,
    reg: float | None = None,
    seed: int = 0,
    name: str | None = None,
) -> Report:
    """Hold someone's two-layer network against automatic differentiation.

    The loss is the specification: the penalty is read off it, and the gradient has to match that loss.

    Args:
        target: a class, an instance or a function, in one of the forms of `contracts`.
        dtype: float32 or float64, in which the parameters and inputs are given.
        sizes: N, D, H, C of the first problem; an instance has its own D, H, C.
        reg: strength of the penalty in the first problem.
        seed: of the random problems.
        name: what to call it in the report.

    Returns:
        The report.

    Raises:
        NotJudged: it cannot be judged right or wrong; the message says why.
        TypeError, ValueError: an argument of this function is wrong.
    """
    known = check_dtype(dtype)
    reg = 0.1 if reg is None else check_real("reg", reg, minimum=0.0)
    name = name or getattr(target, "__qualname__", None) or type(target).__qualname__
    problems = network_problems(known, seed, sizes=sizes, reg=reg, fixed=fixed_sizes(target))
    with _left_as_it_was(target):
        return _check(target, problems, name)


def assert_network_gradients(target: Any, **options: Any) -> None:
    """Assert that someone's two-layer network has the right gradient; for one line in a test.

    Args:
        target: as in `check_network`.
        **options: as in `check_network`.

    Raises:
        AssertionError: it has not; the message is the report.
        NotJudged: as `check_network`.
    """
    report = check_network(target, **options)
    if not report.ok:
        raise AssertionError(str(report))


def _check(target: Any, problems: Sequence[Problem], name: str) -> Report:
    subjects = [Subject(target, problem) for problem in problems]
    outcomes = [subject.evaluate(problem) for subject, problem in zip(subjects, problems, strict=True)]
    _refuse_unjudgeable(outcomes)
    i = _smallest_answered(problems, outcomes)
    activation = read_activation(subjects[i], problems[i])
    problems = [replace(problem, activation=activation or "relu") for problem in problems]
    evidence, penalties = _gather(subjects, problems, outcomes)
    comparisons = [
        _compare(subject, found)
        for subject, found in zip(subjects, evidence, strict=True)
        if found.outcome.error is None
    ]
    quantities = _worst(comparisons)
    wrong = [quantity.name for quantity in quantities if not quantity.ok]

    first_wrong = wrong[0] if wrong else None
    diagnosis: tuple[Diagnosis, ...] = ()
    signature = None
    # Probes call the network many times: on the smallest problem that it answers.
    fault = find_faults(subjects[i], problems[i], evidence[i].bounds)
    if fault is not None:
        first_wrong, diagnosis = fault[0], (fault[1],)
    if wrong or any(outcome.error for outcome in outcomes):
        named, unexplained = diagnose(evidence, wrong)
        diagnosis = (*diagnosis, *named)
        signature = _signature(evidence, unexplained, penalties) if unexplained or not diagnosis else None
        first_wrong = first_wrong or "loss"
    legible = [each.problem.reg > 0 and each.outcome.error is None for each in evidence]
    read = next(compress(penalties, legible), Penalty())
    warnings = find_weaknesses(subjects[i], problems[i])
    if not any(read.coefficients.values()) and not read.not_a_square:
        warnings.append(Warned("no-penalty", "The loss has no penalty: it does not change with reg."))
    return Report(
        target=name,
        dtype=problems[0].dtype.name,
        ok=first_wrong is None,
        first_wrong=first_wrong,
        diagnosis=diagnosis,
        signature=signature,
        warnings=tuple(warnings),
        penalty=read.coefficients,
        activation=activation,
        quantities=quantities,
        kinks=tuple((each.name, n, h) for each in comparisons for n, h in each.kinks),
    )


def _refuse_unjudgeable(outcomes: Sequence[Outcome]) -> None:
    first = outcomes[0]
    if first.error is None:
        for name, value in {"loss": np.asarray(first.loss), **first.grads}.items():
            if not np.isfinite(value).all():
                what = name if name == "loss" else f"the gradient of {name}"
                raise NotJudged(f"{what} is not finite on an ordinary problem")
    if not any(outcome.error is None and np.isfinite(outcome.loss) for outcome in outcomes):
        raise NotJudged(f"loss stops at {first.error}")


def _smallest_answered(problems: Sequence[Problem], outcomes: Sequence[Outcome]) -> int:
    answered = (i for i, each in enumerate(outcomes) if each.error is None and np.isfinite(each.loss))
    return min(answered, key=lambda i: _size(problems[i]))


def _evidence(problem: Problem, outcome: Outcome, penalty: Penalty) -> Evidence:
    exact = {q: np.asarray(value, np.float64) for q, value in problem.params.items()}
    automatic = adjoints(exact, problem.X, problem.y, problem.reg, penalty.coefficients, problem.activation)
    values = {"X": problem.X, "y": problem.y, **problem.params, **automatic}
    bounds = chained_bounds(
        *(values, problem.dtype, problem.reg, penalty.coefficients, penalty.uncertainty), problem.activation
    )
    return Evidence(problem, outcome, penalty.coefficients, automatic, bounds)


def _compare(subject: Subject, evidence: Evidence) -> Comparison:
    """Stage by stage where there is a trace of what loss returned, else from end to end."""
    problem, outcome, coefficients = evidence.problem, evidence.outcome, evidence.coefficients
    trace = subject.trace(problem)
    if trace is not None and _is_of(outcome, trace, evidence):
        return compare_trace(problem, trace, coefficients)
    automatic, bounds = evidence.automatic, evidence.bounds
    return compare_gradients(problem, outcome.loss, outcome.grads, coefficients, automatic, bounds)


def _is_of(outcome: Outcome, trace: Mapping[str, np.ndarray], evidence: Evidence) -> bool:
    """Whether a trace, which may be inherited from another network, leads to what loss returned."""
    returned = {"loss": np.asarray(outcome.loss)} | {f"d{q}": grad for q, grad in outcome.grads.items()}
    radius = evidence.bounds.radius
    return all(
        trace[name].shape == value.shape and bool(np.all(np.abs(trace[name] - value) <= radius[name]))
        for name, value in returned.items()
    )


def _gather(
    subjects: Sequence[Subject], problems: Sequence[Problem], outcomes: Sequence[Outcome]
) -> tuple[list[Evidence], list[Penalty]]:
    """The evidence of each problem, with its penalty: read off the smallest, and where that does not fit."""
    by_size = sorted(range(len(problems)), key=lambda i: _size(problems[i]))
    known, evidence, penalties = None, {}, {}
    for i in by_size:
        penalties[i] = known or Penalty()
        if problems[i].reg > 0 and outcomes[i].error is None:
            if known is not None:
                evidence[i] = _evidence(problems[i], outcomes[i], known)
                if _loss_fits(evidence[i]):
                    continue  # then there is no other penalty to be read
            penalties[i] = read_penalty(subjects[i], problems[i]) or penalties[i]
            known = known or penalties[i]
        evidence[i] = _evidence(problems[i], outcomes[i], penalties[i])
    order = range(len(problems))
    return [evidence[i] for i in order], [penalties[i] for i in order]


def _loss_fits(evidence: Evidence) -> bool:
    error = np.abs(evidence.outcome.loss - evidence.automatic["loss"])
    return bool(error <= evidence.bounds.radius["loss"])


def _size(problem: Problem) -> int:
    return sum(value.size for value in problem.params.values())


def _worst(comparisons: Sequence[Comparison]) -> tuple[Quantity, ...]:
    """Each quantity at its worst over the problems."""
    by_name: dict[str, list[Quantity]] = {}
    for comparison in comparisons:
        for quantity in comparison.quantities:
            by_name.setdefault(quantity.name, []).append(quantity)
    return tuple(max(found, key=_badness) for found in by_name.values())


def _badness(quantity: Quantity) -> tuple[bool, bool, float]:
    return not quantity.ok, quantity.problem is not None, quantity.bound_units


def _signature(
    evidence: Sequence[Evidence], unexplained: set[str], penalties: Sequence[Penalty]
) -> str | None:
    """What the unexplained errors look like, on the first problem that shows each."""
    if any(penalty.not_a_square for penalty in penalties):
        names = ", ".join(next(p.not_a_square for p in penalties if p.not_a_square))
        return f"The loss is not this network's loss plus c·reg·‖q‖²: its penalty of {names} is not a square."
    judged = [each for each in evidence if each.outcome.error is None]
    if "loss" in unexplained:
        return _signature_of_loss(judged)
    hidden = _describe_hidden(judged) if set(unexplained) == {"dW1", "db1"} else None
    if hidden is not None:
        return hidden
    described = {tensor: _first_description(tensor, judged) for tensor in TENSORS if tensor in unexplained}
    said = [text for text in described.values() if text is not None]
    silent = [tensor for tensor, text in described.items() if text is None]
    if silent:
        said.append(f"{', '.join(silent)}: no mistake of the catalogue and no simple pattern explains this.")
    for each in evidence:
        if each.outcome.error is not None:
            sizes = f"N={len(each.problem.y)}, D={each.problem.sizes[0]}, H={each.problem.sizes[1]}"
            where = f"{each.problem.name!r}, {sizes}, C={each.problem.sizes[2]}, reg={each.problem.reg:g}"
            said.append(f"On the problem {where}, loss stops at {each.outcome.error}.")
            break
    return " ".join(said) or None


def _signature_of_loss(judged: Sequence[Evidence]) -> str:
    for each in judged:
        if not np.isfinite(each.outcome.loss):
            return f"The loss is not finite on the problem {each.problem.name!r}, reg={each.problem.reg:g}."
    errors = [abs(each.outcome.loss / float(each.automatic["loss"]) - 1) for each in judged]
    if max(errors) < 1e-6:
        return f"The loss is right, but rounded on the way: it is off by {max(errors):.0e} of itself."
    return "The loss is not this network's loss plus a penalty c·reg·‖q‖² of its parameters."


def _first_description(tensor: str, judged: Sequence[Evidence]) -> str | None:
    for each in judged:
        hand, q = each.outcome.grads[tensor[1:]], each.problem.params[tensor[1:]]
        text = describe(tensor, hand, each.automatic[tensor], q, each.bounds.radius[tensor])
        if text is not None:
            return text
    return None


def _describe_hidden(judged: Sequence[Evidence]) -> str | None:
    for each in judged:
        found = [(each.outcome.grads[tensor[1:]], each.automatic[tensor]) for tensor in ("dW1", "db1")]
        if any(hand.shape != automatic.shape for hand, automatic in found):
            return None
        errors = [hand - automatic for hand, automatic in found]
        if np.any(np.abs(errors[0]) > each.bounds.radius["dW1"]):
            X = np.asarray(each.problem.X, np.float64)
            return describe_hidden(X, each.automatic["z1"], each.automatic["dz1"], *errors)
    return None


@contextmanager
def _left_as_it_was(target: Any) -> Iterator[None]:
    """Give an instance its own parameters and reg back."""
    params = getattr(target, "params", None)
    before = dict(params) if isinstance(params, dict) else None
    reg = getattr(target, "reg", None)
    try:
        yield
    finally:
        if before is not None and params is not None:
            params.clear()
            params.update(before)
            if reg is not None:
                target.reg = reg
