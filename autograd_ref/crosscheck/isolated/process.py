"""Run a check in a separate interpreter.

The child has its own session and process group, no standard input, no output, at most `MEMORY` bytes (on
Linux; less if parallel processes share less) and a time limit. When it ends, or must end, its whole process
group ends. Its answer is a file in a private folder.
"""

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

__all__ = [
    "MEMORY", "Answer", "Outcome", "cores", "environment", "how_it_ended", "physical_memory", "run_apart",
    "run_file_apart", "where_it_was",
]  # fmt: skip

MEMORY = 8 * 2**30
POLL = 0.2


class Outcome(Enum):
    """The outcome of a check; the values are the words of the tally, in its order."""

    RIGHT = "right"
    WARNED = "right with warnings"
    WRONG = "wrong"
    NOT_JUDGED = "could not be judged"


class Answer(NamedTuple):
    """The answer about one target: `Report.to_json`, or one line that says why there is none.

    Attributes:
        report: the report; None if there is none.
        error: the reason why there is none.
        interrupted: whether the search for a repair was interrupted.
    """

    report: dict[str, Any] | None
    error: str | None
    interrupted: bool = False


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def run_apart(
    request: dict[str, Any],
    *,
    time_limit: float,
    side_by_side: int = 1,
    on_verdict: Callable[[], None] = lambda: None,
) -> Answer:
    """Judge one target in a separate process, and return its answer, or the reason why there is none.

    Args:
        request: target, reference, sizes (N, D, H, C), reg, dtype and seed, for `child`.
        time_limit: seconds after which it is ended, including the start of the interpreter.
        side_by_side: number of such processes that run at once and share the cores and the memory.
        on_verdict: called when the verdict is known and the search for a repair begins. An interruption after
            that keeps the verdict.
    """
    found, error = await _ended({**request, "names": None}, time_limit, side_by_side, on_verdict)
    return Answer(None, error) if found is None else Answer(**found)


async def run_file_apart(
    request: dict[str, Any], *, time_limit: float, side_by_side: int = 1
) -> list[tuple[str, Answer]]:
    """Judge everything in a file in a separate process.

    Args:
        request: as for `run_apart`, with the names in the file from `whole.names_in`.
        time_limit: seconds for each of the names.
        side_by_side: number of such processes that run at once and share the cores and the memory.

    Returns:
        The targets with their answers; if not all were judged, the file itself with the reason.
    """
    names = request["names"]
    found, error = await _ended(request, time_limit * max(1, len(names)), side_by_side)
    answers = [
        (each["target"], Answer(each["report"], each["error"]))
        for each in (found or {"answers": []})["answers"]
    ]
    return answers if error is None else [*answers, (request["target"], Answer(None, error))]


async def _ended(
    request: dict[str, Any],
    time_limit: float,
    side_by_side: int,
    on_verdict: Callable[[], None] = lambda: None,
) -> tuple[dict[str, Any] | None, str | None]:
    """Return the answer of a process, and the reason if it did not finish."""
    with TemporaryDirectory(prefix="handgrad-") as folder:
        answer = Path(folder, "answer.json")
        memory = min(MEMORY, physical_memory() // side_by_side)
        deadline = time.time() + time_limit
        asked = {**request, "time_limit": time_limit, "deadline": deadline, "memory": memory}
        Path(folder, "request.json").write_text(json.dumps(asked))
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # without the working directory on the path
            "-m",
            "autograd_ref.crosscheck.isolated.child",
            folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=_standard_error(),  # its output, because standard output is for the answer
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            env=environment(max(1, cores() // side_by_side)),
        )
        try:
            code = await asyncio.wait_for(_exit_code(child, answer, on_verdict), time_limit)
        except TimeoutError:
            error = where_it_was(Path(folder, "where.json"), request["target"], time_limit)
            return _read(answer), error
        except asyncio.CancelledError:
            known = _read(answer)
            if known is None or "report" not in known:
                raise
            return {**known, "interrupted": True}, None
        finally:
            with suppress(ProcessLookupError, PermissionError):
                if hasattr(os, "killpg"):
                    os.killpg(child.pid, signal.SIGKILL)
                else:
                    child.kill()
            await child.wait()
        found = _read(answer)
        return found, how_it_ended(code) if found is None or code != 0 else None


async def _exit_code(child: Process, answer: Path, on_verdict: Callable[[], None]) -> int:
    """Return the exit code of a child, and report an answer that comes before."""
    ended = asyncio.ensure_future(child.wait())
    while not ended.done():
        await asyncio.wait([ended], timeout=POLL)
        if answer.exists() and not ended.done():
            on_verdict()
            break
    return await ended


def _read(file: Path) -> dict[str, Any] | None:
    return json.loads(file.read_text()) if file.exists() else None


def _standard_error() -> int:
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return asyncio.subprocess.DEVNULL


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a child that may use a number of threads.

    JAX computes on the CPU there, unless the environment names other platforms, for kernels that need them.
    Recorded operations are replayed on the CPU in any case. Numba compiles nothing, so that its functions can
    be recorded, edited and tried like any other.
    """
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PJRT_NPROC")}
    shared = {} if threads == cores() else limits
    platforms = dict.fromkeys([*os.environ.get("JAX_PLATFORMS", "cpu").split(","), "cpu"])
    own = {"JAX_PLATFORMS": ",".join(filter(None, platforms))}
    return {**shared, "MPLBACKEND": "Agg", "NUMBA_DISABLE_JIT": "1", **os.environ, **own}


def physical_memory() -> int:
    """Return the memory of the machine in bytes."""
    if not hasattr(os, "sysconf"):
        return MEMORY
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def where_it_was(file: Path, target: str, time_limit: float) -> str:
    """Return the reason why there is no answer in time: what was running, and at which line."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        found = {"importing": False, "place": None}
    place, said = found["place"], f"did not finish within {time_limit:g} s"
    where = "" if place is None else f" at line {place['line']}"
    if place is not None and place["file"] != Path(target.rpartition(":")[0]).name:
        where += f" of {place['file']}"
    if found["importing"]:
        return (
            f"{said}: its import still runs{where}; put the training under if __name__ == '__main__': "
            "(or see --time-limit)"
        )
    return said + (f": it is still{where}" if where else "") + " (see --time-limit)"


def how_it_ended(code: int) -> str:
    """Return the reason why a child ended without an answer, by its exit code."""
    if code >= 0:
        return f"ended its process, with exit code {code}, before it was judged"
    if -code == getattr(signal, "SIGXCPU", None):
        return "used up its time"
    want = ", perhaps because memory ran out" if -code == signal.SIGKILL else ""
    return f"crashed: {signal.strsignal(-code) or f'signal {-code}'}{want}"
