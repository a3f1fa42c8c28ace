"""How long the recipe `handgrad train --preset best` takes to a given test accuracy, here and elsewhere."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import Worker, some_cpus
from benchmarks.recipe.contenders import CONTENDERS
from benchmarks.results import Table, environment_line, progress, publish, write_json
from handgrad.runs.config import PRESETS

GOAL = 0.57
EPOCH = 245  # steps; 49,000 images in batches of 200


@dataclass
class Training:
    """One contender's training so far.

    Attributes:
        name: of the contender.
        seconds: how long each epoch took, without the accuracy.
        accuracies: test accuracy after each epoch.
    """

    name: str
    seconds: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)


def compare_recipes(threads: int, seed: int, data_dir: Path | None, out: Path) -> None:
    """Train all contenders epoch by epoch in turns; at the same time where there are CPUs for it.

    Args:
        threads: threads of each contender, which is bound to as many CPUs of its own.
        seed: of the weights and of everything that is drawn.
        data_dir: folder of CIFAR-10; None for where `handgrad data` keeps it.
        out: folder of the results.
    """
    some_cpus(threads)
    cpus = sorted(os.sched_getaffinity(0))
    shares = [cpus[i : i + threads] for i in range(0, len(cpus) - threads + 1, threads)]
    groups: list[list[tuple[Training, Worker]]] = [[] for _ in shares]
    for number, name in enumerate(CONTENDERS):
        place = number % len(shares)
        arguments = (name, seed, threads, data_dir or "")
        worker = Worker("benchmarks.recipe.contenders", *arguments, cpus=shares[place])
        groups[place].append((Training(name), worker))

    iters = PRESETS["best"].iters
    epochs = [(first, min(first + EPOCH, iters)) for first in range(0, iters, EPOCH)]

    def take_turns(group: Sequence[tuple[Training, Worker]], steps: tuple[int, int]) -> None:
        for training, worker in group:
            seconds, accuracy = worker.ask(steps)
            training.seconds.append(seconds)
            training.accuracies.append(accuracy)

    try:
        with ThreadPoolExecutor(len(groups)) as pool:
            for steps in progress(epochs, "Epochs"):
                list(pool.map(take_turns, groups, [steps] * len(groups)))
    finally:
        for group in groups:
            for _, worker in group:
                worker.stop()
    by_name = {training.name: training for group in groups for training, _ in group}
    _report([by_name[name] for name in CONTENDERS], threads, seed, out)


def recipe_table(trainings: Sequence[Training]) -> Table:
    """Return the times to the goal and to the end of the recipe."""
    rows = []
    for training in trainings:
        seconds, accuracies = training.seconds, training.accuracies
        reached = next((epoch for epoch, accuracy in enumerate(accuracies, 1) if accuracy >= GOAL), None)
        to_goal = "not reached" if reached is None else f"{sum(seconds[:reached]):.0f} s, epoch {reached}"
        step = sum(seconds[1:]) / (EPOCH * (len(seconds) - 1))  # the first epoch compiles
        row = [training.name, to_goal, f"{sum(seconds):.0f} s", f"{1000 * step:.1f} ms"]
        rows.append([*row, f"{accuracies[-1]:.1%}"])
    head = ["recipe in", f"to {GOAL:.0%}", "whole recipe", "a step", "test accuracy at its end"]
    return Table("Time of the recipe", head, rows)


def _report(trainings: Sequence[Training], threads: int, seed: int, out: Path) -> None:
    about = environment_line("numpy", "scipy", "jax", "torch", "scikit-learn")
    runs = [
        {"name": training.name, "seconds": training.seconds, "accuracies": training.accuracies}
        for training in trainings
    ]
    write_json(out / "recipe.json", {"threads": threads, "seed": seed, "about": about, "runs": runs})
    publish("recipe", [recipe_table(trainings), f"{threads} threads, seed {seed}. {about}"], out)
