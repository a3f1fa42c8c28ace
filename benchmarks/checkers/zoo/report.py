"""The report on the zoo: the table, the functions that were not judged, and the faults."""

from pathlib import Path

from benchmarks.checkers.zoo.run import (
    CRASHED,
    DTYPES,
    NOT_JUDGED,
    RIGHT,
    WRONG,
    Asked,
    choose,
    run_zoo,
)
from benchmarks.results import Table, environment_line, publish, write_json

FAULTS = (
    "wrong called right", "right called wrong", CRASHED, "called right though nothing flows",
    "not judged without need",
)  # fmt: skip

HEAD = [
    "functions", "number", "right hands", "called wrong", "not judged", "wrong hands", "called right",
    "not judged", "without need",
]  # fmt: skip


def table(asked: list[Asked]) -> tuple[list[str], list[list[str]]]:
    """Return head and rows by kind and dtype, with the sum at the end."""
    groups = [
        (f"{kind}, {dtype}", [each for each in asked if (each.kind, each.dtype) == (kind, dtype)])
        for kind in dict.fromkeys(each.kind for each in asked)
        for dtype in DTYPES
    ]
    return HEAD, [_row(name, some) for name, some in [*groups, ("all", asked)] if some]


def _row(name: str, some: list[Asked]) -> list[str]:
    def count(truth: str, verdict: str | None = None) -> int:
        return sum(each.truth == truth and verdict in (None, each.verdict) for each in some)

    without = sum(each.fault == "not judged without need" for each in some)
    counts = [
        len({each.function for each in some}),
        count(RIGHT), count(RIGHT, WRONG), count(RIGHT, NOT_JUDGED),
        count(WRONG), count(WRONG, RIGHT), count(WRONG, NOT_JUDGED), without,
    ]  # fmt: skip
    return [name, *(f"{each:,}" for each in counts)]


def faults(asked: list[Asked]) -> list[str]:
    """Return a line for each wrong verdict, the most serious first."""
    found = sorted((each for each in asked if each.fault), key=lambda each: FAULTS.index(each.fault or ""))
    return [
        f"{each.fault}: {each.function}, {each.dtype}: {each.hand}"
        + (f" ({each.shown})" if each.shown else "")
        + (f": {each.reason[:300]}" if each.reason else "")
        for each in found
    ]


def excused(asked: list[Asked]) -> list[str]:
    """Return a line for each function that was not judged for an allowed reason."""
    lines: dict[str, int] = {}
    for each in asked:
        if each.verdict == NOT_JUDGED and each.excuse:
            line = f"{each.function}, {each.dtype}: {each.excuse}"
            lines[line] = lines.get(line, 0) + 1
    return [f"{line} ({count} hands)" for line, count in lines.items()]


def counted(asked: list[Asked]) -> str:
    """Return a sentence with the numbers that should be 0."""
    number = len({each.function for each in asked})
    by_fault = {
        name: sum(each.fault == name for each in asked)
        for name in ("wrong called right", "right called wrong")
    }
    crashed = sum(each.verdict == CRASHED for each in asked)
    said = f"{number} functions, {len(asked):,} hands. "
    said += "; ".join(f"{name}: {count}" for name, count in by_fault.items()) + "."
    return said + (f" Crashed: {crashed}." if crashed else "")


def measure_zoo(out: Path, only: str = "", quick: bool = False) -> int:
    """Check right and wrong gradients of hostile functions, write JSON, publish a table.

    Args:
        out: folder for zoo.json.
        only: part of the name of a kind or function.
        quick: take every third function, with one right hand and four wrong ones each.

    Returns:
        How often something wrong was called right, something right called wrong, or the checker crashed.

    Raises:
        ValueError: no kind or function has such a name.
    """
    return publish_zoo(run_zoo(choose(only, quick), quick), out)


def publish_zoo(asked: list[Asked], out: Path) -> int:
    """Write the results as JSON, publish a table, and count the faults that should be 0."""
    title = "Right and wrong gradients of hostile functions, and the checker's verdicts"
    environment = environment_line("numpy", "scipy", "jax")
    head, rows = table(asked)
    lists = {"Not judged, and why": excused(asked), "Faults": faults(asked)}
    write_json(
        out / "zoo.json", {"environment": environment, "hands": len(asked), "table": [head, *rows], **lists}
    )
    named = [
        f"{name}:\n\n" + "\n".join(f"- {line}" for line in lines) for name, lines in lists.items() if lines
    ]
    publish("zoo", [counted(asked), Table(title, head, rows), *named, environment], out)
    return sum(each.fault in ("wrong called right", "right called wrong", CRASHED) for each in asked)
