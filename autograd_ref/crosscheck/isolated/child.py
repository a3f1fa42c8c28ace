"""The program that loads one target and judges it: `python -m autograd_ref.crosscheck.isolated.child FOLDER`.

`process` starts it. It reads request.json from FOLDER and writes answer.json there.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from autograd_ref.compiling.cache import keep_compiled
from autograd_ref.crosscheck.errors import FAULT, LONGEST_REFUSAL, is_own_fault, one_line, what_stopped
from autograd_ref.crosscheck.function.check import POINTS, check_gradients_at
from autograd_ref.crosscheck.isolated.by_forward import by_forward
from autograd_ref.crosscheck.isolated.judge_whole import WholeFile
from autograd_ref.crosscheck.isolated.limits import MARGIN, limit, note_where
from autograd_ref.crosscheck.isolated.meeting import judge_met, met_at_import, watching_calls
from autograd_ref.crosscheck.isolated.running import run_program, run_until_call
from autograd_ref.crosscheck.isolated.source import source_of
from autograd_ref.crosscheck.isolated.targets import Target, file_of, load_module, load_target
from autograd_ref.crosscheck.network.check import check_network
from autograd_ref.crosscheck.program.calling.caught import evaluate, seeded
from autograd_ref.crosscheck.program.calling.forms import is_backward
from autograd_ref.crosscheck.program.calling.loops import Loop, Round, loops_of
from autograd_ref.crosscheck.program.calling.target import (
    Asked,
    check_round,
    check_target,
    example_of,
)
from autograd_ref.crosscheck.program.calling.watch import Met, watching
from autograd_ref.crosscheck.program.check import REPAIR_SECONDS
from autograd_ref.crosscheck.program.guessed.judge import calls_of, judge_guessed
from autograd_ref.crosscheck.program.guessed.styles import Sizes
from autograd_ref.crosscheck.program.guessed.training import judge_training
from autograd_ref.crosscheck.reports.report import NotJudged, Report
from autograd_ref.crosscheck.rules.pytorch.reference import check_against_pytorch, is_pytorch_loss
from autograd_ref.crosscheck.rules.target import check_rule_target
from handgrad.files import replace_json

__all__ = ["judge_file", "judge_request"]

EXAMPLE = "example"
# The search for a repair ends this many seconds before the time limit, because a repair must be confirmed.
REPAIR_MARGIN = 5.0


def main() -> None:
    """Answer the request in the folder that the command line names, and end."""
    sys.dont_write_bytecode = True  # leave no files beside the user's
    folder, pid = Path(sys.argv[1]), os.getpid()
    request = json.loads((folder / "request.json").read_text())
    limit(request["memory"], request["time_limit"])
    note_where(folder / "where.json", request["deadline"] - time.time() - MARGIN)
    keep_compiled()

    def note(report: Report) -> None:
        """Keep the verdict during the search for a repair."""
        if os.getpid() == pid:
            replace_json(folder / "answer.json", {"report": report.to_json(), "error": None})

    def end(judge: Callable[[], Report]) -> NoReturn:
        answer: dict[str, Any] = {"report": None, "error": None}
        try:
            answer["report"] = judge().to_json()
        except NotJudged as error:
            said = one_line(str(error), LONGEST_REFUSAL)
            if said.startswith(FAULT) and (folder / "answer.json").exists():
                print(f"handgrad: the search for a repair failed: {said}", flush=True)
                os._exit(0)  # with the verdict, which holds without a repair
            answer["error"] = said
        if os.getpid() == pid:  # forks of the target may also reach this
            replace_json(folder / "answer.json", answer)
        os._exit(0)  # do not wait for the target's threads or atexit functions

    if request["names"] is not None:
        for answers in judge_file(request):
            if os.getpid() == pid:
                replace_json(folder / "answer.json", {"answers": answers})
        os._exit(0)
    end(lambda: judge_request(request, end, note))


def judge_request(
    request: dict[str, Any],
    end: Callable[[Callable[[], Report]], NoReturn],
    note: Callable[[Report], None] | None = None,
) -> Report:
    """Judge one target.

    Args:
        request: the request written by `process.run_apart`.
        end: takes a function that judges a call of the target itself, during this call.
        note: called with the verdict before the search for a repair.

    Returns:
        The report.

    Raises:
        NotJudged: the target cannot be judged; the message says why.
    """
    if request["target"].rpartition(":")[2].isdigit():
        return _judge_loop(request, _asked(request), end, note)
    if is_backward(request["target"].rpartition(":")[2]):
        paired = by_forward(request, source_of(Path(file_of(request["target"])[0])))
        if paired is not request:
            return replace(judge_request(paired, end, note), target=request["target"])
    asked = _asked(request)

    def meet(file: str, met: Met) -> NoReturn:
        end(partial(_said, file, lambda: judge_met(met, file, request, asked, note)))

    def watch(file: str) -> AbstractContextManager[Any]:
        name = asked.spec.rpartition(":")[2]
        names = met_at_import(source_of(Path(file)), [name])
        return watching_calls(file, names, asked.nth, lambda _, met: meet(file, met))

    if request["recorded"]["run"] is not None:
        run_until_call(request["recorded"]["run"], asked.spec, asked.nth, meet)
    target = load_target(asked.spec, None if _is_told(request) else watch)
    return _said(target.file, lambda: _judge(request, target, asked, note))


def _judge_loop(
    request: dict[str, Any],
    asked: Asked,
    end: Callable[[Callable[[], Report]], NoReturn],
    note: Callable[[Report], None] | None,
) -> Report:
    """Judge a round of the loop that a target names by its line, FILE.py:LINE."""
    if asked.nth != 1 or asked.backward is not None:
        raise NotJudged("--nth and --backward go with a function, FILE.py:NAME, not with a loop")
    file, line = file_of(asked.spec)
    around = [
        each
        for each in loops_of(source_of(Path(file)))
        if each.line <= int(line) <= (each.node.end_lineno or 0)
    ]
    if not around:
        raise NotJudged(f"there is no training loop at line {line}: name a function instead, FILE.py:NAME")

    def meet(_: Loop, made: Round) -> NoReturn:
        end(partial(_said, file, lambda: check_round(made, file, asked, note)))

    def watch(file: str) -> AbstractContextManager[Any]:
        return watching(file, (), 1, lambda *_: None, [around[-1]._replace(inner=frozenset())], meet)

    where, program = asked.spec.rpartition(":")[0], request["recorded"]["run"]
    if program is not None:
        with watch(file):
            run_program(program)
        raise NotJudged(f"--run never reaches the loop at line {line}")
    module = load_module(where, file, watch)
    if asked.call is None:
        raise NotJudged(
            f"its import never reaches the loop at line {line}: say what runs it, --run '{where}' "
            "or --call 'NAME(...)'"
        )
    with watch(file):
        evaluate(asked.call, {**vars(module), "np": np, "rng": seeded(asked.seed, 0)}, file)
    raise NotJudged(f"--call never reaches the loop at line {line}")


def judge_file(request: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Judge everything in a file.

    Args:
        request: a request with the file as the target and, for each class or function, its name and the names
            by which the file may call it when it is imported.

    Yields:
        All answers so far, in the order in which they are found.
    """
    whole = WholeFile(request, _asked, _said)
    yield from whole.judge(lambda one, target: _judge(one, target, _asked(one)))


def _asked(request: dict[str, Any]) -> Asked:
    given = {key: value for key, value in request["recorded"].items() if key not in ("run", "repair")}
    options = {name: request[name] for name in ("dtype", "seed", "tolerance")}
    seconds = 0.0
    if request["recorded"].get("repair") and request.get("names") is None:
        seconds = min(REPAIR_SECONDS, request["deadline"] - time.time() - REPAIR_MARGIN)
    return Asked(request["target"], **given, **options, repair_seconds=seconds)


def _said(file: str, judge: Callable[[], Report]) -> Report:
    try:
        return judge()
    except NotJudged:
        raise
    except BaseException as error:
        ours = FAULT if is_own_fault(error) else ""
        raise NotJudged(ours + what_stopped(error, file)) from error


def _is_told(request: dict[str, Any]) -> bool:
    """Whether the request says how the target is called."""
    return request["recorded"]["call"] is not None or request["reference"] is not None


def _judge(
    request: dict[str, Any], target: Target, asked: Asked, note: Callable[[Report], None] | None = None
) -> Report:
    reference = None if request["reference"] is None else _load_reference(request["reference"])
    own = None if reference is None else reference.value
    rules = check_rule_target(target.value, target.module, target.file, request, own)
    if rules is not None:
        return rules
    if not callable(target.value) and not callable(getattr(target.value, "loss", None)):
        kind = type(target.value).__name__
        raise NotJudged(f"{asked.spec.rpartition(':')[2]} is neither a function nor a class, but a {kind}")
    if request["surrogate"] and reference is None:
        raise NotJudged("--surrogate goes with --reference, or with a rule of JAX or PyTorch")
    if _is_recorded(request, target):
        return _check_recorded(request, target, asked, note)
    options = {name: request[name] for name in ("seed", "tolerance")}
    options |= {"name": request["target"], "dtype": request["dtype"] or "float64"}
    if reference is None:
        options |= {"repair_seconds": asked.repair_seconds, "on_verdict": note}
        sizes, reg = tuple(request["sizes"]), request["reg"]
        try:
            return check_network(target.value, sizes=sizes, reg=reg, **options)
        except NotJudged:
            name, loops = request["target"].rpartition(":")[2], loops_of(source_of(Path(target.file)))
            given = Sizes(*sizes), 0.1 if reg is None else reg
            report = judge_training(target.module, target.file, asked, name, loops, *given)
            if report is None:
                raise
            return report
    examples = _examples(target, reference, request["seed"])
    if is_pytorch_loss(reference.value, examples[0], reference.module):
        return check_against_pytorch(target.value, reference.value, examples, file=reference.file, **options)
    return check_gradients_at(
        target.value, reference.value, examples, surrogate=request["surrogate"], **options
    )


def _check_recorded(
    request: dict[str, Any], target: Target, asked: Asked, note: Callable[[Report], None] | None
) -> Report:
    """Judge a recorded call; without a call or an example, one that is guessed."""
    name = asked.spec.rpartition(":")[2]
    if asked.call is None and example_of(target.module, name) is None:
        sizes, reg = Sizes(*request["sizes"]), 0.1 if request["reg"] is None else request["reg"]
        calls = calls_of(target.module, name, sizes, reg)
        report = judge_guessed(target.module, target.file, asked, calls, note)
        if report is not None:
            return report
    return check_target(target.module, target.file, asked, note)


def _is_recorded(request: dict[str, Any], target: Target) -> bool:
    """Whether the target's own forward pass is its reference: a call is given, or drawn by an example."""
    asked = request["recorded"]
    if any(asked[name] for name in ("call", "loss", "backward", "of")):
        return True
    name = request["target"].rpartition(":")[2]
    return request["reference"] is None and example_of(target.module, name) is not None


def _load_reference(spec: str) -> Target:
    try:
        return load_target(spec)
    except NotJudged as error:
        raise NotJudged(f"its reference {spec}: {error}") from error


def _examples(target: Target, reference: Target, seed: int) -> list[tuple[Any, ...]]:
    """Return draws of `example(rng)`, from the target's file or else the reference's, with separate seeds."""
    for held in (target, reference):
        example = getattr(held.module, EXAMPLE, None)
        if example is None:
            continue
        drawn = [example(np.random.default_rng([seed, draw])) for draw in range(POINTS)]
        for given in drawn:
            if not isinstance(given, tuple) or not given:
                what = type(given).__name__
                raise NotJudged(f"{EXAMPLE}(rng) must return a tuple (params, *args), not {what}")
        return drawn
    raise NotJudged(
        f"nothing says where to check it: define {EXAMPLE}(rng) -> (params, *args), NumPy arrays, beside it"
    )


if __name__ == "__main__":
    main()
