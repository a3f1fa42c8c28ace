"""The workers of a sweep: processes on this machine, or a Dask cluster."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, NamedTuple

__all__ = ["Workers", "dask_workers", "process_pool"]

# Seconds between a worker's checks that its parent process is alive.
WATCH_SECONDS = 1
# Seconds within which a scheduler must answer, and have a worker.
PATIENCE = 30


class Workers(NamedTuple):
    """A function that starts a task, like `Executor.submit`, and the number of tasks that run at once.

    On a cluster, the capacity may change.
    """

    submit: Callable[..., "Future[Any]"]
    capacity: Callable[[], int]


@contextmanager
def process_pool(workers: int) -> Iterator[Workers]:
    """Start workers as processes on this machine.

    When one of them is killed or runs out of memory, the running tasks end with a `BrokenProcessPool`; the
    next task gets new processes.
    """
    from multiprocessing import resource_tracker

    from joblib.externals.loky import get_reusable_executor

    # Otherwise it starts with the first worker, and unblocks the signal that `submit` blocks.
    resource_tracker.ensure_running()

    def submit(*task: Any) -> "Future[Any]":
        # A new process inherits the mask: before its initializer runs, Ctrl-C would print a traceback.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            # This replaces a broken pool and returns any other.
            pool = get_reusable_executor(workers, timeout=None, initializer=_live_with_parent)
            return pool.submit(*task)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    try:
        yield Workers(submit, lambda: workers)
    finally:
        get_reusable_executor(workers, reuse=True).shutdown(kill_workers=True)


def _live_with_parent() -> None:
    """In a worker, leave Ctrl-C to the main process, and end when it ends, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def dask_workers(cluster: str | int) -> Iterator[Workers]:
    """Use a Dask cluster, given the address of its scheduler or a number of workers to start here.

    Raises:
        ValueError: Dask is not installed.
        OSError: the scheduler or its workers cannot be reached.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ValueError("a cluster needs Dask: pip install 'handgrad[cluster]'") from None
    options: dict[str, Any] = {"address": cluster}
    if isinstance(cluster, int):
        options = {"n_workers": cluster, "threads_per_worker": 1, "dashboard_address": None}
        options["silence_logs"] = logging.CRITICAL
    try:
        client = Client(timeout=PATIENCE, **options)
    except (OSError, ValueError) as error:
        raise OSError(f"no Dask scheduler answers at {cluster}: {error}") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise OSError(f"the Dask scheduler at {cluster} has no workers") from None
        # Not pure, so that a point whose result was lost is trained again and not looked up. The scheduler
        # gives a dead worker's tasks to others.
        submit = client.get_executor(pure=False).submit
        yield Workers(submit, lambda: max(sum(client.nthreads().values()), 1))
