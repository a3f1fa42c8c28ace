r"""The first layer's order in memory and the way to compute its two products that are fastest on a processor.

The products are $XW_1$ and $X^\top dz_1$. Each rule was measured; benchmarks/speed/README.md has the figures. They
depend on the kernels of the BLAS, which OpenBLAS chooses by the processor.
"""

from typing import Literal, NamedTuple

import numpy as np

from handgrad.fused.blas import Blas
from handgrad.fused.unpacked import CORES, MULTIPLICATIONS

__all__ = ["Layout", "choose_layout"]


class Layout(NamedTuple):
    """A layout.

    Attributes:
        order: of W1, its velocity and what the hidden layer holds: contiguous by rows (C) or by columns (F).
        unpacked_forward: the forward product is an `UnpackedProduct`; the order is C then.
        unpacked_update: the update is one.
    """

    order: Literal["C", "F"]
    unpacked_forward: bool
    unpacked_update: bool


def choose_layout(N: int, D: int, H: int, dtype: np.dtype[np.floating], blas: Blas) -> Layout:
    """Return the fastest layout that was found for N rows of D features and H hidden units."""
    single = dtype == np.float32
    if blas.core not in CORES:
        by_rows = (H < 100 and N >= 64) if single else N < 64
        return Layout("C" if by_rows else "F", False, False)
    few = N * H <= 20_000
    # Whatever the threads: a run that goes on with another number of them keeps its order.
    by_rows = N < 32 or H < 768 if single else few and N <= 64
    cut = by_rows and N * D * H > MULTIPLICATIONS  # the BLAS itself does not pack a smaller product
    if blas.threads > 1:
        few = N <= 20 and N * H <= 10_000  # one thread computes what is not packed
    # Longer rows leave the cache between the pieces; a minibatch of some rows needs each only a few times.
    short = single or H <= 320 or N < 8
    alone = single and blas.threads == 1
    forward = cut and short and (few or (alone and N <= 1000))
    update = cut and short and (few or (alone and N >= 1000))
    return Layout("C" if by_rows else "F", forward, update)
