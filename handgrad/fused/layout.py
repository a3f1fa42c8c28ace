r"""The fastest memory order of the first layer, and the fastest way to compute its two products.

The products are $XW_1$ and $X^\top dz_1$. Each rule was measured; the figures are in
benchmarks/speed/layouts.md. They depend on the kernels of the BLAS, which OpenBLAS chooses by the processor.
"""

from typing import Literal, NamedTuple

import numpy as np

from handgrad.fused.blas import Blas
from handgrad.fused.unpacked import CORES, MULTIPLICATIONS

__all__ = ["Layout", "Way", "choose_layout"]

# A GEMM of SciPy's that packs both factors; the same in pieces that it does not pack; for a single row GEMV,
# and GER for its update; and a product of NumPy's, which is added afterwards.
Way = Literal["packed", "unpacked", "row", "numpy"]


class Layout(NamedTuple):
    """A memory order and a way to compute each product.

    Attributes:
        order: order of W1, its velocity and the hidden layer's arrays: contiguous rows (C) or columns (F).
        forward: way of the forward product; the order is C if one of the two is unpacked.
        update: way of the update.
    """

    order: Literal["C", "F"]
    forward: Way
    update: Way


def choose_layout(N: int, D: int, H: int, dtype: np.dtype[np.floating], blas: Blas) -> Layout:
    """Return the fastest known layout for N rows of D features and H hidden units.

    The order does not depend on the threads: a run resumed with another number of them keeps its order.
    """
    single = dtype == np.float32
    if blas.core not in CORES:
        by_rows = (H < 100 and N >= 64) if single else N < 64
        way: Way = "row" if N == 1 else "packed"
        return Layout("C" if by_rows else "F", way, way)
    small = N * D * H <= MULTIPLICATIONS  # the BLAS itself does not pack it
    if N == 1:
        return Layout("C", "row" if single or not small else "packed", "packed" if small else "row")
    few = N * H <= 20_000
    by_rows = (N < 32 or H < 480 or (N < 128 and H < 768)) if single else few and N <= 64
    order: Literal["C", "F"] = "C" if by_rows else "F"
    alone = single and blas.threads == 1
    if alone and by_rows and N >= 500:
        return Layout(order, "packed", "numpy")
    if blas.threads > 1:
        few = N <= 20 and N * H <= 10_000  # an unpacked product uses one thread
    # Longer rows drop out of the cache between the pieces; a small minibatch needs each row only a few times.
    cut = by_rows and not small and (single or H <= 320 or N < 8)
    return Layout(
        order, "unpacked" if cut and (few or alone) else "packed", "unpacked" if cut and few else "packed"
    )
