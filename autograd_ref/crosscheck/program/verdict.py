"""The report on a recorded call at several points."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from autograd_ref.crosscheck.function.judging import judge_gradient
from autograd_ref.crosscheck.program.assigned.assign import Assignment
from autograd_ref.crosscheck.program.blame import blame
from autograd_ref.crosscheck.program.guards import warning
from autograd_ref.crosscheck.program.guessed.roles import TRAINED, role_of
from autograd_ref.crosscheck.program.listing import listing_of
from autograd_ref.crosscheck.program.paths import of_path, short_name, shown
from autograd_ref.crosscheck.program.point import RecordedPoint, Run
from autograd_ref.crosscheck.program.views import adjoint_by, first_of
from autograd_ref.crosscheck.quantity import SEEN_SHARE, Quantity
from autograd_ref.crosscheck.reports.report import Advice, Report
from autograd_ref.recording.adjoints.reverse import ancestors
from autograd_ref.recording.tape import Compute

__all__ = ["Settings", "report_on"]

SLIGHT = 1e-6
_FLAT = ("sign", "round", "rint", "floor", "ceil", "trunc", "heaviside")


@dataclass(frozen=True)
class Settings:
    """The settings of the check of a call.

    Attributes:
        name: name of the called object.
        of: the user's assignments of gradients to arrays.
        seed: seed of the moves, of the errors and of random cotangents.
        tolerance: relative size to which every bound is widened.
        told: the origin of the loss, if it is given.
        call: the expression that made the call.
        prefix: the prefix of paths in the program's result.
        guessed: whether the call was guessed.
        repair_seconds: time limit for the search for a repair.
        on_verdict: called with the report before the search.
        places: whether to search for the places of mistakes.
        explain: whether to explain what each line computes.
        is_round: whether the call is a round of a training loop.
    """

    name: str
    of: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    tolerance: float = 0.0
    told: str | None = None
    call: str | None = None
    prefix: str = "return"
    guessed: bool = False
    repair_seconds: float = 0.0
    on_verdict: Callable[[Report], None] | None = None
    places: bool = True
    explain: bool = False
    is_round: bool = False


def report_on(
    found: Sequence[RecordedPoint], assignment: Assignment, warnings: Sequence[Advice], settings: Settings
) -> tuple[Report, list[tuple[str, int]]]:
    """Return the report, and the file and line of each statement that may be wrong, most likely first.

    Args:
        found: the results at every point.
        assignment: the assignment at the first point.
        warnings: warnings from the evaluation.
        settings: settings of the check.
    """
    first = found[0].run
    dtype = found[0].dtype.name
    quantities, at_fault = [], []
    cancel = [all(each.bounds[i].cancels for each in found) for i in range(len(found[0].pairs))]
    # A guessed call may have the wrong shapes: in a softmax of one class, every gradient cancels.
    can_cancel = not (settings.guessed and all(cancel))
    for i, pair in enumerate(found[0].pairs):
        name = f"{'d2' if pair.is_second else 'd'}{_names(found[0])[i]}"
        quantity, _ = judge_gradient(found, i, name, settings.tolerance, dtype)
        if quantity.ok is False:
            for each in found:
                each.witnessed = True
            quantity, _ = judge_gradient(found, i, name, settings.tolerance, dtype)
        elif quantity.ok is None and cancel[i] and can_cancel:
            quantity = replace(quantity, ok=True, seen=1.0, reason=None)
        if quantity.ok is False:
            at_fault.append(i)
        source = _in_result(pair.found, settings)
        if pair.part is not None:
            source += f"[{pair.part.start}:{pair.part.start + int(np.prod(pair.part.shape))}]"
        if pair.is_change:
            source = f"({shown(pair.leaf)} before − {source} after) / {found[0].step:g}"
        quantities.append(replace(quantity, of=shown(pair.leaf), source=source))
    ordered = _in_backward_order(first, found[0], quantities)
    wrong = [each for each in ordered if each.ok is False]
    unjudged = [each for each in ordered if each.ok is None]
    missing = _parameters_without(first, assignment) if settings.guessed else []
    if missing:
        assignment.ambiguous.append(
            f"{', '.join(map(shown, missing))} gets no gradient in a call made up for it"
        )
    hints = (*_slight(wrong), *_fixed(found[0], at_fault), *_flat(found[0], at_fault), *_uncompiled())
    said = [*_said(first, assignment, found, settings), *hints]
    # If a gradient is not judged, it is unknown whether a change makes all of them right.
    suspects = blame(found, at_fault if settings.places and not assignment.ambiguous else ())
    lines, listing = listing_of(found, at_fault, suspects.blames) if settings.explain else ([], [])
    return Report(
        target=settings.name,
        dtype=dtype,
        ok=False
        if wrong and not missing
        else None
        if unjudged or assignment.ambiguous or not ordered
        else True,
        first_wrong=wrong[0].name if wrong else None,
        signature=" ".join(said) or None,
        warnings=(*warnings, *_precision(found[0]), *_guards(found[0])),
        quantities=tuple(ordered),
        points=len(found),
        form="recorded",
        call=settings.call,
        loss=settings.told or _in_result(first.loss.path, settings),
        blame=tuple(suspects.blames),
        lines=tuple(lines),
        listing=tuple(listing),
    ), [(each.file, each.line) for each in suspects.statements]


def _names(point: RecordedPoint) -> list[str]:
    """Return short names of the leaves; whole paths where two would be equal."""
    short = [short_name(pair.leaf) for pair in point.pairs]
    return [
        name
        if len({p.leaf for p in point.pairs if short_name(p.leaf) == name}) == 1
        else shown(pair.leaf).removeprefix("self.")
        for name, pair in zip(short, point.pairs, strict=True)
    ]


def _in_result(path: str, settings: Settings) -> str:
    if path.startswith(settings.prefix):
        return shown("return" + path.removeprefix(settings.prefix))
    variable = settings.prefix.removesuffix("['out']")
    if variable != settings.prefix and path.startswith(f"{variable}['"):
        name, _, rest = path.removeprefix(f"{variable}['").partition("']")
        return shown(name + rest)
    return shown(path)


def _in_backward_order(run: Run, point: RecordedPoint, quantities: Sequence[Quantity]) -> list[Quantity]:
    """Return the quantities in the order of a backward pass: leaves that the loss uses last come first."""
    forward = run.found.forward
    first_use: dict[int, int] = {}
    for value in run.recording.tape.values:
        if value in forward:
            for each in value.inputs:
                first_use.setdefault(each.number, value.number)
    use = {shown(pair.leaf): first_use.get(first_of(run.leaf(pair.leaf)).number, -1) for pair in point.pairs}
    return sorted(quantities, key=lambda each: -use[each.of or ""])


def _said(run: Run, assignment: Assignment, found: Sequence[RecordedPoint], settings: Settings) -> list[str]:
    said = [f"Not judged: {each}." for each in assignment.ambiguous]
    if settings.guessed:
        said.append(f"No call was given; handgrad made one up: --call '{settings.call}'.")
    if assignment.spare:
        listed = ", ".join(_in_result(path, settings) for path in assignment.spare)
        said.append(f"Returned, but the gradient of no array in the call: {listed}.")
    if without := _without(run, assignment):
        said.append(f"Without a gradient: {', '.join(map(shown, without))}.")
    unjudged = [
        pair.leaf for i, pair in enumerate(found[0].pairs) if not any(_is_seen(each, i) for each in found)
    ]
    if unjudged and found[0].dtype != np.float64 and not _precision(found[0]):
        said.append("Rounding hides less in float64: give float64 arrays (--dtype float64).")
    if settings.tolerance:
        said.append(f"Every bound was widened to {settings.tolerance:g} (tolerance).")
    return said


def _slight(wrong: Sequence[Quantity]) -> list[str]:
    """Say what to do if all errors are small, as for gradients by the implicit function theorem."""
    if not wrong or any(not each.max_rel <= SLIGHT for each in wrong):
        return []
    return [
        f"All errors are below {SLIGHT:g} of the gradient: if they come from an iteration that stops, accept "
        f"them by --tolerance {SLIGHT:g}."
    ]


def _fixed(point: RecordedPoint, at_fault: Sequence[int]) -> list[str]:
    """Say what to do if a gradient is only wrong in 0, where its array is 0, too: a triangular matrix."""
    said = []
    for i in at_fault:
        hand, held = point.by_hand[i], point.run.held(point.pairs[i].leaf)
        if hand.shape != held.shape or not held.any():
            continue
        off = np.abs(hand - point.gradients[i].value) > point.gradients[i].bound.radius
        if off.any() and not hand[off].any() and not held[off].any():
            name = _names(point)[i]
            said.append(
                f"Every wrong entry of d{name} is 0, and so is this entry of {name}: if these entries are "
                f"fixed, let the loss read {name} * mask."
            )
    return said


def _flat(point: RecordedPoint, at_fault: Sequence[int]) -> list[str]:
    """Name an operation with derivative 0 between a wrong gradient's array and the loss: a quantisation."""
    run = point.run
    leaves = {source for i in at_fault for source in run.leaf(point.pairs[i].leaf).sources}
    return [
        f"np.{value.operation.name} (line {value.place.line}) has the derivative 0: a straight-through "
        "estimator is not the gradient of this loss."
        for value in run.found.of
        if isinstance(value.operation, Compute)
        and value.operation.name in _FLAT
        and value.place is not None
        and not leaves.isdisjoint(ancestors(value))
    ][:1]


def _uncompiled() -> list[str]:
    """Name what the verdict does not cover if numba is switched off."""
    numba = sys.modules.get("numba")
    if numba is None or not numba.config.DISABLE_JIT:
        return []
    return ["Numba's functions ran as Python: errors of their compiled code, such as races, are not seen."]


def _without(run: Run, assignment: Assignment) -> list[str]:
    """Return the arrays on which the loss depends but which have no gradient."""
    taken = {pair.leaf for pair in assignment.pairs}
    leaves = run.recording.leaves
    return [
        leaf.path for leaf in leaves if leaf.path not in taken and adjoint_by(run.found, leaf) is not None
    ]


def _parameters_without(run: Run, assignment: Assignment) -> list[str]:
    """Return the weights and biases among them."""
    roles = {path: role_of(of_path(path).name) for path in _without(run, assignment)}
    return [path for path, role in roles.items() if role in TRAINED]


def _is_seen(each: RecordedPoint, i: int) -> bool:
    value, bound = each.gradients[i].value, each.gradients[i].bound.radius
    if not value.size or not value.any():
        return True
    size = np.sqrt(np.mean(np.square(value)))
    return bool(np.mean(bound < 0.01 * np.maximum(np.abs(value), size)) >= SEEN_SHARE)


def _guards(point: RecordedPoint) -> list[Advice]:
    left_out = [
        f"d{name}" for name, pair in zip(_names(point), point.pairs, strict=True) if pair.leaf in point.guards
    ]
    return [warning(next(iter(point.guards.values())), left_out)] if left_out else []


def _precision(point: RecordedPoint) -> list[Advice]:
    places = {place for bound in point.bounds for place in bound.lines}
    if not places:
        return []
    lines = [f"line {line} of {Path(file).name}" for file, line in sorted({(p.file, p.line) for p in places})]
    text = (
        f"{', '.join(lines)} {'computes' if len(lines) == 1 else 'compute'} in a lower precision than the "
        "arrays have; the gradient was judged by that precision."
    )
    return [Advice("lower-precision", text)]
