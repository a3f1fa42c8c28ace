"""The gap between training and test accuracy, and what closes it: the question of CS231n's exercise.

A network that has seen few images too often is the starting point; then it gets more images, more hidden
units or a stronger penalty, one at a time. Nothing is chosen by these accuracies, so that the test images may
be looked at: they are ten times as many as there are to validate on.
"""

import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.results import RESULTS, environment_line, markdown, progress, show, write_json, write_section
from handgrad.data.datasets import Dataset, load_cifar10, split
from handgrad.runs.config import Config
from handgrad.sweep.stacks import train_points

START = Config(data="cifar10", hidden=150, lr=1e-3, reg=0.0, iters=4000)
IMAGES = 5_000
MORE_IMAGES = 10_000, 20_000, 50_000
MORE_UNITS = 50, 300
MORE_REG = 0.01, 0.03, 0.1, 0.3
HEAD = ["images", "H", "reg", "training", "test", "gap"]


def measure_gap(seeds: int, data_dir: Path | None, out: Path = RESULTS) -> None:
    """Train all of them, print the accuracies, and write results and table down.

    Args:
        seeds: how often each is trained.
        data_dir: where CIFAR-10 lies.
        out: the folder of gap.json, which keeps what is done if this is interrupted; if it is the usual one,
            the table goes into README.md too.
    """
    others = [replace(START, hidden=hidden) for hidden in MORE_UNITS]
    others += [replace(START, reg=reg) for reg in MORE_REG]
    stacks = [(IMAGES, [START, *others]), *((images, [START]) for images in MORE_IMAGES)]
    path = out / "gap.json"
    found = json.loads(path.read_text()) if path.exists() else []
    for seed, (images, points) in progress([(s, stack) for s in range(seeds) for stack in stacks], "stacks"):
        if any((line["images"], line["seed"]) == (images, seed) for line in found):
            continue
        points = [replace(point, seed=seed) for point in points]
        outcomes = train_points(points, _cut(images, data_dir))
        for point, outcome in zip(points, outcomes, strict=True):
            line = {"images": images, "hidden": point.hidden, "reg": point.reg, "seed": seed}
            found.append(line | {"train": outcome["train_accuracy"], "test": outcome["val_accuracy"]})
        write_json(path, found)
    rows = [_row(found, images, point) for images, points in stacks for point in points]
    show(Console(), "Accuracy in %, mean ± standard deviation over the seeds", HEAD, rows)
    if out == RESULTS:
        write_section("gap", f"{markdown(HEAD, rows)}\n\n{environment_line('numpy', 'scipy')}.")


def _cut(images: int, data_dir: Path | None) -> Dataset:
    """The first images of CIFAR-10 to train on, and its 10,000 test images in the place of the validation."""
    data = load_cifar10(data_dir, validation=0, test=10_000)
    train = split(data.X_train, data.y_train, images, 0, 0, data.image_shape, data.classes)
    return replace(train, X_val=data.X_test, y_val=data.y_test)


def _row(found: Sequence[dict], images: int, point: Config) -> list[str]:
    mine = (images, point.hidden, point.reg)
    lines = [line for line in found if (line["images"], line["hidden"], line["reg"]) == mine]
    cells = [f"{images:,}", str(point.hidden), f"{point.reg:g}"]
    for values in (
        [line["train"] for line in lines],
        [line["test"] for line in lines],
        [line["train"] - line["test"] for line in lines],
    ):
        spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
        cells.append(f"{100 * statistics.fmean(values):.1f}{spread}")
    return cells
