"""The report on a run: tables, lists, a picture, and sentences in two READMEs."""

from pathlib import Path

from benchmarks.results import RESULTS, Table, publish, write_section
from benchmarks.speed.cases import BASE, GROUPS, Case, is_width, passes_over
from benchmarks.speed.contenders import CONTENDERS, LIMIT, OURS
from benchmarks.speed.plot import draw
from benchmarks.speed.ratios import (
    CONFIDENCE,
    bandwidth,
    gemm_rate,
    limit,
    share_of_limit,
    share_of_products,
)
from benchmarks.speed.schema import CaseResult, Results

NONE = "–"
UNSTEADY = "~"  # before a time whose rounds disagree
# Rounds disagree if their middle half spreads over more than this share of their median.
STEADY_SPREAD = 0.15
OUR_OWN = ("course notes", "handgrad plain", OURS)
SIZE_HEAD = ["threads", "dtype", "H", "N", "D"]


def report(results: Results, out: Path) -> None:
    """Print every table and draw the picture; with the project's own results, update two READMEs."""
    pictures = draw(results, out)
    machines = [results.environment, *(f"Group {name}: {line}" for name, line in results.groups.items())]
    publish("speed", [*machines, *pictures, *all_tables(results), *notes(results)], out)
    if out.resolve() == RESULTS:
        write_section("speed", cost(results))
        write_section("step time", headline(results), Path(__file__).parents[1] / "README.md")


def cost(results: Results) -> str:
    """Say in a sentence how the cost of JAX's gradient compares with the plain one by hand."""
    ratios = []
    compiling = 0.0
    for result in measured(results):
        case = result.case
        theirs, ours = (result.median(name, "gradient") for name in ("JAX jit", "handgrad plain"))
        if not (is_width(case) and case.threads == 1 and case.dtype == "float32" and theirs and ours):
            continue
        ratios.append((theirs / ours, case.hidden))
        if case.hidden == BASE.hidden:
            compiling = result.contenders["JAX jit"].first_seconds["gradient"] - theirs
    (ratio, width), *others = ratios
    more = ", ".join(f"{ratio:.2f} at H={width}" for ratio, width in others)
    return (
        "What automatic differentiation costs: the gradient that JAX derives takes "
        f"{ratio:.2f} times as long as the plain one by hand at H={width},\n"
        f"{more} (N={BASE.batch_size}, D={BASE.features}, float32, one thread), after {compiling:.1f} s of "
        "compiling."
    )


def headline(results: Results) -> str:
    """Say in two sentences how much faster the fused step is than the fastest library."""
    faster: dict[Case, float] = {}
    for result in measured(results):
        rival = fastest_other(result)
        ratio = result.ratio(rival) if rival else None
        if ratio:
            faster[result.case] = ratio.value
    widths = [
        f"{ratio:.2f} at H={case.hidden}"
        for case, ratio in faster.items()
        if is_width(case) and (case.threads, case.dtype) == (BASE.threads, BASE.dtype)
    ]
    ranges = []
    for group in GROUPS.values():
        ratios = [faster[case] for case in group.cases if case in faster]
        if ratios:
            ranges.append(f"{min(ratios):.2f} to {max(ratios):.2f} {group.what}")
    joined = ",\n  ".join(ranges)
    return (
        "- **Step time**: the speed of handgrad's fused step, as a multiple of the fastest library's, is\n"
        f"  {', '.join(widths)}\n"
        f"  (N={BASE.batch_size}, D={BASE.features}, {BASE.dtype}, one thread). In both dtypes it is\n"
        f"  {joined}.\n"
        "  The runs and their dates are in [speed.md](results/speed.md)."
    )


def all_tables(results: Results) -> list[Table]:
    """Return the tables that have rows."""
    candidates = [
        headline_table(results),
        ratio_table(results),
        time_table(results, "step"),
        time_table(results, "gradient"),
        machine_table(results),
    ]
    return [table for table in candidates if table.rows]


def headline_table(results: Results) -> Table:
    """Return a few columns: handgrad, the fastest other library, the ratio, and the shares of the limits."""
    rows = []
    for result in measured(results):
        rival = fastest_other(result)
        ratio = result.ratio(rival) if rival else None
        row = _sizes(result.case) + [_time(result, name, "step") for name in ("course notes", OURS)]
        row += [f"{_time(result, rival, 'step')}, {rival}" if rival else NONE, str(ratio or NONE)]
        row += [_time(result, LIMIT, "products"), _percent(share_of_products(result, OURS))]
        rows.append([*row, _percent(share_of_limit(result, OURS))])
    head = [
        *SIZE_HEAD,
        "course notes",
        OURS,
        "fastest library",
        "library / fused",
        "products alone",
        "share of products",
        "share of limit",
    ]
    return Table("One training step, milliseconds", head, rows)


def ratio_table(results: Results) -> Table:
    """Return the time of each contender's step over handgrad's fused one, and its share of the limit."""
    others = [name for name in names_of(results) if name != OURS]
    rows = []
    for result in measured(results):
        ratios = [str(result.ratio(name) or NONE) for name in others]
        rows.append([*_sizes(result.case), *ratios, _percent(share_of_limit(result, OURS))])
    return Table(f"Time of one step divided by {OURS}'s", [*SIZE_HEAD, *others, "share of limit"], rows)


def time_table(results: Results, task: str) -> Table:
    """Return the times of a step or a gradient by contender, and the limit."""
    cases = measured(results)
    names = [
        name for name in names_of(results) if any(result.median(name, task) is not None for result in cases)
    ]
    rows = []
    for result in cases:
        times = [_time(result, name, task) for name in names]
        rows.append([*_sizes(result.case), *times, _number(limit(result, task), 1e3)])
    return Table(f"One {task}, milliseconds", [*SIZE_HEAD, *names, LIMIT], rows)


def machine_table(results: Results) -> Table:
    """Return the rates of the machine from which the limit is computed."""
    rows = []
    for result in measured(results):
        if is_width(result.case) and result.case.hidden == BASE.hidden:
            rates = [_number(gemm_rate(result), 1e-9, 0), _number(bandwidth(result), 1e-9, 1)]
            rows.append([str(result.case.threads), result.case.dtype, *rates])
    return Table("The machine", ["threads", "dtype", "GEMM, Gflop/s", "copy, GB/s"], rows)


def losses(results: Results) -> str:
    """List where another contender is faster in a step, however little, or say that none is."""
    lines = []
    for result in results.cases:
        ratios = {name: result.ratio(name) for name in names_of(results)}
        faster = [f"{name} {ratio}" for name, ratio in ratios.items() if ratio and ratio.value < 1]
        if faster:
            lines.append(f"{result.case}: {'; '.join(faster)}")
    title = f"Where {OURS} is slower, significantly if the {CONFIDENCE:.0%} interval ends below 1"
    return _list(title, lines) or f"No contender is faster than {OURS} in any case."


def notes(results: Results) -> list[str]:
    """List where handgrad is slower, whose rounds disagree, and what was refused, missing or cut short."""
    unsteady = []
    for task in ("gradient", "step", "gemm", "copy", "products"):
        contenders = [contender for result in results.cases for contender in result.contenders.values()]
        spreads = [contender.spread[task] for contender in contenders if task in contender.spread]
        disagreeing = sum(spread > STEADY_SPREAD for spread in spreads)
        if disagreeing:
            unsteady.append(f"{task}: {disagreeing} of {len(spreads)} times")
    refused = [
        f"{name}, {result.case}: {contender.refused}"
        for result in results.cases
        for name, contender in result.contenders.items()
        if contender.refused
    ]
    missing = [f"{name}; `{command}` installs it" for name, command in results.missing.items()]
    most = max(result.passes for result in results.cases)
    planned = [(result, min(most, passes_over(result.case))) for result in results.cases]
    unfinished = [
        f"{result.case}: {result.passes} of {whole} passes"
        for result, whole in planned
        if result.passes < whole
    ]
    candidates = [
        losses(results),
        _list(
            "Rounds that disagree (their middle half spreads over more than "
            f"{STEADY_SPREAD:.0%} of the median, marked {UNSTEADY})",
            unsteady,
        ),
        _list("Refused, so that no time is given", refused),
        _list("Not installed", missing),
        _list("Not measured as often as the others, for lack of time", unfinished),
    ]
    return [text for text in candidates if text]


def measured(results: Results) -> list[CaseResult]:
    """Return the cases that had a pass."""
    return [result for result in results.cases if result.contenders]


def names_of(results: Results) -> list[str]:
    """Return the contenders that took part, in the order of the columns."""
    return [name for name in CONTENDERS if any(name in result.contenders for result in results.cases)]


def fastest_other(result: CaseResult) -> str | None:
    """Return the contender from another library whose step is the fastest."""
    steps = {name: result.median(name, "step") for name in CONTENDERS if name not in OUR_OWN}
    known = {name: seconds for name, seconds in steps.items() if seconds is not None}
    return min(known, key=known.__getitem__, default=None)


def _list(title: str, lines: list[str]) -> str:
    """Return a list under its title; empty if there is nothing to list."""
    return "\n".join([f"{title}:", "", *(f"- {line}" for line in lines)]) if lines else ""


def _sizes(case: Case) -> list[str]:
    return [str(case.threads), case.dtype, str(case.hidden), str(case.batch_size), str(case.features)]


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{share:.0%}"


def _number(value: float | None, scale: float, digits: int | None = None) -> str:
    if value is None:
        return NONE
    value *= scale
    if digits is None:
        digits = 3 if value < 1 else 2 if value < 100 else 1
    return f"{value:.{digits}f}"


def _time(result: CaseResult, name: str, task: str) -> str:
    """Return a time in milliseconds."""
    seconds = result.median(name, task)
    if seconds is None:
        return NONE
    mark = UNSTEADY if result.contenders[name].spread[task] > STEADY_SPREAD else ""
    return mark + _number(seconds, 1e3)
