"""From rounds to figures: medians, ratios with their intervals, and the machine's limit."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from benchmarks.speed.cases import Case
from benchmarks.speed.contenders import LIMIT, OURS
from benchmarks.speed.contenders.limit import COPY_BYTES, GEMM_SIZE
from benchmarks.speed.schema import CaseResult, ContenderResult, Ratio

CONFIDENCE = 0.99  # that another run's ratio is within the interval
RESAMPLES = 20_000


def summarize(contenders: dict[str, ContenderResult]) -> None:
    """Set every contender's median, spread and ratio from the rounds."""
    ours = contenders[OURS].rounds.get("step", []) if OURS in contenders else []
    for name, contender in contenders.items():
        every = {task: list(chain(*passes)) for task, passes in contender.rounds.items()}
        contender.median = {task: float(np.median(seconds)) for task, seconds in every.items()}
        contender.spread = {task: spread(seconds) for task, seconds in every.items()}
        compared = name != OURS and ours and "step" in contender.rounds
        contender.ratio = ratio_of(contender.rounds["step"], ours) if compared else None


def ratio_of(theirs: Sequence[Sequence[float]], ours: Sequence[Sequence[float]]) -> Ratio:
    """Return the median of the rounds' own ratios.

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
    """Return the median over the passes of the first round that was drawn of each."""
    return np.asarray(np.median([drawn.take(0, axis) for drawn in passes], axis=0))


def spread(seconds: Sequence[float]) -> float:
    """Return the range of the middle half of the rounds, over their median."""
    lower, middle, upper = np.quantile(seconds, (0.25, 0.5, 0.75))
    return float((upper - lower) / middle)


def gemm_flops(case: Case) -> int:
    """Return the floating-point operations of the five products of a gradient, or of a step."""
    D, H, C, N = case.features, case.hidden, case.classes, case.batch_size
    return 2 * N * (2 * D * H + 3 * H * C)


def gather_bytes(case: Case) -> int:
    """Return what the gather of a minibatch reads and writes."""
    return 2 * case.batch_size * case.features * np.dtype(case.dtype).itemsize


def gemm_rate(result: CaseResult) -> float | None:
    """Return the machine's floating-point operations per second, in a 2048×2048×2048 product."""
    seconds = result.median(LIMIT, "gemm")
    return None if seconds is None else 2 * GEMM_SIZE**3 / seconds


def bandwidth(result: CaseResult) -> float | None:
    """Return the bytes per second that a large copy reads and writes."""
    seconds = result.median(LIMIT, "copy")
    return None if seconds is None else 2 * COPY_BYTES / seconds


def limit(result: CaseResult, task: str) -> float | None:
    """Return the seconds that the GEMMs take at that rate and, in a step, the gather at that bandwidth."""
    rate, bytes_per_second = gemm_rate(result), bandwidth(result)
    if rate is None or bytes_per_second is None:
        return None
    seconds = gemm_flops(result.case) / rate
    if task == "gradient":
        return seconds
    seconds += gather_bytes(result.case) / bytes_per_second
    return seconds * (result.case.rows // result.case.batch_size if task == "epoch" else 1)


def share_of_limit(result: CaseResult, name: str) -> float | None:
    """Return which share of the limit a contender's step reaches; None if there is no such time."""
    own, bound = result.median(name, "step"), limit(result, "step")
    return None if own is None or bound is None else bound / own
