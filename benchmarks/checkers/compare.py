"""Give the same planted mistakes and the same harmless variants to every gradient checker."""

import statistics
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.comparison import GRADIENTS
from autograd_ref.crosscheck.problems import Problem, random_problem
from benchmarks.checkers.contenders import CONTENDERS, INSTALL, Contender, judge
from benchmarks.checkers.mistaken_networks import HARMLESS, MISTAKES, UNKNOWN, network
from benchmarks.checkers.smallest_error import smallest_caught, with_error
from benchmarks.checkers.timing import LIMIT, Times, time_checks
from benchmarks.results import (
    Table,
    environment_line,
    progress,
    publish,
    write_json,
)

SIZES = 9, 7, 10, 5  # N, D, H, C
REG = 0.1
DTYPES = "float64", "float32"
# Mistakes below the rounding of float32, which do not count there.
FLOAT64_ONLY = "float32-inside", "log-epsilon", "one entry of dW1 off by a billionth"
# One setting of each checker; the other settings differ only in the threshold.
TIMED = (
    "handgrad check_network",
    "torch gradcheck",
    "torch gradcheck, fast_mode",
    "jax check_grads",
    "scipy check_grad < 1.5e-5",
    "CS231n ≤ 1e-4",
)


class Mistake(NamedTuple):
    """A network with one mistake.

    Attributes:
        name: its name in `mistaken_networks`.
        id: its id in the catalogue; None for a mistake that is not in it.
        first_wrong: the first wrong quantity.
        network: the class.
    """

    name: str
    id: str | None
    first_wrong: str
    network: type


def compare_checkers(parameters: Sequence[int], out: Path) -> None:
    """Score all checkers, time them on networks of these sizes; write the JSON, publish the tables."""
    present = {name: checker for name, checker in CONTENDERS.items() if find_spec(checker.needs) is not None}
    missing = {checker.needs for name, checker in CONTENDERS.items() if name not in present}
    scores: dict[str, dict[str, Any]] = {dtype: {} for dtype in DTYPES}
    for dtype, name in progress([(dtype, name) for dtype in DTYPES for name in present], "Scoring"):
        problem = random_problem(np.random.default_rng(0), SIZES, reg=REG, dtype=dtype)
        scores[dtype][name] = score(present[name], problem)
    times = time_checks([name for name in TIMED if name in present], parameters)

    environment = environment_line("numpy", "scipy", "jax", "torch")
    write_json(out / "checkers.json", {"environment": environment, "scores": scores, "seconds": times})
    tables = [score_table(dtype, scores[dtype]) for dtype in DTYPES]
    tables.append(time_table(times))
    tables.append(time_table(times, first=True))
    notes = [f"Not installed: {name}; `{INSTALL[name]}` adds it to the table." for name in sorted(missing)]
    publish("checkers", [*tables, environment, *notes], out)


def mistakes(dtype: str) -> list[Mistake]:
    """Return all planted mistakes that are mistakes in this dtype."""
    planted = []
    for name, (tensors, edits) in MISTAKES.items():
        first = next(quantity for quantity in GRADIENTS if quantity in tensors)
        planted.append(Mistake(name, name.split(" [")[0], first, network(*edits)))
    for name, (first, edits) in UNKNOWN.items():
        planted.append(Mistake(name, None, first, network(*edits)))
    return [mistake for mistake in planted if dtype == "float64" or not mistake.name.startswith(FLOAT64_ONLY)]


def score(contender: Contender, problem: Problem) -> dict[str, Any]:
    """Give every network to one checker; return the mistakes it missed or misnamed, and its false alarms."""
    planted = mistakes(problem.dtype.name)
    right = {"right": network(), **{name: network(*edits) for name, edits in HARMLESS.items()}}
    found = [(mistake, judge(contender, mistake.network, problem)) for mistake in planted]
    catalogued = [(mistake, finding) for mistake, finding in found if mistake.id is not None]
    return {
        "mistakes": len(planted),
        "in_catalogue": len(catalogued),
        "harmless": len(right),
        "missed": [mistake.name for mistake, finding in found if finding.ok],
        "first_wrong_not_named": [
            mistake.name for mistake, finding in found if finding.first_wrong != mistake.first_wrong
        ],
        "mistake_not_named": [
            mistake.name for mistake, finding in catalogued if finding.mistakes != {mistake.id}
        ],
        "false_alarms": [
            name for name, variant in right.items() if not judge(contender, variant, problem).ok
        ],
        "smallest_caught": smallest_error_caught(contender, problem),
    }


def network_with_error(relative: float) -> type:
    """Return the right network with a relative error in the entry of median size of dW1."""
    right: Any = network()

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

    Also return None for a checker that flags the right network, because its alarms mean nothing.
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


def time_table(times: Times, *, first: bool = False) -> Table:
    """Return the times of the first checks, or the medians of the later ones, by number of parameters."""
    title = "CPU seconds of one check, float64, one thread"
    if first:
        title = "The same, of the first check of that size, which compiles"
    sizes = sorted({size for by_size in times.values() for size in by_size})
    rows = []
    for name, by_size in times.items():
        cells = []
        for size in sizes:
            if seconds := by_size.get(size):
                cells.append(f"{seconds[0] if first else statistics.median(seconds[1:]):.2g}")
            else:
                cells.append(f"> {LIMIT:.0f}" if size in by_size else "–")
        rows.append([name, *cells])
    return Table(title, ["parameters", *(f"{size:.1e}" for size in sizes)], rows)
