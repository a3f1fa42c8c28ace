"""Report how often the checker names the line of a planted mistake, and finds a repair."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.blame.bench import Bench
from benchmarks.blame.measure import Outcome
from benchmarks.blame.plant import KINDS
from benchmarks.blame.repaired import Repaired
from benchmarks.results import Part, Table, publish, write_json

__all__ = ["measure_blame"]

# Numbers of mistakes of each kind, and of pairs of mistakes; FEW for a quick run.
MISTAKES, FEW = 200, 21
PAIRS, FEW_PAIRS = 100, 20


def measure_blame(out: Path, quick: bool, jobs: int, seed: int, repairs: bool) -> None:
    """Plant mistakes, and count how often they are detected, placed and repaired.

    Args:
        out: write the JSON to this folder.
        quick: plant about 200 mistakes instead of more than 1,000.
        jobs: number of processes.
        seed: seed of the sample.
        repairs: whether to search for repairs.
    """
    start = time.perf_counter()
    options = {"quick": "--quick", "jobs": f"--jobs {jobs}", "seed": f"--seed {seed}"}
    given = {"quick": quick, "jobs": jobs != 1, "seed": seed != 0}
    told = [options[name] for name in options if given[name]] + ["--no-repairs"] * (not repairs)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), jobs, seed, repairs, out / "blame.part.jsonl")
        blamed = bench.right_programs_blamed()
        outcomes = bench.mistakes(FEW if quick else MISTAKES)
        pairs = bench.pairs(FEW_PAIRS if quick else PAIRS) if repairs else []
    parts: list[Part] = [
        f"`{' '.join(['python -m benchmarks blame', *told])}`, {time.strftime('%Y-%m-%d')}, "
        f"{time.perf_counter() - start:.0f} s.",
        f"Right programs that were blamed, in either dtype: {', '.join(blamed) or 'none'} of "
        f"{len(bench.programs)}.",
        _table("By kind of mistake", outcomes, lambda each: each.kind, KINDS),
        _table("By program", outcomes, lambda each: each.program, list(bench.programs)),
    ]
    if repairs:
        of_kinds = [(each.kind, each.repair) for each in outcomes]
        parts += [
            _repairs("Repairs, by kind of mistake", of_kinds, KINDS),
            _repairs("Repairs of two mistakes in one program", pairs, []),
        ]
    publish("blame", parts, out)
    write_json(
        out / "blame.json",
        {"blamed": blamed, "mistakes": [asdict(each) for each in outcomes]}
        | {"pairs": [{"program": name} | asdict(each) for name, each in pairs]},
    )
    bench.forget()


def _table(
    title: str, outcomes: Sequence[Outcome], key: Callable[[Outcome], str], order: Sequence[str]
) -> Table:
    rows = [_row("all", outcomes)]
    for name in order:
        some = [each for each in outcomes if key(each) == name]
        rows += [_row(name, some)] if some else []
    head = ["", "mistakes", "detected", "first", "among three", "wrong alone", "seconds"]
    return Table(title, head, rows)


def _repairs(title: str, found: Sequence[tuple[str, Repaired]], order: Sequence[str]) -> Table:
    """Return the table of repairs: the shares of repaired mistakes, and the times of the search."""
    rows = [_repair_row("all", [each for _, each in found])]
    for name in order:
        some = [each for key, each in found if key == name]
        rows += [_repair_row(name, some)] if some else []
    head = ["", "mistakes", "repaired", "as it was", "wrong repairs", "median (s)", "95 % (s)"]
    return Table(title, head, rows)


def _repair_row(name: str, some: Sequence[Repaired]) -> list[str]:
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
