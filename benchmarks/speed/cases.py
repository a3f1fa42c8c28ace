"""The cases to time: sizes, dtypes and threads, varied one at a time around a base case."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

ALL_CPUS = sorted(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Case:
    """One network and its data, the same for all contenders, with plain gradient descent.

    Attributes:
        dtype: float32 or float64, also for the data.
        threads: number of threads of every library; the contenders are bound to as many CPUs.
        rows: number of rows in the data set of the minibatches.
        reg: strength of the penalty 2·reg·(‖W1‖² + ‖W2‖²), large enough for its gradient to show.
    """

    hidden: int = 150
    dtype: str = "float32"
    threads: int = 1
    batch_size: int = 200
    features: int = 3072
    rows: int = 10_000
    classes: int = 10
    learning_rate: float = 1e-2
    reg: float = 1e-2

    def __str__(self) -> str:
        """Return the case in a few words."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"H={self.hidden}, N={self.batch_size}, D={self.features}, {self.dtype}, {threads}"


BASE = Case()
DTYPES = "float32", "float64"
HIDDEN = 50, 150, 500, 1024, 4096
FEATURES = 64, 784
PASSES = 2  # over the cases with the base batch size; the others have one


def is_width(case: Case) -> bool:
    """Return whether the case is one of those that differ in H."""
    return (case.batch_size, case.features) == (BASE.batch_size, BASE.features)


def work(case: Case) -> int:
    """Return a number in proportion to the time of a step."""
    size = np.dtype(case.dtype).itemsize
    return size * case.batch_size * case.features * case.hidden // case.threads


def passes_over(case: Case) -> int:
    """Return how often a whole run measures the case."""
    return PASSES if case.batch_size == BASE.batch_size else 1


def _widths(threads: int, hidden: Iterable[int]) -> list[Case]:
    return [Case(H, dtype, threads) for dtype in DTYPES for H in hidden]


def _batches(sizes: Iterable[int], features: Iterable[int]) -> list[Case]:
    return [Case(BASE.hidden, dtype, 1, N, D) for D in features for dtype in DTYPES for N in sizes]


@dataclass(frozen=True)
class Group:
    """Cases that can be measured by themselves, once each, what they have in common, and seconds to do it."""

    cases: list[Case]
    what: str
    seconds: float


GROUPS = {
    "widths": Group(
        [*_widths(1, HIDDEN[:4]), *(replace(BASE, features=D) for D in FEATURES)],
        f"on one thread with minibatches of {BASE.batch_size} rows",
        200.0,
    ),
    "small": Group(_batches((1, 8, 20, 64), (3072, 784)), "with minibatches of 1 to 64 rows", 260.0),
    "large": Group(_batches((1000, 2000, 5000), (3072,)), "with minibatches of 1000 to 5000 rows", 190.0),
    "threads": Group(_widths(len(ALL_CPUS), (150, 500, 1024)), "on all CPUs", 130.0),
}


def full_cases() -> list[Case]:
    """Return every H on one thread and on all, and the other cases of the groups."""
    widths = [case for threads in sorted({1, len(ALL_CPUS)}) for case in _widths(threads, HIDDEN)]
    groups = [case for group in GROUPS.values() for case in group.cases]
    return list(dict.fromkeys([*widths, *groups]))


def quick_cases() -> list[Case]:
    """Return three widths in float32, on one thread."""
    return [replace(BASE, hidden=hidden) for hidden in HIDDEN[:3]]
