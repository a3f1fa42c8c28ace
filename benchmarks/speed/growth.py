"""How time and memory grow with N, D and H, and where one contender overtakes another."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np

from benchmarks.speed.cases import BASE, Case
from benchmarks.speed.contenders import CONTENDERS
from benchmarks.speed.ratios import median, ratio
from benchmarks.speed.schema import CaseResult
from benchmarks.speed.work import gemm_flops

SIZES = {"H": "hidden", "N": "batch_size", "D": "features"}
LEAST_BYTES = 1 << 20  # less than that is the allocator's


class Exponent(NamedTuple):
    """The slope of a quantity over a size, both logarithmic, with its standard error."""

    slope: float
    error: float

    def __str__(self) -> str:
        """The slope with its error."""
        return f"{self.slope:.2f} ± {self.error:.2f}"


class Crossing(NamedTuple):
    """One contender is faster before a size, another after it."""

    setting: str
    faster_before: str
    faster_after: str
    hidden: float


def along(cases: Sequence[CaseResult], size: str, base: Case = BASE) -> list[CaseResult]:
    """The cases that differ from the base in nothing but that size, by its order."""
    found = [each for each in cases if replace(each.case, **{size: getattr(base, size)}) == base]
    return sorted(found, key=lambda each: getattr(each.case, size))


def exponent(
    cases: Sequence[CaseResult], size: str, quantity: Callable[[CaseResult], float | None]
) -> Exponent | None:
    """Fit quantity ∝ sizeᵏ by least squares of the logarithms; None for fewer than three sizes."""
    from scipy.stats import linregress

    points = [(getattr(each.case, size), quantity(each)) for each in along(cases, size)]
    there = [(float(x), y) for x, y in points if y]
    if len(there) < 3:
        return None
    fit = linregress(*np.log(there).T)
    return Exponent(fit.slope, fit.stderr)


def working_bytes(result: CaseResult, name: str) -> float | None:
    """What a contender took beside its data; None where that is too little to tell."""
    entrant = result.entrants.get(name)
    if entrant is None or entrant.refused is not None or entrant.working_bytes < LEAST_BYTES:
        return None
    return entrant.working_bytes


def theory(quantity: str) -> Callable[[CaseResult], float]:
    """What the derivation says: of time, the GEMMs' operations; of memory, what must be there at least."""
    if quantity == "time":
        return lambda result: gemm_flops(result.case)
    return lambda result: result.work.least_bytes


def crossings(cases: Sequence[CaseResult], task: str) -> Iterator[Crossing]:
    """Where two contenders' times meet as H grows; only where who is faster is sure before and after."""
    settings = sorted({(each.case.threads, each.case.dtype) for each in cases})
    for threads, dtype in settings:
        results = along(cases, "hidden", replace(BASE, threads=threads, dtype=dtype))
        setting = f"{dtype}, {threads} thread{'s' if threads > 1 else ''}"
        for one, other in combinations(CONTENDERS, 2):
            sure = [(each, found) for each, found in _sure_ratios(results, one, other, task)]
            for (before, first), (after, second) in pairwise(sure):
                if (first > 1) != (second > 1):
                    # Straight lines between the two sizes, on logarithmic scales.
                    way = np.log(first) / np.log(first / second)
                    hidden = before.case.hidden * (after.case.hidden / before.case.hidden) ** float(way)
                    yield Crossing(setting, *((other, one) if first > 1 else (one, other)), hidden)


def _sure_ratios(
    results: Iterable[CaseResult], one: str, other: str, task: str
) -> Iterator[tuple[CaseResult, float]]:
    """The ratios whose interval does not hold 1."""
    for result in results:
        found = ratio(result, one, other, task)
        if found and not found.low <= 1 <= found.high:
            yield result, found.value


def times(name: str, task: str) -> Callable[[CaseResult], float | None]:
    """A contender's time as a quantity to fit."""
    return lambda result: median(result, name, task)
