"""The picture of a run: time of a step against H."""

from pathlib import Path

from benchmarks.results import Picture, write_picture
from benchmarks.speed.cases import BASE, is_width
from benchmarks.speed.contenders import CONTENDERS, LIMIT, OURS
from benchmarks.speed.ratios import limit
from benchmarks.speed.schema import CaseResult, Results

FILE = "step-time.png"
CAPTION = "Time of a training step against H for every contender, with the machine's limit"

# Colours of matplotlib's cycle, without the grey of the limit; handgrad is black.
CYCLE = ("C0", "C1", "C3", "C4", "C5", "C6", "C9")
COLORS = {OURS: "black"} | dict(zip((name for name in CONTENDERS if name != OURS), CYCLE, strict=True))


def draw(results: Results, out: Path) -> list[Picture]:
    """Write the picture and return it; return an empty list if H does not vary."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    settings: dict[tuple[int, str], list[CaseResult]] = {}
    for result in results.cases:
        if is_width(result.case) and result.contenders:
            settings.setdefault((result.case.threads, result.case.dtype), []).append(result)
    if not settings:
        return []
    threads = sorted({number for number, _ in settings})
    dtypes = sorted({dtype for _, dtype in settings})
    figure = Figure(figsize=(1 + 5.2 * len(dtypes), 1 + 3.8 * len(threads)), layout="constrained")
    panels = figure.subplots(len(threads), len(dtypes), squeeze=False)
    for (number, dtype), cases in settings.items():
        panel = panels[threads.index(number), dtypes.index(dtype)]
        lines = {name: [result.median(name, "step") for result in cases] for name in CONTENDERS}
        for name, seconds in (lines | {LIMIT: [limit(result, "step") for result in cases]}).items():
            points = [
                (result.case.hidden, 1e3 * value)
                for result, value in zip(cases, seconds, strict=True)
                if value is not None
            ]
            style = {"marker": "o", "ms": 3, "lw": 2.2 if name == OURS else 1.2, "color": COLORS.get(name)}
            if name == LIMIT:
                style = {"color": "grey", "linestyle": "--"}
            if points:
                panel.plot(*zip(*points, strict=True), label=name, **style)
        panel.set(xscale="log", yscale="log", xlabel="hidden units H", ylabel="milliseconds of a step")
        widths = [result.case.hidden for result in cases]
        panel.set_xticks(widths, [str(width) for width in widths])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_major_formatter("{x:g}")
        panel.grid(alpha=0.3, which="both")
        panel.set_title(f"{dtype}, {number} thread{'s' if number > 1 else ''}", fontsize="medium")
    legends = [panel.get_legend_handles_labels() for panel in panels.flat]
    handles = {label: handle for legend in legends for handle, label in zip(*legend, strict=True)}
    figure.legend(
        handles.values(), handles, loc="outside lower center", ncols=5, fontsize="small", frameon=False
    )
    sizes = f"N={BASE.batch_size}, D={BASE.features}, C={BASE.classes}"
    figure.suptitle(f"{CAPTION}\n{sizes}", fontsize="medium")
    write_picture(out / FILE, figure)
    return [Picture(FILE, CAPTION)]
