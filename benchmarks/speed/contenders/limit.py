"""The machine's limit: the rate of a large GEMM and the bandwidth of a large copy."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.speed.contenders.interface import Data

GEMM_SIZE = 2048
COPY_BYTES = 1 << 27  # much more than any cache holds


class Contender:
    """Not a network, but the rates that limit its GEMMs and its gather."""

    tasks = ("gemm", "copy")

    def __init__(self, data: Data) -> None:
        from handgrad.fused.blas import multiply_add

        self._multiply_add, self._threads = multiply_add, data.case.threads
        rng = np.random.default_rng(0)
        square = GEMM_SIZE, GEMM_SIZE
        self._a, self._b, self._c = (rng.random(square).astype(data.case.dtype) for _ in range(3))
        self._from = np.ones((self._threads, COPY_BYTES // self._threads), np.uint8)
        self._to = np.zeros_like(self._from)
        self._pool = ThreadPoolExecutor(self._threads)

    def gemm(self, times: int) -> None:
        """Multiply two 2048×2048 matrices by SciPy's BLAS, ``times`` times."""
        for _ in range(times):
            self._multiply_add(1.0, self._a, self._b, 0.0, self._c)

    def copy(self, times: int) -> None:
        """Copy 128 MiB, a part by each thread, ``times`` times."""
        for _ in range(times):
            list(self._pool.map(np.copyto, self._to, self._from))
