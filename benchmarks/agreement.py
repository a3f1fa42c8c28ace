"""Two runs held against each other: does each find the other's ratios within its own intervals?"""

from rich.console import Console

from benchmarks.contenders import CONTENDERS, OURS
from benchmarks.ratios import CONFIDENCE, Ratio, ratio
from benchmarks.results import show
from benchmarks.schema import Results


def agree(one: Ratio, other: Ratio) -> bool:
    """Whether each lies within the other's interval."""
    return one.low <= other.value <= one.high and other.low <= one.value <= other.high


def compare_runs(one: Results, other: Results, console: Console) -> bool:
    """Print the ratios of a step that do not agree, and how many do; returns whether all do."""
    again = {each.case: each for each in other.cases}
    rows, count = [], 0
    for each in one.cases:
        for name in CONTENDERS:
            if each.case not in again or name == OURS:
                continue
            found, found_again = (ratio(run, name, OURS, "step") for run in (each, again[each.case]))
            if found is None or found_again is None:
                continue
            count += 1
            if not agree(found, found_again):
                rows.append([str(each.case), name, str(found), str(found_again)])
    if rows:
        title = f"Not within each other's intervals ({CONFIDENCE:.0%})"
        show(console, title, ["case", f"times as long as {OURS}", "one run", "the other"], rows)
    console.print(f"{count - len(rows)} of {count} ratios agree.", highlight=False)
    return not rows
