"""The tables of a run, and the lists that go with them."""

from collections.abc import Iterator

import numpy as np

from benchmarks.results import Table
from benchmarks.speed.cases import BASE, Case
from benchmarks.speed.contenders import CONTENDERS, LIMIT, OURS, entry
from benchmarks.speed.ratios import bandwidth, gemm_rate, limit, share_of_limit
from benchmarks.speed.schema import CaseResult, ContenderResult, Results

NONE = "–"
UNSTEADY = "~"  # before a time whose rounds disagree
# Rounds whose middle half spreads over more than this share of their median disagree.
STEADY_SPREAD = 0.15
UNITS = {"gradient": ("milliseconds", 1e3), "step": ("milliseconds", 1e3), "epoch": ("seconds", 1.0)}
OUR_OWN = ("course notes", "handgrad plain", OURS)
SIZE_HEAD = ["threads", "dtype", "H", "N", "D"]


def names_of(results: Results) -> list[str]:
    """Return the contenders that took part, in the order of the columns."""
    return [name for name in CONTENDERS if any(name in result.contenders for result in results.cases)]


def is_width(case: Case) -> bool:
    """Return whether the case is one of those that differ in H."""
    return (case.batch_size, case.features) == (BASE.batch_size, BASE.features)


def headline_table(results: Results) -> Table:
    """Return the widths in a few columns: handgrad, the fastest other library, the ratio, the limit."""
    rows = []
    for result in results.cases:
        if not is_width(result.case):
            continue
        rival = fastest_other(result)
        ratio = result.ratio(rival) if rival else None
        row = [str(result.case.threads), result.case.dtype, str(result.case.hidden)]
        row += [_time(result, name, "step", 1e3) for name in ("course notes", OURS)]
        row.append(f"{_time(result, rival, 'step', 1e3)}, {rival}" if rival else NONE)
        rows.append([*row, str(ratio or NONE), _percent(share_of_limit(result, OURS))])
    head = ["threads", "dtype", "H", "course notes", OURS, "fastest library", "× ours", "ours of the limit"]
    return Table("One training step, milliseconds", head, rows)


def fastest_other(result: CaseResult) -> str | None:
    """Return the contender from another library whose step is the fastest."""
    steps = {name: result.median(name, "step") for name in CONTENDERS if name not in OUR_OWN}
    measured = {name: seconds for name, seconds in steps.items() if seconds is not None}
    return min(measured, key=measured.__getitem__, default=None)


def ratio_table(results: Results) -> Table:
    """Return how many times as long as handgrad's fused step each other takes, and its share of the limit."""
    others = [name for name in names_of(results) if name != OURS]
    rows = [
        [
            *_sizes(result.case),
            *(str(result.ratio(name) or NONE) for name in others),
            _percent(share_of_limit(result, OURS)),
        ]
        for result in results.cases
    ]
    return Table(f"Times as long as {OURS}, one step", [*SIZE_HEAD, *others, "of the limit"], rows)


def time_table(results: Results, task: str) -> Table:
    """Return a task's times by contender, and the limit."""
    unit, scale = UNITS[task]
    measured = [result for result in results.cases if task in result.case.tasks]
    names = [
        name
        for name in names_of(results)
        if any(result.median(name, task) is not None for result in measured)
    ]
    rows = []
    for result in measured:
        times = [_time(result, name, task, scale) for name in names]
        rows.append([*_sizes(result.case), *times, _number(limit(result, task), scale)])
    return Table(f"One {task}, {unit}", [*SIZE_HEAD, *names, LIMIT], rows)


def start_table(results: Results) -> Table:
    """Return what comes before the first step, in the base case."""
    rows = []
    for result in results.cases:
        if result.case != BASE:
            continue
        for name in names_of(results):
            contender = result.contenders.get(name)
            if contender is None:
                continue
            imports = results.import_seconds.get(entry(name).imports)
            row = [name, f"{np.median(imports):.2f}" if imports else NONE]
            for task in ("gradient", "step"):
                seconds = _compile_seconds(contender, task) if _compiles(name) else None
                row.append(NONE if seconds is None else f"{seconds:.2f}")
            rows.append(row)
    head = ["contender", "import, s", "compile gradient, s", "compile step, s"]
    return Table(f"Before the first step ({BASE})", head, rows)


def machine_table(results: Results) -> Table:
    """Return the machine's rates, which the limit is made of, and the CPUs that were kept busy."""
    rows = []
    for result in results.cases:
        if is_width(result.case) and result.case.hidden == BASE.hidden:
            rates = [_number(gemm_rate(result), 1e-9, 0), _number(bandwidth(result), 1e-9, 1)]
            busy = f"{result.contenders[OURS].busy_cpus:.2f}" if OURS in result.contenders else NONE
            rows.append([str(result.case.threads), result.case.dtype, *rates, busy])
    head = ["threads", "dtype", "GEMM, Gflop/s", "copy, GB/s", "CPUs busy in our step"]
    return Table("The machine", head, rows)


def losses(results: Results) -> list[str]:
    """Return the cases in which another contender's step takes less time than handgrad's fused one."""
    lines = []
    for result in results.cases:
        ratios = {name: result.ratio(name) for name in names_of(results)}
        faster = [f"{name} {ratio}" for name, ratio in ratios.items() if ratio and ratio.value < 1]
        if faster:
            lines.append(f"{result.case}: {'; '.join(faster)}")
    return lines


def unsteady(results: Results) -> list[str]:
    """Return in how many times of each task the rounds disagree; empty if they do in none."""
    lines = []
    for task in ("gradient", "step", "epoch", "gemm", "copy"):
        spreads = [contender.spread[task] for contender in _contenders(results) if task in contender.spread]
        disagreeing = sum(spread > STEADY_SPREAD for spread in spreads)
        if disagreeing:
            lines.append(f"{task}: {disagreeing} of {len(spreads)} times")
    return lines


def refusals(results: Results) -> list[str]:
    """Return which contenders have no times, and why."""
    return [
        f"{name}, {result.case}: {contender.refused}"
        for result in results.cases
        for name, contender in result.contenders.items()
        if contender.refused
    ]


def _contenders(results: Results) -> Iterator[ContenderResult]:
    for result in results.cases:
        yield from result.contenders.values()


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


def _time(result: CaseResult, name: str, task: str, scale: float) -> str:
    seconds = result.median(name, task)
    if seconds is None:
        return NONE
    mark = UNSTEADY if result.contenders[name].spread[task] > STEADY_SPREAD else ""
    return mark + _number(seconds, scale)


def _compiles(name: str) -> bool:
    return name.startswith(("JAX", "torch.compile"))


def _compile_seconds(contender: ContenderResult, task: str) -> float | None:
    """Return what the first call took beyond the others."""
    first, later = contender.first_seconds.get(task), contender.median.get(task)
    return None if first is None or later is None else first - later
