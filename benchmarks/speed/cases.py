"""The cases to time: sizes, dtypes and threads, varied one at a time around a base case."""

import os
from dataclasses import dataclass, replace

ALL_CPUS = len(os.sched_getaffinity(0))


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
HIDDEN = 50, 150, 500, 1024, 4096
BATCH_SIZES = 1, 20, 2000
FEATURES = 64, 768


def is_width(case: Case) -> bool:
    """Return whether the case is one of those that differ in H."""
    return (case.batch_size, case.features) == (BASE.batch_size, BASE.features)


def full_cases() -> list[Case]:
    """Return every H in both dtypes, on one thread and on all; N and D in float32 on one thread."""
    threads = sorted({1, ALL_CPUS})
    widths = [
        Case(hidden, dtype, number)
        for number in threads
        for dtype in ("float32", "float64")
        for hidden in HIDDEN
    ]
    return [
        *widths,
        *(replace(BASE, batch_size=N) for N in BATCH_SIZES),
        *(replace(BASE, features=D) for D in FEATURES),
    ]


def quick_cases() -> list[Case]:
    """Return three widths in float32, on one thread."""
    return [replace(BASE, hidden=hidden) for hidden in HIDDEN[:3]]
