"""`handgrad check TARGET...`: judge the gradients of user code, each in its own interpreter, and print."""

import ast
import asyncio
import json
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.text import Text

from autograd_ref.crosscheck.isolated.process import Answer, Outcome, cores, run_apart, run_file_apart
from autograd_ref.crosscheck.isolated.rule_names import functions_in
from autograd_ref.crosscheck.isolated.source import ignored_in, source_of
from autograd_ref.crosscheck.isolated.whole import (
    NOT_RECORDED,
    NOTHING,
    TAKES_GRADIENTS,
    files_of,
    is_unclear,
    makers_of_gradients,
    names_in,
)
from handgrad.files import replace_file

if TYPE_CHECKING:
    from autograd_ref.crosscheck.isolated.result import TargetResult
    from autograd_ref.crosscheck.reports.repair import Repair

__all__ = ["Write", "check_targets", "how_to_call"]


class Write(NamedTuple):
    """The use of repairs.

    Attributes:
        diff: print them as diffs for `git apply`.
        fix: write them into their files.
        ask: ask before writing.
    """

    diff: bool
    fix: bool
    ask: bool

    def all(self, results: "Sequence[TargetResult]") -> None:
        """Do it."""
        repairs = {
            each.report.repair.diff: each.report.repair
            for each in results
            if each.report is not None and each.report.repair is not None
        }
        for repair in repairs.values():
            if not repair.digest and (self.diff or self.fix):
                name = Path(repair.file).name
                print(f"{name} is not a plain Python file: make the change there yourself.", file=sys.stderr)
                continue
            if self.diff:
                print(repair.diff, end="")
            if self.fix and (not self.ask or _agreed(repair)):
                from autograd_ref.crosscheck.isolated.fix import write_repair

                old = write_repair(repair)
                print(f"{repair.file} was changed; the old file is {old.name}.", file=sys.stderr)


def _agreed(repair: "Repair") -> bool:
    print(f"Write this into {repair.file}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def check_targets(
    targets: Sequence[str],
    request: dict[str, Any],
    *,
    as_json: bool,
    strict: bool,
    time_limit: float,
    html: Path | None = None,
    write: Write | None = None,
) -> Outcome:
    """Judge every target, FILE.py:NAME or package.module:NAME, and print the results in order.

    Args:
        targets: the targets.
        request: reference, sizes, reg, dtype, seed, tolerance and surrogate, for all targets.
        as_json: print an object per line instead of text.
        strict: count a warning about a right gradient as wrong.
        time_limit: seconds for each.
        html: file for the report of the only target, as a page.
        write: use of repairs, apart from printing them.

    Returns:
        WRONG if one is wrong; else NOT_JUDGED if one could not be judged; else RIGHT.

    Raises:
        ValueError: if the only target could not be judged, unless as_json.
    """
    if html is not None and len(targets) > 1:
        raise ValueError("--html goes with one target")
    return asyncio.run(_check_targets(targets, request, as_json, strict, time_limit, html, write))


async def _check_targets(
    targets: Sequence[str],
    request: dict[str, Any],
    as_json: bool,
    strict: bool,
    time_limit: float,
    html: Path | None,
    write: Write | None,
) -> Outcome:
    # SIGTERM acts like Ctrl-C, which ends all children first.
    with suppress(NotImplementedError):  # on Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, signal.raise_signal, signal.SIGINT)
    files = {target: found for target in targets if (found := files_of(target)) is not None}
    for target, found in files.items():
        if not found:
            raise ValueError(f"{target} has no Python file and no notebook in it")
    asked_for = [each for target in targets for each in files.get(target, [target])]
    whole = {each for found in files.values() for each in found}
    several = len(asked_for) > 1 or bool(whole)
    side_by_side = max(1, min(len(asked_for), cores()))
    gate = asyncio.Semaphore(side_by_side)

    async def run(target: str) -> list[tuple[str, Answer]]:
        async with gate:
            if target not in whole:
                return [(target, await alone(target))]
            asked = {"target": target, "names": names_in(target), **request}
            judged = await run_file_apart(asked, time_limit=time_limit, side_by_side=side_by_side)
            return [(name, await with_repair(name, answer)) for name, answer in judged]

    async def alone(target: str) -> Answer:
        return await run_apart(
            {"target": target, **request},
            time_limit=time_limit,
            side_by_side=side_by_side,
            on_verdict=lambda: status.update(f"{target} is wrong: looking for a repair (Ctrl-C ends it)"),
        )

    async def with_repair(target: str, answer: Answer) -> Answer:
        """Look for a repair in an interpreter of its own, because the search leaves the file changed."""
        known = answer.report or {"ok": None}
        if known["ok"] is not False or known["form"] != "recorded" or not request["recorded"]["repair"]:
            return answer
        again = await alone(target)
        return again if (again.report or {"ok": None})["ok"] is False else answer

    console = Console(stderr=write is not None and write.diff)
    status = console.status("Checking", spinner="line")
    answers = [asyncio.create_task(run(target)) for target in asked_for]
    await asyncio.sleep(0)
    # JAX is loaded here while the child loads it, too.
    from autograd_ref.crosscheck.isolated.result import TargetResult, tally
    from autograd_ref.crosscheck.reports.printed import print_report

    results: list[TargetResult] = []
    uncalled: list[TargetResult] = []
    unjudged: list[TargetResult] = []  # of these, those that certainly compute a gradient
    with status:
        for i, (target, answer) in enumerate(zip(asked_for, answers, strict=True)):
            status.update(f"Checking {i + 1} of {len(asked_for)}")
            judged = await answer
            for name, one in judged:
                result = TargetResult.of(name, one)
                if target not in targets and (one.error or "").startswith(NOTHING):
                    continue  # a file without gradients in a folder that has others
                if html is not None and result.report is not None:
                    replace_file(html, result.report.to_html().encode())
                leaves_out = target in whole and name != target and result.report is None
                leaves_out = leaves_out and not is_unclear(one.error or "")
                (uncalled if leaves_out else results).append(result)
                if as_json:
                    print(json.dumps(result.to_json()), flush=True)
                elif not several and result.report is None:
                    raise ValueError(result.line())
                elif not several or result.outcome is Outcome.WRONG:
                    print_report(result.report, *[""] * several, console=console)
                elif not leaves_out:
                    console.print(Text(result.line()), soft_wrap=True)
            if target in whole:
                makers = _makers(target, [name.rpartition(":")[2] for name, one in judged if one.report])
                unjudged += [each for each in uncalled if each.target in makers]
            if any(one.interrupted for _, one in judged):
                break
    if write is not None:
        write.all(results)
    if not as_json:
        for said in map(_ignored, dict.fromkeys(map(_file_of, asked_for))):
            if said:
                console.print(Text(said), soft_wrap=True)
    if several and not as_json:
        for said in _uncalled(uncalled, is_run=request["recorded"]["run"] is not None):
            console.print(Text(said), soft_wrap=True)
        console.print(tally([*results, *unjudged]) if results else "Nothing was judged.", style="bold")
    if not results:
        return Outcome.NOT_JUDGED
    outcomes = {result.outcome for result in [*results, *unjudged]}
    if Outcome.WRONG in outcomes or (strict and Outcome.WARNED in outcomes):
        return Outcome.WRONG
    return Outcome.NOT_JUDGED if Outcome.NOT_JUDGED in outcomes else Outcome.RIGHT


def _file_of(target: str) -> str:
    return target if target.endswith((".py", ".ipynb")) else target.rpartition(":")[0]


def _makers(file: str, judged: Sequence[str]) -> set[str]:
    """Return the targets in a file that certainly compute gradients, apart from what was judged."""
    try:
        found = makers_of_gradients(source_of(Path(file)), judged)
    except (OSError, ValueError):
        return set()  # its import gives the reason
    return {f"{file}:{name}" for name in found}


def _ignored(file: str) -> str:
    """Return a sentence about the lines of a file that are not Python and were left out."""
    path = Path(file)
    if path.suffix not in (".py", ".ipynb"):
        return ""
    try:
        lines = ignored_in(path)
    except (OSError, ValueError, SyntaxError):
        return ""  # its import gives the reason
    return f"Ignored in {file}: {', '.join(lines)}" if lines else ""


def _uncalled(results: "Sequence[TargetResult]", *, is_run: bool) -> Iterator[str]:
    """Yield sentences about functions that only take gradients, and about those without a known call."""
    takers = [result.target for result in results if result.error == TAKES_GRADIENTS]
    unrecorded = [result for result in results if is_run or NOT_RECORDED.search(result.error or "")]
    others = [result for result in results if result not in unrecorded]
    targets = [result.target for result in others if result.error != TAKES_GRADIENTS]
    for result in unrecorded:
        yield f"Not judged: {_names([result.target])}: {result.error}"
    if takers:
        yield f"Without a gradient of its own: {_names(takers)}."
    for file in dict.fromkeys(map(_file_of, targets)):
        yield how_to_call(file, [each for each in targets if _file_of(each) == file], is_run=is_run)


def how_to_call(file: str, targets: Sequence[str], *, is_run: bool) -> str:
    """Return a sentence that says how functions of a file, for which no call is known, can be judged."""
    first, name = targets[0], targets[0].rpartition(":")[2]
    if not is_run and "__main__" in Path(file).read_text(errors="replace"):
        return f"Not judged: {_names(targets)}. Run it: handgrad check {file} --run {shlex.quote(file)}"
    functions = functions_in(ast.parse(source_of(Path(file))))
    call = f"{name}.apply(...)" if name in functions.values() else f"{name}(...)"
    methods = names_in(file).get(name, [name])
    if methods != [name]:  # a class
        method = "loss" if f"{name}.loss" in methods else methods[0].rpartition(".")[2]
        first, call = f"{first}.{method}", f"{call}.{method}(...)"
    return f"Not judged: {_names(targets)}. Give a call: handgrad check {first} --call '{call}'"


def _names(targets: Sequence[str]) -> str:
    return ", ".join(target.rpartition(":")[2] for target in targets)
