"""The gap between training and test accuracy, and what closes it: the question of CS231n's exercise.

The starting point is a network that has seen few images too often; then it gets more images, more hidden
units or a stronger penalty, one at a time. Nothing is chosen by these accuracies, so that the test images may
be used: they are ten times as many as the validation images.
"""

import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.results import Table, environment_line, progress, publish, write_json
from handgrad.data.datasets import Dataset, load_cifar10, split
from handgrad.runs.config import Config
from handgrad.sweep.stacks import train_points

START = Config(data="cifar10", hidden=150, lr=1e-3, reg=0.0, iters=4000)
IMAGES = 5_000
MORE_IMAGES = 10_000, 20_000, 50_000
MORE_UNITS = 50, 300
MORE_REG = 0.01, 0.03, 0.1, 0.3

Stack = tuple[int, list[Config]]


def measure_gap(seeds: int, data_dir: Path | None, out: Path) -> None:
    """Train all of them, write the accuracies and publish the table.

    Args:
        seeds: number of seeds of each.
        data_dir: folder of CIFAR-10; None for where `handgrad data` keeps it.
        out: folder of gap.json, which keeps what is done if this is interrupted.
    """
    path = out / "gap.json"
    lines: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    done = {(line["images"], line["seed"]) for line in lines}
    left = [(seed, stack) for seed in range(seeds) for stack in stacks() if (stack[0], seed) not in done]
    for seed, (images, points) in progress(left, "Stacks"):
        outcomes = train_points([replace(point, seed=seed) for point in points], _cut(images, data_dir))
        for point, outcome in zip(points, outcomes, strict=True):
            line = {"images": images, "hidden": point.hidden, "reg": point.reg, "seed": seed}
            lines.append(line | {"train": outcome["train_accuracy"], "test": outcome["val_accuracy"]})
        write_json(path, lines)
    publish("gap", [gap_table(lines), environment_line("numpy", "scipy")], out)


def stacks() -> list[Stack]:
    """Return the networks that are trained together, with the number of images that they see."""
    others = [replace(START, hidden=hidden) for hidden in MORE_UNITS]
    others += [replace(START, reg=reg) for reg in MORE_REG]
    return [(IMAGES, [START, *others]), *((images, [START]) for images in MORE_IMAGES)]


def gap_table(lines: Sequence[dict[str, Any]]) -> Table:
    """Return means and standard deviations over the seeds."""
    rows = []
    for images, points in stacks():
        for point in points:
            key = (images, point.hidden, point.reg)
            seeds = [line for line in lines if (line["images"], line["hidden"], line["reg"]) == key]
            train, test = ([line[part] for line in seeds] for part in ("train", "test"))
            gaps = [line["train"] - line["test"] for line in seeds]
            accuracies = [_mean_and_deviation(values) for values in (train, test, gaps)]
            rows.append([f"{images:,}", str(point.hidden), f"{point.reg:g}", *accuracies])
    title = "Accuracy in %, mean ± standard deviation over the seeds"
    return Table(title, ["images", "H", "reg", "training", "test", "gap"], rows)


def _mean_and_deviation(values: Sequence[float]) -> str:
    deviation = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.fmean(values):.1f}{deviation}"


def _cut(images: int, data_dir: Path | None) -> Dataset:
    """Return the first images of CIFAR-10 for training, and its 10,000 test images for validation."""
    data = load_cifar10(data_dir, validation=0, test=10_000)
    train = split(data.X_train, data.y_train, images, 0, 0, data.image_shape, data.classes)
    return replace(train, X_val=data.X_test, y_val=data.y_test)
