"""Two runs held against each other: does each find the other's ratios within its own intervals?

An interval of 99 % misses one ratio in a hundred. Of some hundred a few lie outside, then; more must not.
"""

from rich.console import Console

from benchmarks.results import show
from benchmarks.speed.contenders import CONTENDERS, OURS
from benchmarks.speed.ratios import CONFIDENCE, Ratio, ratio
from benchmarks.speed.schema import Results


def agree(one: Ratio, other: Ratio) -> bool:
    """Whether each lies within the other's interval."""
    return _holds(one, other) and _holds(other, one)


def compare_runs(one: Results, other: Results, console: Console) -> bool:
    """Print the ratios of a step that do not agree, and how many do.

    Returns:
        Whether the intervals keep their promise: that no more of the other run's ratios lie outside of them
        than chance explains (one-sided binomial test, `scipy.stats.binomtest`, as if all were independent).
    """
    from scipy.stats import binomtest

    again = {each.case: each for each in other.cases}
    rows, count, misses = [], 0, 0
    for each in one.cases:
        for name in CONTENDERS:
            if each.case not in again or name == OURS:
                continue
            found, found_again = (ratio(run, name, OURS, "step") for run in (each, again[each.case]))
            if found is None or found_again is None:
                continue
            count += 1
            misses += (not _holds(found, found_again)) + (not _holds(found_again, found))
            if not agree(found, found_again):
                rows.append([str(each.case), name, str(found), str(found_again)])
    if rows:
        title = f"Not within each other's intervals ({CONFIDENCE:.0%})"
        show(console, title, ["case", f"times as long as {OURS}", "one run", "the other"], rows)
    if not count:
        console.print("The runs have no ratio in common.", highlight=False)
        return False
    expected = 2 * count * (1 - CONFIDENCE)
    chance = float(binomtest(misses, 2 * count, 1 - CONFIDENCE, alternative="greater").pvalue)
    console.print(
        f"{count - len(rows)} of {count} ratios are within each other's intervals. Of {2 * count} ratios, "
        f"{misses} are outside of the other run's interval; {CONFIDENCE:.0%} means {expected:.1f} by chance, "
        f"and so many or more with a probability of {chance:.2g}.",
        highlight=False,
    )
    return chance >= 1 - CONFIDENCE


def _holds(interval: Ratio, ratio: Ratio) -> bool:
    return interval.low <= ratio.value <= interval.high
