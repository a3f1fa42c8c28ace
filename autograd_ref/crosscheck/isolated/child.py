"""The program that loads one target and judges it: `python -m autograd_ref.crosscheck.isolated.child FOLDER`.

`process` starts it. It reads request.json from FOLDER and puts answer.json beside it.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from autograd_ref.compiling.cache import keep_compiled
from autograd_ref.crosscheck.errors import LONGEST_REFUSAL, one_line, what_stopped
from autograd_ref.crosscheck.function.check import POINTS, check_gradients_at
from autograd_ref.crosscheck.isolated.running import run_program
from autograd_ref.crosscheck.isolated.source import source_of
from autograd_ref.crosscheck.isolated.targets import Target, load_module, load_target
from autograd_ref.crosscheck.network.check import check_network
from autograd_ref.crosscheck.program.calling.target import Asked, check_met, check_target, example_of
from autograd_ref.crosscheck.program.calling.watch import Met, is_called_plainly, watching
from autograd_ref.crosscheck.program.check import REPAIR_SECONDS
from autograd_ref.crosscheck.reports.report import NotJudged, Report
from autograd_ref.crosscheck.rules.pytorch.reference import check_against_pytorch, is_pytorch_loss
from autograd_ref.crosscheck.rules.target import check_rule_target
from handgrad.files import replace_json

__all__ = ["judge_file", "judge_request"]

EXAMPLE = "example"
# How many seconds before the end is noted where the target is.
MARGIN = 0.5
# How many seconds before the end no repair is looked for any more: the last one has to be confirmed.
REPAIR_MARGIN = 5.0
OWN = str(Path(__file__).parents[2])


def main() -> None:
    """Answer the request in the folder that the command line names, and end."""
    sys.dont_write_bytecode = True  # none beside anybody's files from here on
    folder, pid = Path(sys.argv[1]), os.getpid()
    request = json.loads((folder / "request.json").read_text())
    _limit(request["memory"], request["time_limit"])
    _note_where(folder / "where.json", request["deadline"] - time.time() - MARGIN)
    keep_compiled()

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
        request: as `process.run_apart` writes it.
        end: is given what judges a call that the target itself makes, while it makes it.
        note: told the verdict before a repair is looked for.

    Returns:
        The report.

    Raises:
        NotJudged: it cannot be judged; says why.
    """
    asked = _asked(request)

    def meet(file: str, met: Met) -> NoReturn:
        end(partial(_said, file, lambda: check_met(met, file, asked, note)))

    def watch(file: str) -> AbstractContextManager[Any]:
        name = asked.spec.rpartition(":")[2]
        names = [name] if is_called_plainly(source_of(Path(file)), name) else []
        return watching(file, names, asked.nth, lambda _, met: meet(file, met))

    if request["recorded"]["run"] is not None:
        run_program(request["recorded"]["run"], asked.spec, asked.nth, meet)
    target = load_target(asked.spec, None if _is_told(request) else watch)
    return _said(target.file, lambda: _judge(request, target, asked, note))


def judge_file(request: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Judge all that a file has.

    Args:
        request: with the file as the target and, for each class or function, its name and the names of what
            the file may call when it is imported.

    Yields:
        All answers so far, in the order in which they are found.
    """
    path, answers = request["target"], list[dict[str, Any]]()
    met: set[str] = set()

    def answer(name: str, judge: Callable[[], Report]) -> bool:
        report, error = None, None
        try:
            report = judge().to_json()
        except NotJudged as refused:
            error = one_line(str(refused), LONGEST_REFUSAL)
        answers.append({"target": f"{path}:{name}", "report": report, "error": error})
        return report is not None

    def watch(file: str) -> AbstractContextManager[Any]:
        def meet(name: str, found: Met) -> None:
            asked = _asked({**request, "target": f"{path}:{name}"})
            if answer(name, partial(_said, file, lambda: check_met(found, file, asked))):
                met.add(name)
            else:
                answers.pop()

        names = [each for called in request["names"].values() for each in called]
        source = source_of(Path(file))
        plain = [name for name in names if is_called_plainly(source, name)]
        return watching(file, plain, 1, meet)

    file = str(Path(path).resolve())
    try:
        module = load_module(path, file, watch)
    except NotJudged as error:
        yield [*answers, {"target": path, "report": None, "error": one_line(str(error), LONGEST_REFUSAL)}]
        return
    for name, called in request["names"].items():
        value = getattr(module, name, None)
        if value is not None and not met.intersection(called):
            one = {**request, "target": f"{path}:{name}"}
            judge = partial(_judge, one, Target(value, module, file), _asked(one))
            answer(name, partial(_said, file, judge))
        yield answers
    if not request["names"]:
        yield [{"target": path, "report": None, "error": "has no function and no class with a loss"}]


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
        raise NotJudged(what_stopped(error, file)) from error


def _is_told(request: dict[str, Any]) -> bool:
    """Whether it is said how the target is called."""
    return request["recorded"]["call"] is not None or request["reference"] is not None


def _judge(
    request: dict[str, Any], target: Target, asked: Asked, note: Callable[[Report], None] | None = None
) -> Report:
    reference = None if request["reference"] is None else _load_reference(request["reference"])
    own = None if reference is None else reference.value
    rules = check_rule_target(target.value, target.module, target.file, request, own)
    if rules is not None:
        return rules
    if request["surrogate"] and reference is None:
        raise NotJudged("--surrogate goes with --reference, or with a rule of JAX or PyTorch")
    if _is_recorded(request, target):
        return check_target(target.module, target.file, asked, note)
    options = {name: request[name] for name in ("seed", "tolerance")}
    options |= {"name": request["target"], "dtype": request["dtype"] or "float64"}
    if reference is None:
        options |= {"repair_seconds": asked.repair_seconds, "on_verdict": note}
        return check_network(target.value, sizes=tuple(request["sizes"]), reg=request["reg"], **options)
    examples = _examples(target, reference, request["seed"])
    if is_pytorch_loss(reference.value, examples[0], reference.module):
        return check_against_pytorch(target.value, reference.value, examples, file=reference.file, **options)
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
            importing = importing or frame.f_code is load_module.__code__
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
