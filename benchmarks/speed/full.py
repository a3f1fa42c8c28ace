"""The whole comparison: cases, passes, time limit, and results so far."""

import os
import platform
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.processes import PINS
from benchmarks.results import cpu_name
from benchmarks.speed.cases import ALL_CPUS, GROUPS, PASSES, Case, full_cases, passes_over, quick_cases, work
from benchmarks.speed.contenders import CONTENDERS, LIMIT, missing
from benchmarks.speed.ratios import summarize
from benchmarks.speed.rounds import Pass, run_pass
from benchmarks.speed.schema import CaseResult, Results

# Time limits in seconds: the promised 30 and 2 minutes, minus the time of the report.
FULL_SECONDS, QUICK_SECONDS = 1740.0, 110.0
COMPILES_LONG = "torch.compile"  # 20 seconds when nothing is cached


def run(out: Path, quick: bool, native_blas: bool, only: Sequence[str] = ()) -> Results:
    """Measure everything, or three cases without ``torch.compile``, or some groups; write results.json.

    The file is written after every case. With ``only``, the names of groups, it keeps its other cases.
    """
    begin = time.perf_counter()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    options = ["--native-blas"] * native_blas + ["--quick"] * quick + ["--only", *only] * bool(only)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    names = [name for name in (*CONTENDERS, LIMIT) if not ((quick or only) and name == COMPILES_LONG)]
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

    cases, seconds = quick_cases() if quick else full_cases(), QUICK_SECONDS if quick else FULL_SECONDS
    if only:
        cases = [case for name in only for case in GROUPS[name].cases]
        seconds = sum(GROUPS[name].seconds for name in only)
    results = earlier_results(out / "results.json") if only else Results("", {}, [])
    results.missing = absent
    known = {result.case: result for result in results.cases}
    for case in cases:
        if case not in known:
            known[case] = CaseResult(case)
            results.cases.append(known[case])

    passes: dict[Case, list[Pass]] = {case: [] for case in cases}
    libraries: set[str] = set()
    order = plan(cases, once=quick or bool(only))
    deadline = begin + seconds
    for done, case in enumerate(order):
        now = time.perf_counter()
        if now > deadline:
            console.print(f"The time is up after {done} of {len(order)} cases.")
            break
        until = now + (deadline - now) / (len(order) - done)
        some = present if passes_over(case) == PASSES else [name for name in present if name != COMPILES_LONG]
        new, result = run_pass(case, some, until, native_blas), known[case]
        passes[case].append(new)
        result.contenders, result.passes = summarize(passes[case]), len(passes[case])
        libraries |= new.libraries
        elapsed = time.perf_counter() - begin
        machine = environment(sorted({case.threads for case in cases}), libraries, pins)
        line = f"{machine}. `{' '.join(['python -m benchmarks', *options])}`, {started}, {elapsed:.0f} s."
        results.groups |= dict.fromkeys(only, line)
        results.environment = results.environment if only else line
        results.write(out / "results.json")
        refused = "".join(f"; {name} refused: {reason}" for name, reason in new.refused.items())
        took = time.perf_counter() - now
        console.print(f"{done + 1} of {len(order)}: {result.case}, {took:.0f} s{refused}")
    return results


def earlier_results(path: Path) -> Results:
    """Return an earlier run, with the cases in the order of a whole one; without a file it is empty."""
    results = Results.read(path) if path.exists() else Results("", {}, [])
    places = {case: place for place, case in enumerate(full_cases())}
    results.cases.sort(key=lambda result: places.get(result.case, len(places)))
    return results


def plan(cases: Sequence[Case], once: bool) -> list[Case]:
    """Return the cases in the order in which they are measured.

    Two passes have different random orders. In a single one the longest steps come first, because short ones
    can be measured in the time that they leave.
    """
    if once:
        return sorted(cases, key=work, reverse=True)
    rng = np.random.default_rng()
    order: list[Case] = []
    for number in range(PASSES):
        some = [case for case in cases if passes_over(case) > number]
        order += [some[place] for place in rng.permutation(len(some))]
    return order


def environment(threads: Iterable[int], libraries: Iterable[str], pins: Iterable[str]) -> str:
    """Name the machine, the libraries, the threads and the pins of OpenBLAS."""
    pinned = ", ".join(pins)
    parts = [
        f"{cpu_name()}, {len(ALL_CPUS)} CPUs",
        f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
        f"Python {platform.python_version()}",
        *sorted(libraries, key=str.lower),
        f"threads {' and '.join(map(str, threads))}, seen in every library",
        f"OpenBLAS pinned by {pinned}" if pinned else "no pin on OpenBLAS",
    ]
    return "; ".join(parts)
