r"""The largest rounding error of one operation in a correct program, with any order of summation.

A model for the primitives of a jaxpr, in units of the unit roundoff $u$ of the checked dtype:

- inputs and constants: $u|x|$. Inputs are not rounded, but a program's first operation on them may be;
  constants only if the checked dtype cannot represent them;
- sums of $k$ terms $t$, and contractions: $\sqrt{k}\,u$ times the size of their partial sums, by the
  probabilistic analysis of Higham & Mary ("A new approach to probabilistic rounding error analysis", SIAM J.
  Sci. Comput. 41, 2019). Partial sums are as large as the sum itself and $\sqrt{\sum t^2}$, or, if the terms
  are sorted by sign, $\sum|t|$, of which a 32nd is granted: this fits into 16 such errors.
  In contractions of more than 10⁷ products, the sums of powers are replaced by products of norms, their
  bounds by Cauchy-Schwarz;
- $a + b$ and $a - b$: $u(|a| + |b|)$, so that a chain of them may be summed in another order; but none if $a$
  and $b$ are equal and so large that this would hide everything computed from their difference, like the
  scores of a fully masked row;
- products of $k$ factors: $\sqrt{k}\,u|y|$;
- factorisations, solves and Fourier transforms: $\sqrt{k}\,u$ times the largest entry of the matrix, in
  operands and results, because these are stable by norm, not by entry (Higham, *Accuracy and
  Stability of Numerical Algorithms*, 2nd ed., §9.3, §10.1);
- $e^{a - b}$: $u(|a| + |b|)$ times itself, and again in a product or quotient that contains it. In a softmax
  written as $e / \sum e$ the error of the exponent cancels; in $e^{a - \log\sum e^a}$ it does not;
- operations that only move, compare or negate numbers are exact;
- everything else: $u|y|$.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn
from jaxtyping import Array

from autograd_ref.compiling.interpreter import bind

__all__ = [
    "DENSE",
    "difference_error",
    "error_by_norm",
    "error_size",
    "float_epsilon",
    "is_exact",
    "is_inexact",
    "is_long",
    "sum_error",
]

BIG_CONTRACTION = 10**7

# No larger error than this is granted to a difference of equal numbers.
EQUAL = 2.0**-12

# The part of Σ|t| that is granted to a sum's partial sums, for terms sorted by sign.
UNSORTED = 32

EXACT = {
    "abs", "argmax", "argmin", "broadcast_in_dim", "ceil", "clamp", "concatenate", "conj",
    "convert_element_type", "copy", "copy_p", "cummax", "cummin", "device_put", "dynamic_slice",
    "dynamic_update_slice", "expand_dims", "floor", "gather", "imag", "iota", "max", "min", "name", "neg",
    "optimization_barrier", "pad", "real", "reduce_max", "reduce_min", "reduce_window_max",
    "reduce_window_min", "reshape", "rev", "round", "scatter", "select_n", "sign", "slice", "sort",
    "split", "squeeze", "stop_gradient", "top_k", "transpose",
}  # fmt: skip
DENSE = {
    "cholesky", "cholesky_update", "eig", "eigh", "fft", "geqrf", "hessenberg",
    "householder_product", "lu", "qr", "schur", "svd", "triangular_solve", "tridiagonal",
    "tridiagonal_solve",
}  # fmt: skip
# Results that contain two triangles.
PACKED = {"lu", "geqrf"}


def _shape(var: Any) -> tuple[int, ...]:
    return tuple(var.aval.shape)


def _reduced(eqn: JaxprEqn) -> int:
    return math.prod(_shape(eqn.invars[0])[axis] for axis in eqn.params["axes"])


def _along_axis(eqn: JaxprEqn) -> int:
    axis: int = eqn.params["axis"]
    return _shape(eqn.invars[0])[axis]


def _contracted(eqn: JaxprEqn) -> int:
    (axes, _), _ = eqn.params["dimension_numbers"]
    return math.prod(_shape(eqn.invars[0])[axis] for axis in axes)


def _in_kernel(eqn: JaxprEqn) -> int:
    kernel = _shape(eqn.invars[1])
    return math.prod(kernel) // int(kernel[eqn.params["dimension_numbers"].rhs_spec[0]])


def _scattered(eqn: JaxprEqn) -> int:
    indices = _shape(eqn.invars[1])
    return math.prod(indices[:-1])


# The number of terms that a primitive adds, or of factors that it multiplies.
SUMS: dict[str, Callable[[JaxprEqn], int]] = {
    "reduce_sum": _reduced,
    "cumsum": _along_axis,
    "reduce_window_sum": lambda eqn: math.prod(eqn.params["window_dimensions"]),
    "dot_general": _contracted,
    "conv_general_dilated": _in_kernel,
    "scatter-add": _scattered,
    "scatter_add": _scattered,
}
PRODUCTS: dict[str, Callable[[JaxprEqn], int]] = {
    "reduce_prod": _reduced,
    "cumprod": _along_axis,
    "integer_pow": lambda eqn: int(eqn.params["y"]) ** 2,
}


def is_inexact(value: Any) -> bool:
    """Whether something with a dtype contains floating numbers."""
    return bool(jnp.issubdtype(value.dtype, jnp.inexact))


def is_exact(eqn: JaxprEqn) -> bool:
    """Whether an operation makes no rounding error."""
    return eqn.primitive.name in EXACT and not _narrows(eqn)


def _narrows(eqn: JaxprEqn) -> bool:
    """Whether a conversion of floating numbers rounds them."""
    if eqn.primitive.name != "convert_element_type":
        return False
    before: Any = eqn.invars[0].aval
    after: Any = eqn.outvars[0].aval
    return (
        is_inexact(before) and is_inexact(after) and float_epsilon(after.dtype) > float_epsilon(before.dtype)
    )


def float_epsilon(dtype: Any) -> float:
    """Return twice the unit roundoff of any floating dtype, including bfloat16."""
    info: Any = jnp.finfo(dtype)  # type: ignore[no-untyped-call]
    return float(info.eps)


def error_size(eqn: JaxprEqn, inputs: Sequence[Any], output: Array, u: float) -> Any:
    """Return the factor of u in the error of one operation's result.

    Args:
        eqn: the operation.
        inputs: its operands.
        output: its result, or the first one.
        u: unit roundoff of the checked dtype.

    Returns:
        An array like the result.
    """
    name = eqn.primitive.name
    if name in PRODUCTS:
        return math.sqrt(PRODUCTS[name](eqn)) * abs(output)
    if name not in SUMS and name not in ("add", "add_any", "sub"):
        return abs(output)
    sizes = [abs(value) if is_inexact(value) else value for value in map(jnp.asarray, inputs)]
    if name in ("add", "add_any", "sub"):
        a, b = sizes
        return difference_error(a, b, output, u) if name == "sub" else a + b
    terms = SUMS[name](eqn)
    big = name == "dot_general" and terms * math.prod(output.shape) > BIG_CONTRACTION
    squares = _sum_of_powers(eqn, sizes, 2, by_norms=big)
    absolute = _sum_of_powers(eqn, sizes, 1, by_norms=big) if is_long(terms) else 0.0
    return sum_error(terms, output, squares, absolute)


def difference_error(a: Any, b: Any, difference: Any, u: float) -> Any:
    """Return the factor of u in the error of a difference of NumPy or JAX arrays.

    Args:
        a: the absolute value of the minuend.
        b: the absolute value of the subtrahend.
        difference: the result.
        u: unit roundoff.
    """
    choose = np.where if isinstance(difference, np.ndarray) else jnp.where
    return choose((difference == 0) & (u * (a + b) > EQUAL), 0.0, a + b)


def is_long(terms: Any) -> Any:
    """Whether a sum is so long that terms sorted by sign may increase its error."""
    return terms > UNSORTED**2


def sum_error(terms: Any, total: Any, squares: Any, absolute: Any) -> Any:
    """Return the factor of u in the error of a sum of NumPy or JAX arrays.

    Args:
        terms: the number of terms.
        total: the sum.
        squares: the sum of the squares of the terms.
        absolute: the sum of their absolute values; 0 unless `is_long`.
    """
    larger = np.maximum if isinstance(total, np.ndarray) else jnp.maximum
    return terms**0.5 * (abs(total) + larger(squares**0.5, absolute / UNSORTED))


def _sum_of_powers(eqn: JaxprEqn, sizes: Sequence[Any], power: int, *, by_norms: bool) -> Any:
    """Return the sum of the terms' absolute values to a power, or a bound on it by Cauchy-Schwarz."""
    powers = [value**power if is_inexact(value) else value for value in sizes]
    if by_norms:
        powers = [
            jnp.sqrt(jnp.sum(value * value, axis=axes, keepdims=True))
            for value, axes in zip(powers, eqn.params["dimension_numbers"][0], strict=True)
        ]
    (total,) = bind(eqn, powers)
    return total


def error_by_norm(eqn: JaxprEqn, value: Array, *, operand: int | None) -> Array:
    """Return this for a matrix that a dense operation takes or returns: its largest entry, times √k.

    Two triangles that are packed in one matrix, or of which one is not read, are independent: each has the
    error of its own largest entry.

    Args:
        eqn: the operation.
        value: the operand or the result.
        operand: its number among the operands; None for a result.

    Returns:
        An array like the value.
    """
    name = eqn.primitive.name
    if value.ndim >= 2 and name in PACKED and operand is None:
        return _largest(jnp.tril(value, -1)) * _ones_below(value) + _largest(jnp.triu(value)) * _ones_above(
            value
        )
    if name == "triangular_solve" and operand == 0:
        within = _ones_below if eqn.params["lower"] else _ones_above
        read = within(value, diagonal=not eqn.params["unit_diagonal"])
        return _largest(value * read) * read
    return _largest(value)


def _largest(value: Array) -> Array:
    axes = tuple(range(max(0, value.ndim - 2), value.ndim))
    largest = jnp.max(jnp.abs(value), axis=axes, keepdims=True)
    return math.sqrt(value.shape[-1]) * jnp.broadcast_to(largest, value.shape)


def _ones_below(value: Array, *, diagonal: bool = False) -> Array:
    return jnp.tril(jnp.ones_like(value), 0 if diagonal else -1)


def _ones_above(value: Array, *, diagonal: bool = True) -> Array:
    return jnp.triu(jnp.ones_like(value), 0 if diagonal else 1)
