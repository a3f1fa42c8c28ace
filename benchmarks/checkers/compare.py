"""The same planted mistakes and the same harmless variants, shown to every gradient checker."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from autograd_ref.crosscheck.comparison import GRADIENTS
from autograd_ref.crosscheck.problems import Problem, random_problem
from benchmarks.checkers import mistaken_networks
from benchmarks.checkers.contenders import CONTENDERS, INSTALL, Contender, judge
from benchmarks.checkers.plot import draw
from benchmarks.checkers.smallest_error import smallest_caught, with_error
from benchmarks.checkers.timing import LIMIT, Times, time_checks
from benchmarks.results import (
    PROJECT_README,
    RESULTS,
    Picture,
    Table,
    as_markdown,
    environment_line,
    progress,
    publish,
    write_json,
    write_section,
)

SIZES = 9, 7, 10, 5  # N, D, H, C
REG = 0.1
DTYPES = "float64", "float32"
# Below the rounding of float32, and therefore no mistakes there.
FLOAT64_ONLY = "float32-inside", "log-epsilon", "one entry of dW1 off by a billionth"
# One setting of each checker: the others differ only in their threshold.
TIMED = (
    "handgrad check_network",
    "torch gradcheck",
    "torch gradcheck, fast_mode",
    "jax check_grads",
    "scipy check_grad < 1.5e-5",
    "CS231n ≤ 1e-4",
)


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


def compare_checkers(parameters: Sequence[int], out: Path) -> None:
    """Score and time all checkers; write JSON and picture, and publish the tables.

    Args:
        parameters: about how many parameters the networks have that the checkers are timed on.
        out: folder of the results.
    """
    present = {name: checker for name, checker in CONTENDERS.items() if find_spec(checker.needs) is not None}
    missing = {checker.needs for name, checker in CONTENDERS.items() if name not in present}
    problems = {
        dtype: random_problem(np.random.default_rng(0), SIZES, reg=REG, dtype=dtype) for dtype in DTYPES
    }
    cases = [(dtype, name) for dtype in DTYPES for name in present]
    scores: dict[str, dict[str, Any]] = {dtype: {} for dtype in DTYPES}
    for dtype, name in progress(cases, "Scoring"):
        scores[dtype][name] = score(present[name], problems[dtype])
    times = time_checks([name for name in TIMED if name in present], parameters)

    environment = environment_line("numpy", "scipy", "jax", "torch")
    write_json(out / "checkers.json", {"environment": environment, "scores": scores, "seconds": times})
    draw(scores, times, LIMIT, out / "checkers.png")
    tables = [score_table(dtype, scores[dtype]) for dtype in DTYPES]
    tables.append(time_table("CPU seconds of one check, float64, one thread", times, _again))
    tables.append(time_table("The same, of the first check of that size, which compiles", times, _first))
    picture = Picture("checkers.png", "Time and sensitivity of the checkers")
    notes = [
        f"Not installed: {name}; `{INSTALL[name]}` brings it into the table." for name in sorted(missing)
    ]
    publish("checkers", [*tables, picture, environment, *notes], out)
    if out.resolve() == RESULTS:
        write_section("checkers", as_markdown(tables[:1]), PROJECT_README)


def mistakes(dtype: str) -> list[Mistake]:
    """Return all planted mistakes that are mistakes in this dtype."""
    planted = []
    for name, (tensors, edits) in mistaken_networks.MISTAKES.items():
        first = next(quantity for quantity in GRADIENTS if quantity in tensors)
        planted.append(Mistake(name, name.split(" [")[0], first, mistaken_networks.network(*edits)))
    for name, (first, edits) in mistaken_networks.UNKNOWN.items():
        planted.append(Mistake(name, None, first, mistaken_networks.network(*edits)))
    return [mistake for mistake in planted if dtype == "float64" or not mistake.name.startswith(FLOAT64_ONLY)]


def harmless() -> dict[str, type]:
    """Return the right network, and every right way to write it differently."""
    variants: dict[str, Sequence[tuple[str, str]]] = {"right": (), **mistaken_networks.HARMLESS}
    return {name: mistaken_networks.network(*edits) for name, edits in variants.items()}


def score(contender: Contender, problem: Problem) -> dict[str, Any]:
    """Show every network to one checker: what it missed, misplaced, misnamed and wrongly flagged."""
    planted = mistakes(problem.dtype.name)
    findings = {mistake.name: judge(contender, mistake.network, problem) for mistake in planted}
    in_catalogue = [mistake for mistake in planted if mistake.id is not None]
    outside = [mistake for mistake in planted if mistake.id is None]
    right = harmless()
    return {
        "mistakes": len(planted),
        "in_catalogue": len(in_catalogue),
        "harmless": len(right),
        "missed": [mistake.name for mistake in planted if findings[mistake.name].ok],
        "first_wrong_not_named": [
            mistake.name for mistake in planted if findings[mistake.name].first_wrong != mistake.first_wrong
        ],
        "mistake_not_named": [
            mistake.name for mistake in in_catalogue if findings[mistake.name].mistakes != {mistake.id}
        ],
        "wrongly_named": [mistake.name for mistake in outside if findings[mistake.name].mistakes],
        "false_alarms": [
            name for name, network in right.items() if not judge(contender, network, problem).ok
        ],
        "smallest_caught": smallest_error_caught(contender, problem),
    }


def network_with_error(relative: float) -> type:
    """Return the right network, but for a relative error in the entry of median size of dW1."""
    right: Any = mistaken_networks.network()

    class Off(right):  # type: ignore[misc]
        def loss(self, X: np.ndarray, y: np.ndarray | None = None, reg: float = 0.0) -> Any:
            if y is None:
                return super().loss(X)
            loss, grads = super().loss(X, y, reg)
            grads["W1"] = with_error(grads["W1"], relative).astype(grads["W1"].dtype)
            return loss, grads

    return Off


def smallest_error_caught(contender: Contender, problem: Problem) -> float | None:
    """Return the smallest relative error that a checker catches; None if it misses errors of 1024.

    None too for a checker that flags the right network, so that its alarms say nothing.
    """

    def is_caught(error: float) -> bool:
        return not judge(contender, network_with_error(error), problem).ok

    return None if is_caught(0.0) else smallest_caught(is_caught, largest=10)


def score_table(dtype: str, scores: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the shares of mistakes detected, placed and named, of false alarms, and the smallest error."""
    counts = next(iter(scores.values()))
    rows = []
    for name, result in scores.items():
        shares = [
            1 - len(result["missed"]) / result["mistakes"],
            len(result["false_alarms"]) / result["harmless"],
            1 - len(result["first_wrong_not_named"]) / result["mistakes"],
            1 - len(result["mistake_not_named"]) / result["in_catalogue"],
        ]
        smallest = result["smallest_caught"]
        percents = [f"{share:.0%}" for share in shares]
        rows.append([name, *percents, "–" if smallest is None else f"{smallest:.0e}"])
    title = (
        f"{dtype}: {counts['mistakes']} planted mistakes, {counts['in_catalogue']} of them in the catalogue; "
        f"{counts['harmless']} right networks"
    )
    head = ["checker", "detected", "false alarms", "first wrong named", "mistake named", "smallest error"]
    return Table(title, head, rows)


def time_table(title: str, times: Times, value_of: Callable[[list[float]], float]) -> Table:
    """Return one value of every checker's times, by number of parameters."""
    sizes = sorted({size for by_size in times.values() for size in by_size})
    rows = []
    for name, by_size in times.items():
        cells = []
        for size in sizes:
            seconds = by_size.get(size)
            missing = f"> {LIMIT:.0f}" if size in by_size else "–"
            cells.append(f"{value_of(seconds):.2g}" if seconds else missing)
        rows.append([name, *cells])
    return Table(title, ["parameters", *(f"{size:.1e}" for size in sizes)], rows)


def _again(seconds: list[float]) -> float:
    return statistics.median(seconds[1:])


def _first(seconds: list[float]) -> float:
    return seconds[0]
