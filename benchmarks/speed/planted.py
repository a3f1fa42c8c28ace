"""The benchmark tried on contenders with a planted fault: a wrong one, and one that does everything twice."""

from rich.console import Console

from benchmarks.results import show
from benchmarks.speed.cases import Case
from benchmarks.speed.contenders import OURS, PLANTED
from benchmarks.speed.ratios import median, ratio
from benchmarks.speed.rounds import Budget, run_pass
from benchmarks.speed.schema import CaseResult
from benchmarks.speed.work import count_work
from benchmarks.speed.worker import environment, imported

BESIDE = (OURS, "course notes")


def try_planted(case: Case, rounds: int, console: Console) -> CaseResult:
    """Time both beside those that they were made from, and print what is seen of them."""
    names = [*BESIDE, *PLANTED]
    result = CaseResult(case, count_work(case))
    with imported(names, environment(case.threads)) as libraries:
        result.entrants = run_pass(case, libraries, Budget(rounds, rounds, 0.0), ["gradient", "step"])
    rows = []
    for name in names:
        seconds, found = median(result, name, "step"), ratio(result, name, OURS, "step")
        said = result.entrants[name].refused or ""
        rows.append([name, f"{1e3 * seconds:.2f}" if seconds else "–", str(found or "–"), said])
    show(console, f"One step, {case}", ["contender", "ms", f"times as long as {OURS}", "refused"], rows)
    return result
