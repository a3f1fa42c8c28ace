"""The machine's limits: a large GEMM, a large copy, and the step's gather and products by themselves."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from benchmarks.speed.contenders.interface import Data

GEMM_SIZE = 2048
COPY_BYTES = 1 << 27  # much more than any cache holds
TRIALS, TRIAL_SECONDS = 7, 0.1
# The update's factors: they hardly move the weights, and the BLAS takes no shortcut with them.
ALPHA, BETA = -1e-9, 1 - 1e-6

Call = Callable[[], Any]


class Contender:
    """Not a network, but the rates and the products that limit one."""

    tasks = ("gemm", "copy", "products")

    def __init__(self, data: Data) -> None:
        from handgrad.data.minibatches import Minibatch
        from handgrad.fused.blas import multiply_add

        self._multiply_add, self._threads = multiply_add, data.case.threads
        rng = np.random.default_rng(0)
        square = GEMM_SIZE, GEMM_SIZE
        self._a, self._b, self._c = (rng.random(square).astype(data.case.dtype) for _ in range(3))
        self._from = np.ones((self._threads, COPY_BYTES // self._threads), np.uint8)
        self._to = np.zeros_like(self._from)
        self._pool = ThreadPoolExecutor(self._threads)

        self._batches = data.some_batches(64)
        self._minibatch = Minibatch(data.X, data.y, data.case.batch_size, data.X.dtype)
        self._minibatch.gather(self._batches[0])
        in_each_order = [self._products_in(order, data) for order in "CF"]
        self._products = _fastest([partial(_run, calls) for calls in in_each_order])

    def gemm(self, times: int) -> None:
        """Multiply two 2048×2048 matrices by SciPy's BLAS, ``times`` times."""
        for _ in range(times):
            self._multiply_add(1.0, self._a, self._b, 0.0, self._c)

    def copy(self, times: int) -> None:
        """Copy 128 MiB, a part by each thread, ``times`` times."""
        for _ in range(times):
            list(self._pool.map(np.copyto, self._to, self._from))

    def products(self, times: int) -> None:
        """Gather a minibatch and compute the five products of a step, ``times`` times."""
        for number in range(times):
            self._minibatch.gather(self._batches[number % len(self._batches)])
            self._products()

    def _products_in(self, order: Any, data: Data) -> list[Call]:
        """Return the five products with W1 in a memory order, each in the fastest known way."""
        from handgrad.fused.blas import blas_in_use
        from handgrad.fused.large_pages import large_pages
        from handgrad.fused.products import forward_product, update_product
        from handgrad.fused.unpacked import CORES

        X, N, dtype = self._minibatch.X, data.case.batch_size, data.X.dtype
        W1, W2 = large_pages(data.params["W1"].shape, dtype, order), data.params["W2"].copy()
        W1[...] = data.params["W1"]
        h1, dz1 = (np.full((N, data.case.hidden), 0.1, dtype, order) for _ in range(2))
        scores = np.zeros((data.case.classes, N), dtype).T
        ways: list[Any] = ["packed"]
        if order == "C" and blas_in_use().core in CORES:
            ways.append("unpacked")
        if N == 1:
            ways.append("row")
        forwards = [partial(forward_product(way, W1, h1)(X), 1, 0.5) for way in ways]
        updates = [partial(update_product(way, dz1, W1)(X), ALPHA, BETA) for way in ways]
        if self._threads == 1:  # the threads of NumPy's BLAS would compete with those of SciPy's
            forwards.append(partial(np.matmul, X, W1, out=h1))
            updates.append(partial(np.matmul, X.T, dz1, out=np.empty_like(W1)))
        return [
            _fastest(forwards),
            partial(self._multiply_add, 1, h1, W2, 0, scores),
            partial(self._multiply_add, 1, scores, W2.T, 0, dz1),
            partial(self._multiply_add, ALPHA, h1.T, scores, BETA, W2),
            _fastest(updates),
        ]


def _run(calls: Sequence[Call]) -> None:
    for call in calls:
        call()


def _fastest(calls: Sequence[Call]) -> Call:
    """Return the call with the shortest of a few times; of a long call, two."""

    def seconds(call: Call) -> float:
        times: list[float] = []
        while len(times) < TRIALS and (len(times) < 2 or sum(times) < TRIAL_SECONDS):
            begin = time.perf_counter()
            call()
            times.append(time.perf_counter() - begin)
        return min(times)

    return calls[int(np.argmin([seconds(call) for call in calls]))]
