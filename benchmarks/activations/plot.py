"""The picture of the activations' runs."""

import io
from typing import Any

import numpy as np

from benchmarks.activations.claims import best_rate, dead_units, dying, final_loss, runs_of
from benchmarks.activations.runs import RATES, start_of
from handgrad.activations import ACTIVATIONS


def plot_activations(found: dict[str, Any]) -> bytes:
    """Loss against learning rate and by epoch, dead ReLUs against learning rate, and what flows back.

    Returns:
        The PNG.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8.5), layout="constrained")
    (rates, epochs), (dead, back) = figure.subplots(2, 2)
    for i, name in enumerate(ACTIVATIONS):
        color = f"C{i}"
        start = start_of(name)
        losses = np.array([final_loss(found, name, start, rate) for rate in RATES])
        finite = np.isfinite(losses)
        rates.plot(np.array(RATES)[finite], losses[finite], color=color, marker="o", label=name)
        best = best_rate(found, name, start)
        looks = [found["runs"][run.key]["epochs"] for run in runs_of(name, start, best)]
        for axes, what in ((epochs, "loss"), (back, "dz1_to_dh1")):
            mean = np.array([[look[what] for look in each] for each in looks], np.float64).mean(axis=0)
            axes.plot(
                range(len(mean)), mean, color=color, marker="o", markersize=4, label=f"{name}, {best:g}"
            )
    for centred, style in ((False, "-"), (True, ":")):
        for name, color in (("relu", "C0"), ("leaky_relu", "C1")):
            runs_at = dying(found, name, centred=centred)
            for epoch, marker, when in ((2, "o", "after 2 epochs"), (4, "x", "after 2 more at a hundredth")):
                count = [dead_units(results, epoch) for results in runs_at.values()]
                pixels = "less the mean" if centred else "as they are"
                label = f"{name}, pixels {pixels}, {when}"
                dead.plot(list(runs_at), count, style, color=color, marker=marker, label=label)
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
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
