"""Who trains the points of a sweep: processes of this machine, or the workers of a Dask cluster."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

__all__ = ["RetryingProcessPool", "Workers", "dask_workers", "process_pool"]

# So many times in a row workers may die without one of them having finished anything.
DEATHS = 3
# Seconds until a scheduler must have answered, and its first worker be there.
PATIENCE = 30


class Workers(NamedTuple):
    """An executor, and how many tasks it does at once, which on a cluster may change."""

    executor: Executor
    capacity: Callable[[], int]


class RetryingProcessPool(Executor):
    """A `ProcessPoolExecutor` that survives the death of its workers.

    When a worker dies (killed, or for want of memory) the standard pool is lost with all that was under way.
    This one then starts another and gives it the tasks that had no result yet.
    """

    def __init__(self, workers: int) -> None:
        """Start no process yet.

        Args:
            workers: how many processes, at least 1.
        """
        self._workers, self._deaths, self._lock = workers, 0, threading.RLock()
        # Its near end is closed by `shutdown` or by the death of this process, however it comes; the workers,
        # which would otherwise wait for tasks forever, end when they see that.
        self._far, self._near = multiprocessing.Pipe(duplex=False)
        self._pool = self._new_pool()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """See `Executor`."""
        result: Future[Any] = Future()
        self._start(result, lambda pool: pool.submit(fn, *args, **kwargs))
        return result

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See `Executor`; with ``cancel_futures`` the tasks under way are ended, too."""
        if cancel_futures:
            self._near.close()
        self._pool.shutdown(wait, cancel_futures=cancel_futures)
        self._near.close()
        self._far.close()

    def _new_pool(self) -> ProcessPoolExecutor:
        # "spawn": a fork would take over the locks of whatever threads this process has.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._workers, context, _live_with, (self._far,))

    def _start(self, result: "Future[Any]", submit: "Callable[[Executor], Future[Any]]") -> None:
        with self._lock:
            try:
                attempt = submit(self._pool)
            except BrokenProcessPool:
                self._pool = self._new_pool()
                attempt = submit(self._pool)
            pool = self._pool

        def finish(attempt: "Future[Any]") -> None:
            if attempt.cancelled() or self._near.closed:
                result.cancel()
                return
            error = attempt.exception()
            if isinstance(error, BrokenProcessPool) and self._may_retry(pool):
                self._start(result, submit)
            elif error is not None:
                result.set_exception(error)
            else:
                self._deaths = 0
                result.set_result(attempt.result())

        attempt.add_done_callback(finish)

    def _may_retry(self, broken: ProcessPoolExecutor) -> bool:
        """Put another pool in the place of a broken one, unless that has happened too often."""
        with self._lock:
            if broken is self._pool:
                self._deaths += 1
                if self._deaths < DEATHS:
                    self._pool = self._new_pool()
            return self._deaths < DEATHS


def _live_with(far: Connection) -> None:
    """In a worker: leave Ctrl-C to the main process, and end when the pipe's near end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait_and_end() -> None:
        far.poll(None)
        os._exit(1)

    threading.Thread(target=wait_and_end, daemon=True).start()


@contextmanager
def process_pool(workers: int) -> Iterator[Workers]:
    """Processes of this machine."""
    pool = RetryingProcessPool(workers)
    try:
        yield Workers(pool, lambda: workers)
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def dask_workers(scheduler: str | None, local: int | None) -> Iterator[Workers]:
    """The workers of a Dask cluster.

    Args:
        scheduler: the address of its scheduler, or None to start a cluster on this machine.
        local: then, of how many workers.

    Raises:
        ValueError: Dask is not installed.
        OSError: the scheduler or its workers cannot be reached.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ValueError("a cluster needs Dask: pip install 'handgrad[cluster]'") from None
    if scheduler is None:
        cluster = LocalCluster(
            n_workers=local,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
        address = cluster.scheduler_address
    else:
        cluster, address = None, scheduler
    try:
        try:
            client = Client(address, timeout=PATIENCE)
        except (OSError, ValueError) as error:
            raise OSError(f"no Dask scheduler answers at {address}: {error}") from None
        with client:
            try:
                client.wait_for_workers(1, timeout=PATIENCE)
            except TimeoutError:
                raise OSError(f"the Dask scheduler at {address} has no workers") from None
            # Not pure: a point whose result was lost is trained again, not looked up. Its scheduler gives
            # a dead worker's tasks to others.
            executor = client.get_executor(pure=False)
            yield Workers(executor, lambda: max(sum(client.nthreads().values()), 1))
    finally:
        if cluster is not None:
            cluster.close()
