"""The tables of a run: each a title, a head and rows of text."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmarks.speed.cases import BASE, Case
from benchmarks.speed.contenders import CONTENDERS, LIMIT, OURS, entry
from benchmarks.speed.growth import (
    SIZES,
    along,
    crossings,
    exponent,
    theory,
    times,
    working_bytes,
)
from benchmarks.speed.ratios import (
    Ratio,
    bandwidth,
    disagree,
    gemm_rate,
    limit,
    median,
    ratio,
    rounds,
)
from benchmarks.speed.schema import CaseResult, Results

NONE = "–"
UNSTEADY = "~"  # before a time whose rounds disagree
UNITS = {"gradient": ("milliseconds", 1e3), "step": ("milliseconds", 1e3), "epoch": ("seconds", 1.0)}


class Table(NamedTuple):
    """A table, every cell as it is printed."""

    title: str
    head: list[str]
    rows: list[list[str]]


def names_of(results: Results) -> list[str]:
    """The contenders that took part, in the order of the columns."""
    return [name for name in CONTENDERS if any(name in each.entrants for each in results.cases)]


def is_width(case: Case) -> bool:
    """Whether the case is one of those over H."""
    return (case.batch_size, case.features) == (BASE.batch_size, BASE.features)


def time_table(results: Results, task: str) -> Table:
    """A task's times by contender, and the limit."""
    unit, scale = UNITS[task]
    names = [name for name in names_of(results) if any(rounds(each, name, task) for each in results.cases)]
    measured = [each for each in results.cases if task in each.case.tasks]
    rows = [
        [
            *_sizes(each.case),
            *(_time(each, name, task, scale) for name in names),
            _number(limit(each, task), scale),
        ]
        for each in measured
    ]
    return Table(f"One {task}, {unit}", [*SIZE_HEAD, *names, LIMIT], rows)


def ratio_table(results: Results) -> Table:
    """How many times as long as handgrad's fused step each other's takes, and its share of the limit."""
    others = [name for name in names_of(results) if name != OURS]
    rows = []
    for each in results.cases:
        own, bound = median(each, OURS, "step"), limit(each, "step")
        share = f"{bound / own:.0%}" if own and bound else NONE
        found = [ratio(each, name, OURS, "step") for name in others]
        rows.append([*_sizes(each.case), *(NONE if one is None else str(one) for one in found), share])
    return Table(f"Times as long as {OURS}, one step", [*SIZE_HEAD, *others, "of the limit"], rows)


def headline_table(results: Results) -> Table:
    """The widths in a few columns: handgrad, JAX and PyTorch at their best, the ratio, the limit."""
    rows = []
    for each in results.cases:
        if not is_width(each.case):
            continue
        rival, found = fastest_other(each)
        own, bound = median(each, OURS, "step"), limit(each, "step")
        rows.append([
            _threads(each.case), each.case.dtype, str(each.case.hidden),
            *(_time(each, name, "step", 1e3) for name in ("course notes", OURS)),
            NONE if rival is None else f"{_time(each, rival, 'step', 1e3)}, {rival}",
            NONE if found is None else str(found),
            f"{bound / own:.0%}" if own and bound else NONE,
        ])  # fmt: skip
    head = ["threads", "dtype", "H", "course notes", OURS, "fastest library", "× ours", "ours of the limit"]
    return Table("One training step, milliseconds", head, rows)


def fastest_other(result: CaseResult) -> tuple[str | None, Ratio | None]:
    """The fastest contender from another library in a step, and how many times as long as ours it takes."""
    found = {name: median(result, name, "step") for name in CONTENDERS if name not in OUR_OWN}
    there = {name: seconds for name, seconds in found.items() if seconds is not None}
    if not there:
        return None, None
    name = min(there, key=lambda each: there[each])
    return name, ratio(result, name, OURS, "step")


OUR_OWN = ("course notes", "handgrad plain", OURS)


def start_table(results: Results) -> Table:
    """What comes before the first step, and memory: of the base case."""
    rows = []
    base = [each for each in results.cases if each.case == BASE]
    for result, name in (
        (each, name) for each in base for name in names_of(results) if name in each.entrants
    ):
        entrant = result.entrants[name]
        imported = results.import_seconds.get(entry(name).imports) or []
        compiled = [_compile_seconds(result, name, task) for task in ("gradient", "step")]
        memory = (entrant.peak_bytes, entrant.working_bytes) if entrant.refused is None else (None, None)
        rows.append([
            name,
            f"{np.median(imported):.2f}" if imported else NONE,
            *(NONE if seconds is None else f"{seconds:.2f}" for seconds in compiled),
            *(_number(each, 1 / (1 << 20), 0) for each in memory),
        ])  # fmt: skip
    head = [
        "contender",
        "import, s",
        "compile gradient, s",
        "compile step, s",
        "peak, MiB",
        "beside the data, MiB",
    ]
    return Table(f"Before the first step, and memory ({BASE})", head, rows)


def growth_table(results: Results) -> Table:
    """Exponents of time and memory in H, N and D, beside the theoretical ones."""
    measured = [(size, along(results.cases, size)) for size in SIZES.values()]
    head = ["contender"]
    columns: list[Callable[[str], str]] = []
    theories = ["in theory"]
    for letter, (size, cases) in zip(SIZES, measured, strict=True):
        if len(cases) < 3:
            continue
        span = f"{getattr(cases[0].case, size)}–{getattr(cases[-1].case, size)}"
        for quantity in ("time", "memory"):
            head.append(f"{quantity} in {letter}, {span}")
            expected = exponent(cases, size, theory(quantity))
            theories.append(NONE if expected is None else f"{expected.slope:.2f}")
            measure = times if quantity == "time" else _memory
            columns.append(lambda name, size=size, cases=cases, measure=measure: _text(
                exponent(cases, size, measure(name, "step"))))  # fmt: skip
    rows = [[name, *(column(name) for column in columns)] for name in names_of(results)]
    title = "Growth of a step: fitted exponents ± standard error, float32, 1 thread"
    return Table(title, head, [theories, *rows] if columns else [])


def crossing_table(results: Results) -> Table:
    """Where one contender overtakes another in a step."""
    rows = [
        [each.setting, each.faster_before, each.faster_after, f"{each.hidden:.0f}"]
        for each in crossings(results.cases, "step")
    ]
    head = ["setting", "faster below", "faster above", "about H"]
    return Table("Who overtakes whom as H grows, one step", head, rows)


def work_table(results: Results) -> Table:
    """Operations and bytes of a gradient: the hand count beside XLA's."""
    rows = []
    for each in along(results.cases, "hidden") + along(
        results.cases, "hidden", replace(BASE, dtype="float64")
    ):
        work = each.work
        rows.append([
            *_sizes(each.case),
            *(f"{count / 1e6:.1f}" for count in (work.hand_flops, work.xla_flops)),
            f"{work.xla_flops / work.hand_flops:.3f}",
            *(f"{count / 1e6:.1f}" for count in (work.least_bytes, work.hand_bytes, work.xla_bytes)),
        ])  # fmt: skip
    head = [
        *SIZE_HEAD,
        "by hand, Mflop",
        "XLA, Mflop",
        "XLA / hand",
        "at least, MB",
        "by hand, MB",
        "XLA, MB",
    ]
    return Table("Work of one gradient", head, rows)


def machine_table(results: Results) -> Table:
    """The machine's rates, which the limit is made of, and the CPUs that were kept busy."""
    rows = []
    for each in results.cases:
        rate, bytes_per_second = gemm_rate(each), bandwidth(each)
        if is_width(each.case) and each.case.hidden == BASE.hidden:
            busy = each.entrants[OURS].cpus.get("step")
            rows.append([
                _threads(each.case), each.case.dtype,
                _number(rate, 1e-9, 0), _number(bytes_per_second, 1e-9, 1), _number(busy, 1, 2),
            ])  # fmt: skip
    return Table(
        "The machine", ["threads", "dtype", "GEMM, Gflop/s", "copy, GB/s", "CPUs busy in our step"], rows
    )


def losses(results: Results) -> list[str]:
    """The cases in which another contender's step takes less time than handgrad's fused one."""
    found = []
    for each in results.cases:
        faster = []
        for name in names_of(results):
            one = ratio(each, name, OURS, "step") if name != OURS else None
            if one is not None and one.value < 1:
                faster.append(f"{name} {one}")
        if faster:
            found.append(f"{each.case}: {'; '.join(faster)}")
    return found


def unsteady(results: Results) -> list[str]:
    """In how many times of each task the rounds disagree; empty if they do in none."""
    found = []
    for task in ("gradient", "step", "epoch", "gemm", "copy"):
        times = [rounds(each, name, task) for each in results.cases for name in each.entrants]
        there = [seconds for seconds in times if seconds]
        disagreeing = sum(map(disagree, there))
        if disagreeing:
            found.append(f"{task}: {disagreeing} of {len(there)} times")
    return found


def passes(result: CaseResult) -> int:
    """How often the case was gone through."""
    return max(
        (len(found) for each in result.entrants.values() for found in each.seconds.values()), default=0
    )


def refusals(results: Results) -> list[str]:
    """Who has no times, and why."""
    return [
        f"{name}, {each.case}: {entrant.refused}"
        for each in results.cases
        for name, entrant in each.entrants.items()
        if entrant.refused
    ]


SIZE_HEAD = ["threads", "dtype", "H", "N", "D"]


def _sizes(case: Case) -> list[str]:
    return [_threads(case), case.dtype, str(case.hidden), str(case.batch_size), str(case.features)]


def _threads(case: Case) -> str:
    return str(case.threads)


def _number(value: float | None, scale: float, digits: int | None = None) -> str:
    if value is None:
        return NONE
    value *= scale
    if digits is None:
        digits = 3 if value < 1 else 2 if value < 100 else 1
    return f"{value:.{digits}f}"


def _time(result: CaseResult, name: str, task: str, scale: float) -> str:
    seconds = rounds(result, name, task)
    if not seconds:
        return NONE
    return (UNSTEADY if disagree(seconds) else "") + _number(float(np.median(seconds)), scale)


def _compile_seconds(result: CaseResult, name: str, task: str) -> float | None:
    """What the first call took beyond the others, in the first pass; None for who compiles nothing."""
    first, later = result.entrants[name].first_seconds.get(task), median(result, name, task)
    if not first or later is None or not _compiles(name):
        return None
    return first[0] - later


def _compiles(name: str) -> bool:
    return name.startswith(("JAX", "torch.compile"))


def _memory(name: str, task: str) -> Callable[[CaseResult], float | None]:
    return lambda result: working_bytes(result, name)


def _text(found: object) -> str:
    return NONE if found is None else str(found)


def note(title: str, lines: Sequence[str]) -> str:
    """A list under a line that says what it is; empty if there is nothing to list."""
    return "\n".join([f"{title}:", "", *(f"- {line}" for line in lines)]) if lines else ""
