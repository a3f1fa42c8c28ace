"""Check every hand of the zoo, and count: wrong called right, right called wrong, not judged.

A wrong hand counts only if it was shown to be wrong without the checker (`truth`). *Not judged* is required
where nothing flows, and allowed where two right ways differ by more than 0.1 % of the root mean square.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from autograd_ref import NotJudged
from autograd_ref.crosscheck.function.check import POINTS
from autograd_ref.crosscheck.function.gradient_check import GradientCheck
from autograd_ref.crosscheck.function.known_points import KnownPoints
from autograd_ref.crosscheck.function.points import moved_points
from benchmarks.checkers.zoo.entry import Hand
from benchmarks.checkers.zoo.mutations import mutations
from benchmarks.checkers.zoo.truth import Truth, cast
from benchmarks.results import progress

DTYPES = "float32", "float64"
APART = 1e-3  # in root mean squares: if two right ways differ by more, a hand need not be judged
QUICK = 4  # number of wrong hands of a function
RIGHT, WRONG, NOT_JUDGED, CRASHED = "right", "wrong", "not judged", "crashed"
NOTHING_FLOWS = "nothing flows"


@dataclass(frozen=True)
class Asked:
    """One hand, and the checker's verdict.

    Attributes:
        kind: file of the function.
        function: its name.
        dtype: float32 or float64.
        hand: the name of the right way or the mistake.
        truth: right or wrong.
        shown: the place where a wrong hand was shown to be wrong.
        verdict: right, wrong, not judged; crashed for any exception but NotJudged.
        reason: the checker's message.
        excuse: the reason why not judging is allowed here, or None.
        seconds: the checker's time.
    """

    kind: str
    function: str
    dtype: str
    hand: str
    truth: str
    shown: str | None
    verdict: str
    reason: str
    excuse: str | None
    seconds: float

    @property
    def fault(self) -> str | None:
        """The fault of the verdict, or None."""
        if self.verdict == RIGHT and self.excuse == NOTHING_FLOWS:
            return "called right though nothing flows"
        if self.verdict == self.truth:
            return None
        if self.verdict == NOT_JUDGED:
            return None if self.excuse else "not judged without need"
        return self.verdict if self.verdict == CRASHED else f"{self.truth} called {self.verdict}"


def hands(truth: Truth) -> Iterator[tuple[str, Hand, str | None]]:
    """Yield a function's hands: name, hand, and for a wrong one the place where it was shown to be wrong."""
    if not truth.entry.misled:
        for hand in truth.entry.right:
            yield getattr(hand, "__name__", "right").strip("_<>").replace("_", " "), hand, None
    best = min(range(len(truth.ways)), key=lambda i: truth.error(truth.ways[i]))
    for name, hand in [*truth.entry.wrong.items(), *mutations(truth, truth.entry.right[best])]:
        shown = truth.shown_wrong(truth.answer(hand))
        if shown is not None:
            yield name, hand, shown


def ask(truth: Truth, hand: Hand, known: KnownPoints) -> tuple[str, str]:
    """Return the verdict of `check_gradients` on a hand, and its message; measured once for all hands."""
    entry, dtype = truth.entry, np.dtype(truth.dtype)
    options = {"points": POINTS, "surrogate": False, "tolerance": 0.0, **entry.options}
    params, *args = cast(truth.point, truth.dtype)
    points = moved_points(params, tuple(args), options["points"], dtype, known.seed)
    try:
        with np.errstate(all="ignore"):
            check = GradientCheck(
                hand, known, dtype, known.seed, entry.name, options["surrogate"], options["tolerance"]
            )
            report = check.report(points)
    except NotJudged as error:
        return NOT_JUDGED, str(error)
    except Exception as error:
        return CRASHED, f"{type(error).__name__}: {error}"
    said = " ".join(str(each) for each in report.quantities if each.ok is not True)
    if report.ok is None:
        reasons = [each.reason for each in report.quantities if each.reason is not None]
        return NOT_JUDGED, " ".join(reasons)
    return (RIGHT, "") if report.ok else (WRONG, said or " ".join(report.sentences()))


def judge(kind: str, position: int, dtype: str, quick: bool) -> list[Asked]:
    """Judge all hands of one function in one dtype."""
    import jax

    from benchmarks.checkers.zoo.functions import ZOO

    entry = ZOO[kind][position]
    truth = Truth.at_example(entry, dtype)
    excuse = NOTHING_FLOWS if entry.dead else None
    if excuse is None and truth.spread > APART:
        excuse = f"two right ways differ by {100 * truth.spread:.2g} % of the root mean square"
    asked, known = [], KnownPoints(entry.loss, dtype, 0)
    for name, hand, shown in _some(list(hands(truth)), quick, position):
        begin = time.perf_counter()
        verdict, reason = ask(truth, hand, known)
        kinds = kind, entry.name, dtype, name, RIGHT if shown is None else WRONG
        asked.append(Asked(*kinds, shown, verdict, reason, excuse, time.perf_counter() - begin))
    jax.clear_caches()  # hundreds of compiled functions that are not needed again
    return asked


def _some(
    every: list[tuple[str, Hand, str | None]], quick: bool, turn: int
) -> list[tuple[str, Hand, str | None]]:
    """Return all hands, or one right and a few wrong ones, chosen differently for each function."""
    if not quick:
        return every
    right = [each for each in every if each[2] is None]
    wrong = [each for each in every if each[2] is not None]
    step = max(1, len(wrong) // QUICK)
    return right[:1] + wrong[turn % step :: step][:QUICK]


def choose(only: str = "", quick: bool = False) -> list[tuple[str, int, str]]:
    """Return the functions to check, in either dtype: kind, position in it, dtype.

    Args:
        only: part of the name of a kind or function; all for "".
        quick: take every third function.

    Returns:
        The functions, in the order of the zoo.

    Raises:
        ValueError: no kind or function has such a name.
    """
    from benchmarks.checkers.zoo.functions import ZOO

    functions = [
        (kind, i)
        for kind, entries in ZOO.items()
        for i, entry in enumerate(entries)
        if only in kind or only in entry.name
    ]
    if not functions:
        raise ValueError(f"no function has {only!r} in its name, and no kind: {', '.join(ZOO)}")
    return [(kind, i, dtype) for kind, i in functions[:: 3 if quick else 1] for dtype in DTYPES]


def run_zoo(every: Sequence[tuple[str, int, str]], quick: bool = False) -> list[Asked]:
    """Check some functions, in as many processes as there are cores.

    Args:
        every: the functions, from `choose`.
        quick: take one right hand and four wrong ones of each.

    Returns:
        A result for each hand, in this order.
    """
    found: dict[int, list[Asked]] = {}
    with (
        tempfile.TemporaryDirectory() as cache,
        ProcessPoolExecutor(os.cpu_count() or 1, get_context("spawn"), _prepare, (cache,)) as pool,
    ):
        numbers = {pool.submit(judge, *each, quick): n for n, each in enumerate(every)}
        finished = as_completed(numbers)
        for _ in progress(range(len(every)), "Zoo"):
            done = next(finished)
            found[numbers[done]] = done.result()
    return [asked for n in sorted(found) for asked in found[n]]


def _prepare(cache: str) -> None:
    """Let JAX cache compilations on disk, so that each function is compiled once for all its hands."""
    import warnings

    import jax

    warnings.simplefilter("ignore")
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
