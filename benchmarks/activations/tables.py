"""The runs summed up: losses, the hidden layer, dead units, and ten layers at their start."""

from collections.abc import Iterable, Mapping

import numpy as np

from benchmarks.activations.runs import NAMES, NOTES_RATES, RATES, RELUS, RunResult, all_runs, start_of
from benchmarks.results import Table

NONE = "–"

Runs = Mapping[str, RunResult]


def mean(results: Iterable[RunResult], epoch: int, quantity: str) -> float:
    """Return the mean over some runs; of a run that diverged before the epoch, the last value counts."""
    values = []
    for result in results:
        known = result.epochs[quantity]
        values.append(known[epoch] if -1 <= epoch < len(known) else known[-1])
    return float(np.mean(np.array(values, np.float64)))


def runs_with(runs: Runs, name: str, start: str, rate: float) -> list[RunResult]:
    """Return the runs of four epochs with these settings."""
    settings = (name, start, rate, 0)
    return [
        runs[run.key]
        for run in all_runs()
        if (run.activation, run.start, run.learning_rate, run.calm) == settings
    ]


def final_loss(runs: Runs, name: str, start: str, rate: float) -> float:
    """Return the mean training loss of the last half epoch; infinite if a run diverged."""
    results = runs_with(runs, name, start, rate)
    return float("inf") if any(result.diverged for result in results) else mean(results, -1, "loss")


def best_rate(runs: Runs, name: str, start: str) -> float | None:
    """Return the learning rate with the lowest loss after the last epoch; None if all diverged."""
    losses = {
        rate: final_loss(runs, name, start, rate) for rate in (NOTES_RATES if start == "notes" else RATES)
    }
    rate = min(losses, key=losses.__getitem__)
    return rate if np.isfinite(losses[rate]) else None


def runs_at_best(runs: Runs, name: str, start: str) -> list[RunResult]:
    """Return the runs of four epochs with the best learning rate; none if all diverged."""
    rate = best_rate(runs, name, start)
    return [] if rate is None else runs_with(runs, name, start, rate)


def runs_then_calm(runs: Runs, name: str, *, centred: bool) -> dict[float, list[RunResult]]:
    """Return the runs of two epochs and two more at a hundredth of the rate, by learning rate."""
    by_rate: dict[float, list[RunResult]] = {}
    for run in all_runs():
        if run.calm and (run.activation, run.centred) == (name, centred):
            by_rate.setdefault(run.learning_rate, []).append(runs[run.key])
    return by_rate


def loss_table(runs: Runs) -> Table:
    """Return the losses of every activation at its best learning rate, with both starts."""
    rows = []
    for name in NAMES:
        row = [f"`{name}`"]
        for start in (start_of(name), "notes"):
            rate, results = best_rate(runs, name, start), runs_at_best(runs, name, start)
            if rate is None:
                row += [NONE] * 4
                continue
            row += [f"{rate:g}", *(f"{mean(results, epoch, 'loss'):.3f}" for epoch in (1, -1))]
            row.append(f"{100 * mean(results, -1, 'val'):.1f}")
        rows.append(row)
    parts = ("learning rate", "loss, epoch 1", "epoch 4", "validation %")
    head = ["activation", *(f"{start} {part}" for start in ("own:", "notes:") for part in parts)]
    return Table("At the best learning rate, with the activation's own start and with the notes'", head, rows)


def hidden_table(runs: Runs) -> Table:
    """Return the state of the hidden layer at the best learning rate, and the path of W2."""
    rows = []
    for name in NAMES:
        for start in (start_of(name), "notes"):
            results = runs_at_best(runs, name, start)
            if not results:
                continue
            saturated = [f"{mean(results, epoch, 'saturated'):.0%}" for epoch in (0, 1, -1)]
            ratio = mean(results, -1, "dz1_to_dh1")
            row = [f"`{name}`, {start}", f"{mean(results, 0, 'activation_mean'):.2f}"]
            row += [f"{mean(results, -1, 'activation_mean'):.3f}", *saturated, f"{ratio:.2f}"]
            rows.append([*row, *_path(runs_with(runs, name, start, 0.1))])
    head = [
        "activation, start",
        "mean of h1, start",
        "mean, epoch 4",
        "saturated, start",
        "epoch 1",
        "epoch 4",
    ]
    head += ["‖dz1‖/‖dh1‖, epoch 4", "signs", "cosine", "straightness"]
    return Table("The hidden layer at the best learning rate, and W2's path at learning rate 0.1", head, rows)


def _path(results: list[RunResult]) -> list[str]:
    paths = [result.path for result in results if result.path is not None]
    if not paths:
        return [NONE] * 3
    signs, cosine, straightness = (
        float(np.mean([path[name] for path in paths])) for name in ("signs", "cosine", "straightness")
    )
    return [f"{signs:.2f}", f"{cosine:.2f}", f"{straightness:.3f}"]


def dead_table(runs: Runs) -> Table:
    """Return the dead units after a learning rate, and after two calm epochs."""
    rows = []
    for centred in (False, True):
        by_name = {name: runs_then_calm(runs, name, centred=centred) for name in RELUS}
        for rate in by_name["relu"]:
            row = ["less the mean" if centred else "as they are", f"{rate:g}"]
            for by_rate in by_name.values():
                results = by_rate[rate]
                diverged = " (diverged)" if any(result.diverged for result in results) else ""
                dead = [f"{mean(results, epoch, 'dead_units'):g}" for epoch in (2, 4)]
                row += [f"{' → '.join(dead)}{diverged}", f"{100 * mean(results, -1, 'val'):.1f}"]
            rows.append(row)
    head = ["pixels", "learning rate", *(f"{name}: {part}" for name in RELUS for part in ("dead", "val. %"))]
    title = "Dead units of 100 after 2 epochs → after 2 more at a hundredth of the learning rate"
    return Table(title, head, rows)


def depth_table(layers: Mapping[str, Mapping[str, float]]) -> Table:
    """Return what ten layers do to the adjoint.

    Args:
        layers: results of `benchmarks.activations.compare.ten_layers`, by what they are of.
    """
    rows = [[name, f"{one['factor']:.2g}", f"{one['saturated']:.0%}"] for name, one in layers.items()]
    title = "Ten layers at the start: growth of ‖dz‖ for each layer back"
    return Table(title, ["activation, weights", "growth", "saturated"], rows)
