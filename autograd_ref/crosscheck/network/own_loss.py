"""Networks with another loss: name the loss, and test the gradient by the loss's own values."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from autograd_ref.arithmetic.finite_differences import line_difference
from autograd_ref.crosscheck.comparison import GRADIENTS, TENSORS
from autograd_ref.crosscheck.network.call_forms import NetworkUnderTest
from autograd_ref.crosscheck.network.diagnosis import CheckedProblem
from autograd_ref.crosscheck.network.read_penalty import Penalty
from autograd_ref.crosscheck.quantity import Quantity
from autograd_ref.crosscheck.reference import reference_of
from autograd_ref.recording.memory import are_same
from handgrad.trace import quantity_of

if TYPE_CHECKING:
    from autograd_ref.crosscheck.network.other_losses import OtherLoss

__all__ = ["fits_its_own_loss", "hold_against_values", "name_own_loss", "unjudged_quantities"]

# Two gradients count as equal if no entry differs by more than the first part of the largest, and as exactly
# equal if by no more than the second.
ALIKE, EXACT = 1e-2, 1e-6

WAY_OUT = (
    "Give its loss in JAX, loss(params, X, y, reg), with --reference FILE.py:NAME (check_gradients in "
    "Python), and its gradient is judged by that."
)


def name_own_loss(
    networks: Sequence[NetworkUnderTest], checked: Sequence[CheckedProblem], penalties: Sequence[Penalty]
) -> str:
    """Say what the loss is not and, as far as its values show, what it is.

    Args:
        networks: the networks under test, one for each problem.
        checked: their results.
        penalties: the penalties read off the loss on each problem.

    Returns:
        A few sentences.
    """
    said = ["The loss is not the mean softmax cross-entropy of this network plus c·reg·‖q‖²."]
    said += _odd_penalties(checked, penalties)
    other = _recognised(networks, checked)
    if other is not None:
        said.append(f"It is {other.text}.")
    off = _distance_to_cross_entropy(checked, other)
    if off < ALIKE:
        within = "" if off < EXACT else f", to within {off:.0e} of its largest entry"
        said.append(f"The gradient belongs to the mean softmax cross-entropy{within}, which is another loss.")
    return " ".join(said)


def hold_against_values(networks: Sequence[NetworkUnderTest], checked: Sequence[CheckedProblem]) -> str:
    """Say whether the gradient fits the values of its own loss, if nothing else is known.

    Args:
        networks: the networks under test, one for each problem.
        checked: their results.

    Returns:
        A few sentences.
    """
    said = _own_differences(networks, checked)
    failed = next((one for one in checked if one.result.error is not None), None)
    if failed is not None:
        said.append(f"On the problem {failed.problem.name!r} it stops at {failed.result.error}.")
    return " ".join([*said, WAY_OUT])


def unjudged_quantities(checked: CheckedProblem) -> tuple[Quantity, ...]:
    """Return the quantities of a network with another loss, none of which was judged."""
    nan = float("nan")
    shapes = {name: np.shape(checked.reference.trace[name]) for name in GRADIENTS}
    reason = "the loss is not softmax cross-entropy with a square penalty"
    return tuple(
        Quantity(name, shapes[name], None, nan, nan, nan, nan, (), nan, nan, seen=0.0, reason=reason)
        for name in GRADIENTS
    )


def fits_its_own_loss(networks: Sequence[NetworkUnderTest], checked: Sequence[CheckedProblem]) -> bool:
    """Whether differences of the network's own loss confirm the whole gradient on every problem."""
    for network, one in zip(networks, checked, strict=True):
        if one.result.error is None:
            compared = [_compared(network, one, tensor) for tensor in TENSORS]
            if not all(each is not None and each.agrees for each in compared):
                return False
    return True


def _odd_penalties(checked: Sequence[CheckedProblem], penalties: Sequence[Penalty]) -> list[str]:
    read = [
        penalty
        for penalty, one in zip(penalties, checked, strict=True)
        if one.problem.reg > 0 and one.result.error is None
    ]
    if not read or not read[0].not_a_square:
        return []
    names = read[0].not_a_square
    if any(penalty.not_a_square != names or penalty.instead != read[0].instead for penalty in read):
        return []
    known = [read[0].instead[name] for name in names if name in read[0].instead]
    instead = f": it grows as {' and '.join(known)}" if len(known) == len(names) else ""
    return [f"Its penalty of {', '.join(names)} is not a square{instead}."]


def _recognised(
    networks: Sequence[NetworkUnderTest], checked: Sequence[CheckedProblem]
) -> "OtherLoss | None":
    """Recognise the loss without its penalty, by its values with reg = 0."""
    from autograd_ref.crosscheck.network.other_losses import recognise  # loads slowly, and is seldom wanted

    problems, losses = [], []
    for network, one in zip(networks, checked, strict=True):
        result = network.evaluate(replace(one.problem, reg=0.0))
        if result.error is None and np.isfinite(result.loss):
            problems.append(one.problem)
            losses.append(result.loss)
    return recognise(problems, losses) if problems else None


def _distance_to_cross_entropy(checked: Sequence[CheckedProblem], other: "OtherLoss | None") -> float:
    """Return the gradients' distance from mean softmax cross-entropy's, relative to the largest entry."""
    worst = 0.0
    for one in checked:
        if one.result.error is not None:
            continue
        problem, right = one.problem, one.reference
        if other is not None and other.activation != problem.activation:
            right = reference_of(replace(problem, activation=other.activation))
        for name in TENSORS:
            hand, automatic = one.result.grads[quantity_of(name)], np.asarray(right.trace[name])
            if hand.shape != automatic.shape or not np.isfinite(hand).all():
                return float("inf")
            worst = max(worst, float(np.max(np.abs(hand - automatic)) / np.max(np.abs(automatic))))
    return worst


class _Compared:
    """One entry of a gradient, compared with a difference of the network's own loss."""

    def __init__(self, at: str, hand: float, difference: float, allowed: float) -> None:
        self.at, self.hand, self.difference = at, hand, difference
        self.agrees = abs(hand - difference) <= allowed


def _own_differences(networks: Sequence[NetworkUnderTest], checked: Sequence[CheckedProblem]) -> list[str]:
    """Compare the gradient with differences of the loss, on the first problem where the loss is another."""
    i = next(i for i, one in enumerate(checked) if one.has_another_loss)
    compared = [_compared(networks[i], checked[i], tensor) for tensor in TENSORS]
    found = [each for each in compared if each is not None]
    against = [each for each in found if not each.agrees]
    where = f"on the problem {checked[i].problem.name!r}"
    if against:
        listed = "; ".join(
            f"{e.at} is {e.hand:.6g} by hand, {e.difference:.6g} by difference" for e in against
        )
        return [f"Differences of its own loss contradict the gradient {where}: {listed}."]
    if len(found) == len(TENSORS):
        return [f"In one entry of each, the gradients agree with differences of its own loss {where}."]
    return []


def _compared(network: NetworkUnderTest, one: CheckedProblem, tensor: str) -> _Compared | None:
    """Compare the entry that differs most from cross-entropy's with a difference in float64, if possible."""
    q, exact = quantity_of(tensor), one.problem.astype(np.float64)
    result = network.evaluate(exact)
    if result.error is not None or result.grads[q].shape != exact.params[q].shape:
        return None
    grad = result.grads[q]
    if not grad.size or not np.isfinite(grad).all():
        return None
    off = np.abs(grad - np.asarray(one.reference.trace[tensor]))
    index = tuple(int(i) for i in np.unravel_index(off.argmax(), off.shape))
    at = exact.params[q]

    def own_loss(step: float) -> float:
        moved = at.copy()
        moved[index] += step
        moved_loss = network.evaluate(replace(exact, params={**exact.params, q: moved})).loss
        return float(moved_loss)

    difference = line_difference(own_loss, max(1.0, abs(float(at[index]))))
    if difference is None:
        return None
    size = max(abs(difference.value), float(np.abs(grad).max()))
    coarse = 1e-6 if _is_float32(grad) else 1e-9
    name = f"{tensor}[{', '.join(map(str, index))}]"
    return _Compared(name, float(grad[index]), difference.value, 8 * difference.error + coarse * size)


def _is_float32(grad: np.ndarray) -> bool:
    with np.errstate(over="ignore"):
        return are_same(grad, grad.astype(np.float32).astype(np.float64))
