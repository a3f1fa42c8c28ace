"""Judge code without a given call: the first call that fits decides, and no other may contradict it."""

from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import Any

from autograd_ref.crosscheck.program.calling.target import Asked, check_target
from autograd_ref.crosscheck.program.guessed.layers import layer_calls
from autograd_ref.crosscheck.program.guessed.networks import Guess, network_calls
from autograd_ref.crosscheck.program.guessed.styles import Sizes
from autograd_ref.crosscheck.reports.report import NotJudged, Report

__all__ = ["calls_of", "judge_guessed"]


def judge_guessed(
    module: Any,
    file: str,
    asked: Asked,
    guesses: Iterable[Guess],
    on_verdict: Callable[[Report], None] | None = None,
) -> Report | None:
    """Try calls until one of them gives a verdict.

    If the shape of a gradient differs from its array's, the arrays have another shape than intended.
    A wrong gradient counts as wrong only if it is not right in another call.

    Args:
        module: the module of the target.
        file: file of the module.
        asked: the options.
        guesses: the calls.
        on_verdict: called with the report before the search for a repair.

    Returns:
        The report; None if no call fits.

    Raises:
        NotJudged: the gradient is right in one call and wrong in another.
    """
    wrong: Report | None = None
    unfit: Report | None = None
    found = asked._replace(guessed=True, repair_seconds=0.0)
    for guess in guesses:
        if wrong is not None and wrong.target.rpartition(":")[2] != guess.name:
            continue
        spec = f"{asked.spec.rpartition(':')[0]}:{guess.name}".removeprefix(":")
        try:
            report = check_target(module, file, found._replace(spec=spec, call=guess.call))
        except NotJudged:
            continue
        if any(
            each.mismatch is not None and each.shape and prod(each.shape) == 1 for each in report.quantities
        ):
            continue  # an array of one entry in place of a number
        if report.ok:
            if wrong is None:
                return report
            raise NotJudged(
                f"nothing says how it is called, and it is right as {_one(guess.call)} but wrong as "
                f"{_one(wrong.call)}: say which is meant, --call"
            )
        if report.ok is None or any(each.mismatch is not None for each in report.quantities):
            unfit = report if unfit is None or (unfit.ok is None and report.ok is False) else unfit
        else:
            wrong = wrong or report
    wrong = wrong or unfit
    if wrong is None or wrong.ok is None or asked.repair_seconds <= 0:
        return wrong
    spec = f"{asked.spec.rpartition(':')[0]}:{wrong.target.rpartition(':')[2]}".removeprefix(":")
    return check_target(module, file, asked._replace(spec=spec, call=wrong.call, guessed=True), on_verdict)


def calls_of(space: Any, name: str, sizes: Sizes, reg: float) -> Iterator[Guess]:
    """Yield calls of a layer or a network, by its parameters' names; arguments as for `network_calls`."""
    yield from layer_calls(space, name)
    yield from network_calls(space, name, sizes, reg)


def _one(call: str | None) -> str:
    return (call or "").rpartition("\n")[2]
