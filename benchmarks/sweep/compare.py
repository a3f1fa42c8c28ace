"""Several networks trained at once, against training them one after the other, in turns."""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from benchmarks.results import RESULTS, environment_line, markdown, show, write_json, write_section
from benchmarks.speed.worker import environment
from benchmarks.sweep.worker import CONTENDERS, STEPS

PAUSE = 0.2  # seconds between two turns
# Who is held against whom; the last is the most that any stack could gain.
PAIRS = [
    ("one by one", "stacked"),
    ("jax.vmap", "stacked"),
    ("GridSearchCV", "stacked"),
    ("one by one", "products alone"),
]
HEAD = ["H", "K", *CONTENDERS, *(f"{theirs} / {ours}" for theirs, ours in PAIRS)]


class Worker:
    """The near end of a process of `benchmarks.sweep.worker`."""

    def __init__(self, name: str, hidden: int, networks: int) -> None:
        """Start it, and wait until it has shown that it is right."""
        command = [sys.executable, "-m", "benchmarks.sweep.worker", name, str(hidden), str(networks)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(1)
        )
        self._answer()

    def seconds(self) -> float:
        """How long a turn of all networks takes now."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._answer())

    def stop(self) -> None:
        """End the process, and wait for it."""
        self._process.communicate()

    def _answer(self) -> object:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args} ended with code {self._process.wait()}")
        return json.loads(line)


def compare_sweeps(cases: tuple[tuple[int, int], ...], rounds: int, out: Path = RESULTS) -> None:
    """Time all cases; print them, and write results and table down.

    Args:
        cases: hidden units H and number of networks K of each.
        rounds: how often everybody's turn comes.
        out: the folder of sweep.json; if it is the usual one, the table goes into README.md too.
    """
    found = [_time(hidden, networks, rounds) for hidden, networks in cases]
    rows = [_row(case) for case in found]
    show(Console(), "Milliseconds of a step of all K networks, one thread, float32", HEAD, rows)
    write_json(out / "sweep.json", found)
    if out == RESULTS:
        about = environment_line("numpy", "scipy", "jax", "scikit-learn")
        write_section("sweep", f"{markdown(HEAD, rows)}\n\n{about}.")


def _time(hidden: int, networks: int, rounds: int) -> dict[str, object]:
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    workers = {name: Worker(name, hidden, networks) for name in CONTENDERS}
    try:
        for turn in range(rounds):
            # Who follows whom changes from round to round.
            names = list(CONTENDERS)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                time.sleep(PAUSE)
                seconds[name].append(workers[name].seconds())
    finally:
        for worker in workers.values():
            worker.stop()
    return {"hidden": hidden, "networks": networks, "steps": STEPS, "seconds": seconds}


def _row(case: dict) -> list[str]:
    """Medians over the rounds; a ratio is the median of the rounds' own, with its smallest and largest."""
    seconds, steps = case["seconds"], case["steps"]
    cells = [str(case["hidden"]), str(case["networks"])]
    cells += [f"{1000 * statistics.median(times) / steps:.1f}" for times in seconds.values()]
    for pair in PAIRS:
        ratios = [theirs / ours for theirs, ours in zip(*map(seconds.__getitem__, pair), strict=True)]
        cells.append(f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f}–{max(ratios):.2f})")
    return cells
