"""Figures from rounds: medians, ratios with their intervals, and the machine's limit."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from benchmarks.speed.contenders import LIMIT, OURS
from benchmarks.speed.contenders.limit import COPY_BYTES, GEMM_SIZE
from benchmarks.speed.rounds import Pass
from benchmarks.speed.schema import CaseResult, ContenderResult, Ratio

CONFIDENCE = 0.99  # the probability that another run's ratio is within the interval
RESAMPLES = 20_000


def summarize(passes: Sequence[Pass]) -> dict[str, ContenderResult]:
    """Return every contender's median, spread and ratio; a contender refused in any pass has none."""
    refused: dict[str, str] = {}
    for one in reversed(passes):  # the first reason is kept
        refused |= one.refused
    results = {name: ContenderResult(reason) for name, reason in refused.items()}
    for name, tasks in passes[0].rounds.items():
        if name in refused:
            continue
        every = {task: list(chain(*(one.rounds[name][task] for one in passes))) for task in tasks}
        result = results[name] = ContenderResult()
        result.median = {task: float(np.median(seconds)) for task, seconds in every.items()}
        result.spread = {task: spread(seconds) for task, seconds in every.items()}
        result.first_seconds = passes[0].first_seconds.get(name, {})
        if "step" in tasks and name != OURS and OURS in passes[0].rounds and OURS not in refused:
            theirs, ours = ([one.rounds[who]["step"] for one in passes] for who in (name, OURS))
            result.ratio = ratio_of(theirs, ours)
    return results


def ratio_of(theirs: Sequence[Sequence[float]], ours: Sequence[Sequence[float]]) -> Ratio:
    """Return the median of the ratios within rounds, given seconds by pass and round.

    The interval should contain the ratio of another run, in other processes. The rounds of a pass share their
    processes, so any number of rounds says nothing about other processes. A pass therefore counts as one
    observation: a percentile bootstrap (`scipy.stats.bootstrap`) draws one round from each pass, and takes
    the median.
    """
    from scipy.stats import bootstrap

    ratios = [np.divide(one, other) for one, other in zip(theirs, ours, strict=True)]
    every = np.concatenate(ratios)
    middle = float(np.median(every))
    if min(map(len, ratios)) < 2 or np.ptp(every) == 0:
        return Ratio(middle, float(every.min()), float(every.max()))
    result = bootstrap(
        ratios,
        _median_of_first,
        vectorized=True,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=0,
    )
    low, high = result.confidence_interval
    return Ratio(middle, float(low), float(high))


def _median_of_first(*passes: np.ndarray, axis: int) -> np.ndarray:
    """Return the median, over the passes, of the first round drawn from each."""
    return np.asarray(np.median([drawn.take(0, axis) for drawn in passes], axis=0))


def spread(seconds: Sequence[float]) -> float:
    """Return the range of the middle half of the rounds, over their median."""
    lower, middle, upper = np.quantile(seconds, (0.25, 0.5, 0.75))
    return float((upper - lower) / middle)


def gemm_rate(result: CaseResult) -> float | None:
    """Return the machine's floating-point operations per second, in a 2048×2048×2048 product."""
    seconds = result.median(LIMIT, "gemm")
    return None if seconds is None else 2 * GEMM_SIZE**3 / seconds


def bandwidth(result: CaseResult) -> float | None:
    """Return the bytes per second that a large copy reads and writes."""
    seconds = result.median(LIMIT, "copy")
    return None if seconds is None else 2 * COPY_BYTES / seconds


def limit(result: CaseResult, task: str) -> float | None:
    """Return the seconds of the five GEMMs at that rate and, in a step, of the gather at that bandwidth."""
    rate, bytes_per_second = gemm_rate(result), bandwidth(result)
    if rate is None or bytes_per_second is None:
        return None
    case = result.case
    D, H, C, N = case.features, case.hidden, case.classes, case.batch_size
    seconds = 2 * N * (2 * D * H + 3 * H * C) / rate
    if task == "step":
        seconds += 2 * N * D * np.dtype(case.dtype).itemsize / bytes_per_second
    return seconds


def share_of_limit(result: CaseResult, name: str) -> float | None:
    """Return the limit of a step over a contender's time; None if either is missing."""
    return _share(limit(result, "step"), result.median(name, "step"))


def share_of_products(result: CaseResult, name: str) -> float | None:
    """Return the time of the gather and the products alone over a contender's; None if either is missing."""
    return _share(result.median(LIMIT, "products"), result.median(name, "step"))


def _share(bound: float | None, own: float | None) -> float | None:
    return None if own is None or bound is None else bound / own
