"""The pictures of a run: time against H, and ratios with their intervals."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import Picture, write_picture
from benchmarks.speed.cases import BASE
from benchmarks.speed.contenders import CONTENDERS, LIMIT, OURS
from benchmarks.speed.ratios import limit
from benchmarks.speed.schema import CaseResult, Results
from benchmarks.speed.tables import is_width, names_of

CAPTIONS = {
    "step-time.png": "Time of a training step against H for every contender, with the machine's limit",
    "step-ratios.png": "How many times as long as handgrad's fused step the others take, with intervals",
}
# Of matplotlib's own cycle, without the grey that is the limit's; handgrad stands out.
CYCLE = ("C0", "C1", "C3", "C4", "C5", "C6", "C9")
COLORS = {OURS: "black"} | dict(zip((name for name in CONTENDERS if name != OURS), CYCLE, strict=True))
LIMIT_STYLE = {"color": "grey", "linestyle": "--"}

Setting = tuple[int, str]


def draw(results: Results, out: Path) -> list[Picture]:
    """Write the two pictures and return them; none if there is no case over H."""
    from matplotlib.figure import Figure

    settings: dict[Setting, list[CaseResult]] = {}
    for result in results.cases:
        if is_width(result.case) and result.contenders:
            settings.setdefault((result.case.threads, result.case.dtype), []).append(result)
    if not settings:
        return []
    names = names_of(results)
    threads = sorted({number for number, _ in settings})
    dtypes = sorted({dtype for _, dtype in settings})
    draws = {"step-time.png": _times, "step-ratios.png": _ratios}
    pictures = []
    for file, draw_panel in draws.items():
        figure = Figure(figsize=(1 + 5.2 * len(dtypes), 1 + 3.8 * len(threads)), layout="constrained")
        panels = figure.subplots(len(threads), len(dtypes), squeeze=False, sharey=file != "step-time.png")
        for (number, dtype), cases in settings.items():
            panel = panels[threads.index(number), dtypes.index(dtype)]
            draw_panel(panel, cases, names)
            panel.set_title(f"{dtype}, {number} thread{'s' if number > 1 else ''}", fontsize="medium")
        legends = [panel.get_legend_handles_labels() for panel in panels.flat]
        handles = {label: handle for legend in legends for handle, label in zip(*legend, strict=True)}
        figure.legend(
            handles.values(), handles, loc="outside lower center", ncols=5, fontsize="small", frameon=False
        )
        figure.suptitle(
            f"{CAPTIONS[file]}\nN={BASE.batch_size}, D={BASE.features}, C={BASE.classes}", fontsize="medium"
        )
        write_picture(out / file, figure)
        pictures.append(Picture(file, CAPTIONS[file]))
    return pictures


def _times(panel: Any, cases: Sequence[CaseResult], names: Sequence[str]) -> None:
    for name in names:
        _line(panel, [(result, result.median(name, "step")) for result in cases], name, 1e3)
    _line(panel, [(result, limit(result, "step")) for result in cases], LIMIT, 1e3)
    panel.set(xscale="log", yscale="log", xlabel="hidden units H", ylabel="milliseconds of a step")
    _mark_widths(panel, cases)
    panel.grid(alpha=0.3, which="both")


def _ratios(panel: Any, cases: Sequence[CaseResult], names: Sequence[str]) -> None:
    others = [name for name in names if name != OURS]
    width = 0.8 / len(others)
    for number, name in enumerate(others):
        shift = (number - (len(others) - 1) / 2) * width
        ratios = [(at + shift, result.ratio(name)) for at, result in enumerate(cases)]
        bars = [(at, ratio) for at, ratio in ratios if ratio]
        if bars:
            below = [ratio.value - ratio.low for _, ratio in bars]
            above = [ratio.high - ratio.value for _, ratio in bars]
            places, heights = [at for at, _ in bars], [ratio.value for _, ratio in bars]
            error = {"yerr": [below, above], "error_kw": {"elinewidth": 0.8}}
            panel.bar(places, heights, width, label=name, color=COLORS[name], **error)
    panel.axhline(1, color="black", lw=1)
    panel.set_xticks(range(len(cases)), [str(result.case.hidden) for result in cases])
    panel.set(xlabel="hidden units H", ylabel=f"times as long as {OURS}")
    panel.grid(axis="y", alpha=0.3)


def _line(panel: Any, points: Iterable[tuple[CaseResult, float | None]], name: str, scale: float) -> None:
    """A value over H; where there is none, no point."""
    measured = [(float(result.case.hidden), scale * value) for result, value in points if value is not None]
    style = {"marker": "o", "ms": 3, "lw": 2.2 if name == OURS else 1.2, "color": COLORS.get(name)}
    panel.plot(
        *np.transpose(measured or [(np.nan, np.nan)]), label=name, **(LIMIT_STYLE if name == LIMIT else style)
    )


def _mark_widths(panel: Any, cases: Sequence[CaseResult]) -> None:
    from matplotlib.ticker import NullLocator

    widths = [result.case.hidden for result in cases]
    panel.set_xticks(widths, [str(width) for width in widths])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter("{x:g}")
