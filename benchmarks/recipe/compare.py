"""How long the recipe `handgrad train --preset best` takes to a given test accuracy, here and elsewhere."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from benchmarks.recipe.contenders import CONTENDERS
from benchmarks.results import RESULTS, environment_line, markdown, progress, show, write_json, write_section
from benchmarks.speed.worker import environment
from handgrad.runs.config import PRESETS

GOAL = 0.57
EPOCH = 245  # steps; 49,000 images in batches of 200


@dataclass
class Run:
    """One contender's training so far.

    Attributes:
        name: whose.
        process: where it trains.
        seconds: how long each epoch took, without the look at the accuracy.
        accuracies: test accuracy after each epoch.
    """

    name: str
    process: subprocess.Popen[str]
    seconds: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)

    def train(self, steps: range) -> None:
        """Take these steps of the schedule."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(list(steps)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended with code {self.process.wait()}")
        seconds, accuracy = json.loads(answer)
        self.seconds.append(seconds)
        self.accuracies.append(accuracy)

    @property
    def row(self) -> list[str]:
        """The contender's line of the table."""
        reached = next((n for n, a in enumerate(self.accuracies, 1) if a >= GOAL), None)
        return [
            self.name,
            "not reached" if reached is None else f"{sum(self.seconds[:reached]):.0f} s, epoch {reached}",
            f"{sum(self.seconds):.0f} s",
            f"{1000 * sum(self.seconds[1:]) / (EPOCH * (len(self.seconds) - 1)):.1f} ms",
            f"{self.accuracies[-1]:.1%}",
        ]


def compare_recipes(threads: int, seed: int, data_dir: Path | None, out: Path = RESULTS) -> None:
    """Train all contenders epoch by epoch in turns; at the same time as far as the CPUs go round.

    Args:
        threads: threads of each contender, which is bound to so many CPUs of its own.
        seed: of the weights and of everything that is drawn.
        data_dir: where CIFAR-10 lies; None for where `handgrad data` keeps it.
        out: where the JSON goes.
    """
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < threads:
        raise SystemExit(f"{threads} threads need as many CPUs; there are {len(cpus)}")
    shares = [cpus[i : i + threads] for i in range(0, len(cpus) - threads + 1, threads)]
    groups: list[list[Run]] = [[] for _ in shares]
    for number, name in enumerate(CONTENDERS):
        place = number % len(shares)
        groups[place].append(Run(name, _start(name, seed, shares[place], data_dir)))
    runs = [run for group in groups for run in group]

    iters = PRESETS["best"].iters
    epochs = [range(first, min(first + EPOCH, iters)) for first in range(0, iters, EPOCH)]

    def take_turns(group: list[Run], steps: range) -> None:
        for run in group:
            run.train(steps)

    try:
        with ThreadPoolExecutor(len(groups)) as pool:
            for steps in progress(epochs, "epochs"):
                list(pool.map(take_turns, groups, [steps] * len(groups)))
    finally:
        for run in runs:
            run.process.kill()
    _report(runs, threads, seed, out)


def _start(name: str, seed: int, cpus: list[int], data_dir: Path | None) -> "subprocess.Popen[str]":
    arguments = [name, str(seed), str(len(cpus)), "" if data_dir is None else str(data_dir)]
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)  # what is started inherits it, before any library counts the CPUs
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.recipe.contenders", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(len(cpus)),
        )  # fmt: skip
    finally:
        os.sched_setaffinity(0, before)


def _report(runs: list[Run], threads: int, seed: int, out: Path) -> None:
    head = ["recipe in", f"to {GOAL:.0%}", "whole recipe", "a step", "test accuracy at its end"]
    about = environment_line("numpy", "scipy", "jax", "torch", "scikit-learn")
    rows = [run.row for run in runs]
    show(Console(), f"Threads: {threads}, seed {seed}", head, rows)
    found = [{"name": run.name, "seconds": run.seconds, "accuracies": run.accuracies} for run in runs]
    write_json(out / "recipe.json", {"threads": threads, "seed": seed, "about": about, "runs": found})
    if out == RESULTS:
        write_section("recipe", f"{markdown(head, rows)}\n\n{threads} threads, seed {seed}. {about}.")
