"""Medians, ratios with their intervals, and whether the rounds agree."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from benchmarks.speed.contenders import LIMIT
from benchmarks.speed.contenders.limit import COPY_BYTES, GEMM_SIZE
from benchmarks.speed.schema import CaseResult
from benchmarks.speed.work import gather_bytes, gemm_flops

CONFIDENCE = 0.99  # that another run's ratio is within the interval; see `benchmarks.speed.agreement`
RESAMPLES = 20_000
# Rounds whose middle half spreads over more than this share of their median disagree.
SPREAD = 0.15


class Ratio(NamedTuple):
    """A ratio of times, and the interval in which another run is expected to find it."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """The ratio with its interval."""
        return f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f})"


def passes(result: CaseResult, name: str, task: str) -> list[list[float]]:
    """The seconds by pass and round; empty for who was refused or has no such task."""
    entrant = result.entrants.get(name)
    return [] if entrant is None or entrant.refused is not None else entrant.seconds.get(task, [])


def rounds(result: CaseResult, name: str, task: str) -> list[float]:
    """The seconds of every round of every pass."""
    return list(chain(*passes(result, name, task)))


def median(result: CaseResult, name: str, task: str) -> float | None:
    """The median of all rounds, in seconds; None where there are none."""
    found = rounds(result, name, task)
    return float(np.median(found)) if found else None


def ratio(result: CaseResult, theirs: str, ours: str, task: str) -> Ratio | None:
    """How many times as long one contender takes as another; None where one of them has no times."""
    one, other = passes(result, theirs, task), passes(result, ours, task)
    return ratio_of(one, other) if one and other else None


def ratio_of(theirs: Sequence[Sequence[float]], ours: Sequence[Sequence[float]]) -> Ratio:
    """The median of the rounds' own ratios.

    The interval is meant to hold what another run finds, in other processes. Rounds of a pass share theirs:
    however many there are, they tell of these processes alone. So a pass counts as one observation: a
    percentile bootstrap (`scipy.stats.bootstrap`) draws one round of each, and takes their median.

    Args:
        theirs: seconds by pass and round.
        ours: the same, in the same rounds.
    """
    from scipy.stats import bootstrap

    ratios = [np.divide(one, other) for one, other in zip(theirs, ours, strict=True)]
    every = np.concatenate(ratios)
    middle = float(np.median(every))
    if min(map(len, ratios)) < 2 or np.ptp(every) == 0:
        return Ratio(middle, float(every.min()), float(every.max()))
    found = bootstrap(
        ratios, _one_of_each, vectorized=True, confidence_level=CONFIDENCE, n_resamples=RESAMPLES,
        method="percentile", rng=0,
    )  # fmt: skip
    low, high = found.confidence_interval
    return Ratio(middle, float(low), float(high))


def _one_of_each(*passes: np.ndarray, axis: int) -> np.ndarray:
    """The median over the passes of the first that was drawn of each."""
    first: np.ndarray = np.median([each.take(0, axis) for each in passes], axis=0)
    return first


def disagree(seconds: Sequence[float]) -> bool:
    """Whether the rounds spread so much that their median says little."""
    lower, middle, upper = np.quantile(seconds, (0.25, 0.5, 0.75))
    return bool(upper - lower > SPREAD * middle)


def gemm_rate(result: CaseResult) -> float | None:
    """The machine's floating-point operations per second, in a 2048×2048×2048 product."""
    seconds = median(result, LIMIT, "gemm")
    return None if seconds is None else 2 * GEMM_SIZE**3 / seconds


def bandwidth(result: CaseResult) -> float | None:
    """The bytes per second that a large copy reads and writes."""
    seconds = median(result, LIMIT, "copy")
    return None if seconds is None else 2 * COPY_BYTES / seconds


def limit(result: CaseResult, task: str) -> float | None:
    """The seconds that the GEMMs at that rate take, and in a step the gather at that bandwidth."""
    rate, bytes_per_second = gemm_rate(result), bandwidth(result)
    if rate is None or bytes_per_second is None:
        return None
    seconds = gemm_flops(result.case) / rate
    if task == "gradient":
        return seconds
    seconds += gather_bytes(result.case) / bytes_per_second
    return seconds * (result.case.rows // result.case.batch_size if task == "epoch" else 1)
