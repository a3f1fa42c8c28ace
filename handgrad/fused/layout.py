r"""The fastest memory order of the first layer, and the fastest way to compute its two products.

The products are $XW_1$ and $X^\top dz_1$. Each rule was measured; benchmarks/speed/README.md has the figures.
They depend on the kernels of the BLAS, which OpenBLAS chooses by the processor.
"""

from typing import Literal, NamedTuple

import numpy as np

from handgrad.fused.blas import Blas
from handgrad.fused.unpacked import CORES, MULTIPLICATIONS

__all__ = ["Layout", "choose_layout"]


class Layout(NamedTuple):
    """A memory order and a way to compute the products.

    Attributes:
        order: order of W1, its velocity and the hidden layer's arrays: contiguous rows (C) or columns (F).
        unpacked_forward: whether the forward product is an `UnpackedProduct`; the order is C then.
        unpacked_update: whether the update is one.
    """

    order: Literal["C", "F"]
    unpacked_forward: bool
    unpacked_update: bool


def choose_layout(N: int, D: int, H: int, dtype: np.dtype[np.floating], blas: Blas) -> Layout:
    """Return the fastest known layout for N rows of D features and H hidden units."""
    single = dtype == np.float32
    if blas.core not in CORES:
        by_rows = (H < 100 and N >= 64) if single else N < 64
        return Layout("C" if by_rows else "F", False, False)
    few = N * H <= 20_000
    # This does not depend on the threads: a run resumed with another number of them keeps its order.
    by_rows = N < 32 or H < 768 if single else few and N <= 64
    cut = by_rows and N * D * H > MULTIPLICATIONS  # the BLAS does not pack smaller products
    if blas.threads > 1:
        few = N <= 20 and N * H <= 10_000  # an unpacked product uses one thread
    # Longer rows drop out of the cache between the pieces; a small minibatch needs each row only a few times.
    short = single or H <= 320 or N < 8
    alone = single and blas.threads == 1
    forward = cut and short and (few or (alone and N <= 1000))
    update = cut and short and (few or (alone and N >= 1000))
    return Layout("C" if by_rows else "F", forward, update)
