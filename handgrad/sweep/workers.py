"""Who trains the points of a sweep: processes of this machine, or the workers of a Dask cluster."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

__all__ = ["Workers", "dask_workers", "process_pool"]

# Seconds between two looks of a worker whether the process that started it is still there.
WATCH_SECONDS = 1
# Seconds until a scheduler must have answered, and its first worker be there.
PATIENCE = 30


class Workers(NamedTuple):
    """Who does the tasks.

    Attributes:
        submit: starts a task, a function and its arguments, as `concurrent.futures.Executor.submit` does.
        capacity: how many tasks are done at once, which on a cluster may change.
    """

    submit: Callable[..., "Future[Any]"]
    capacity: Callable[[], int]


@contextmanager
def process_pool(workers: int) -> Iterator[Workers]:
    """Processes of this machine.

    When one of them dies (killed, or for want of memory), the tasks under way end with a `BrokenProcessPool`;
    the next task is given to new processes.
    """
    from joblib.externals.loky import get_reusable_executor

    def submit(*task: Any) -> "Future[Any]":
        # A pool that broke is replaced here, any other is returned as it is.
        pool = get_reusable_executor(workers, timeout=None, initializer=_live_with_parent)
        return pool.submit(*task)

    try:
        yield Workers(submit, lambda: workers)
    finally:
        get_reusable_executor(workers, reuse=True).shutdown(kill_workers=True)


def _live_with_parent() -> None:
    """In a worker: leave Ctrl-C to the main process, and end with it, even if that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def dask_workers(scheduler: str | None, local: int | None) -> Iterator[Workers]:
    """The workers of a Dask cluster.

    Args:
        scheduler: the address of its scheduler, or None to start a cluster on this machine.
        local: the number of its workers, where it is started here.

    Raises:
        ValueError: Dask is not installed.
        OSError: the scheduler or its workers cannot be reached.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ValueError("a cluster needs Dask: pip install 'handgrad[cluster]'") from None
    with ExitStack() as stack:
        address = scheduler
        if address is None:
            cluster = LocalCluster(
                n_workers=local,
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            )
            address = stack.enter_context(cluster).scheduler_address
        try:
            client = stack.enter_context(Client(address, timeout=PATIENCE))
        except (OSError, ValueError) as error:
            raise OSError(f"no Dask scheduler answers at {address}: {error}") from None
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise OSError(f"the Dask scheduler at {address} has no workers") from None
        # Not pure: a point whose result was lost is trained again, not looked up. The scheduler gives a dead
        # worker's tasks to others.
        submit = client.get_executor(pure=False).submit
        yield Workers(submit, lambda: max(sum(client.nthreads().values()), 1))
