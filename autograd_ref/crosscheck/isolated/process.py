"""Run a check in an interpreter of its own, whatever the target does there.

The child has its own session and process group, no standard input, nowhere to print to, `MEMORY` bytes at
most (on Linux; less where processes that run side by side share less) and a time limit. When it ends, or
must, everything that it started ends with it. Its answer comes back as a file in a private folder, which
nothing that it prints can touch.
"""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

__all__ = ["MEMORY", "cores", "run_apart"]

MEMORY = 8 * 2**30
LONGEST_ANSWER = 16 * 2**20
MARK = "HANDGRAD_CHECK"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def run_apart(request: dict[str, Any], *, time_limit: float, side_by_side: int = 1) -> dict[str, Any]:
    """Have one target judged in a process of its own.

    Args:
        request: target, reference, sizes (N, D, H, C), reg, dtype and seed, for `child`.
        time_limit: seconds after which it is ended, the start of the interpreter included.
        side_by_side: how many such processes run at a time and share the cores and the memory.

    Returns:
        {"report": ...}, which may be anything since the target's code ran in the process that wrote it, or
        {"error": one line}.
    """
    with TemporaryDirectory(prefix="handgrad-") as folder:
        memory = min(MEMORY, _physical_memory() // side_by_side)
        asked = {**request, "time_limit": time_limit, "memory": memory}
        Path(folder, "request.json").write_text(json.dumps(asked))
        child = await asyncio.create_subprocess_exec(
            # Without the working directory on the path and without writing bytecode beside anybody's files.
            *(sys.executable, "-P", "-B", "-m", "autograd_ref.crosscheck.isolated.child", folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            env=_environment(folder, max(1, cores() // side_by_side)),
        )
        try:
            code = await asyncio.wait_for(child.wait(), time_limit)
        except TimeoutError:
            return {"error": f"does not come to an end within {time_limit:g} s (see --time-limit)"}
        finally:
            _end(child.pid, folder)
            await child.wait()
        return _answer(Path(folder, "answer.json")) or {"error": _how_it_ended(code)}


def _environment(mark: str, threads: int) -> dict[str, str]:
    each = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PJRT_NPROC")}
    shared = {} if threads == cores() else each
    return {**shared, "MPLBACKEND": "Agg", **os.environ, "JAX_PLATFORMS": "cpu", MARK: mark}


def _physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _end(group: int, mark: str) -> None:
    """Kill a process group and, on Linux, those that left it, who have the mark in their environment."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    wanted = f"{MARK}={mark}\0".encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if wanted in environment.read_bytes():
                os.kill(int(environment.parent.name), signal.SIGKILL)


def _answer(file: Path) -> dict[str, Any] | None:
    """What the child wrote; None if that is nothing that makes sense."""
    with suppress(OSError, ValueError, RecursionError):
        if file.stat().st_size <= LONGEST_ANSWER:
            found = json.loads(file.read_text())
            if isinstance(found, dict) and (found.keys() == {"report"} or _is_error(found)):
                return found
    return None


def _is_error(found: dict[str, Any]) -> bool:
    return found.keys() == {"error"} and isinstance(found["error"], str)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended its process, with exit code {code}, before it was judged"
    if -code == signal.SIGXCPU:
        return "used up its time"
    want = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
    return f"crashed: {signal.strsignal(-code) or f'signal {-code}'}{want}"
