"""The program that loads one target and judges it: `python -m autograd_ref.crosscheck.isolated.child FOLDER`.

`isolation` starts it, in a process group of its own. What is asked lies in FOLDER as request.json; the
answer, {"report": ...} or {"error": ...}, is put beside it as answer.json.
"""

import json
import mmap
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from autograd_ref.crosscheck.errors import one_line, what_stopped
from autograd_ref.crosscheck.function.check import check_gradients
from autograd_ref.crosscheck.isolated.targets import Target, load_target
from autograd_ref.crosscheck.network.check import check_network
from autograd_ref.crosscheck.report import NotJudged, Report

__all__: list[str] = []

MOST_FORKS = 1000
EXAMPLE = "example"


def main() -> None:
    """Answer the request in the folder that the command line names, and end."""
    folder, pid = Path(sys.argv[1]), os.getpid()
    request = json.loads((folder / "request.json").read_text())

    def answer(found: dict[str, Any]) -> None:
        unfinished = folder / f"{os.getpid()}.json"
        unfinished.write_text(json.dumps(found))
        unfinished.replace(folder / "answer.json")

    _limit(request["memory"], request["time_limit"])
    _watch_forks(answer)
    try:
        found: dict[str, Any] = {"report": _judge(request).to_json()}
    except NotJudged as error:
        found = {"error": one_line(str(error))}
    if os.getpid() == pid:  # a fork of the target's that came this far has no say
        answer(found)
    os._exit(0)  # whatever the target left to be done at exit, and its threads, are not waited for


def _judge(request: dict[str, Any]) -> Report:
    target = load_target(request["target"])
    try:
        if request["reference"] is None:
            return check_network(
                target.value,
                dtype=request["dtype"],
                sizes=tuple(request["sizes"]),
                reg=request["reg"],
                seed=request["seed"],
                name=request["target"],
            )
        reference = _load_reference(request["reference"])
        params, *args = _example(target, reference, request["seed"])
        return check_gradients(
            target.value,
            reference.value,
            params,
            *args,
            dtype=request["dtype"],
            seed=request["seed"],
            name=request["target"],
        )
    except NotJudged:
        raise
    except BaseException as error:
        raise NotJudged(what_stopped(error, target.file)) from error


def _load_reference(spec: str) -> Target:
    try:
        return load_target(spec)
    except NotJudged as error:
        raise NotJudged(f"its reference {spec}: {error}") from error


def _example(target: Target, reference: Target, seed: int) -> tuple[Any, ...]:
    """What `example(rng)` gives, of the file that holds the target or else of the reference's."""
    for held in (target, reference):
        example = getattr(held.module, EXAMPLE, None)
        if example is None:
            continue
        found = example(np.random.default_rng(seed))
        if not isinstance(found, tuple) or not found:
            raise NotJudged(f"{EXAMPLE}(rng) must return a tuple (params, *args), not {type(found).__name__}")
        return found
    raise NotJudged(
        f"nothing says where to check it: define {EXAMPLE}(rng) -> (params, *args), NumPy arrays, beside it"
    )


def _limit(memory: int, time_limit: float) -> None:
    """Bounds that hold even if the process that started this one is gone."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seconds = min(int(time_limit * (os.cpu_count() or 1)) + 1, 2**31)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if sys.platform == "linux":  # elsewhere it does not count what NumPy allocates
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def _watch_forks(answer: Callable[[dict[str, Any]], None]) -> None:
    """End each fork that comes back from the target into the checker, and all if there are too many."""
    here = str(Path(__file__).parent)
    count = memoryview(mmap.mmap(-1, 8)).cast("Q")  # shared by all forks
    weight = 1

    def leave(frame: FrameType, event: str, arg: Any) -> None:
        if frame.f_code.co_filename.startswith(here) and frame.f_code is not in_fork.__code__:
            os._exit(0)

    def in_fork() -> None:
        nonlocal weight
        count[0] += weight
        weight *= 10  # a fork's own forks: where they fork in turn, there will soon be no stopping them
        if count[0] > MOST_FORKS:
            answer({"error": "starts ever more processes"})
            os.killpg(0, signal.SIGKILL)
        sys.setprofile(leave)

    os.register_at_fork(after_in_child=in_fork)


if __name__ == "__main__":
    main()
