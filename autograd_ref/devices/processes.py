"""Several processes that compute together, by JAX's distributed runtime, on this machine's loopback.

`start_together` starts a Python program several times and waits; in the program, `join` connects each process
to the others. If a process dies, the others wait for its results: `start_together` notices this within
`NOTICED` seconds, ends them and reports it. JAX's heartbeat notices a process that hangs after `HEARTBEAT`
seconds. The time limit holds in any case, even if the parent has ended.
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
    """One of several processes died or took too long, which ended the whole run; the message is one line."""


def start_together(program: Sequence[str], folder: Path, processes: int, time_limit: float) -> None:
    """Run a program in several processes at once, until all have ended successfully.

    Args:
        program: arguments after ``python``. Three more are added for `join`: the process's number, the number
            of processes, and the coordinator's address.
        folder: folder for the output of each process, in ``0.log``, ``1.log`` and so on.
        processes: number of processes.
        time_limit: seconds after which the processes are ended.

    Raises:
        ProcessEndedError: a process ended with an exit code other than 0, or the time is up. Then all are
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
                    # On a GPU, allocate memory as needed, because this process may use some of it too.
                    env={"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ},
                )
            started.append(process)
        while None in [process.poll() for process in started]:  # poll each, not only the first that runs
            _check(started, folder)
            if time.monotonic() > until:
                raise ProcessEndedError(
                    f"{processes} processes did not finish within {time_limit:g} s (see --time-limit)"
                )
            time.sleep(POLL)
        _check(started, folder)
    finally:
        for process in started:
            process.kill()  # does nothing to one that has ended
            process.wait()


def join(number: int, processes: int, address: str, *, devices: int | None, time_limit: float) -> None:
    """Connect this process with the others, before JAX computes anything in it.

    Args:
        number: the number of this process, from 0 on.
        processes: number of processes.
        address: ``host:port``, at which process 0 coordinates them.
        devices: number of devices to simulate in each process on the CPU; None for the devices that JAX
            finds.
        time_limit: seconds after which this process ends, even if the parent has ended.
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
    """Raise if a process has failed; if several have, report the one that was killed."""
    failed = [(n, process.returncode) for n, process in enumerate(started) if process.returncode]
    if not failed:
        return
    # A process that loses another aborts itself: look for one that ended in another way.
    number, code = min(failed, key=lambda end: end[1] in (1, -signal.SIGABRT))
    log = Path(folder, f"{number}.log").read_text(errors="replace")
    if code == -signal.SIGABRT and "JAX distributed service detected" in log:
        how = "gave up waiting for another, which no longer answered"
    elif code < 0:
        how = f"was ended by {signal.Signals(-code).name}"
    else:
        how = f"ended with exit code {code}, {_last_line(log)}"
    others = ", and the others were stopped" if len(started) > 1 else ""
    raise ProcessEndedError(
        f"process {number} of {len(started)} (from 0 on) {how}, before it was done{others}"
    )


def _last_line(log: str) -> str:
    return next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "without output")
