"""Check the gradients that any NumPy code computes in a call, against its own forward pass."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from io import StringIO
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.errors import file_of
from autograd_ref.crosscheck.program.another_point import Arguments, at_another
from autograd_ref.crosscheck.program.assigned.assign import Assignment
from autograd_ref.crosscheck.program.assigned.losses import NoLoss
from autograd_ref.crosscheck.program.assigned.sought import seek_loss
from autograd_ref.crosscheck.program.calling.forms import (
    Form,
    gradient_beside,
    pair,
    plain,
    required,
    with_expression,
)
from autograd_ref.crosscheck.program.guessed.stretched import refuse_stretched
from autograd_ref.crosscheck.program.held import held_target
from autograd_ref.crosscheck.program.negated import negated
from autograd_ref.crosscheck.program.paths import shown
from autograd_ref.crosscheck.program.point import RecordedPoint, Run, read_gradients, run
from autograd_ref.crosscheck.program.repair.find import Found, find_repair
from autograd_ref.crosscheck.program.repair.numbers import with_larger_arrays, with_other_numbers
from autograd_ref.crosscheck.program.stale import stale_gradients
from autograd_ref.crosscheck.program.verdict import Settings, report_on
from autograd_ref.crosscheck.program.views import apart, refuse_overlaps
from autograd_ref.crosscheck.reports.asserted import assert_right
from autograd_ref.crosscheck.reports.report import Advice, Blame, NotJudged, Report
from autograd_ref.recording import InstrumentFault, NotCompared, NotRecorded, check_complete, check_operations
from handgrad.validation import check_function, check_natural, check_positive_int, check_real

__all__ = ["REPAIR_SECONDS", "Prepared", "assert_call", "check_call", "check_points", "form_of"]

POINTS = 3
REPAIR_SECONDS = 20.0


def check_call(
    function: Callable[..., Any],
    *args: Any,
    backward: Callable[..., Any] | None = None,
    loss: str | Callable[..., Any] | None = None,
    of: Mapping[str, str] | None = None,
    points: int = POINTS,
    seed: int = 0,
    tolerance: float = 0.0,
    name: str | None = None,
    explain: bool = False,
    repair: bool = False,
    **kwargs: Any,
) -> Report:
    """Judge the gradients that one call computes, in any form.

    The call is recorded on NumPy; the computation of its loss is the reference. The loss is the number that
    is returned alone or first, or under a key or attribute with such a name. The gradients are other arrays
    that are returned, stored or written, each assigned to an array that existed before the call: by name,
    then by position and shape, then by value. Changes made by the call are undone.

    Args:
        function: any callable that computes with NumPy: a function, a bound method, a lambda.
        *args: its arguments.
        backward: the other half of a forward function, ``backward(dout, cache)``. Then ⟨dout, out⟩ is
            differentiated, with a random dout.
        loss: the loss, if the call does not compute it: an expression of the result ``out`` and the
            function's own variables, or another function of the same arguments.
        of: the arrays to which gradients belong, if this is not clear: ``{"dW": 'params["W1"]'}``.
        points: number of points to check; at all but the first, the arrays that have a gradient are moved by
            about 1e-2 of their size.
        seed: seed of the moves, of the random errors and of dout.
        tolerance: widen each bound to this part of the larger of the entry and its array's root mean square,
            for gradients that are inexact by design.
        name: name in the report.
        explain: explain what every line computes, in ``lines`` and ``listing``.
        repair: search for a change of the program that makes a wrong gradient right.
        **kwargs: its keyword arguments.

    Returns:
        The report; ok is None if something could not be judged.

    Raises:
        NotJudged: the call raised, cannot be recorded, or has no loss or no gradient.
        TypeError, ValueError: an argument of the check is wrong.
    """
    __tracebackhide__ = True
    check_function("function", function)
    check_function("backward", function if backward is None else backward)
    if of is not None and not isinstance(of, Mapping):
        raise TypeError(f"of must be a dict from gradients to arrays, {{'dW': 'W'}}, not {of!r}")
    form = form_of(function, backward, loss, check_natural("seed", seed))
    called = name or getattr(function, "__qualname__", None) or type(function).__qualname__
    settings = Settings(
        called,
        of or {},
        seed,
        check_real("tolerance", tolerance, minimum=0.0),
        form.told,
        None,
        form.results[0],
        repair_seconds=REPAIR_SECONDS if repair else 0.0,
        explain=explain,
    )
    count = check_positive_int("points", points)
    return check_points(Prepared(form, lambda _: (args, kwargs), count, file_of(function), settings))


def assert_call(function: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Assert that the gradients of a call are right, in one line of a test.

    Args:
        function: as in `check_call`.
        *args: as in `check_call`.
        **options: the keyword arguments of `check_call`.

    Raises:
        AssertionError: a gradient is wrong; the message is the report.
        NotJudged: the call could not be judged; the message says why.
    """
    __tracebackhide__ = True
    assert_right(check_call, function, *args, **options)


def form_of(
    function: Callable[..., Any],
    backward: Callable[..., Any] | None,
    loss: str | Callable[..., Any] | None,
    seed: int,
    names: Mapping[str, Any] | None = None,
) -> Form:
    """Return the form of a call."""
    if backward is not None and loss is not None:
        raise NotJudged("--backward and --loss both say what the loss is: give one of them")
    if backward is not None and required(backward) == required(function):
        return gradient_beside(function, backward, getattr(function, "__name__", "forward"))
    if backward is not None:
        return pair(function, backward, seed)
    if callable(loss):
        return gradient_beside(loss, function, getattr(loss, "__name__", "loss"))
    return plain(function) if loss is None else with_expression(function, loss, names or {})


class Prepared(NamedTuple):
    """A call, ready to be judged.

    Attributes:
        form: the form of the call.
        call_at: returns its arguments for the number of a point.
        points: number of points.
        file: file of the program, for the lines of its exceptions.
        settings: settings of the check.
    """

    form: Form
    call_at: Callable[[int], Arguments]
    points: int
    file: str
    settings: Settings


@np.errstate(all="ignore")
def check_points(made: Prepared) -> Report:
    """Judge a call at several points; errors as for `check_call`."""
    call_at = made.call_at
    if apart(*call_at(0)) is None:
        return _as_given(made)
    # attention(x, x, x): one gradient for x is right, or one for each argument.
    with suppress(NotJudged):
        report = _as_given(_without_repair(made))
        if report.ok:
            return report
    return _as_given(made._replace(call_at=lambda number: apart(*call_at(number)) or call_at(number)))


def _without_repair(made: Prepared) -> Prepared:
    return made._replace(settings=replace(made.settings, repair_seconds=0.0))


def _as_given(made: Prepared) -> Report:
    form, call_at, _, file, settings = made
    sought = None
    try:
        first = run(form, *call_at(0), file)
    except NoLoss:
        with redirect_stdout(StringIO()):
            sought = seek_loss(form, *call_at(0))
        if sought is None:
            raise
        form = with_expression(form.results[1], sought, {}, leaves_variables=form.leaves_variables)
        told = (
            sought if sought.isidentifier() else f"no loss is computed; the gradients fit --loss '{sought}'"
        )
        settings = replace(settings, told=told, prefix=form.results[0])
        first = run(form, *call_at(0), file)
    if (minus := negated(form, first, sought)) is not None:
        first.recording.before.restore()
        form, told = minus
        settings = replace(settings, told=told, prefix=form.results[0])
        first = run(form, *call_at(0), file)
    made = made._replace(form=form, settings=settings)
    try:
        with redirect_stdout(StringIO()):  # the program's output was printed once already
            return _judged(first, made)
    except NotRecorded as error:
        raise NotJudged(f"cannot be recorded: {error}") from error
    except _NoGradientError:
        first.recording.before.restore()
        if form.loss is None and not form.leaves_variables:
            report = _by_variables(first, made)
            if report is not None:
                return report
        raise
    finally:
        first.recording.before.restore()


class _NoGradientError(NotJudged):
    """The call has a loss and no gradient among its results."""


def _by_variables(first: Run, made: Prepared) -> Report | None:
    """Judge gradients that are only variables of the function, as when Adam is part of it.

    A variable may have the name of a gradient by chance: a single wrong one gives no report, unless the call
    is guessed, where a report leaves calls with other shapes possible.
    """
    path = first.loss.path
    loss = f"out{path.removeprefix('return')}" if path.startswith("return") else path
    form = with_expression(made.form.results[1], loss, {}, leaves_variables=True)
    settings = replace(made.settings, told=shown(path), prefix=form.results[0])
    made = made._replace(form=form, settings=settings)
    try:
        report = check_points(_without_repair(made))
    except NotJudged:
        return None
    is_sure = len(report.quantities) > 1 or settings.guessed or report.ok
    if not is_sure or any(each.mismatch for each in report.quantities):
        return None
    if report.ok is False and settings.repair_seconds > 0:
        return check_points(made)
    return report


def _judged(first: Run, made: Prepared) -> Report:
    """Return the report on a call that was recorded once."""
    form, call_at, points, file, settings = made
    warnings: list[Advice] = []
    if settings.guessed:
        refuse_stretched(first.recording)
    _hold_to_account(first, settings.seed)
    assignment = first.assignment(settings.of)
    refuse_overlaps(first.recording, first.found, {pair.leaf for pair in assignment.pairs})
    if not assignment.pairs:
        if assignment.ambiguous:
            raise NotJudged("; ".join(assignment.ambiguous))
        raise _NoGradientError(_no_gradient(form, assignment))
    found = [read_gradients(first, 0, assignment.pairs, settings.seed)]
    for number in range(1, points):
        first.recording.before.restore()
        try:
            call, pairs = call_at(number), assignment.pairs
            found.append(at_another(form, call, file, first, pairs, number, settings.seed))
        except (NotJudged, NotRecorded) as error:
            warnings.append(Advice("point-failed", f"At point {number} there is no verdict: {error}."))
    report, suspects = report_on(found, assignment, warnings, settings)
    stale = stale_gradients(first, assignment.pairs) if settings.is_round and report.ok else None
    if stale is not None:
        first.recording.before.restore()
        with stale.kept():
            alone = replace(settings, is_round=False, places=False, repair_seconds=0.0)
            again = check_points(made._replace(points=1, settings=alone))
        if again.ok is False:
            said = (
                f"This is a second round: {', '.join(map(shown, stale.paths))} still holds the first round's "
                "gradient, to which this one's is added. Set it to 0 in every round."
            )
            return replace(again, signature=" ".join(filter(None, (said, again.signature))))
    if report.ok is False and (held := held_target(found[0])) is not None:
        raise NotJudged(held)
    if report.ok is False and settings.repair_seconds > 0:
        if settings.on_verdict is not None:
            settings.on_verdict(report)
        mended = _mended(made, found, assignment, suspects)
        if mended is not None:
            report = replace(report, repair=mended.repair, blame=_first(mended, report.blame))
    return report


def _mended(
    made: Prepared,
    found: list[RecordedPoint],
    assignment: Assignment,
    suspects: Sequence[tuple[str, int]],
) -> Found | None:
    """Return a repair that this check confirms, also with other numbers, and a guard with larger arrays."""
    form, call_at, _, file, settings = made
    fresh = 1 + max(each.number for each in found)
    again = replace(settings, repair_seconds=0.0, places=False, explain=False)
    found[0].run.recording.before.restore()
    for numbers in (with_other_numbers, lambda call: call):
        more = {fresh: numbers(call_at(fresh))}
        try:
            first, pairs = found[0].run, assignment.pairs
            point = at_another(form, more[fresh], file, first, pairs, fresh, settings.seed)
            break
        except (NotJudged, NotRecorded):
            continue
    else:
        return None

    def judged(call_at: Callable[[int], Arguments], points: int) -> Report | None:
        for each in (*found, point):
            each.run.recording.before.restore()
        try:
            return check_points(Prepared(form, call_at, points, file, again))
        except Exception:  # an error in a changed program does not affect the verdict on the given one
            return None

    def confirmed(changes_a_guard: bool) -> bool:
        report = judged(lambda i: more.get(i) or call_at(i), fresh + 1)
        if report is None or report.ok is not True or report.points <= len(found):
            return False
        if len(report.quantities) < len(found[0].pairs):  # more, if some were ambiguous before
            return False
        larger = judged(lambda _: with_larger_arrays(call_at(fresh)), 1) if changes_a_guard else None
        return larger is None or larger.ok is not False

    order = {line: i for i, line in reversed(list(enumerate(suspects)))}
    return find_repair([*found, point], confirmed, order, settings.repair_seconds)


def _first(mended: Found, others: Sequence[Blame]) -> tuple[Blame, ...]:
    """Return the place of a repair first, with the facts about its inputs, and tried places before others."""
    first = mended.blame
    here = [each for each in others if each.file == first.file and each.line <= first.line <= each.end_line]
    _, start, known = here[0].says.partition("; right before it: ") if here else ("", "", "")
    rest = [each for each in others if each not in here]
    tried = [each for each in rest if each.says.startswith("with ")]
    found = {(first.file, first.line): replace(first, says=first.says + start + known)}
    for each in (*tried, *mended.also, *rest):
        found.setdefault((each.file, each.line), each)
    return tuple(found.values())[:3]


def _hold_to_account(found: Run, seed: int) -> None:
    try:
        check_operations(found.recording)
        check_complete(found.recording, seed)
    except InstrumentFault as error:
        raise NotJudged(f"this checker computes an operation differently from NumPy: {error}") from error
    except (NotRecorded, NotCompared) as error:
        raise NotJudged(str(error)) from error


def _no_gradient(form: Form, assignment: Assignment) -> str:
    if form.leaves_variables:
        return (
            "no variable is named as a gradient, and nothing moves along one: say which is the gradient of "
            "what, --of 'g=W'"
        )
    spare = f" (none of its arrays fits {', '.join(assignment.spare)})" if assignment.spare else ""
    return (
        f"it returns, stores or writes no gradient{spare}: name the function that computes one, or give its "
        "backward function, --backward NAME"
    )
