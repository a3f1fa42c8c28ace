"""The pictures of a sweep, each as the bytes of a PNG."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.runs.plots import TRAIN, VALIDATION, new_axes, png
from handgrad.sweep.grid import AXES, Grid, format_value
from handgrad.sweep.summary import Setting, on_the_edge

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_sweep", "plot_axis", "plot_heat_map", "plot_time"]

DIVERGED = "tab:red"
# An axis is logarithmic if the ratio of its largest and smallest value is above this.
WIDE = 50.0
# Padding at the ends of an axis, which is shown even where all networks diverged.
PADDING = 0.05


def draw_sweep(grid: Grid, settings: Sequence[Setting]) -> dict[str, bytes]:
    """Return all pictures by name: one for each varied axis, for each pair of them, and for the time."""
    pictures = {f"accuracy-{axis}": plot_axis(grid, settings, axis) for axis in grid.varied}
    for x, y in combinations(grid.varied, 2):
        pictures[f"heatmap-{x}-{y}"] = plot_heat_map(grid, settings, x, y)
    return pictures | {"time": plot_time(settings)}


def plot_axis(grid: Grid, settings: Sequence[Setting], axis: str) -> bytes:
    """Draw accuracies along an axis, with their spread over the seeds; other axes have the best values."""
    figure, axes = new_axes(axis, "accuracy (%)")
    line = {setting.values[axis]: setting for setting in settings if _beside(setting, settings[0], axis)}
    values = grid.axes[axis]
    x = _positions(axes, values)
    means = {}
    for part, color, name in (("train", TRAIN, "training"), ("val", VALIDATION, "validation")):
        mean = 100 * np.array([getattr(line[value], part) for value in values])
        spread = 100 * np.array([getattr(line[value], f"{part}_spread") for value in values])
        spread[np.isnan(spread)] = 0
        axes.errorbar(x, mean, spread, color=color, marker="o", markersize=4, capsize=3, label=name)
        means[part] = mean
    label = f"gap, {100 * settings[0].gap:.1f} points at the best"
    axes.fill_between(x, means["train"], means["val"], color="gray", alpha=0.2, label=label)
    if not math.isnan(settings[0].val):
        best = x[values.index(settings[0].values[axis])]
        axes.plot(best, 100 * settings[0].val, "*", color="black", markersize=12, label="best", zorder=3)
    _mark_diverged(axes, x, [line[value] for value in values])
    title = _about(settings[0], without=(axis,))
    axes.set_title(f"{title}, ± standard deviation" if settings[0].seeds > 1 else title, fontsize=10)
    axes.legend(fontsize=9)
    return png(figure)


def plot_heat_map(grid: Grid, settings: Sequence[Setting], x: str, y: str) -> bytes:
    """Draw the validation accuracy over two axes; the others have the best values."""
    across, upward = grid.axes[x], grid.axes[y]
    accuracy = np.full((len(upward), len(across)), math.nan)
    diverged = np.zeros(accuracy.shape, int)
    for setting in settings:
        if _beside(setting, settings[0], x, y):
            cell = upward.index(setting.values[y]), across.index(setting.values[x])
            accuracy[cell], diverged[cell] = 100 * setting.val, setting.diverged
    size = max(6.5, 2 + 0.75 * len(across)), max(3.5, 2 + 0.45 * len(upward))
    figure, axes = new_axes(x, y, size, grid=False)
    image = axes.imshow(accuracy, origin="lower", aspect="auto", cmap="viridis")
    low, high = image.get_clim()
    for (row, column), value in np.ndenumerate(accuracy):
        text = "" if math.isnan(value) else f"{value:.1f}"
        text += "×" if diverged[row, column] else ""
        dark = value < (low + high) / 2
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color="white" if dark else "black")
    best = settings[0]
    edge = [axis for axis in on_the_edge(grid, best) if axis in (x, y)]
    title = _about(best, without=(x, y))
    if not math.isnan(best.val):
        from matplotlib.patches import Rectangle

        corner = across.index(best.values[x]) - 0.5, upward.index(best.values[y]) - 0.5
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=DIVERGED, linewidth=2.5))
        title += "\nframe: the best" + (f", on the edge of {' and '.join(edge)}" if edge else "")
    axes.set_xticks(range(len(across)), [format_value(value, 3) for value in across], rotation=45)
    axes.set_yticks(range(len(upward)), [format_value(value, 3) for value in upward])
    figure.colorbar(image, label="validation accuracy (%)")
    axes.set_title(f"{title}\n×: diverged with one seed or more" if diverged.any() else title, fontsize=10)
    return png(figure)


def plot_time(settings: Sequence[Setting]) -> bytes:
    """Draw each combination's time and accuracy, and a line through those that no cheaper one surpasses."""
    figure, axes = new_axes(
        "seconds of training, one thread (in a stack: its share)", "validation accuracy (%)"
    )
    good = [setting for setting in settings if not math.isnan(setting.val)]
    seconds, accuracy = [setting.seconds for setting in good], [100 * setting.val for setting in good]
    axes.scatter(seconds, accuracy, color=VALIDATION, s=18, label="each combination")
    front = [s for s in good if not any(o.seconds <= s.seconds and o.val > s.val for o in good)]
    front.sort(key=lambda setting: setting.seconds)
    cost, value = [setting.seconds for setting in front], [100 * setting.val for setting in front]
    axes.plot(cost, value, color="black", linewidth=0.8, label="nothing cheaper is as good")
    # Five labels, evenly spaced along the line: more would cover one another.
    for place in sorted(set(np.linspace(0, len(front) - 1, min(len(front), 5)).round().astype(int).tolist())):
        setting = front[place]
        text = ", ".join(f"{name} {format_value(value, 3)}" for name, value in setting.values.items())
        right = 2 * place >= len(front)
        axes.annotate(
            text,
            (setting.seconds, 100 * setting.val),
            (-6 if right else 6, -12),
            textcoords="offset points",
            ha="right" if right else "left",
            fontsize=8,
        )
    if seconds and 0 < WIDE * min(seconds) < max(seconds):
        axes.set_xscale("log")
    axes.margins(x=0.1)
    axes.legend(fontsize=9, loc="lower right")
    return png(figure)


def _beside(setting: Setting, best: Setting, *axes: str) -> bool:
    """Return whether the two differ only on these axes."""
    return all(value == best.values[name] for name, value in setting.values.items() if name not in axes)


def _positions(axes: "Axes", values: Sequence[Any]) -> list[float]:
    """Return the positions of an axis's values; words are evenly spaced."""
    if isinstance(values[0], str):
        axes.set_xticks(range(len(values)), values)
        return list(range(len(values)))
    if min(values) > 0 and max(values) > WIDE * min(values):
        axes.set_xscale("log")
        ends = np.log([min(values), max(values)])
        axes.set_xlim(*np.exp(ends + PADDING * np.ptp(ends) * np.array([-1, 1])))
    else:
        padding = PADDING * (max(values) - min(values))
        axes.set_xlim(min(values) - padding, max(values) + padding)
    return list(values)


def _mark_diverged(axes: "Axes", x: Sequence[float], settings: Sequence[Setting]) -> None:
    for place, setting in zip(x, settings, strict=True):
        if setting.diverged:
            text = f"{setting.diverged} of {setting.seeds} diverged"
            axes.axvline(place, color=DIVERGED, linestyle=":", linewidth=1)
            axes.annotate(
                text,
                (place, 0.02),
                xycoords=("data", "axes fraction"),
                rotation=90,
                color=DIVERGED,
                fontsize=8,
                ha="right",
                va="bottom",
            )


def _about(best: Setting, without: Sequence[str]) -> str:
    """Return the settings that a picture does not show, as text."""
    point = best.point
    shown = {name: getattr(point, name) for name in AXES}
    words = [f"{name} {format_value(value, 3)}" for name, value in shown.items() if name not in without]
    seeds = f"mean of {best.seeds} seeds" if best.seeds > 1 else "1 seed"
    return f"{point.data}, {', '.join(words)}; {seeds}"
