"""Plant mistakes in all programs, and print and keep how often the right line was named."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from autograd_ref.crosscheck.reports.report import NotJudged
from benchmarks.blame.measure import (
    Gradients,
    Outcome,
    check,
    gradients_of,
    is_mistake,
    measure,
    measure_pair,
    planted_in,
    sample,
)
from benchmarks.blame.mend import Mend
from benchmarks.blame.plant import KINDS, Planted
from benchmarks.blame.programs import Program, programs
from benchmarks.results import Part, Table, publish, write_json

__all__ = ["measure_blame"]

MISTAKES = 1_100
FEW = 200
PAIRS, FEW_PAIRS = 100, 20
SEED = 0


def measure_blame(out: Path, quick: bool) -> None:
    """Plant mistakes, and count how often they are detected and placed.

    Args:
        out: write the JSON to this folder.
        quick: plant 200 mistakes instead of 1,100.
    """
    every = {each.name: each for each in programs()}
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        blamed = [name for name, each in every.items() if _of_right(each, here)]
        right = {name: gradients_of(each, each.source, here) for name, each in every.items()}
        planted = {name: planted_in(each, here) for name, each in every.items()}
        outcomes = _planted(every, right, planted, here, FEW if quick else MISTAKES)
        pairs = _pairs(every, right, planted, here, FEW_PAIRS if quick else PAIRS)
    command = f"python -m benchmarks blame{' --quick' if quick else ''}"
    parts: list[Part] = [
        f"`{command}`, {time.strftime('%Y-%m-%d')}, {time.process_time() - start:.0f} s of CPU time.",
        f"Right programs that were blamed, in either dtype: {', '.join(blamed) or 'none'} of {len(every)}.",
        _table("By kind of mistake", outcomes, lambda each: each.kind, KINDS),
        _table("By program", outcomes, lambda each: each.program, list(every)),
        _repairs("Repairs, by kind of mistake", [(each.kind, each.mend) for each in outcomes], KINDS),
        _repairs("Repairs of two mistakes in one program", pairs, []),
    ]
    publish("blame", parts, out)
    write_json(
        out / "blame.json",
        {"blamed": blamed, "mistakes": [asdict(each) for each in outcomes]}
        | {"pairs": [{"program": name} | asdict(each) for name, each in pairs]},
    )


def _of_right(program: Program, folder: Path) -> bool:
    """Whether a right program is blamed."""
    return any(_is_blamed(program, folder, dtype) for dtype in (None, "float32"))


def _is_blamed(program: Program, folder: Path, dtype: str | None) -> bool:
    try:
        return bool(check(program, program.source, folder, dtype=dtype).blame)
    except NotJudged:
        return False


def _planted(
    every: dict[str, Program],
    right: dict[str, Gradients],
    planted: dict[str, list[Planted]],
    folder: Path,
    count: int,
) -> list[Outcome]:
    wanted = dict.fromkeys(KINDS, -(-count // len(KINDS)))
    outcomes: list[Outcome] = []
    for name, mistake in sample(planted, SEED):
        if not wanted[mistake.kind] or len(outcomes) == count:
            continue
        outcome = measure(every[name], mistake, folder, right[name])
        if outcome is not None:
            wanted[mistake.kind] -= 1
            outcomes.append(outcome)
            print(f"\r{len(outcomes)} of {count}", end="", flush=True)
    print()
    return outcomes


def _pairs(
    every: dict[str, Program],
    right: dict[str, Gradients],
    planted: dict[str, list[Planted]],
    folder: Path,
    count: int,
) -> list[tuple[str, Mend]]:
    """Repairs of two mistakes in different lines of one program."""
    found: list[tuple[str, Mend]] = []
    waiting: dict[str, Planted] = {}
    for name, mistake in sample(planted, SEED + 1):
        if len(found) == count:
            break
        first = waiting.pop(name, None)
        if first is None or first.line == mistake.line:
            waiting[name] = mistake
            continue
        if not all(is_mistake(every[name], each, folder, right[name]) for each in (first, mistake)):
            continue
        mend = measure_pair(every[name], first, mistake, folder, right[name])
        if mend is not None:
            found.append((name, mend))
    return found


def _table(
    title: str, outcomes: Sequence[Outcome], key: Callable[[Outcome], str], order: Sequence[str]
) -> Table:
    rows = [_row("all", outcomes)]
    for name in order:
        some = [each for each in outcomes if key(each) == name]
        rows += [_row(name, some)] if some else []
    head = ["", "mistakes", "detected", "first", "among three", "wrong alone", "seconds"]
    return Table(title, head, rows)


def _repairs(title: str, mends: Sequence[tuple[str, Mend]], order: Sequence[str]) -> Table:
    """How many mistakes were mended, how, and how long that took."""
    rows = [_repair_row("all", [each for _, each in mends])]
    for name in order:
        some = [each for key, each in mends if key == name]
        rows += [_repair_row(name, some)] if some else []
    head = ["", "mistakes", "mended", "as it was", "wrong repairs", "median (s)", "95 % (s)"]
    return Table(title, head, rows)


def _repair_row(name: str, some: Sequence[Mend]) -> list[str]:
    if not some:
        return [name, "0", *["-"] * 5]
    seconds = np.percentile([each.seconds for each in some], (50, 95))
    return [
        name,
        str(len(some)),
        f"{np.mean([each.found for each in some]):.1%}",
        f"{np.mean([each.restores for each in some]):.1%}",
        str(sum(each.wrong for each in some)),
        *(f"{each:.1f}" for each in seconds),
    ]


def _row(name: str, some: Sequence[Outcome]) -> list[str]:
    def share(count: int) -> str:
        return f"{count / len(some):.1%}" if some else "-"

    alone = sum(len(each.named) == 1 and each.place is None for each in some)
    seconds = sorted(each.seconds for each in some)
    return [
        name,
        str(len(some)),
        share(sum(each.detected for each in some)),
        share(sum(each.place == 0 for each in some)),
        share(sum(each.place is not None for each in some)),
        share(alone),
        f"{seconds[len(seconds) // 2]:.1f}" if seconds else "-",
    ]
