"""Measure how long each command takes, in a first and a second run, and where the time goes.

In the first run, the cache of compiled programs is empty; the second uses the cache of the first. The times
include all processes that a command starts. Commands take turns, and the table shows medians of the rounds.
"""

import os
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.processes import BenchmarkError, some_cpus
from benchmarks.results import Table, environment_line, progress, publish, write_json
from benchmarks.seconds.startup.sitecustomize import STAGES

__all__ = ["CASES", "Case", "measure_seconds"]

CPUS = 2
TIMES = "first", "second"
HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Case(NamedTuple):
    """A measured command.

    Attributes:
        title: its name in the table.
        arguments: the arguments of Python.
        twice: whether there is a second run, which can use the cache.
        most: the goals for the first and the second run, in seconds.
    """

    title: str
    arguments: Sequence[str]
    twice: bool = True
    most: Sequence[float] = ()


def _handgrad(title: str, *arguments: str, twice: bool = True, most: Sequence[float] = ()) -> Case:
    return Case(title, ["-m", "handgrad", *arguments], twice, most)


def _program(name: str) -> str:
    return f"{HERE / 'targets' / name}.py:{name}"


CASES = (
    _handgrad("handgrad --help", "--help", twice=False, most=(0.35,)),
    _handgrad("handgrad check", "check", most=(2.2, 1.6)),
    _handgrad("handgrad check FILE.py:NAME", "check", _program("two_layer"), most=(2.2, 1.6)),
    _handgrad("handgrad check, of 1,041 operations", "check", _program("recurrent"), most=(6.0, 4.0)),
    _handgrad("handgrad study", "study", "--out", "study", most=(8.0,)),
    Case("import handgrad", ["-c", "import handgrad; handgrad.TwoLayerNet"], twice=False),
    # The lower limits of importing the project.
    *[
        Case(f"limit: {statement}", ["-c", statement], twice=False)
        for statement in ("import numpy, scipy.linalg", "import jax", "pass")
    ],
)

# The times of one run: wall and CPU seconds, and the CPU seconds of each stage.
Times = dict[str, float]


def run(case: Case, cache: Path, folder: Path) -> Times:
    """Run a case once, in an empty folder.

    Raises:
        BenchmarkError: the command failed.
    """
    tallies = folder / "tallies"
    tallies.mkdir()
    path = [str(HERE / "startup"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    settings = {
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "XDG_CACHE_HOME": str(cache),
        "SECONDS_TALLY": str(tallies),
        "HANDGRAD_CACHE": "1",
    }
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, *case.arguments]
    begin = time.perf_counter()
    with (folder / "errors").open("w+") as errors:
        process = subprocess.Popen(
            command, env=own | settings, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise BenchmarkError(f"{case.title} ended with {process.returncode}: {errors.read()[-500:]}")
    cpu = usage.ru_utime + usage.ru_stime
    each = [struct.unpack(f"{len(STAGES)}d", file.read_bytes()) for file in tallies.iterdir()]
    stages = {name: sum(own) for name, own in zip(STAGES, zip(*each, strict=True), strict=True)}
    stages["running"] = cpu - sum(stages[name] for name in STAGES[:-1])
    return {"wall": wall, "cpu": cpu, **stages}


def measure_seconds(out: Path, rounds: int, cases: Sequence[Case] = CASES) -> None:
    """Measure all cases, and write JSON and a table."""
    before, load = os.sched_getaffinity(0), os.getloadavg()[1]
    os.sched_setaffinity(0, some_cpus(CPUS))  # all processes inherit it
    try:
        for case in cases:  # afterwards, its files are in memory and compiled to bytecode
            _turn(case)
        turns = [[_turn(case) for case in cases] for _ in progress(range(rounds), "Seconds")]
    finally:
        os.sched_setaffinity(0, before)
    found = {
        case.title: [_median([turn[time] for turn in own]) for time in range(len(own[0]))]
        for case, own in zip(cases, zip(*turns, strict=True), strict=True)
    }
    environment = (
        f"{environment_line('numpy', 'jax')}"
        f" {CPUS} CPUs, medians of rounds: {rounds}. Load before: {load:.1f}; "
        "other work makes wall times longer than CPU times."
    )
    write_json(out / "seconds.json", {"environment": environment, **found})
    publish("seconds", [_table(cases, found), environment], out)


def _turn(case: Case) -> list[Times]:
    """Return the times of the first run, and of the second if there is one."""
    times = []
    with TemporaryDirectory() as folder:
        for name in TIMES[: 1 + case.twice]:
            here = Path(folder, name)
            here.mkdir()
            times.append(run(case, Path(folder, "cache"), here))
    return times


def _median(runs: Sequence[Times]) -> Times:
    return {name: median(each[name] for each in runs) for name in runs[0]}


def _table(cases: Sequence[Case], found: Mapping[str, Sequence[Times]]) -> Table:
    rows = []
    for case in cases:
        for number, times in enumerate(found[case.title]):
            most = f"{case.most[number]:.2f}" if number < len(case.most) else ""
            rows.append([case.title, TIMES[number], most, *[f"{each:.2f}" for each in times.values()]])
    head = ["command", "time", "at most", "wall", "CPU", *STAGES]
    return Table(
        "Seconds from start to end; the CPU seconds of all processes by what they were spent on", head, rows
    )
