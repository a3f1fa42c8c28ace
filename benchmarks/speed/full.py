"""The whole comparison: cases, passes, the time that they may take, and what is kept as it goes."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.results import cpu_name
from benchmarks.speed.cases import ALL_CPUS, full_cases, quick_cases
from benchmarks.speed.contenders import CONTENDERS, LIMIT, entry, missing
from benchmarks.speed.rounds import Budget, run_pass
from benchmarks.speed.schema import CaseResult, Entrant, Results
from benchmarks.speed.work import count_work
from benchmarks.speed.worker import PINS, environment, imported

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
        native_blas: start the contenders without what pins OpenBLAS to a core.
    """
    begin = time.perf_counter()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    cases, passes = (quick_cases(), 1) if quick else (full_cases(), PASSES)
    names = [name for name in (*CONTENDERS, LIMIT) if not (quick and name == COMPILES_LONG)]
    absent = missing(names)
    present = [name for name in names if name not in absent]
    results = _empty_results(absent, quick, native_blas)
    for warning in warnings(results):
        console.print(warning, style="yellow")
    results.import_seconds = time_imports(present, native_blas, 1 if quick else 3)
    results.cases = [CaseResult(case, count_work(case)) for case in cases]

    rng = np.random.default_rng()
    deadline = begin + (QUICK_SECONDS if quick else FULL_SECONDS)
    with _shared_compiler_cache(), _progress(console, passes * len(cases)) as advance, ExitStack() as stack:
        libraries = {
            threads: stack.enter_context(imported(present, environment(threads, native_blas)))
            for threads in sorted({case.threads for case in cases})
        }
        for number in range(passes):
            for done, i in enumerate(rng.permutation(len(cases))):
                now, left = time.perf_counter(), (passes - number) * len(cases) - done
                if now > deadline:
                    console.print(
                        f"The time is up: pass {number + 1} ends after {done} of {len(cases)} cases."
                    )
                    break
                result, case = results.cases[i], cases[i]
                budget = Budget(LEAST_ROUNDS, MOST_ROUNDS, now + (deadline - now) / left)
                merge(result.entrants, run_pass(case, libraries[case.threads], budget))
                results.elapsed_seconds = time.perf_counter() - begin
                results.write(out / "results.json")
                advance(f"pass {number + 1}: {case}, {time.perf_counter() - now:.0f} s{_refusals(result)}")
            else:
                results.passes += 1
    results.write(out / "results.json")
    return results


def warnings(results: Results) -> list[str]:
    """What makes the figures unfair."""
    return [
        f"Warning: {name}={value} pins the OpenBLAS that handgrad, NumPy and scikit-learn use, to what may "
        "be an older core and half as fast; XLA and PyTorch go on at full speed. --native-blas starts the "
        "contenders without it."
        for name, value in results.pins.items()
    ]


def merge(before: dict[str, Entrant], more: dict[str, Entrant]) -> None:
    """Add a pass to the passes before it; who is refused in one of them has no times."""
    for name, new in more.items():
        old = before.setdefault(name, Entrant())
        for task, found in new.seconds.items():
            old.seconds.setdefault(task, []).extend(found)
        for task, first in new.first_seconds.items():
            old.first_seconds.setdefault(task, []).extend(first)
        old.refused = old.refused or new.refused
        old.cpus, old.threads = new.cpus, new.threads
        old.cores, old.versions = new.cores, new.versions
        old.peak_bytes = max(old.peak_bytes, new.peak_bytes)
        old.working_bytes = max(old.working_bytes, new.working_bytes)
        if old.refused is not None:
            old.seconds = {}


def time_imports(names: Sequence[str], native_blas: bool, rounds: int) -> dict[str, list[float]]:
    """Seconds to import what each contender's user imports, in fresh processes, their order drawn anew."""
    program = "import time; begin = time.perf_counter(); import {}; print(time.perf_counter() - begin)"
    modules = sorted({entry(name).imports for name in names if name != LIMIT})
    found: dict[str, list[float]] = {module: [] for module in modules}
    rng = np.random.default_rng()
    for _ in range(rounds):
        for i in rng.permutation(len(modules)):
            done = subprocess.run(
                [sys.executable, "-c", program.format(modules[i])],
                capture_output=True, text=True, env=environment(1, native_blas), check=False,
            )  # fmt: skip
            if done.returncode == 0:
                found[modules[i]].append(float(done.stdout))
    return found


def _empty_results(absent: dict[str, str], quick: bool, native_blas: bool) -> Results:
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
    refused = [f"{name} refused: {each.refused}" for name, each in result.entrants.items() if each.refused]
    return "".join(f"; {each}" for each in refused)


@contextmanager
def _shared_compiler_cache() -> Iterator[None]:
    """An empty cache for torch.compile, so that no run before this one makes its first calls short."""
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


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[str], None]]:
    """A bar on a terminal, a line for each case elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("benchmarks", total=total)
        done = 0

        def advance(line: str) -> None:
            nonlocal done
            done += 1
            bar.advance(task)
            console.print(f"{done} of {total}, {line}")

        yield advance
