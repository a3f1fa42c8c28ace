"""Time the training of several networks at once, and of one network after the other, in turns."""

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.processes import Worker, some_cpus
from benchmarks.results import Table, environment_line, publish, write_json
from benchmarks.sweep.worker import CONTENDERS, STEPS

PAUSE = 0.2  # seconds between two turns
# The ratios of the table; the last is the largest possible gain of a stack.
PAIRS = [
    ("one by one", "stacked"),
    ("jax.vmap", "stacked"),
    ("GridSearchCV", "stacked"),
    ("one by one", "products alone"),
]


def compare_sweeps(cases: Sequence[tuple[int, int]], rounds: int, out: Path) -> None:
    """Time all cases (H, K), with a number of turns of each contender; write the JSON, publish the table."""
    times = [time_case(hidden, networks, rounds) for hidden, networks in cases]
    write_json(out / "sweep.json", times)
    publish("sweep", [sweep_table(times), environment_line("numpy", "scipy", "jax", "scikit-learn")], out)


def time_case(hidden: int, networks: int, rounds: int) -> dict[str, Any]:
    """Return the case (``hidden``, ``networks``, ``steps`` of a turn) and the ``seconds`` by contender."""
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with ExitStack() as stack:
        workers = {}
        for name in CONTENDERS:
            workers[name] = Worker("benchmarks.sweep.worker", name, hidden, networks, cpus=some_cpus(1))
            stack.callback(workers[name].stop)
            workers[name].receive()  # it has been checked
        names = list(CONTENDERS)
        for turn in range(rounds):
            shift = turn % len(names)  # the order changes from round to round
            for name in names[shift:] + names[:shift]:
                time.sleep(PAUSE)
                seconds[name].append(workers[name].ask("turn"))
    return {"hidden": hidden, "networks": networks, "steps": STEPS, "seconds": seconds}


def sweep_table(cases: Sequence[dict[str, Any]]) -> Table:
    """Return the medians over the rounds; a ratio is the median of ratios within rounds, with its range."""
    rows = []
    for case in cases:
        times = [statistics.median(seconds) / case["steps"] for seconds in case["seconds"].values()]
        row = [str(case["hidden"]), str(case["networks"]), *(f"{1000 * seconds:.1f}" for seconds in times)]
        rows.append([*row, *(_ratio(case["seconds"], theirs, ours) for theirs, ours in PAIRS)])
    head = ["H", "K", *CONTENDERS, *(f"{theirs} / {ours}" for theirs, ours in PAIRS)]
    return Table("Milliseconds of a step of all K networks, one thread, float32", head, rows)


def _ratio(seconds: Mapping[str, Sequence[float]], theirs: str, ours: str) -> str:
    ratios = [their / our for their, our in zip(seconds[theirs], seconds[ours], strict=True)]
    return f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f}–{max(ratios):.2f})"
