"""Find expressions whose change makes all gradients right: this is the strongest evidence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autograd_ref.crosscheck.program.blame.edits import edits_of
from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.blame.trial import NEAR, Edit, Expression, Trial
from autograd_ref.recording.tape import Write

__all__ = ["Tried", "try_expression"]

# The largest number of entries of an expression that are set free at once.
_MOST_ENTRIES = 72
_MOST_WORK = 6000


@dataclass(frozen=True)
class Tried:
    """The result of changing an expression.

    Attributes:
        expression: the expression.
        edits: the edits that make all gradients right.
        freedom: the number of the expression's entries that had to be set free to make everything right,
            divided by the number of entries to make right; above 1 it means nothing. None if nothing makes
            them right, or if it was not tried.
        is_possible: whether other values of it could make everything right; None if it was not tried.
    """

    expression: Expression
    edits: list[Edit]
    freedom: float | None
    is_possible: bool | None


def try_expression(expression: Expression, tapes: Tapes, trial: Trial, until: float) -> Tried:
    """Change an expression in all known ways."""
    possible, freedom = _set_free(expression, tapes, trial)
    found: list[Edit] = []
    if possible is not False:
        for edit in edits_of(expression, tapes):
            if time.thread_time() > until:
                break
            residual = trial.residual(edit.changes, 0)
            if (
                residual is not None
                and (np.abs(residual) <= NEAR).all()
                and trial.makes_all_right(edit.changes)
                and not _empties_a_mask(edit, tapes, trial)
            ):
                found.append(edit)
                if len(found) > 2:
                    break
    return Tried(expression, sorted(found, key=lambda edit: -edit.weight), freedom, possible)


def _set_free(expression: Expression, tapes: Tapes, trial: Trial) -> tuple[bool | None, float | None]:
    """Find out whether some values of an expression make all gradients right at the first point."""
    values = expression.values
    sizes = [int(np.prod(each.shape)) for each in values]
    total = sum(sizes)
    work = total * len(trial.downstream(tuple(each.number for each in values)))
    if total > _MOST_ENTRIES or work > _MOST_WORK or isinstance(values[0].operation, Write):
        return None, None
    start = np.concatenate([np.asarray(tapes.arrays(each)[0], np.float64).ravel() for each in values])

    def residual(x: np.ndarray) -> np.ndarray | None:
        parts = np.split(x, np.cumsum(sizes)[:-1])
        changes = {
            each.number: (lambda value, _, __, part=part: part.reshape(value.shape))
            for each, part in zip(values, parts, strict=True)
        }
        return trial.residual(changes, 0)

    x = start
    best = residual(x)
    if best is None:
        return None, None
    usual = float(np.sqrt(np.mean(start**2))) or 1.0
    step = 1e-4 * usual
    for _ in range(4):
        columns = []
        for i in range(total):
            moved = x.copy()
            moved[i] += step
            found = residual(moved)
            if found is None:
                return None, None
            columns.append((found - best) / step)
        slope = np.stack(columns, axis=1)
        reached = int(np.count_nonzero(np.abs(slope).max(axis=1) > 0))
        if np.any((np.abs(slope).max(axis=1) == 0) & (np.abs(best) > 1e-6)):
            return False, None  # a wrong gradient does not depend on it
        move = np.linalg.lstsq(slope, -best, rcond=1e-10)[0]
        new = x + move
        after = residual(new)
        if after is None:
            return None, None
        if np.abs(after).max(initial=0.0) <= 1e-6:
            return True, total / max(reached, 1)
        foreseen = best + slope @ move
        before, left = np.abs(best).max(), np.abs(after).max()
        if left > 1e-3 * before and np.abs(after - foreseen).max() <= 1e-6 * before:
            return False, None  # the problem is linear, and this is the optimum
        if left > 0.7 * before:
            return None, None
        x, best = new, after
    return None, None


def _empties_a_mask(edit: Edit, tapes: Tapes, trial: Trial) -> bool:
    """Whether a mask or guard no longer selects anything, so that the code behind it is only switched off."""
    return any(
        array.dtype.kind == "b" and not array.any() and bool(tapes.arrays(tapes.values[number])[0].any())
        for number, array in trial.run(edit.changes, 0).items()
    )


def evidence_of(tried: Tried) -> float:
    """Return the weight of the evidence that changing an expression makes everything right."""
    if tried.edits:
        return max(each.weight for each in tried.edits)
    if tried.is_possible is False:
        return -1.0
    if tried.freedom is not None:
        return max(0.0, 1.0 - tried.freedom)
    return 0.0


def most(tried: Sequence[Tried]) -> Tried:
    """Return the result with the most evidence."""
    return max(tried, key=evidence_of)
