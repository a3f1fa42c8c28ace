"""SciPy's BLAS on arrays in either memory order: results accumulate in place and nothing is copied.

The BLAS needs contiguous columns. The transpose of an array with contiguous rows has them, and costs nothing;
every function here passes the array or its transpose, whichever the BLAS can take without a copy.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import blas

__all__ = [
    "Blas",
    "Product",
    "add_outer",
    "add_scaled",
    "blas_in_use",
    "blas_threads",
    "dot",
    "multiply_add",
    "prepare_product",
    "prepare_row",
    "scale",
    "squared_norm",
]

# A function of alpha and beta that computes ``c ← alpha·a·b + beta·c``; the three arrays are fixed.
Product = Callable[[float, float], None]


def multiply_add(
    alpha: float,
    a: Float[np.ndarray, "M K"],
    b: Float[np.ndarray, "K N"],
    beta: float,
    c: Float[np.ndarray, "M N"],
) -> None:
    """Compute ``c ← alpha·a·b + beta·c`` in one call of GEMM; see `prepare_product`."""
    prepare_product(a, b, c)(alpha, beta)


def prepare_product(
    a: Float[np.ndarray, "M K"], b: Float[np.ndarray, "K N"], c: Float[np.ndarray, "M N"]
) -> Product:
    """Return the function of alpha and beta that computes ``c ← alpha·a·b + beta·c`` in one call of GEMM.

    Preparing it once saves a third of the time of a product of a few thousand numbers.

    Args:
        a: left factor.
        b: right factor.
        c: the matrix to overwrite; contiguous by rows or by columns, like ``a`` and ``b``, and of their
            dtype. Otherwise the BLAS works on a copy, and the function raises ValueError.
    """
    # Some kernels are faster with a column than with a row: as the result, in float64 as the right factor.
    if len(c) == 1 or not c.flags.f_contiguous:
        a, b, c = b.T, a.T, c.T
    gemm = blas.sgemm if c.dtype.char == "f" else blas.dgemm
    trans_a = not a.flags.f_contiguous
    trans_b = not b.flags.f_contiguous or (len(b) == 1 and c.dtype.char == "d")
    a, b = a.T if trans_a else a, b.T if trans_b else b
    return partial(_gemm_in_place, gemm, a, b, c, trans_a, trans_b)


def _gemm_in_place(
    gemm: Any, a: Any, b: Any, c: Any, trans_a: bool, trans_b: bool, alpha: float, beta: float
) -> None:
    if gemm(alpha, a, b, beta, c, trans_a, trans_b, True) is not c:
        check_in_place(False)


def prepare_row(
    a: Float[np.ndarray, " K"], b: Float[np.ndarray, "K N"], c: Float[np.ndarray, " N"]
) -> Product:
    """Return the function of alpha and beta that computes ``c ← alpha·a·b + beta·c`` by GEMV.

    It raises ValueError if ``c`` is not contiguous or has another dtype, so that the BLAS works on a copy.
    """
    gemv = blas.sgemv if c.dtype.char == "f" else blas.dgemv
    columns = b.flags.f_contiguous
    return partial(_gemv_in_place, gemv, b if columns else b.T, a, c, columns)


def _gemv_in_place(gemv: Any, b: Any, a: Any, c: Any, transposed: bool, alpha: float, beta: float) -> None:
    check_in_place(gemv(alpha, b, a, beta, c, trans=transposed, overwrite_y=True) is c)


def add_outer(
    alpha: float, a: Float[np.ndarray, " M"], b: Float[np.ndarray, " N"], c: Float[np.ndarray, "M N"]
) -> None:
    """Compute ``c ← c + alpha·aᵀ·b`` for two rows, by GER.

    Raises:
        ValueError: ``c`` is not contiguous or has another dtype, so that the BLAS worked on a copy.
    """
    if not c.flags.f_contiguous:
        a, b, c = b, a, c.T
    ger = blas.sger if c.dtype.char == "f" else blas.dger
    check_in_place(ger(alpha, a, b, a=c, overwrite_a=True) is c)


def add_scaled(alpha: float, x: Float[np.ndarray, "*shape"], y: Float[np.ndarray, "*shape"]) -> None:
    """Compute ``y ← y + alpha·x``, for ``x`` contiguous in the memory order of ``y``.

    Raises:
        ValueError: ``y`` is not contiguous, so that the BLAS worked on a copy.
    """
    axpy = blas.saxpy if y.dtype.char == "f" else blas.daxpy
    flat = y.ravel(order="K")
    check_in_place(axpy(x.ravel(order="K"), flat, a=alpha) is flat and np.may_share_memory(flat, y))


def scale(alpha: float, x: Float[np.ndarray, "*shape"]) -> None:
    """Compute ``x ← alpha·x``.

    Raises:
        ValueError: ``x`` is not contiguous, so that the BLAS worked on a copy.
    """
    scal = blas.sscal if x.dtype.char == "f" else blas.dscal
    flat = x.ravel(order="K")
    check_in_place(scal(alpha, flat) is flat and np.may_share_memory(flat, x))


def squared_norm(x: Float[np.ndarray, "*shape"]) -> float:
    """Return the sum of the squares of all entries, as a dot product in the dtype of ``x``."""
    flat = x.ravel(order="K")
    return dot(flat, flat)


def dot(x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"]) -> float:
    """Return the sum of the products, computed in the dtype of both."""
    return float((blas.sdot if x.dtype.char == "f" else blas.ddot)(x, y))


def check_in_place(in_place: bool) -> None:
    """Raise ValueError unless the wrapper overwrote its argument, which it may but need not do."""
    if not in_place:
        raise ValueError("the BLAS worked on a copy: the output must be contiguous and of the inputs' dtype")


class Blas(NamedTuple):
    """The processor whose kernels OpenBLAS uses (empty for another BLAS), and the number of its threads."""

    core: str
    threads: int


def blas_in_use() -> Blas:
    """Return the kernels and the threads of SciPy's BLAS."""
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController().select(user_api="blas").info()
    # NumPy's wheel has its own BLAS; where the two libraries share one, it has another path.
    own = [library for library in found if "scipy.libs" in library["filepath"]] or found
    if not own:
        return Blas("", 1)
    return Blas(own[0].get("architecture", ""), own[0]["num_threads"])


@contextmanager
def blas_threads(threads: int | None) -> Iterator[int]:
    """Limit the threads of every BLAS in the context, and yield their number; None changes nothing."""
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController().select(user_api="blas")
    number = threads or max((library["num_threads"] for library in controller.info()), default=1)
    with controller.limit(limits=number):
        yield number
