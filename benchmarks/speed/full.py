"""The whole comparison: cases, passes, time limit, and results so far."""

import os
import platform
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.processes import PINS
from benchmarks.results import cpu_name
from benchmarks.speed.cases import ALL_CPUS, full_cases, quick_cases
from benchmarks.speed.contenders import CONTENDERS, LIMIT, missing
from benchmarks.speed.ratios import summarize
from benchmarks.speed.rounds import Pass, run_pass
from benchmarks.speed.schema import CaseResult, Results

# Time limits in seconds: the promised 30 and 2 minutes, minus the time of the report.
FULL_SECONDS, QUICK_SECONDS = 1740.0, 110.0
PASSES = 2
COMPILES_LONG = "torch.compile"  # 20 seconds when nothing is cached


def run(out: Path, quick: bool, native_blas: bool) -> Results:
    """Measure everything, or three cases without ``torch.compile``; results.json grows after every case."""
    begin = time.perf_counter()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    command = "python -m benchmarks" + " --native-blas" * native_blas + " --quick" * quick
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    cases, repeats = (quick_cases(), 1) if quick else (full_cases(), PASSES)
    names = [name for name in (*CONTENDERS, LIMIT) if not (quick and name == COMPILES_LONG)]
    absent = missing(names)
    present = [name for name in names if name not in absent]
    pins = [] if native_blas else [f"{name}={os.environ[name]}" for name in PINS if name in os.environ]
    for pin in pins:
        console.print(
            f"Warning: {pin} pins the OpenBLAS of handgrad, NumPy and scikit-learn to a core that may be "
            "older and half as fast; XLA and PyTorch keep their full speed. --native-blas starts the "
            "contenders without it.",
            style="yellow",
        )

    results = Results("", absent, [CaseResult(case) for case in cases])
    passes: list[list[Pass]] = [[] for _ in cases]
    libraries: set[str] = set()
    rng = np.random.default_rng()
    order = [number for _ in range(repeats) for number in rng.permutation(len(cases))]
    deadline = begin + (QUICK_SECONDS if quick else FULL_SECONDS)
    for done, number in enumerate(order):
        now = time.perf_counter()
        if now > deadline:
            console.print(f"The time is up after {done} of {len(order)} cases.")
            break
        until = now + (deadline - now) / (len(order) - done)
        new, result = run_pass(cases[number], present, until, native_blas), results.cases[number]
        passes[number].append(new)
        result.contenders, result.passes = summarize(passes[number]), len(passes[number])
        libraries |= new.libraries
        elapsed = time.perf_counter() - begin
        machine = environment(sorted({case.threads for case in cases}), libraries, pins)
        results.environment = f"{machine}. `{command}`, {started}, {elapsed:.0f} s."
        results.write(out / "results.json")
        refused = "".join(f"; {name} refused: {reason}" for name, reason in new.refused.items())
        seconds = time.perf_counter() - now
        console.print(f"{done + 1} of {len(order)}: {result.case}, {seconds:.0f} s{refused}")
    return results


def environment(threads: Iterable[int], libraries: Iterable[str], pins: Iterable[str]) -> str:
    """Name the machine, the libraries, the threads and the pins of OpenBLAS."""
    pinned = ", ".join(pins)
    parts = [
        f"{cpu_name()}, {ALL_CPUS} CPUs",
        f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
        f"Python {platform.python_version()}",
        *sorted(libraries, key=str.lower),
        f"threads {' and '.join(map(str, threads))}, seen in every library",
        f"OpenBLAS pinned by {pinned}" if pinned else "no pin on OpenBLAS",
    ]
    return "; ".join(parts)
