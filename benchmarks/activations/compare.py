"""Compare activation functions: runs on CIFAR-10, summarised in three tables and a picture."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.activations.runs import (
    BATCH,
    HIDDEN,
    NAMES,
    RATES,
    RELUS,
    RunResult,
    all_runs,
    start_of,
    train,
)
from benchmarks.results import Picture, Table, environment_line, progress, publish, write_json, write_picture
from handgrad.data.datasets import load_cifar10

PIXELS = {False: "as they are", True: "less the mean"}  # by Run.centred
CAPTION = "Loss against learning rate and by epoch, dead units against learning rate, and what flows back"

Runs = Mapping[str, RunResult]


def compare_activations(data_dir: Path | None, out: Path) -> None:
    """Make the missing runs, write JSON and picture, and publish the tables."""
    path = out / "activations.json"
    content: dict[str, Any] = {"environment": "", "runs": {}}
    if path.exists():
        content = json.loads(path.read_text())
    runs = {key: RunResult(**fields) for key, fields in content["runs"].items()}
    left = [run for run in all_runs() if run.key not in runs]
    if left:
        data = load_cifar10(data_dir)
        content["environment"] = environment_line("numpy", "scipy")
        for run in progress(left, "Training", lines=20):
            runs[run.key] = train(run, data)
            content["runs"][run.key] = asdict(runs[run.key])
            write_json(path, content)
    draw(runs, out / "activations.png")
    tables = [loss_table(runs), hidden_table(runs), dead_table(runs)]
    about = f"H={HIDDEN}, batches of {BATCH}, float32. {content['environment']}"
    publish("activations", [*tables, Picture("activations.png", CAPTION), about], out)


def by_rate(runs: Runs, **settings: Any) -> dict[float, list[RunResult]]:
    """Return the results of all runs with these settings, by learning rate."""
    chosen: dict[float, list[RunResult]] = {}
    for run in all_runs():
        if all(getattr(run, name) == value for name, value in settings.items()):
            chosen.setdefault(run.learning_rate, []).append(runs[run.key])
    return chosen


def mean(results: Iterable[RunResult], epoch: int, quantity: str) -> float:
    """Return the mean over some runs, with the last value of a run that diverged before the epoch."""
    values = []
    for result in results:
        known = result.epochs[quantity]
        values.append(known[epoch] if -1 <= epoch < len(known) else known[-1])
    return float(np.mean(np.array(values, np.float64)))


def final_loss(results: Iterable[RunResult]) -> float:
    """Return the mean training loss of the last half epoch; infinite if a run diverged."""
    results = list(results)
    return float("inf") if any(result.diverged for result in results) else mean(results, -1, "loss")


def best(runs: Runs, name: str, start: str) -> tuple[float, list[RunResult]] | None:
    """Return the learning rate with the lowest final loss, and its runs; None if every rate diverged."""
    rated = by_rate(runs, activation=name, start=start, calm=0)
    rate = min(rated, key=lambda rate: final_loss(rated[rate]))
    return (rate, rated[rate]) if np.isfinite(final_loss(rated[rate])) else None


def loss_table(runs: Runs) -> Table:
    """Return the losses of every activation at its best learning rate, with both starts."""
    rows = []
    for name in NAMES:
        row = [f"`{name}`"]
        for start in (start_of(name), "notes"):
            if (found := best(runs, name, start)) is None:
                row += ["–"] * 4
                continue
            rate, results = found
            row += [f"{rate:g}", *(f"{mean(results, epoch, 'loss'):.3f}" for epoch in (1, -1))]
            row.append(f"{100 * mean(results, -1, 'val'):.1f}")
        rows.append(row)
    parts = ("learning rate", "loss, epoch 1", "epoch 4", "validation %")
    head = ["activation", *(f"{start} {part}" for start in ("own:", "notes:") for part in parts)]
    return Table("At the best learning rate, with the activation's own start and with the notes'", head, rows)


def hidden_table(runs: Runs) -> Table:
    """Return the state of the hidden layer at the best learning rate."""
    rows = []
    for name in NAMES:
        for start in (start_of(name), "notes"):
            if (found := best(runs, name, start)) is None:
                continue
            _, results = found
            means = [mean(results, epoch, "activation_mean") for epoch in (0, -1)]
            saturated = [f"{mean(results, epoch, 'saturated'):.0%}" for epoch in (0, 1, -1)]
            ratio = mean(results, -1, "dz1_to_dh1")
            row = [f"`{name}`, {start}", f"{means[0]:.2f}", f"{means[1]:.3f}"]
            rows.append([*row, *saturated, f"{ratio:.2f}"])
    head = ["activation, start", "mean of h1, start", "mean, epoch 4"]
    head += ["saturated, start", "epoch 1", "epoch 4", "‖dz1‖/‖dh1‖, epoch 4"]
    return Table("The hidden layer at the best learning rate", head, rows)


def dead_table(runs: Runs) -> Table:
    """Return the dead units after training at each learning rate, and after two calm epochs."""
    rows = []
    for centred, pixels in PIXELS.items():
        rated = [by_rate(runs, activation=name, centred=centred, calm=2) for name in RELUS]
        for rate in rated[0]:
            row = [pixels, f"{rate:g}"]
            for results in (of_name[rate] for of_name in rated):
                diverged = " (diverged)" if any(result.diverged for result in results) else ""
                dead = [f"{mean(results, epoch, 'dead_units'):g}" for epoch in (2, 4)]
                row += [f"{' → '.join(dead)}{diverged}", f"{100 * mean(results, -1, 'val'):.1f}"]
            rows.append(row)
    head = ["pixels", "learning rate", *(f"{name}: {part}" for name in RELUS for part in ("dead", "val. %"))]
    title = "Dead units of 100 after 2 epochs → after 2 more at a hundredth of the learning rate"
    return Table(title, head, rows)


def draw(runs: Runs, path: Path) -> None:
    """Draw loss against learning rate and by epoch, dead ReLUs against learning rate, and ‖dz1‖/‖dh1‖."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8.5), layout="constrained")
    (rates, epochs), (dead, back) = figure.subplots(2, 2)
    for number, name in enumerate(NAMES):
        color, start = f"C{number}", start_of(name)
        rated = by_rate(runs, activation=name, start=start, calm=0)
        losses = np.array([final_loss(rated[rate]) for rate in RATES])
        finite = np.isfinite(losses)
        rates.plot(np.array(RATES)[finite], losses[finite], color=color, marker="o", label=name)
        if (found := best(runs, name, start)) is None:
            continue
        rate, results = found
        for axes, quantity in ((epochs, "loss"), (back, "dz1_to_dh1")):
            values = [mean(results, epoch, quantity) for epoch in range(5)]
            axes.plot(range(5), values, color=color, marker="o", markersize=4, label=f"{name}, {rate}")
    for centred, style in ((False, "-"), (True, ":")):
        for name, color in zip(RELUS, ("C0", "C1"), strict=True):
            rated = by_rate(runs, activation=name, centred=centred, calm=2)
            for epoch, marker, when in ((2, "o", "after 2 epochs"), (4, "x", "after 2 more at a hundredth")):
                counts = [mean(results, epoch, "dead_units") for results in rated.values()]
                label = f"{name}, pixels {PIXELS[centred]}, {when}"
                dead.plot(list(rated), counts, style, color=color, marker=marker, label=label)
    for axes, title, label in (
        (rates, "training loss after 4 epochs", "learning rate"),
        (epochs, "training loss, at the best learning rate", "epoch"),
        (dead, "units of 100 dead on all 49,000 images", "learning rate"),
        (back, "‖dz1‖ / ‖dh1‖, at the best learning rate", "epoch"),
    ):
        axes.set_title(title)
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
        if label == "learning rate":
            axes.set_xscale("log")
        else:
            axes.set_xticks(range(5))
    rates.set_ylim(top=2.4)
    dead.set_ylim(-5, 150)
    back.set_ylim(0, 1)
    write_picture(path, figure)
