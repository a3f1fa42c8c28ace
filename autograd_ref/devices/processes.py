"""Several processes that compute as one, by JAX's own distributed runtime, on this machine's loopback.

`start_together` starts a Python program several times and waits; in the program, `join` makes each process
one of all. A process that dies leaves the others waiting for what it owes them: `start_together` sees it
within `NOTICED` seconds, ends them and says so. One that stands still is missed by JAX's heartbeat after
`HEARTBEAT` seconds. The time limit holds in any case, even if nobody waits any more.
"""

import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import jax

__all__ = ["HEARTBEAT", "NOTICED", "ProcessEndedError", "join", "start_together"]

NOTICED = 5
HEARTBEAT = 10

POLL = 0.05
LOOPBACK = "127.0.0.1"


class ProcessEndedError(ValueError):
    """A process of several ended, or took too long, and with it the whole run; the message is one line."""


def start_together(program: Sequence[str], folder: Path, processes: int, time_limit: float) -> None:
    """Run a program in several processes at a time, until all of them have ended well.

    Args:
        program: what follows ``python``. It is given three arguments more for `join`: its number, how many
            there are, and the coordinator's address.
        folder: where what each of them prints is kept, as ``0.log``, ``1.log`` and so on.
        processes: how many.
        time_limit: seconds after which they are ended.

    Raises:
        ProcessEndedError: one of them ended with another exit code than 0, or the time is up. Then all are
            ended.
    """
    address = f"{LOOPBACK}:{_free_port()}"
    started: list[subprocess.Popen[bytes]] = []
    until = time.monotonic() + time_limit
    try:
        for number in range(processes):
            arguments = [*program, str(number), str(processes), address]
            with Path(folder, f"{number}.log").open("wb") as log:
                process = subprocess.Popen(  # noqa: S603 - it is this project's own program
                    [sys.executable, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    # On a GPU, memory is taken as it is needed: this process may hold some of it, too.
                    env={"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ},
                )
            started.append(process)
        while None in [process.poll() for process in started]:  # each is polled, not only the first that runs
            _check(started, folder)
            if time.monotonic() > until:
                raise ProcessEndedError(
                    f"{processes} processes do not come to an end within {time_limit:g} s (see --time-limit)"
                )
            time.sleep(POLL)
        _check(started, folder)
    finally:
        for process in started:
            process.kill()  # does nothing to one that has ended
            process.wait()


def join(number: int, processes: int, address: str, *, devices: int | None, time_limit: float) -> None:
    """Make this process one of several, before JAX computes anything in it.

    Args:
        number: which of them it is, from 0 on.
        processes: how many there are.
        address: ``host:port``, where process 0 coordinates them.
        devices: to simulate in each on the CPU; None for those that JAX finds.
        time_limit: seconds after which this process ends, whether or not anybody is there to end it.
    """
    signal.alarm(math.ceil(time_limit))
    if devices is not None:
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_num_cpu_devices", devices)
    if processes == 1:
        return
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(
        address,
        processes,
        number,
        coordinator_bind_address=address,
        initialization_timeout=math.ceil(time_limit),
        heartbeat_timeout_seconds=HEARTBEAT,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def _check(started: Sequence[subprocess.Popen[bytes]], folder: Path) -> None:
    """Raise if one of them has ended badly; of several, for the one that was killed."""
    failed = [(n, process.returncode) for n, process in enumerate(started) if process.returncode]
    if not failed:
        return
    # A process that loses another aborts itself: look for the one whose end was not its own doing.
    number, code = min(failed, key=lambda end: end[1] in (1, -signal.SIGABRT))
    log = Path(folder, f"{number}.log").read_text(errors="replace")
    if code == -signal.SIGABRT and "JAX distributed service detected" in log:
        how = "gave up another that no longer answered"
    elif code < 0:
        how = f"was ended by {signal.Signals(-code).name}"
    else:
        how = f"ended with exit code {code}, {_last_line(log)}"
    others = ", and the others were stopped" if len(started) > 1 else ""
    raise ProcessEndedError(
        f"process {number} of {len(started)} (from 0 on) {how}, before it was done{others}"
    )


def _last_line(log: str) -> str:
    return next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "without a word")
