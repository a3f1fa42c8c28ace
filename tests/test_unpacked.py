"""A product computed in pieces equals the whole product."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handgrad.fused import unpacked
from handgrad.fused.blas import Blas, blas_in_use
from handgrad.fused.layout import choose_layout
from handgrad.fused.unpacked import UnpackedProduct

DTYPES = [np.float32, np.float64]


def integers(*shape, dtype, seed=0):
    """Small whole numbers: their sums of products are exact in either dtype, in any order."""
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype)


@settings(max_examples=60)
@given(
    N=st.integers(1, 150), D=st.integers(1, 90), H=st.integers(1, 180),
    largest=st.sampled_from([1, 2000, 10**6]),
    dtype=st.sampled_from(DTYPES),
)  # fmt: skip
def test_pieces_of_any_shape_are_exact(N, D, H, largest, dtype):
    X, W, z = integers(N, D, dtype=dtype), integers(D, H, dtype=dtype), integers(N, H, dtype=dtype)
    if largest == 1:
        N, D, H = min(N, 9), min(D, 9), min(H, 9)  # each number is a piece
        X, W, z = X[:N, :D].copy(), W[:D, :H].copy(), z[:N, :H].copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpacked, "MULTIPLICATIONS", largest)
        expected = -2 * (X @ W) + 3 * z
        UnpackedProduct(W, z, transposed=False).prepare(X)(-2.0, 3.0)
        np.testing.assert_array_equal(z, expected)
        z = integers(N, H, dtype=dtype, seed=1)
        expected = -2 * (X.T @ z) + 3 * W
        UnpackedProduct(z, W, transposed=True).prepare(X)(-2.0, 3.0)
        np.testing.assert_array_equal(W, expected)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_minibatch_of_another_kind_is_refused(transposed):
    z, W = np.zeros((4, 3)), np.zeros((6, 3))
    product = UnpackedProduct(*((z, W) if transposed else (W, z)), transposed=transposed)
    for X in (np.ones((4, 5)), np.ones((4, 6), np.float32), np.ones((6, 4)).T, np.ones((4, 12))[:, ::2]):
        with pytest.raises(ValueError, match=r"C-contiguous float64 array of shape \(4, 6\)"):
            product.prepare(X)


def test_matrices_in_another_order_are_refused():
    with pytest.raises(ValueError, match="contiguous by rows"):
        UnpackedProduct(np.zeros((6, 3), order="F"), np.zeros((4, 3)), transposed=False)
    with pytest.raises(ValueError, match="contiguous by rows"):
        UnpackedProduct(np.zeros((6, 3)), np.zeros((4, 3), np.float32), transposed=False)


@settings(max_examples=200)
@given(
    N=st.integers(1, 6000), D=st.integers(1, 4000), H=st.integers(1, 5000), threads=st.integers(1, 64),
    core=st.sampled_from(["SkylakeX", "Haswell", "Zen", "neoversen1", ""]), dtype=st.sampled_from(DTYPES),
)  # fmt: skip
def test_ways_are_chosen_only_where_possible(N, D, H, threads, core, dtype):
    layout = choose_layout(N, D, H, np.dtype(dtype), Blas(core, threads))
    if "unpacked" in layout:
        assert layout.order == "C"
        assert core == "SkylakeX"
    assert threads == 1 or "numpy" not in layout  # on more, NumPy's BLAS and SciPy's would compete
    assert N == 1 or "row" not in layout


def test_blas_reports_its_threads():
    blas = blas_in_use()
    assert blas.threads >= 1


@pytest.mark.slow
@settings(max_examples=200)
@given(
    N=st.integers(1, 6000), D=st.integers(1, 4000), H=st.integers(1, 5000), threads=st.integers(2, 64),
    core=st.sampled_from(["SkylakeX", "Haswell", ""]), dtype=st.sampled_from(DTYPES),
)  # fmt: skip
def test_the_order_is_the_same_on_any_number_of_threads(N, D, H, threads, core, dtype):
    one, many = (choose_layout(N, D, H, np.dtype(dtype), Blas(core, number)) for number in (1, threads))
    assert one.order == many.order
