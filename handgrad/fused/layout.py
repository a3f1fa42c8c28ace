"""How the first layer lies in memory, and how its two products are computed: what is fastest on this processor.

The products are $XW_1$ and $X^\\top dz_1$. Each rule was measured; benchmarks/README.md has the figures. They depend
on the kernels of the BLAS, which OpenBLAS chooses by the processor.
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
    """The fastest layout that was found.

    Args:
        N: rows of a minibatch.
        D: features.
        H: hidden units.
        dtype: float32 or float64.
        blas: what computes the products.
    """
    single = dtype == np.float32
    if blas.core not in CORES:
        by_rows = (H < 100 and N >= 64) if single else N < 64
        return Layout("C" if by_rows else "F", False, False)
    # The BLAS itself does not pack a product of this size.
    cut = N * D * H > MULTIPLICATIONS
    if blas.threads > 1:
        # What is not packed is computed by one thread.
        few = N <= 20 and N * H <= 10_000
        return Layout("F" if H >= 768 and not few else "C", cut and few, cut and few)
    few = N * H <= 20_000
    if single and H >= 768 and N >= 32 or not single and not few:
        return Layout("F", False, False)
    if single:
        return Layout("C", cut and N <= 1000, cut and (few or N >= 1000))
    # Longer rows do not stay in the cache between the pieces; one row of a minibatch needs each once.
    short = H <= 320 or N < 8
    return Layout("C", cut and short, cut and short)
