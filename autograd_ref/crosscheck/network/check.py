"""Check anyone's two-layer network: is its gradient right, which quantity is wrong first, and why?"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from autograd_ref.crosscheck.comparison import Comparison, compare_gradients, compare_trace
from autograd_ref.crosscheck.network.call_forms import CallResult, NetworkUnderTest, fixed_sizes
from autograd_ref.crosscheck.network.diagnosis import CheckedProblem, diagnose
from autograd_ref.crosscheck.network.read_activation import read_activation
from autograd_ref.crosscheck.network.read_penalty import Penalty, read_penalty
from autograd_ref.crosscheck.network.side_effects import find_faults, find_weaknesses
from autograd_ref.crosscheck.network.unexplained import describe_unexplained
from autograd_ref.crosscheck.problems import Problem, network_problems
from autograd_ref.crosscheck.quantity import Quantity
from autograd_ref.crosscheck.reference import reference_of
from autograd_ref.crosscheck.report import Advice, Diagnosis, NotJudged, Report
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
        target: a class, an instance or a function, in one of the forms of `call_forms`.
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
    networks = [NetworkUnderTest(target, problem) for problem in problems]
    results = [network.evaluate(problem) for network, problem in zip(networks, problems, strict=True)]
    _refuse_unjudgeable(results)
    # What calls the network many times takes the smallest problem that it answers.
    i = _smallest_answered(problems, results)
    activation = read_activation(networks[i], problems[i])
    problems = [replace(problem, activation=activation or "relu") for problem in problems]
    checked, penalties = _judge_by_own_loss(networks, problems, results)
    comparisons = [
        _compare(network, one)
        for network, one in zip(networks, checked, strict=True)
        if one.result.error is None
    ]
    quantities = _worst(comparisons)
    wrong = [quantity.name for quantity in quantities if not quantity.ok]

    first_wrong = wrong[0] if wrong else None
    diagnosis: tuple[Diagnosis, ...] = ()
    signature = None
    fault = find_faults(networks[i], problems[i], checked[i].reference.bounds)
    if fault is not None:
        first_wrong, diagnosis = fault[0], (fault[1],)
    if wrong or any(result.error for result in results):
        named, unexplained = diagnose(checked, wrong)
        diagnosis = (*diagnosis, *named)
        if unexplained or not diagnosis:
            signature = describe_unexplained(checked, unexplained, penalties)
        first_wrong = first_wrong or "loss"
    legible = [one.problem.reg > 0 and one.result.error is None for one in checked]
    read = next(compress(penalties, legible), Penalty())
    warnings = find_weaknesses(networks[i], problems[i])
    if not any(read.coefficients.values()) and not read.not_a_square:
        warnings.append(Advice("no-penalty", "The loss has no penalty: it does not change with reg."))
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
        kinks=tuple((comparison.name, n, h) for comparison in comparisons for n, h in comparison.kinks),
    )


def _refuse_unjudgeable(results: Sequence[CallResult]) -> None:
    first = results[0]
    if first.error is None:
        for name, value in {"loss": np.asarray(first.loss), **first.grads}.items():
            if not np.isfinite(value).all():
                what = name if name == "loss" else f"the gradient of {name}"
                raise NotJudged(f"{what} is not finite on an ordinary problem")
    if not any(result.error is None and np.isfinite(result.loss) for result in results):
        raise NotJudged(f"loss stops at {first.error}")


def _smallest_answered(problems: Sequence[Problem], results: Sequence[CallResult]) -> int:
    answered = [i for i, result in enumerate(results) if result.error is None and np.isfinite(result.loss)]
    return min(answered, key=lambda i: _size(problems[i]))


def _size(problem: Problem) -> int:
    return sum(value.size for value in problem.params.values())


def _judge_by_own_loss(
    networks: Sequence[NetworkUnderTest], problems: Sequence[Problem], results: Sequence[CallResult]
) -> tuple[list[CheckedProblem], list[Penalty]]:
    """Each problem with its penalty: read off the smallest, and again where that does not fit the loss."""
    known, checked, penalties = None, {}, {}
    for i in sorted(range(len(problems)), key=lambda i: _size(problems[i])):
        penalties[i] = known or Penalty()
        if problems[i].reg > 0 and results[i].error is None:
            if known is not None:
                checked[i] = _with_penalty(problems[i], results[i], known)
                if _loss_fits(checked[i]):
                    continue  # then there is no other penalty to be read
            penalties[i] = read_penalty(networks[i], problems[i]) or penalties[i]
            known = known or penalties[i]
        checked[i] = _with_penalty(problems[i], results[i], penalties[i])
    order = range(len(problems))
    return [checked[i] for i in order], [penalties[i] for i in order]


def _with_penalty(problem: Problem, result: CallResult, penalty: Penalty) -> CheckedProblem:
    penalised = replace(problem, penalty=penalty.coefficients)
    return CheckedProblem(penalised, result, reference_of(penalised, penalty.uncertainty))


def _loss_fits(one: CheckedProblem) -> bool:
    error = np.abs(one.result.loss - one.reference.trace.loss)
    return bool(error <= one.reference.bounds.radius["loss"])


def _compare(network: NetworkUnderTest, one: CheckedProblem) -> Comparison:
    """Stage by stage where there is a trace of what loss returned, else from end to end."""
    trace, right, radius = network.trace(one.problem), one.reference.trace, one.reference.bounds.radius
    # A trace may be of another shape, or inherited from another network.
    if (
        trace is not None
        and all(value.shape == np.shape(right[name]) for name, value in trace.items())
        and all(
            trace[name].shape == value.shape and bool(np.all(np.abs(trace[name] - value) <= radius[name]))
            for name, value in one.result.by_quantity().items()
        )
    ):
        return compare_trace(one.problem, trace)
    return compare_gradients(one.problem, one.result.loss, one.result.grads, one.reference)


def _worst(comparisons: Sequence[Comparison]) -> tuple[Quantity, ...]:
    """Each quantity at its worst over the problems."""
    by_name: dict[str, list[Quantity]] = {}
    for comparison in comparisons:
        for quantity in comparison.quantities:
            by_name.setdefault(quantity.name, []).append(quantity)
    return tuple(max(quantities, key=_badness) for quantities in by_name.values())


def _badness(quantity: Quantity) -> tuple[bool, bool, float]:
    return not quantity.ok, quantity.mismatch is not None, quantity.bound_units


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
