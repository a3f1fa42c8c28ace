"""Find the precision in which the hand's function really computes, from how coarse its results are."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.arithmetic.rounding_model import float_epsilon
from autograd_ref.crosscheck.function.hand import Answer, Hand
from autograd_ref.crosscheck.function.judging import AtPoint
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.two_layer_net import precision

__all__ = ["coarseness", "lower_precision"]

# From the finest.
FORMATS = ("float32", "float16", "bfloat16")
PAIRS = 3
# With a quarter of the step, a smooth second difference shrinks to a sixteenth; a coarse one does not.
SHRINKS = 1 / 2
# Rounding shows in most of a result's entries, by this part of the unit at least. An error that jumps from
# one entry to another, at a tie of the largest, does not.
MOST, GRAIN = 1 / 2, 0.2


def coarseness(name: str) -> float:
    """Return the unit roundoff of a floating format by its name."""
    return float_epsilon(jnp.dtype(name)) / 2


def lower_precision(hand: Hand, at: AtPoint, dtype: DTypeLike, seed: int) -> str | None:
    """Return the precision in which hand computes, if it is lower than the checked one.

    A result in a lower dtype shows this directly. Otherwise the function is called at pairs of points on both
    sides of this one, at steps of a few units of each lower format: second differences of a smooth function
    are tiny there and shrink with the square of the step; if the function rounds, some are as large as its
    unit. If the reference's are large as well, a kink was crossed, and nothing is concluded.

    Args:
        hand: the function to call.
        at: a point away from kinks, with the results of hand and reference there.
        dtype: the checked dtype.
        seed: seed of the directions.

    Returns:
        float32, float16 or bfloat16, the coarsest that fits; None if it computes in the checked dtype.
    """
    asked = unit_roundoff(dtype)
    returned = [name for name in at.answer.dtypes if name in FORMATS and coarseness(name) > asked]
    if returned:
        return max(returned, key=coarseness)
    # In a finer precision a formula that only cancels is smooth; a formula that rounds inside stays coarse.
    finer, answer = hand.finer(), at.finer()
    if finer is not None and answer is not None:
        hand, at = finer, replace(at, answer=answer)
    rng = np.random.default_rng([seed, 2])
    found = None
    for name in FORMATS:
        u = coarseness(name)
        if u <= asked:
            continue
        try:
            narrow, smooth, share = _second_differences(hand, at, 4 * u, GRAIN * u, rng)
            coarse = (narrow > 0.05 * u) & (narrow < 16 * u) & (narrow > 64 * asked) & (share > MOST)
            coarse &= narrow > 8 * smooth
            if not coarse.any():
                continue
            wide, *_ = _second_differences(hand, at, 16 * u, GRAIN * u, rng)
        except NotJudged:
            continue
        if np.any(coarse & (narrow > SHRINKS * wide)):
            found = name
    return found


def _second_differences(
    hand: Hand, at: AtPoint, step: float, grain: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take second differences, f(x + h) + f(x − h) − 2 f(x).

    Returns:
        The differences of each result by hand and by the reference, relative to its size; and the share of
        the entries by hand that differ by more than a grain of their size.
    """
    squares, shares = [], []
    for _ in range(PAIRS):
        random = int(rng.integers(2**32))
        moved = [at.point._replace(params=_shifted(at.point.params, sign * step, random)) for sign in (1, -1)]
        by_hand = [_results(answer) for answer in (*map(hand.answer, moved), at.answer)]
        automatic = [
            _reference(at, params) for params in (*(point.params for point in moved), at.point.params)
        ]
        squares.append([
            [(_size(a + b - 2 * c) / (_size(c) or 1.0)) ** 2 for a, b, c in zip(*side, strict=True)]
            for side in (by_hand, automatic)
        ])  # fmt: skip
        shares.append([_share(a + b - 2 * c, grain * np.abs(c)) for a, b, c in zip(*by_hand, strict=True)])
    rms = np.sqrt(np.mean(squares, axis=0))
    return rms[0], rms[1], np.mean(shares, axis=0)


def _share(difference: Any, grains: Any) -> float:
    """Return the share of non-zero entries in which a difference is larger than a grain."""
    entries = np.asarray(grains > 0)
    return float(np.mean(np.abs(difference) > grains, where=entries)) if entries.any() else 0.0


def _reference(at: AtPoint, params: Any) -> list[np.ndarray]:
    exact = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(params)]
    with precision(np.float64):
        results = at.traced.rounded.evaluate([*exact, *at.known.inputs[len(exact) :]])
    results = [np.where(np.isfinite(each), each, 0.0) for each in results]
    return results if at.answer.loss is not None else results[1:]


def _shifted(params: Any, step: float, seed: int) -> Any:
    rng = np.random.default_rng(seed)

    def shifted(leaf: np.ndarray) -> np.ndarray:
        return np.asarray(leaf * (1 + step * rng.standard_normal(leaf.shape))).astype(leaf.dtype)

    return jax.tree.map(shifted, params)


def _results(answer: Answer) -> list[np.ndarray]:
    results = [*([] if answer.loss is None else [answer.loss]), *answer.grads]
    return [np.where(np.isfinite(each), each, 0.0) for each in results]


def _size(array: Any) -> float:
    with np.errstate(all="ignore"):
        size = float(np.sqrt(np.mean(np.square(array)))) if array.size else 0.0
    return size if np.isfinite(size) else 0.0
