"""The training step alone, in the cases that are asked for."""

from itertools import product

from rich.console import Console

from benchmarks.speed.cases import Case
from benchmarks.speed.contenders import CONTENDERS, LIMIT, OURS, missing
from benchmarks.speed.ratios import limit, median
from benchmarks.speed.rounds import Budget, run_pass
from benchmarks.speed.schema import CaseResult
from benchmarks.speed.tables import fastest_other
from benchmarks.speed.work import count_work
from benchmarks.speed.worker import environment, imported


def compare_steps(
    hidden: tuple[int, ...], dtypes: tuple[str, ...], threads: tuple[int, ...], rounds: int
) -> None:
    """Time all cases and print a Markdown table of them, row by row as they are done."""
    out = Console(soft_wrap=True, highlight=False)
    absent = missing([*CONTENDERS])
    names = [name for name in CONTENDERS if name not in absent]
    head = ["threads", "dtype", "H", *names, "× ours: the fastest library", "ours of the limit"]
    out.print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for number in threads:
        with imported([*names, LIMIT], environment(number)) as libraries:
            for dtype, units in product(dtypes, hidden):
                case = Case(units, dtype, number)
                result = CaseResult(case, count_work(case))
                budget = Budget(rounds, rounds, 0.0)
                result.entrants = run_pass(case, libraries, budget, ["step", "gemm", "copy"])
                out.print(_row(result, names))
    for name, command in absent.items():
        out.print(f"Not installed: {name}; `{command}` brings it in.")


def _row(result: CaseResult, names: list[str]) -> str:
    """Milliseconds of a step, medians over the rounds; the ratio with its interval."""
    cells = [str(result.case.threads), result.case.dtype, str(result.case.hidden)]
    for name in names:
        seconds = median(result, name, "step")
        cells.append("–" if seconds is None else f"{1000 * seconds:.2f}")
    rival, found = fastest_other(result)
    own, bound = median(result, OURS, "step"), limit(result, "step")
    cells += [f"{found}, {rival}" if found else "–", f"{bound / own:.0%}" if own and bound else "–"]
    return f"| {' | '.join(cells)} |"
