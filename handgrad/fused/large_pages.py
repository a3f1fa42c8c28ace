"""Arrays in large pages of memory.

The processor looks up every page of memory that it reads, and remembers a limited number of them. Linux uses
one page of 2 MiB instead of 512 of 4 KiB where a program asks for it, as NumPy does for arrays of 4 MiB or
more. Here a smaller array gets a large page as a part of such an array, whose rest is never touched and takes
no memory. On other systems nothing changes.
"""

import math
from typing import Literal

import numpy as np
from jaxtyping import Shaped

__all__ = ["large_pages"]

LARGE_PAGE = 1 << 21  # bytes
NUMPY_ASKS = 1 << 22  # from this size on
FEW_PAGES = 1 << 18  # below this size the processor remembers all pages of an array


def large_pages(
    shape: tuple[int, ...], dtype: np.dtype[np.floating], order: Literal["C", "F"] = "C"
) -> Shaped[np.ndarray, "..."]:
    """Return an uninitialised array, in large pages if it would have many."""
    size = math.prod(shape) * dtype.itemsize
    if not FEW_PAGES <= size < NUMPY_ASKS:
        return np.empty(shape, dtype, order)
    memory = np.empty(NUMPY_ASKS + LARGE_PAGE, np.uint8)
    start = -memory.ctypes.data % LARGE_PAGE
    return memory[start : start + size].view(dtype).reshape(shape, order=order)
