"""The picture of the activations' runs."""

from pathlib import Path

import numpy as np

from benchmarks.activations.runs import NAMES, RATES, start_of
from benchmarks.activations.tables import Runs, best_rate, final_loss, mean, runs_at_best, runs_then_calm
from benchmarks.results import write_picture


def draw(runs: Runs, path: Path) -> None:
    """Draw loss against learning rate and by epoch, dead ReLUs against learning rate, and what flows back."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8.5), layout="constrained")
    (rates, epochs), (dead, back) = figure.subplots(2, 2)
    for number, name in enumerate(NAMES):
        color, start = f"C{number}", start_of(name)
        losses = np.array([final_loss(runs, name, start, rate) for rate in RATES])
        finite = np.isfinite(losses)
        rates.plot(np.array(RATES)[finite], losses[finite], color=color, marker="o", label=name)
        results = runs_at_best(runs, name, start)
        label = f"{name}, {best_rate(runs, name, start)}"
        for axes, quantity in ((epochs, "loss"), (back, "dz1_to_dh1")):
            values = [mean(results, epoch, quantity) for epoch in range(5)]
            axes.plot(range(5), values, color=color, marker="o", markersize=4, label=label)
    for centred, style in ((False, "-"), (True, ":")):
        for name, color in (("relu", "C0"), ("leaky_relu", "C1")):
            by_rate = runs_then_calm(runs, name, centred=centred)
            for epoch, marker, when in ((2, "o", "after 2 epochs"), (4, "x", "after 2 more at a hundredth")):
                counts = [mean(results, epoch, "dead_units") for results in by_rate.values()]
                pixels = "less the mean" if centred else "as they are"
                label = f"{name}, pixels {pixels}, {when}"
                dead.plot(list(by_rate), counts, style, color=color, marker=marker, label=label)
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
