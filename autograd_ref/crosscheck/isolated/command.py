"""`handgrad check TARGET...`: judge anybody's gradients, each in its own interpreter, and print."""

import asyncio
import json
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.text import Text

from autograd_ref.crosscheck.isolated.process import Answer, Outcome, cores, run_apart

__all__ = ["check_targets"]


def check_targets(
    targets: Sequence[str],
    request: dict[str, Any],
    *,
    as_json: bool,
    strict: bool,
    time_limit: float,
) -> Outcome:
    """Judge every target, FILE.py:NAME or package.module:NAME, and print the results in their order.

    Args:
        targets: the targets.
        request: reference, sizes, reg, dtype, seed, tolerance and surrogate, which hold for all.
        as_json: print an object a line, not text.
        strict: let a warning about a right gradient count as wrong.
        time_limit: seconds for each.

    Returns:
        WRONG if one is wrong; else NOT_JUDGED if one could not be judged; else RIGHT.

    Raises:
        ValueError: if the only target could not be judged, unless as_json.
    """
    return asyncio.run(_check_targets(targets, request, as_json, strict, time_limit))


async def _check_targets(
    targets: Sequence[str], request: dict[str, Any], as_json: bool, strict: bool, time_limit: float
) -> Outcome:
    # To be told to end is like Ctrl-C, which ends all children first.
    with suppress(NotImplementedError):  # on Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, signal.raise_signal, signal.SIGINT)
    side_by_side = min(len(targets), cores())
    gate = asyncio.Semaphore(side_by_side)

    async def run(target: str) -> Answer:
        async with gate:
            return await run_apart(
                {"target": target, **request}, time_limit=time_limit, side_by_side=side_by_side
            )

    answers = [asyncio.create_task(run(target)) for target in targets]
    await asyncio.sleep(0)
    # JAX is loaded here while it is loaded there.
    from autograd_ref.crosscheck.isolated.result import TargetResult, tally

    console = Console()
    results: list[TargetResult] = []
    with console.status("Checking", spinner="line") as status:
        for target, answer in zip(targets, answers, strict=True):
            status.update(f"Checking {len(results) + 1} of {len(targets)}")
            result = TargetResult.of(target, await answer)
            results.append(result)
            if as_json:
                print(json.dumps(result.to_json()), flush=True)
            elif len(targets) > 1:
                console.print(Text(result.line()), soft_wrap=True)
            elif result.report is None:
                raise ValueError(result.line())
            else:
                console.print(result.report)
    if len(targets) > 1 and not as_json:
        console.print(tally(results), style="bold")
    outcomes = {result.outcome for result in results}
    if Outcome.WRONG in outcomes or (strict and Outcome.WARNED in outcomes):
        return Outcome.WRONG
    return Outcome.NOT_JUDGED if Outcome.NOT_JUDGED in outcomes else Outcome.RIGHT
