"""Time the recipe `handgrad train --preset best` up to a test accuracy, in handgrad and other libraries."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.processes import Worker, some_cpus
from benchmarks.recipe.contenders import CONTENDERS
from benchmarks.results import Table, environment_line, progress, publish, write_json
from handgrad.runs.config import PRESETS

GOAL = 0.57
EPOCH = 245  # steps; 49,000 images in batches of 200


def compare_recipes(threads: int, seed: int, data_dir: Path | None, out: Path) -> None:
    """Train all contenders epoch by epoch, in turns on the same CPUs; write the JSON, publish the table."""
    cpus = some_cpus(threads)
    iters = PRESETS["best"].iters
    runs: list[dict[str, Any]] = [{"name": name, "seconds": [], "accuracies": []} for name in CONTENDERS]
    with ExitStack() as stack:
        workers = []
        for name in CONTENDERS:
            worker = Worker("benchmarks.recipe.contenders", name, seed, threads, data_dir or "", cpus=cpus)
            stack.callback(worker.stop)
            worker.receive()  # it is ready
            worker.pause()
            workers.append(worker)
        for first in progress(range(0, iters, EPOCH), "Epochs"):
            for run, worker in zip(runs, workers, strict=True):
                seconds, accuracy = worker.ask_paused((first, min(first + EPOCH, iters)))
                run["seconds"].append(seconds)
                run["accuracies"].append(accuracy)
    about = environment_line("numpy", "scipy", "jax", "torch", "scikit-learn")
    write_json(out / "recipe.json", {"threads": threads, "seed": seed, "about": about, "runs": runs})
    publish("recipe", [recipe_table(runs), f"{threads} threads, seed {seed}. {about}"], out)


def recipe_table(runs: Sequence[dict[str, Any]]) -> Table:
    """Return the times to the goal and to the end of the recipe."""
    rows = []
    for run in runs:
        seconds, accuracies = run["seconds"], run["accuracies"]
        reached = next((epoch for epoch, accuracy in enumerate(accuracies, 1) if accuracy >= GOAL), None)
        to_goal = "not reached" if reached is None else f"{sum(seconds[:reached]):.0f} s, epoch {reached}"
        step = sum(seconds[1:]) / (EPOCH * (len(seconds) - 1))  # the first epoch compiles
        row = [run["name"], to_goal, f"{sum(seconds):.0f} s", f"{1000 * step:.1f} ms"]
        rows.append([*row, f"{accuracies[-1]:.1%}"])
    head = ["recipe in", f"to {GOAL:.0%}", "whole recipe", "a step", "test accuracy at its end"]
    return Table("Time of the recipe", head, rows)
