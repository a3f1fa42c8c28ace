"""The same planted mistakes and the same harmless variants, held before every gradient checker."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from autograd_ref.crosscheck.comparison import GRADIENTS
from autograd_ref.crosscheck.problems import Problem, random_problem
from benchmarks.checkers import mistaken_networks
from benchmarks.checkers.contenders import CONTENDERS, INSTALL, Contender, judge
from benchmarks.checkers.plot import draw
from benchmarks.checkers.sensitivity import planted, smallest_caught
from benchmarks.checkers.worker import TimedChecker
from benchmarks.results import (
    README,
    RESULTS,
    environment_line,
    markdown,
    progress,
    show,
    write_json,
    write_section,
)  # fmt: skip

SIZES = 9, 7, 10, 5  # N, D, H, C
REG = 0.1
DTYPES = "float64", "float32"
# Below the rounding of float32, and therefore no mistakes there.
FLOAT64_ONLY = "float32-inside", "log-epsilon", "one entry of dW1 off by a billionth"
# The settings that differ in more than their threshold.
TIMED = (
    "handgrad check_network", "torch gradcheck", "torch gradcheck, fast_mode", "jax check_grads",
    "scipy check_grad < 1.5e-5", "CS231n ≤ 1e-4",
)  # fmt: skip
PARAMETERS = tuple(10**k for k in range(2, 8))
LIMIT = 20.0  # seconds
ROUNDS = 3


@dataclass(frozen=True)
class Mistake:
    """A network with one mistake.

    Attributes:
        name: in `mistaken_networks`.
        id: in the catalogue; None for what is not in it.
        first_wrong: the quantity that is wrong first.
        network: the class.
    """

    name: str
    id: str | None
    first_wrong: str
    network: type


def mistakes(dtype: str) -> list[Mistake]:
    """All planted mistakes that are mistakes in this dtype."""
    found = []
    for name, (tensors, edits) in mistaken_networks.MISTAKES.items():
        first = next(quantity for quantity in GRADIENTS if quantity in tensors)
        found.append(Mistake(name, name.split(" [")[0], first, mistaken_networks.network(*edits)))
    for name, (first, edits) in mistaken_networks.UNKNOWN.items():
        found.append(Mistake(name, None, first, mistaken_networks.network(*edits)))
    return [each for each in found if dtype == "float64" or not each.name.startswith(FLOAT64_ONLY)]


def harmless() -> dict[str, type]:
    """The right network, and every right way to write it differently."""
    variants = {"right": (), **mistaken_networks.HARMLESS}
    return {name: mistaken_networks.network(*edits) for name, edits in variants.items()}


def score(contender: Contender, problem: Problem) -> dict[str, Any]:
    """Hold every network before one checker: what it missed, misplaced, misnamed and wrongly flagged."""
    planted = mistakes(problem.dtype.name)
    verdicts = {each.name: judge(contender, each.network, problem) for each in planted}
    in_catalogue = [each for each in planted if each.id is not None]
    outside = [each for each in planted if each.id is None]
    right = harmless()
    return {
        "mistakes": len(planted),
        "in_catalogue": len(in_catalogue),
        "harmless": len(right),
        "missed": [each.name for each in planted if verdicts[each.name].ok],
        "first_wrong_not_named": [
            each.name for each in planted if verdicts[each.name].first_wrong != each.first_wrong
        ],
        "mistake_not_named": [
            each.name for each in in_catalogue if verdicts[each.name].mistakes != {each.id}
        ],
        "wrongly_named": [each.name for each in outside if verdicts[each.name].mistakes],
        "false_alarms": [
            name for name, network in right.items() if not judge(contender, network, problem).ok
        ],
        "smallest_caught": sensitivity(contender, problem),
    }  # fmt: skip


def off_by(relative: float) -> type:
    """The right network, but for a relative error in the entry of median size of dW1."""

    class Off(mistaken_networks.network()):
        def loss(self, X: np.ndarray, y: np.ndarray | None = None, reg: float = 0.0) -> Any:
            if y is None:
                return super().loss(X)
            loss, grads = super().loss(X, y, reg)
            grads["W1"] = planted(grads["W1"], relative).astype(grads["W1"].dtype)
            return loss, grads

    return Off


def sensitivity(contender: Contender, problem: Problem) -> float | None:
    """The smallest relative error caught; None if errors of 1024 are not.

    None too for a checker that flags the right network, whose every word is then worth as little.
    """
    if not judge(contender, off_by(0.0), problem).ok:
        return None
    return smallest_caught(lambda error: not judge(contender, off_by(error), problem).ok, largest=10)


def time_checks(names: Sequence[str]) -> dict[str, dict[int, list[float] | None]]:
    """CPU seconds of each check, by contender and number of parameters; None where the limit was passed.

    The contenders take turns, each in a process of its own with one thread, whose CPU time is what a free
    machine's clock would show. The first of each list includes what is compiled at the first call; a third
    comes where the second took no more than two seconds.
    """
    workers = [TimedChecker(name, LIMIT) for name in names]
    times: dict[str, dict[int, list[float] | None]] = {name: {} for name in names}
    try:
        for size in progress(PARAMETERS, "Timing"):
            alive = [worker for worker in workers if worker.alive]
            if not alive:
                break
            exact = {worker.prepare(size) for worker in alive}
            parameters = exact.pop()
            for round_ in range(ROUNDS):
                for worker in alive[round_ % len(alive) :] + alive[: round_ % len(alive)]:
                    found = times[worker.name].setdefault(parameters, [])
                    if not worker.alive or found is None or (len(found) > 1 and found[1] > 2):
                        continue
                    seconds = worker.seconds()
                    if seconds is None:
                        times[worker.name][parameters] = None
                    else:
                        found.append(seconds)
    finally:
        for worker in workers:
            worker.stop()
    return times


def compare_checkers(out: Path = RESULTS) -> None:
    """Score and time all checkers; print the tables, and write JSON and a plot to a folder.

    With the default folder the tables go into benchmarks/README.md as well, and the first of them into
    the project's.
    """
    console = Console()
    ready = {name: each for name, each in CONTENDERS.items() if find_spec(each.needs) is not None}
    missing = {each.needs for name, each in CONTENDERS.items() if name not in ready}
    problems = {
        dtype: random_problem(np.random.default_rng(0), SIZES, reg=REG, dtype=dtype) for dtype in DTYPES
    }
    cases = [(dtype, name) for dtype in DTYPES for name in ready]
    scores: dict[str, dict[str, Any]] = {dtype: {} for dtype in DTYPES}
    for dtype, name in progress(cases, "Scoring"):
        scores[dtype][name] = score(ready[name], problems[dtype])
    times = time_checks([name for name in TIMED if name in ready])

    environment = environment_line("numpy", "scipy", "jax", "torch")
    write_json(out / "checkers.json", {"environment": environment, "scores": scores, "seconds": times})
    draw(scores, times, LIMIT, out / "checkers.png")
    tables = [_score_table(dtype, scores[dtype]) for dtype in DTYPES]
    tables.append(_time_table("CPU seconds of one check, float64, one thread", times, _again))
    tables.append(_time_table("The same, of the first check of that size, which compiles", times, _first))
    for title, head, rows in tables:
        show(console, title, head, rows)
    notes = [f"{environment}."]
    notes += [
        f"Not installed: {each}; `{INSTALL[each]}` brings it into the table." for each in sorted(missing)
    ]
    for note in notes:
        console.print(note, highlight=False, markup=False)
    if out == RESULTS:
        sections = [f"{title}:\n\n{markdown(head, rows)}" for title, head, rows in tables]
        picture = "![Time and sensitivity of the checkers](results/checkers.png)"
        write_section("checkers", "\n\n".join([*sections, picture, *notes]))
        write_section("checkers", sections[0], README.parent.parent / "README.md")


def _score_table(
    dtype: str, scores: Mapping[str, Mapping[str, Any]]
) -> tuple[str, list[str], list[list[str]]]:
    any_ = next(iter(scores.values()))
    title = (
        f"{dtype}: {any_['mistakes']} planted mistakes, {any_['in_catalogue']} of them in the catalogue; "
        f"{any_['harmless']} right networks"
    )
    head = ["checker", "detected", "false alarms", "first wrong named", "mistake named", "smallest error"]
    rows = []
    for name, found in scores.items():
        smallest = found["smallest_caught"]
        shares = [
            1 - len(found["missed"]) / found["mistakes"],
            len(found["false_alarms"]) / found["harmless"],
            1 - len(found["first_wrong_not_named"]) / found["mistakes"],
            1 - len(found["mistake_not_named"]) / found["in_catalogue"],
        ]
        cells = [f"{share:.0%}" for share in shares]
        rows.append([name, *cells, "–" if smallest is None else f"{smallest:.0e}"])
    return title, head, rows


def _again(seconds: list[float]) -> float:
    return statistics.median(seconds[1:])


def _first(seconds: list[float]) -> float:
    return seconds[0]


def _time_table(
    title: str, times: Mapping[str, Mapping[int, list[float] | None]], of: Callable[[list[float]], float]
) -> tuple[str, list[str], list[list[str]]]:
    sizes = sorted({size for found in times.values() for size in found})
    rows = []
    for name, found in times.items():
        cells = []
        for size in sizes:
            seconds = found.get(size)
            passed = f"> {LIMIT:.0f}" if size in found else "–"
            cells.append(f"{of(seconds):.2g}" if seconds else passed)
        rows.append([name, *cells])
    return title, ["parameters", *(f"{size:.1e}" for size in sizes)], rows
