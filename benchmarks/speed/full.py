"""The whole comparison: cases, passes, the time that they may take, and what is kept meanwhile."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console

from benchmarks.processes import PINS, environment
from benchmarks.results import cpu_name
from benchmarks.speed.cases import ALL_CPUS, full_cases, quick_cases
from benchmarks.speed.contenders import CONTENDERS, LIMIT, entry, missing
from benchmarks.speed.ratios import summarize
from benchmarks.speed.rounds import Budget, run_pass
from benchmarks.speed.schema import CaseResult, ContenderResult, Results

# Seconds in which all is done: the promise of 30 minutes and of 2, less what the report takes.
FULL_SECONDS, QUICK_SECONDS = 1740.0, 110.0
PASSES = 2
LEAST_ROUNDS, MOST_ROUNDS = 6, 30  # of a pass
COMPILES_LONG = "torch.compile"  # 20 seconds when nothing is cached


def run(out: Path, quick: bool, native_blas: bool) -> Results:
    """Measure everything; ``out``/results.json is replaced after every case.

    Args:
        out: the folder of the results.
        quick: three cases in one pass, without ``torch.compile``.
        native_blas: start the contenders without the variables that pin OpenBLAS to a core.
    """
    begin = time.perf_counter()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    cases, passes = (quick_cases(), 1) if quick else (full_cases(), PASSES)
    names = [name for name in (*CONTENDERS, LIMIT) if not (quick and name == COMPILES_LONG)]
    absent = missing(names)
    present = [name for name in names if name not in absent]
    results = empty_results(absent, quick, native_blas)
    for warning in warnings(results):
        console.print(warning, style="yellow")
    results.import_seconds = time_imports(present, native_blas, 1 if quick else 3)
    results.cases = [CaseResult(case) for case in cases]

    rng = np.random.default_rng()
    order = [results.cases[i] for _ in range(passes) for i in rng.permutation(len(cases))]
    deadline = begin + (QUICK_SECONDS if quick else FULL_SECONDS)
    with _empty_compiler_cache():
        for done, result in enumerate(order):
            now = time.perf_counter()
            if now > deadline:
                console.print(f"The time is up after {done} of {len(order)} cases.")
                break
            budget = Budget(LEAST_ROUNDS, MOST_ROUNDS, now + (deadline - now) / (len(order) - done))
            new = run_pass(result.case, present, budget, native_blas)
            merge(result.contenders, new.contenders)
            summarize(result.contenders)
            result.passes += 1
            results.versions |= new.versions
            results.cores |= new.cores
            results.elapsed_seconds = time.perf_counter() - begin
            results.write(out / "results.json")
            seconds = time.perf_counter() - now
            console.print(f"{done + 1} of {len(order)}: {result.case}, {seconds:.0f} s{_refusals(result)}")
    return results


def warnings(results: Results) -> list[str]:
    """Say what makes the figures unfair."""
    return [
        f"Warning: {name}={value} pins the OpenBLAS of handgrad, NumPy and scikit-learn to a core that may "
        "be older and half as fast; XLA and PyTorch keep their full speed. --native-blas starts the "
        "contenders without it."
        for name, value in results.pins.items()
    ]


def merge(before: dict[str, ContenderResult], more: dict[str, ContenderResult]) -> None:
    """Add a pass to the passes before it; a contender that is refused in one of them has no times."""
    for name, new in more.items():
        old = before.setdefault(name, ContenderResult(first_seconds=new.first_seconds))
        for task, passes in new.rounds.items():
            old.rounds.setdefault(task, []).extend(passes)
        old.refused = old.refused or new.refused
        old.busy_cpus = new.busy_cpus
        if old.refused is not None:
            old.rounds, old.ratio = {}, None


def time_imports(names: Sequence[str], native_blas: bool, rounds: int) -> dict[str, list[float]]:
    """Time the import of what each contender's user imports, in fresh processes, in an order drawn anew."""
    program = "import time; begin = time.perf_counter(); import {}; print(time.perf_counter() - begin)"
    modules = sorted({entry(name).imports for name in names if name != LIMIT})
    seconds: dict[str, list[float]] = {module: [] for module in modules}
    rng = np.random.default_rng()
    for _ in range(rounds):
        for module in rng.permutation(modules):
            done = subprocess.run(
                [sys.executable, "-c", program.format(module)],
                capture_output=True,
                text=True,
                env=environment(1, native_blas),
                check=False,
            )
            if done.returncode == 0:
                seconds[str(module)].append(float(done.stdout))
    return seconds


def empty_results(absent: dict[str, str], quick: bool, native_blas: bool) -> Results:
    """Return the results of a run that begins now."""
    return Results(
        cpu=cpu_name(),
        cpus=ALL_CPUS,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command="python -m benchmarks" + " --native-blas" * native_blas + " --quick" * quick,
        pins={} if native_blas else {name: os.environ[name] for name in PINS if name in os.environ},
        missing=absent,
    )


def _refusals(result: CaseResult) -> str:
    refused = {name: contender.refused for name, contender in result.contenders.items() if contender.refused}
    return "".join(f"; {name} refused: {reason}" for name, reason in refused.items())


@contextmanager
def _empty_compiler_cache() -> Iterator[None]:
    """Give torch.compile an empty cache, so that no run before this one makes its first calls short."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    with TemporaryDirectory(prefix="handgrad-benchmark-") as folder:
        os.environ[name] = folder
        try:
            yield
        finally:
            os.environ.pop(name)
            if before is not None:
                os.environ[name] = before
