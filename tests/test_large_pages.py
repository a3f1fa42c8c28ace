"""An array in large pages behaves like any other."""

import numpy as np
import pytest

from handgrad.fused.large_pages import FEW_PAGES, LARGE_PAGE, NUMPY_ASKS, large_pages


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 8000, FEW_PAGES, NUMPY_ASKS - 8000, NUMPY_ASKS])
def test_array_has_shape_order_and_large_pages(size, dtype, order):
    columns = 1000 // np.dtype(dtype).itemsize
    array = large_pages((-(-size // 1000), columns), np.dtype(dtype), order)
    assert array.shape == (-(-size // 1000), columns)
    assert array.dtype == dtype
    assert array.flags.writeable
    assert array.flags.c_contiguous if order == "C" else array.flags.f_contiguous
    if FEW_PAGES <= array.nbytes < NUMPY_ASKS:
        assert array.ctypes.data % LARGE_PAGE == 0
    numbers = np.arange(array.size, dtype=dtype).reshape(array.shape)
    array[...] = numbers
    np.testing.assert_array_equal(array, numbers)
