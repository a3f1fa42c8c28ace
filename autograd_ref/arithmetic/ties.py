r"""The freedom that ties leave: the interval between the one-sided derivatives of the entries they affect.

At a tie (a kink of ReLU, two equal largest entries) a derivative has several right values. Each sided
evaluation (see `paired_evaluation`) resolves all ties at once, consistently and at random, and gives one of
them. Its distance from the undisturbed result is a sum of *jumps*, one for each decision $f_{sk}$ that came
out differently in sample $s$: $J_s = \sum_k f_{sk} C_k$, which is linear if ties do not gate each other. With
several times more samples than decisions, least squares gives every $C_k$, and from them

- **the interval** of each entry: the sum over its decisions of what each may add. If no value of the entry
  was rare among the samples, they have shown all of its values, and the interval is exactly the range of the
  samples, even for ties that depend on each other;
- **a constraint** on each array as a whole: it stays in the space that the $C_k$ span. For example, the
  shares of $k$ equal largest entries sum to 1 for every choice.

If there are too many ties to tell them apart, the interval has room for $\sqrt{k}$ standard deviations of the
samples, which no choice exceeds.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from autograd_ref.arithmetic.paired_evaluation import Evaluated

__all__ = ["MOST_JOINT", "Ties", "basis", "measure_ties"]

PROBES = 8
# The number of samples per decision, and how often a value must occur so that it is not rare.
SAMPLES, OFTEN = 12, 3
# Jumps smaller than this part of an array's largest jump are rounding.
SMALLEST = 1e-9
# The largest number of entries whose joint constraints are computed.
MOST_JOINT = 2000


class Ties(NamedTuple):
    """The freedom that ties leave for one array.

    Attributes:
        low: the lowest value that each entry may have, as its distance from the undisturbed value. Both ends
            are on one side of it if the undisturbed value takes both sides of the same tie at once.
        high: the same for the highest value.
        entries: flat indices of the entries that depend on a tie.
        span: an orthonormal basis (rank, entries) of what choices at ties can add to these entries together;
            None if unknown.
    """

    low: np.ndarray
    high: np.ndarray
    entries: np.ndarray
    span: np.ndarray | None


def measure_ties(
    base: Evaluated,
    evaluate: Callable[[np.ndarray, float], Evaluated],
    pool: Callable[[], np.ndarray],
    most: int,
) -> list[Ties | None]:
    """Sample the sides of all ties at one point.

    Args:
        base: the undisturbed evaluation.
        evaluate: makes a sided evaluation from a pool of errors and ±1.
        pool: draws such a pool.
        most: the largest number of evaluations.

    Returns:
        One for each result of the function; None for a result that does not depend on a tie.
    """
    undisturbed = [np.asarray(value).ravel() for value in base.results]
    decided = [np.asarray(outcome).ravel() for outcome in base.outcomes]
    jumps: list[list[np.ndarray]] = [[] for _ in undisturbed]
    patterns: list[dict[tuple[int, int], float]] = []
    seen: set[tuple[tuple[int, int], float]] = set()
    wanted = PROBES
    while len(patterns) < min(wanted, most):
        errors = pool()
        for sign in (1.0, -1.0):
            sample = evaluate(errors, sign)
            patterns.append(_changes(decided, sample))
            for kept, value, now in zip(jumps, undisturbed, sample.results, strict=True):
                kept.append(_jump(value, np.asarray(now).ravel()))
            seen.update(patterns[-1].items())
        if not seen and not any(np.any(each[-2:]) for each in jumps):
            if len(patterns) >= PROBES:
                return [None] * len(undisturbed)
            continue
        wanted = max(4 * PROBES, SAMPLES * len(seen))
        if wanted > most:  # too many to be told apart
            wanted = 8 * PROBES
    features, owners = _features(patterns)
    return [
        _ties(np.array(kept), features, owners, np.shape(value))
        for kept, value in zip(jumps, base.results, strict=True)
    ]


def _jump(value: np.ndarray, now: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        jump = now - value
    return np.where(np.isfinite(jump), jump, 0.0)


def _changes(decided: Sequence[np.ndarray], sample: Evaluated) -> dict[tuple[int, int], float]:
    """Return the decisions that came out differently, by (number, flat index), with their change."""
    found = {}
    for number, (before, outcome) in enumerate(zip(decided, sample.outcomes, strict=True)):
        now = np.asarray(outcome).ravel()
        for i in np.flatnonzero(now != before):
            if now[i] == now[i]:
                found[number, int(i)] = float(now[i])
    return found


def _features(patterns: Sequence[dict[tuple[int, int], float]]) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Return the changes (sample, decision) without repeated columns, and the decision of each column."""
    columns: dict[bytes, tuple[np.ndarray, tuple[int, int]]] = {}
    for owner, outcome in sorted({change for pattern in patterns for change in pattern.items()}):
        column = np.array([pattern.get(owner) == outcome for pattern in patterns], np.float64)
        columns.setdefault(column.tobytes(), (column, owner))
    if not columns:
        return np.zeros((len(patterns), 0)), []
    return np.stack([column for column, _ in columns.values()], axis=1), [
        owner for _, owner in columns.values()
    ]


def _ties(
    jumps: np.ndarray, features: np.ndarray, owners: list[tuple[int, int]], shape: tuple[int, ...]
) -> Ties | None:
    largest = np.max(np.abs(jumps), initial=0.0)
    jumps = np.where(np.abs(jumps) > SMALLEST * largest, jumps, 0.0)
    entries = np.flatnonzero(jumps.any(axis=0))
    if not len(entries):
        return None
    jumps = jumps[:, entries]
    span_low, span_high = jumps.min(axis=0), jumps.max(axis=0)
    samples, count = features.shape
    if count and SAMPLES * count <= 2 * samples:
        parts = np.linalg.lstsq(features, jumps)[0]
        left = np.abs(features @ parts - jumps).max(axis=0)
        low, high = _summed(parts, features, owners)
        low, high = np.minimum(low - left, span_low), np.maximum(high + left, span_high)
        chosen = features.sum(axis=0)
        often = np.minimum(chosen, samples - chosen).min() >= OFTEN
        additive = bool(np.all(left <= SMALLEST * np.abs(jumps).max()))
        span = basis(parts) if often and additive and len(entries) <= MOST_JOINT else None
    else:
        middle, spread = jumps.mean(axis=0), np.sqrt(max(count, 1)) * jumps.std(axis=0)
        low, high, span = np.minimum(middle - spread, span_low), np.maximum(middle + spread, span_high), None
    complete = _shown_all(jumps)
    low, high = np.where(complete, span_low, low), np.where(complete, span_high, high)
    whole_low, whole_high = np.zeros(np.prod(shape, dtype=int)), np.zeros(np.prod(shape, dtype=int))
    whole_low[entries], whole_high[entries] = low, high
    return Ties(whole_low.reshape(shape), whole_high.reshape(shape), entries, span)


def _summed(
    parts: np.ndarray, features: np.ndarray, owners: list[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return what all decisions together may subtract and add; outcomes of one exclude each other."""
    low, high = np.zeros(parts.shape[1]), np.zeros(parts.shape[1])
    for owner in dict.fromkeys(owners):
        mine = np.array([each == owner for each in owners])
        own = parts[mine]
        if features[:, mine].sum() < len(features):  # otherwise the undisturbed outcome is on neither side
            own = np.vstack([own, np.zeros(parts.shape[1])])
        low += own.min(axis=0)
        high += own.max(axis=0)
    return low, high


def _shown_all(jumps: np.ndarray) -> np.ndarray:
    """Whether none of an entry's sampled values is rare, so that probably none is missing; for each entry."""
    ordered = np.sort(jumps, axis=0)
    scale = np.abs(ordered).max(axis=0)
    new = np.vstack([np.ones(ordered.shape[1], bool), np.diff(ordered, axis=0) > SMALLEST * scale])
    rarest = np.full(ordered.shape[1], len(ordered))
    for column in range(ordered.shape[1]):
        starts = np.flatnonzero(new[:, column])
        rarest[column] = np.diff([*starts, len(ordered)]).min()
    return rarest >= OFTEN


def basis(parts: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of the rows."""
    _, sizes, rows = np.linalg.svd(parts, full_matrices=False)
    return rows[sizes > SMALLEST * sizes[0]]
