"""How long each checker takes as the network grows, and how small an error it sees, in one picture."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.checkers.timing import Times
from benchmarks.results import write_picture


def draw(
    scores: Mapping[str, Mapping[str, Mapping[str, Any]]],
    times: Times,
    limit: float,
    path: Path,
) -> None:
    """Write the picture.

    Args:
        scores: by dtype and checker, with `smallest_caught` and `false_alarms`.
        times: CPU seconds of the checks.
        limit: seconds after which a check was ended.
        path: of the PNG.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1))
    for name, by_size in times.items():
        done = {size: seconds for size, seconds in by_size.items() if seconds}
        width = 2.5 if name.startswith("handgrad") else 1.5
        again = [statistics.median(seconds[1:]) for seconds in done.values()]
        (line,) = left.plot(list(done), again, marker="o", linewidth=width, label=name)
        first = [seconds[0] for seconds in done.values()]
        left.plot(list(done), first, ":", color=line.get_color(), linewidth=width / 2)
    left.plot([], [], ":", color="grey", label="first check of that size")
    left.axhline(limit, color="grey", linestyle=":")
    transform = left.get_yaxis_transform()
    left.text(0.01, limit, f"ended after {limit:.0f} s", va="bottom", color="grey", transform=transform)
    left.set(xscale="log", yscale="log", xlabel="parameters", ylabel="CPU seconds for one check, float64")
    left.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)

    names = list(next(iter(scores.values())))
    for shift, (dtype, of_dtype) in zip((-0.15, 0.15), scores.items(), strict=True):
        caught = [(i, of_dtype[name]["smallest_caught"]) for i, name in enumerate(names)]
        shown = [(i + shift, value) for i, value in caught if value is not None]
        (line,) = right.plot([v for _, v in shown], [i for i, _ in shown], "o", label=dtype)
        for i, value in caught:
            if value is None:
                flagged = "right" in of_dtype[names[i]]["false_alarms"]
                reason = f"{dtype}: {'flags the right network' if flagged else 'catches none'}"
                style = {"fontsize": "x-small", "va": "center", "color": line.get_color()}
                right.text(0.01, i + shift, reason, transform=right.get_yaxis_transform(), **style)
    right.set(xscale="log", xlabel="smallest relative error caught in one entry of median size of dW1")
    right.set_yticks(range(len(names)), names, fontsize="small")
    right.set_ylim(len(names) - 0.5, -0.5)
    right.grid(axis="x", alpha=0.3)
    right.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
    write_picture(path, figure)
