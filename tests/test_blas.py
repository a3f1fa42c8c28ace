"""The BLAS computes in place, in either memory order."""

import itertools

import numpy as np
import pytest

from handgrad.fused.blas import add_outer, add_scaled, multiply_add, prepare_row, scale, squared_norm

DTYPES = [np.float32, np.float64]


def integers(*shape, dtype, order="C", seed=0):
    """Small whole numbers: their sums of products are exact in either dtype, in any order."""
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype, order=order)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("orders", list(itertools.product("CF", repeat=3)))
@pytest.mark.parametrize("shape", [(4, 3, 5), (1, 3, 5), (4, 3, 1), (4, 1, 5), (1, 1, 1)])
def test_multiply_add_is_exact_in_every_order(shape, orders, dtype):
    (M, K, N), (a_order, b_order, c_order) = shape, orders
    a = integers(M, K, dtype=dtype, order=a_order)
    b = integers(K, N, dtype=dtype, order=b_order, seed=1)
    c = integers(M, N, dtype=dtype, order=c_order, seed=2)
    expected = -2 * (a @ b) + 3 * c
    multiply_add(-2.0, a, b, 3.0, c)
    np.testing.assert_array_equal(c, expected)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_of_single_rows_are_exact(dtype, order):
    x, z = integers(4, dtype=dtype), integers(3, dtype=dtype, seed=1)
    W = integers(4, 3, dtype=dtype, order=order, seed=2)
    expected = -2 * (x @ W) + 3 * z
    prepare_row(x, W, z)(-2.0, 3.0)
    np.testing.assert_array_equal(z, expected)
    expected = W - 2 * np.outer(x, z)
    add_outer(-2.0, x, z, W)
    np.testing.assert_array_equal(W, expected)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", DTYPES)
def test_vectors_and_matrices_are_scaled_added_and_squared(dtype, order):
    x, y = integers(4, 3, dtype=dtype, order=order), integers(4, 3, dtype=dtype, order=order, seed=1)
    expected = y + 2 * x
    add_scaled(2.0, x, y)
    np.testing.assert_array_equal(y, expected)
    scale(-2.0, y)
    np.testing.assert_array_equal(y, -2 * expected)
    assert squared_norm(x) == (x**2).sum()


def test_output_that_would_be_copied_is_refused():
    a, gaps = np.ones((4, 4)), np.ones((4, 8))[:, ::2]
    with pytest.raises(ValueError, match="worked on a copy"):
        multiply_add(1.0, a, a, 0.0, gaps)
    with pytest.raises(ValueError, match="worked on a copy"):
        add_scaled(1.0, a, gaps)
    with pytest.raises(ValueError, match="worked on a copy"):
        scale(2.0, gaps)
    with pytest.raises(ValueError, match="worked on a copy"):
        prepare_row(a[0], a, gaps[0])(1.0, 1.0)
    with pytest.raises(ValueError, match="worked on a copy"):
        add_outer(1.0, a[0], a[0], gaps)
