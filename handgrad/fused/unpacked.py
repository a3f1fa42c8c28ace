"""Products of a minibatch with the first layer's matrices, in pieces that OpenBLAS does not pack.

A GEMM first copies both factors into the order in which its kernel reads them. That pays where every number
is used often. In the products of the first layer, each weight is used once per row of the minibatch, and for
fewer than a few dozen rows, copying the weights takes longer than multiplying by them.

For AVX-512, OpenBLAS has kernels that read the factors in place. It uses them for products of at most a
million multiplications, so a larger product is cut into pieces of that size. SciPy's wrappers would copy a
piece, because its rows are not adjacent in memory; the function itself, which SciPy exports to
Cython, takes the distance between rows as an argument.
"""

import ctypes
from collections.abc import Iterator
from functools import cache, partial
from math import ceil
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.linalg import cython_blas

from handgrad.fused.blas import Product

__all__ = ["CORES", "MULTIPLICATIONS", "UnpackedProduct"]

# The cores, as OpenBLAS names them, whose small products are not packed, and the largest of these products
# (kernel/x86_64/sgemm_small_kernel_permit_skylakex.c and its like for float64).
CORES = ("SkylakeX", "Cooperlake", "SapphireRapids")
MULTIPLICATIONS = 1_000_000
# Largest number of rows of the minibatch and of hidden units in a piece; more would leave too few features.
ROWS, UNITS = 68, 80
VECTOR = 16  # float32 numbers


class UnpackedProduct:
    """``c ← alpha·a·b + beta·c`` with fixed ``b`` and ``c``; ``a`` is a minibatch or its transpose."""

    def __init__(self, b: Float[np.ndarray, "K H"], c: Float[np.ndarray, "M H"], *, transposed: bool) -> None:
        """Cut the product into pieces, and prepare the arguments of every call.

        With ``transposed``, ``a`` is the transpose of the minibatch.

        Raises:
            ValueError: ``b`` or ``c`` is not contiguous by rows, or their dtypes differ.
        """
        if not (b.flags.c_contiguous and c.flags.c_contiguous and b.dtype == c.dtype):
            raise ValueError("both matrices must be contiguous by rows and of one dtype")
        self._kept = b, c  # keep them alive: the calls use their addresses
        self._gemm, real = _gemm(c.dtype)
        self._alpha, self._beta, one = real(), real(), ctypes.byref(real(1))
        alpha, beta = ctypes.byref(self._alpha), ctypes.byref(self._beta)
        batch, features = (len(b), len(c)) if transposed else (len(c), len(b))
        self._shape, size, H = (batch, features), c.dtype.itemsize, c.shape[1]
        as_it_is, other = ctypes.c_char_p(b"N"), ctypes.c_char_p(b"T" if transposed else b"N")
        integer = cache(lambda number: ctypes.byref(ctypes.c_int(number)))
        self._calls = []
        for d, h, n in _pieces(features, H, batch):
            x = ctypes.c_void_p()
            rows, terms = (d, n) if transposed else (n, d)
            # The BLAS expects contiguous columns, so it gets the transposes: cᵀ ← alpha·bᵀ·aᵀ + beta·cᵀ.
            arguments = (
                as_it_is, other, integer(len(h)), integer(len(rows)), integer(len(terms)),
                alpha, ctypes.c_void_p(b.ctypes.data + (terms.start * H + h.start) * size), integer(H),
                x, integer(features), one if terms.start else beta,
                ctypes.c_void_p(c.ctypes.data + (rows.start * H + h.start) * size), integer(H),
            )  # fmt: skip
            self._calls.append((x, (n.start * features + d.start) * size, arguments))

    def prepare(self, x: Float[np.ndarray, "N D"]) -> Product:
        """Return the function of alpha and beta that computes the product.

        Args:
            x: always the minibatch itself, C-contiguous and of the dtype of ``c``.

        Raises:
            ValueError: ``x`` has the wrong shape, dtype or order.
        """
        if x.shape != self._shape or x.dtype != self._kept[1].dtype or not x.flags.c_contiguous:
            kind = self._kept[1].dtype
            raise ValueError(f"a minibatch must be a C-contiguous {kind} array of shape {self._shape}")
        return partial(self._compute, x, x.ctypes.data)

    def _compute(self, x: np.ndarray, start: int, alpha: float, beta: float) -> None:
        """Compute the product with ``x``, whose memory begins at ``start``."""
        gemm = self._gemm
        self._alpha.value, self._beta.value = alpha, beta
        for address, offset, arguments in self._calls:
            address.value = start + offset
            gemm(*arguments)


def _pieces(features: int, units: int, batch: int) -> Iterator[tuple[range, range, range]]:
    """Yield the ranges of features, units and rows of each piece."""
    rows = ceil(batch / ceil(batch / ROWS))
    width = ceil(units / ceil(units / UNITS))
    if width < units:
        width += -width % VECTOR
    depth = max(MULTIPLICATIONS // (rows * width), 1)
    if VECTOR < depth < features:
        depth -= depth % VECTOR
    for d in _parts(features, depth):
        for h in _parts(units, width):
            for n in _parts(batch, rows):
                yield d, h, n


def _parts(total: int, length: int) -> Iterator[range]:
    """Cut ``range(total)`` into parts of a length."""
    return (range(start, min(start + length, total)) for start in range(0, total, length))


def _gemm(dtype: np.dtype[np.floating]) -> tuple[Any, Any]:
    """Return SciPy's GEMM for a dtype, and the type of its factors."""
    name, real = ("sgemm", ctypes.c_float) if dtype == np.float32 else ("dgemm", ctypes.c_double)
    capsule = cython_blas.__pyx_capi__[name]
    api = ctypes.pythonapi
    get_name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", api))
    get_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", api)
    )
    # PYFUNCTYPE keeps the interpreter's lock, as SciPy's wrappers do.
    return ctypes.PYFUNCTYPE(None)(get_pointer(capsule, get_name(capsule))), real
