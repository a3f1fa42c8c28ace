"""Check any two-layer network: is its gradient right, which quantity is wrong first, and why?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.crosscheck.comparison import Comparison, compare_gradients, compare_trace
from autograd_ref.crosscheck.network.by_recording import check_by_recording
from autograd_ref.crosscheck.network.call_forms import CallResult, NetworkUnderTest, fixed_sizes
from autograd_ref.crosscheck.network.diagnosis import CheckedProblem, computed_in_float32, diagnose
from autograd_ref.crosscheck.network.other_forms import refuse_unanswered
from autograd_ref.crosscheck.network.own_loss import (
    fits_its_own_loss,
    hold_against_values,
    name_own_loss,
    unjudged_quantities,
)
from autograd_ref.crosscheck.network.read_activation import read_activation
from autograd_ref.crosscheck.network.read_penalty import Penalty, read_penalty
from autograd_ref.crosscheck.network.side_effects import find_faults, find_weaknesses
from autograd_ref.crosscheck.network.unexplained import describe_unexplained
from autograd_ref.crosscheck.network.verdicts import measured_bounds, verdicts
from autograd_ref.crosscheck.problems import Problem, network_problems
from autograd_ref.crosscheck.reference import reference_of
from autograd_ref.crosscheck.reports.asserted import assert_right
from autograd_ref.crosscheck.reports.report import Advice, Diagnosis, NotJudged, Report
from handgrad.validation import check_dtype, check_natural, check_positive_int, check_real

__all__ = ["assert_network_gradients", "check_network"]

# Mistakes in the numbers themselves: the network is right, but computes with other numbers than given.
NUMBERS = {"float32-inside", "integer-truncation"}


def check_network(
    target: Any,
    *,
    dtype: DTypeLike = np.float64,
    sizes: tuple[int, int, int, int] | None = None,
    reg: float | None = None,
    seed: int = 0,
    name: str | None = None,
    tolerance: float = 0.0,
    repair_seconds: float = 0.0,
    on_verdict: Callable[[Report], None] | None = None,
) -> Report:
    """Compare a two-layer network with automatic differentiation.

    The loss is the specification: the penalty and the activation are read off it, and the gradient must
    match that loss. A network in another form, or with another loss than softmax cross-entropy, is
    recorded and judged by its own forward pass.

    Args:
        target: a class, an instance or a function, in one of the forms of `call_forms`.
        dtype: dtype of the parameters and inputs, float32 or float64.
        sizes: N, D, H, C of the first problem; an instance has its own D, H, C.
        reg: strength of the penalty in the first problem.
        seed: seed of the random problems.
        name: name in the report.
        tolerance: widen each bound to this part of the larger of the entry and its array's root mean square,
            for gradients that are inexact by design.
        repair_seconds: time limit for the search for a repair of a wrong gradient.
        on_verdict: called with the report before the search.

    Returns:
        The report; its ok is None if something could not be judged.

    Raises:
        NotJudged: the network could not be run, or returned nothing that can be judged; the message says why.
        TypeError, ValueError: an argument of this function is wrong.
    """
    __tracebackhide__ = True
    check_natural("seed", seed)
    if sizes is not None:
        if len(sizes) != 4:
            raise ValueError(f"sizes must be N, D, H, C, four numbers, not {sizes!r}")
        for each, size in zip("NDHC", sizes, strict=True):
            check_positive_int(f"{each} in sizes", size)
    known = check_dtype(dtype)
    reg = 0.1 if reg is None else check_real("reg", reg, minimum=0.0)
    name = name or getattr(target, "__qualname__", None) or type(target).__qualname__
    given = check_real("tolerance", tolerance, minimum=0.0)
    by_recording = partial(
        check_by_recording,
        target,
        name,
        dtype=known.name,
        sizes=sizes,
        reg=reg,
        seed=seed,
        tolerance=given,
        repair_seconds=repair_seconds,
        on_verdict=on_verdict,
    )
    try:
        problems = network_problems(known, seed, sizes=sizes, reg=reg, fixed=fixed_sizes(target))
        with _left_as_it_was(target):
            check = _Check(target, problems, name, seed, given)
            report = check.report()
    except NotJudged:
        recorded = by_recording()
        if recorded is None:
            raise
        return recorded
    if check.another_loss is None:
        if report.ok is False and repair_seconds > 0:
            return _mended(report, by_recording, on_verdict)
        return report
    recorded = by_recording()
    if recorded is None:
        return report
    said = f"{check.another_loss} {recorded.signature}"
    return replace(recorded, signature=said, warnings=(*report.warnings, *recorded.warnings))


def _mended(
    report: Report, by_recording: Callable[..., Report | None], on_verdict: Callable[[Report], None] | None
) -> Report:
    """Return the report with the place and the repair from a recording of the network's call."""
    if on_verdict is not None:
        on_verdict(report)
    try:
        recorded = by_recording(on_verdict=None)
    except NotJudged:
        return report
    if recorded is None or recorded.ok is not False:
        return report
    return replace(report, blame=recorded.blame, repair=recorded.repair)


def assert_network_gradients(target: Any, **options: Any) -> None:
    """Assert that a two-layer network has the right gradient, in one line of a test.

    Args:
        target: as in `check_network`.
        **options: as in `check_network`.

    Raises:
        AssertionError: the gradient is wrong; the message is the report.
        NotJudged: it could not be judged; the message is the report, or says what could not be run.
    """
    __tracebackhide__ = True
    assert_right(check_network, target, **options)


class _Check:
    """One network on its problems."""

    def __init__(
        self, target: Any, problems: Sequence[Problem], name: str, seed: int, tolerance: float
    ) -> None:
        self.problems, self.name, self.seed, self.tolerance = list(problems), name, seed, tolerance
        self.networks = [NetworkUnderTest(target, problem) for problem in problems]
        self.results = [
            network.evaluate(problem) for network, problem in zip(self.networks, problems, strict=True)
        ]
        self.warnings: list[Advice] = []
        self.another_loss: str | None = None

    def report(self) -> Report:
        """Return the report on the network."""
        answered = [i for i, result in enumerate(self.results) if result.error is None]
        if not answered:
            refuse_unanswered(self.networks[0], self.problems[0], self.results[0])
        # Tests with many calls use the smallest problem on which the network works.
        smallest = min(answered, key=lambda i: _size(self.problems[i]))
        fault = find_faults(self.networks[smallest], self.problems[smallest])
        if fault is not None and fault[0] == "determinism":
            return self._report(ok=False, first_wrong=fault[0], diagnosis=(fault[1],))
        finite = [i for i in answered if np.isfinite(self.results[i].loss)]
        if not finite:
            return self._not_finite(answered[0])

        smallest = min(finite, key=lambda i: _size(self.problems[i]))
        network, ordinary = self.networks[smallest], self.problems[smallest]
        activation = read_activation(network, ordinary)
        self.problems = [replace(problem, activation=activation or "relu") for problem in self.problems]
        checked, penalties = _judge_by_own_loss(self.networks, self.problems, self.results)
        legible = [one.problem.reg > 0 and one.result.error is None for one in checked]
        read = next(compress(penalties, legible), Penalty())
        self._warn_of_weaknesses(network, ordinary, read)

        rounded = _is_rounded(checked)
        comparisons = [self._compare(i, checked[i], rounded=rounded) for i in answered]
        pairs = [(checked[i], penalties[i].uncertainty) for i in answered]
        measured = partial(self._measured, pairs)
        quantities = verdicts(comparisons, measured, self.problems[0].dtype.name)
        wrong = [quantity.name for quantity in quantities if quantity.ok is False]
        named: tuple[Diagnosis, ...] = ()
        unexplained: set[str] = set()
        if wrong or len(answered) < len(checked):
            named, unexplained = diagnose(checked, wrong)
        if not rounded and any(one.has_another_loss for one in checked):
            complete = bool(named) and not unexplained
            if not complete or (
                not {each.id for each in named} & NUMBERS and fits_its_own_loss(self.networks, checked)
            ):
                said = [named[0].text] if complete else []
                said.append(name_own_loss(self.networks, checked, penalties))
                self.another_loss = None if fault else " ".join(said)
                said.append(hold_against_values(self.networks, checked))
                first = checked[answered[0]]
                return self._report(
                    ok=False if fault else None,
                    first_wrong=fault[0] if fault else None,
                    diagnosis=(fault[1],) if fault else (),
                    signature=" ".join(said),
                    quantities=unjudged_quantities(first),
                )
        signature = None
        if wrong or len(answered) < len(checked):
            if unexplained or not named:
                signature = describe_unexplained(checked, unexplained)
            wrong = wrong or ["loss"]
        if rounded:
            self._warn("loss-rounded", "The loss is rounded to float32 on the way; the gradient is judged.")
        undetermined = next((each for each in quantities if each.name == "loss" and each.ok is None), None)
        if undetermined is not None:
            self._warn("loss-undetermined", f"The loss is not judged: {undetermined.reason}.")
        open_ = any(each.ok is None and each.name != "loss" for each in quantities)
        return self._report(
            ok=False if wrong or fault else None if open_ else True,
            first_wrong=fault[0] if fault else wrong[0] if wrong else None,
            diagnosis=(*((fault[1],) if fault else ()), *named),
            signature=signature,
            penalty=read.coefficients,
            activation=activation,
            quantities=quantities,
            kinks=tuple((comparison.name, n, h) for comparison in comparisons for n, h in comparison.kinks),
        )

    def _report(self, *, signature: str | None = None, **found: Any) -> Report:
        said = [] if signature is None else [signature]
        if self.tolerance:
            said.append(f"Every bound was widened to {self.tolerance:g} (tolerance).")
        return Report(
            form="network",
            target=self.name,
            dtype=self.problems[0].dtype.name,
            signature=" ".join(said) or None,
            warnings=tuple(self.warnings),
            points=len(self.problems),
            **found,
        )

    def _warn(self, id_: str, text: str) -> None:
        self.warnings.append(Advice(id_, text))

    def _warn_of_weaknesses(self, network: NetworkUnderTest, problem: Problem, read: Penalty) -> None:
        added = sorted(set(map(str, network.given_params())) - set(problem.params))
        if network.net is None and added:
            self._warn("state-changed", f"A call adds {', '.join(added)} to params: state that it keeps.")
        self.warnings += find_weaknesses(network, problem)
        if not any(read.coefficients.values()) and not read.not_a_square:
            self._warn("no-penalty", "The loss has no penalty: it does not change with reg.")

    def _not_finite(self, i: int) -> Report:
        """Report that the loss is not finite on any problem, so that nothing can be read off it."""
        problem, result = self.problems[i], self.results[i]
        comparison = compare_gradients(problem, result.loss, result.grads)
        wrong = [
            quantity
            for quantity in comparison.quantities
            if not np.isfinite(result.by_quantity()[quantity.name]).all()
        ]
        return self._report(
            ok=False,
            first_wrong=wrong[0].name,
            signature="The loss is not finite on any problem.",
            quantities=tuple(wrong),
        )

    def _compare(self, i: int, one: CheckedProblem, *, rounded: bool) -> Comparison:
        """Compare stage by stage if there is a trace of the returned loss, or else from end to end."""
        right, radius = one.reference.trace, one.reference.bounds.radius
        trace = None if self.tolerance else self.networks[i].trace(one.problem)
        # A trace may have another shape, or be inherited from another network.
        if (
            trace is not None
            and all(value.shape == np.shape(right[name]) for name, value in trace.items())
            and all(
                trace[name].shape == value.shape and bool(np.all(np.abs(trace[name] - value) <= radius[name]))
                for name, value in one.result.by_quantity().items()
            )
        ):
            return compare_trace(one.problem, trace)
        loss = float(right.loss) if rounded else one.result.loss
        grads = one.result.grads
        return compare_gradients(one.problem, loss, grads, one.reference, tolerance=self.tolerance)

    def _measured(
        self, answered: Sequence[tuple[CheckedProblem, Mapping[str, float]]], number: int
    ) -> Comparison:
        one, uncertainty = answered[number]
        bounds = measured_bounds(one.problem, uncertainty, self.seed)
        loss, grads = one.result.loss, one.result.grads
        return compare_gradients(
            one.problem, loss, grads, one.reference, tolerance=self.tolerance, bounds=bounds
        )


def _size(problem: Problem) -> int:
    return sum(value.size for value in problem.params.values())


def _is_rounded(checked: Sequence[CheckedProblem]) -> bool:
    """Whether only the loss was rounded to float32 on the way, on every problem."""
    if checked[0].problem.dtype == np.float32 or not any(one.has_another_loss for one in checked):
        return False
    if computed_in_float32(checked):
        return False  # everything was
    for one in checked:
        loss, right = one.result.loss, float(one.reference.trace.loss)
        if one.result.error is not None:
            continue
        with np.errstate(over="ignore"):
            single = float(np.float32(loss))
        if loss != single or abs(loss - right) > 1.001 * unit_roundoff(np.float32) * abs(right):
            return False
    return True


def _judge_by_own_loss(
    networks: Sequence[NetworkUnderTest], problems: Sequence[Problem], results: Sequence[CallResult]
) -> tuple[list[CheckedProblem], list[Penalty]]:
    """Read the penalty off the smallest problem, and again off each problem whose loss it does not fit."""
    known, checked, penalties = None, {}, {}
    for i in sorted(range(len(problems)), key=lambda i: _size(problems[i])):
        penalties[i] = known or Penalty()
        if problems[i].reg > 0 and results[i].error is None:
            if known is not None:
                checked[i] = _with_penalty(problems[i], results[i], known)
                if not checked[i].has_another_loss and np.isfinite(results[i].loss):
                    continue  # then no other penalty can be read
            penalties[i] = read_penalty(networks[i], problems[i]) or penalties[i]
            known = known or penalties[i]
        checked[i] = _with_penalty(problems[i], results[i], penalties[i])
    order = range(len(problems))
    return [checked[i] for i in order], [penalties[i] for i in order]


def _with_penalty(problem: Problem, result: CallResult, penalty: Penalty) -> CheckedProblem:
    penalised = replace(problem, penalty=penalty.coefficients)
    return CheckedProblem(penalised, result, reference_of(penalised, penalty.uncertainty))


@contextmanager
def _left_as_it_was(target: Any) -> Iterator[None]:
    """Restore an instance's own parameters and reg at the end."""
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
