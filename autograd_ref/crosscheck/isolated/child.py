"""The program that loads one target and judges it: `python -m autograd_ref.crosscheck.isolated.child FOLDER`.

`process` starts it. It reads request.json from FOLDER and puts answer.json beside it.
"""

import json
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from autograd_ref.crosscheck.errors import LONGEST_REFUSAL, one_line, what_stopped
from autograd_ref.crosscheck.function.check import POINTS, check_gradients_at
from autograd_ref.crosscheck.isolated.running import run_program
from autograd_ref.crosscheck.isolated.targets import Target, load_target
from autograd_ref.crosscheck.network.check import check_network
from autograd_ref.crosscheck.program.calling.target import Asked, check_met, check_target, example_of
from autograd_ref.crosscheck.program.calling.watch import Met
from autograd_ref.crosscheck.program.check import REPAIR_SECONDS
from autograd_ref.crosscheck.report import NotJudged, Report
from autograd_ref.crosscheck.rules.target import check_rule_target
from handgrad.files import replace_json

__all__ = ["judge_request"]

EXAMPLE = "example"
# How many seconds before the end is noted where the target is.
MARGIN = 0.5
# How many seconds before the end no repair is looked for any more: the last one has to be confirmed.
REPAIR_MARGIN = 5.0
OWN = str(Path(__file__).parents[2])


def main() -> None:
    """Answer the request in the folder that the command line names, and end."""
    folder, pid = Path(sys.argv[1]), os.getpid()
    request = json.loads((folder / "request.json").read_text())
    _limit(request["memory"], request["time_limit"])
    _note_where(folder / "where.json", request["deadline"] - time.time() - MARGIN)

    def note(report: Report) -> None:
        """Keep the verdict while a repair is looked for."""
        if os.getpid() == pid:
            replace_json(folder / "answer.json", {"report": report.to_json(), "error": None})

    def end(judge: Callable[[], Report]) -> NoReturn:
        answer: dict[str, Any] = {"report": None, "error": None}
        try:
            answer["report"] = judge().to_json()
        except NotJudged as error:
            answer["error"] = one_line(str(error), LONGEST_REFUSAL)
        if os.getpid() == pid:  # the target's own forks may come this far as well
            replace_json(folder / "answer.json", answer)
        os._exit(0)  # do not wait for the target's threads, nor for what it registered with atexit

    end(lambda: judge_request(request, end, note))


def judge_request(
    request: dict[str, Any],
    end: Callable[[Callable[[], Report]], NoReturn],
    note: Callable[[Report], None] | None = None,
) -> Report:
    """Judge one target.

    Args:
        request: as `process.run_apart` writes it.
        end: is given what judges a call that the target itself makes, while it makes it.
        note: told the verdict before a repair is looked for.

    Returns:
        The report.

    Raises:
        NotJudged: it cannot be judged; says why.
    """
    options = {name: request[name] for name in ("dtype", "seed", "tolerance")}
    given = {key: value for key, value in request["recorded"].items() if key not in ("run", "repair")}
    left = request.get("deadline", math.inf) - time.time() - REPAIR_MARGIN
    given["repair_seconds"] = min(REPAIR_SECONDS, left) if request["recorded"].get("repair") else 0.0
    asked = Asked(request["target"], **given, **options)

    def meet(file: str, met: Met) -> NoReturn:
        end(partial(_said, file, lambda: check_met(met, file, asked, note)))

    if request["recorded"]["run"] is not None:
        run_program(request["recorded"]["run"], asked.spec, asked.nth, meet)
    target = load_target(request["target"], None if _is_told(request) else (asked.nth, meet))
    return _said(target.file, lambda: _judge(request, target, asked, options, note))


def _said(file: str, judge: Callable[[], Report]) -> Report:
    try:
        return judge()
    except NotJudged:
        raise
    except BaseException as error:
        raise NotJudged(what_stopped(error, file)) from error


def _is_told(request: dict[str, Any]) -> bool:
    """Whether it is said how the target is called."""
    return request["recorded"]["call"] is not None or request["reference"] is not None


def _judge(
    request: dict[str, Any],
    target: Target,
    asked: Asked,
    options: dict[str, Any],
    note: Callable[[Report], None] | None,
) -> Report:
    reference = None if request["reference"] is None else _load_reference(request["reference"])
    own = None if reference is None else reference.value
    rules = check_rule_target(target.value, target.module, target.file, request, own)
    if rules is not None:
        return rules
    if request["surrogate"] and reference is None:
        raise NotJudged("calls no rule of JAX or PyTorch, about which --surrogate is")
    if _is_recorded(request, target):
        return check_target(target.module, target.file, asked, note)
    options |= {"name": request["target"], "dtype": request["dtype"] or "float64"}
    if reference is None:
        return check_network(target.value, sizes=tuple(request["sizes"]), reg=request["reg"], **options)
    examples = _examples(target, reference, request["seed"])
    return check_gradients_at(
        target.value, reference.value, examples, surrogate=request["surrogate"], **options
    )


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
    """Draws of `example(rng)`, of the file that holds the target or else of the reference's, by own seeds."""
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


def _note_where(file: Path, seconds: float) -> None:
    """Write down which line the main thread is at after so many seconds."""
    main = threading.main_thread().ident

    def note() -> None:
        time.sleep(max(0.0, seconds))
        frame = sys._current_frames().get(main or 0)
        importing, place = False, None
        while frame is not None:
            name = frame.f_code.co_filename
            importing = importing or frame.f_code is load_target.__code__
            if place is None and not name.startswith((OWN, sys.prefix, sys.base_prefix, "<")):
                place = {"file": Path(name).name, "line": frame.f_lineno}
            frame = frame.f_back
        with suppress(OSError):  # the folder may be gone
            replace_json(file, {"importing": importing, "place": place})

    threading.Thread(target=note, daemon=True).start()


def _limit(memory: int, time_limit: float) -> None:
    """Set bounds that hold even if the process that started this one is gone, where the system has any."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seconds = min(int(time_limit * (os.cpu_count() or 1)) + 1, 2**31)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if sys.platform == "linux":  # elsewhere it does not count what NumPy allocates
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


if __name__ == "__main__":
    main()
