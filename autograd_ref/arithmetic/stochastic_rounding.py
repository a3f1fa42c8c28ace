r"""A JAX function evaluated as somebody else's arithmetic might: with a rounding error in every operation.

This is stochastic arithmetic (Vignes, "A stochastic arithmetic for reliable scientific computation",
Mathematics and Computers in Simulation 35, 1993) one level up, at the primitives of a jaxpr. Each floating
result $y$ becomes $y + \varepsilon\,\xi\,e$ with a random sign $\xi$ for every entry and $e$ the size
of the rounding error that an honest program, in any order of summation, may make there:

- the inputs, and constants that the checked dtype cannot hold: $u|x|$. Nobody's inputs are rounded, but
  somebody's first operation on them is;
- sums of $k$ terms $t$, and contractions: $\sqrt{k}\,u$ times the size of their partial sums, by the
  probabilistic analysis that `bounds` cites (Higham & Mary 2019). Partial sums are as large as the sum itself
  and $\sqrt{\sum t^2}$, or, should the terms come sorted by sign, $\sum|t|$, of which a 32nd is granted: as
  much as 16 such errors have room for. In contractions of more than 10⁷ products the sums of powers give way
  to products of norms, their bounds by Cauchy-Schwarz;
- $a + b$ and $a - b$: $u(|a| + |b|)$, so that a chain of them may be summed in another order;
- products of $k$ factors: $\sqrt{k}\,u|y|$;
- factorisations, solves and Fourier transforms: $\sqrt{k}\,u$ times the largest entry of the matrix, in
  what goes in and in what comes out, since these are stable by norm, not by entry (Higham, ASNA,
  §9.3, §10.1);
- $e^{a - b}$: $u(|a| + |b|)$ times itself, once more in a product or quotient that it enters. In a softmax
  written as $e / \sum e$ the error of the exponent cancels; in $e^{a - \log\sum e^a}$ it does not;
- what only moves, compares or negates numbers is exact;
- everything else: $u|y|$.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, jaxpr_as_fun
from jaxtyping import Array, Float, Integer
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.rounding import unit_roundoff

__all__ = ["POOL", "Rounding", "evaluate_rounded", "rounding_errors"]

# Signs are drawn once and used again from here and there, which compiles faster than drawing them in
# place; a prime, so that reuse falls out of step with the rows of any matrix.
POOL = 131_071

# A zero among the inputs becomes this in a step across kinks: on one side of them, and nothing more.
NEARLY_ZERO = 1e-77

BIG_CONTRACTION = 10**7

# What part of Σ|t| a sum's partial sums are granted for terms that come sorted by sign.
UNSORTED = 32

EXACT = {
    "abs", "argmax", "argmin", "broadcast_in_dim", "ceil", "clamp", "concatenate", "conj",
    "convert_element_type", "copy", "copy_p", "cummax", "cummin", "device_put", "dynamic_slice",
    "dynamic_update_slice", "expand_dims", "floor", "gather", "imag", "iota", "max", "min", "name", "neg",
    "optimization_barrier", "pad", "real", "reduce_max", "reduce_min", "reduce_window_max",
    "reduce_window_min", "reshape", "rev", "round", "scatter", "select_n", "sign", "slice", "sort",
    "split", "squeeze", "stop_gradient", "top_k", "transpose",
}  # fmt: skip
INLINED = {
    "checkpoint", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call",
    "custom_vjp_call_jaxpr", "jit", "pjit", "remat", "remat2",
}  # fmt: skip
DENSE = {
    "cholesky", "cholesky_update", "custom_linear_solve", "eig", "eigh", "fft", "geqrf", "hessenberg",
    "householder_product", "lu", "qr", "schur", "svd", "triangular_solve", "tridiagonal",
    "tridiagonal_solve",
}  # fmt: skip


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


# How many terms a primitive adds up, or factors it multiplies.
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


class _Difference(NamedTuple):
    """An a − b or its exponential: the array (held, so that its identity stays its own), maker, |a| + |b|."""

    value: Array
    maker: str
    size: Array


class Rounding(NamedTuple):
    """What the errors are made of.

    Attributes:
        dtype: the dtype whose arithmetic is imitated.
        signs: a pool of random signs (POOL,).
        errors: the same times εu; ε = 1 makes honest errors.
        position: where in the pool the next errors lie; advanced as the function is traced.
        differences: each a − b and each exponential of one, by the identity of the array; filled as the
            function is traced.
    """

    dtype: DTypeLike
    signs: Float[Array, " pool"]
    errors: Float[Array, " pool"]
    position: list[int]
    differences: dict[int, _Difference]

    def error(self, value: Array, magnitude: Array) -> Array:
        """The value with errors of the given magnitude times εu."""
        magnitude = magnitude.astype(np.float64)
        error = self._next(value.shape) * jnp.where(jnp.isfinite(magnitude), magnitude, 0.0)
        held = _epsilon(value.dtype) / 2
        if held > self.u:  # a reference that computes this in less than what is checked
            error = (held / self.u) * error
        return value + error.astype(value.dtype)

    @property
    def u(self) -> float:
        """The unit roundoff of the checked dtype and that of float64, in which the reference computes."""
        return unit_roundoff(self.dtype) + unit_roundoff(np.float64)

    def inputs(self, value: Array) -> Array:
        """An input with its error; where it is 0, a step to one side."""
        # Of different sizes, so that no two of them cancel and leave a value on its kink.
        different = jnp.sqrt(jnp.arange(value.size, dtype=np.float64) + (2.0 + self.position[0]))
        nearly_zero = NEARLY_ZERO * different.reshape(value.shape) * jnp.sign(self._next(value.shape))
        return self.error(value, jnp.abs(value)) + jnp.where(value == 0, nearly_zero, 0.0)

    def step(self, i: Array) -> "Rounding":
        """The same with other signs, for one round of a loop."""
        signs, errors = (jnp.roll(pool, -7919 * (i + 1)) for pool in (self.signs, self.errors))
        return self._replace(signs=signs, errors=errors, position=[self.position[0]], differences={})

    def _next(self, shape: tuple[int, ...]) -> Array:
        """Relative errors ±εu of independent signs; pairwise independent where there are very many."""
        count = math.prod(shape)
        if count <= POOL:
            return self._slice(self.errors, count).reshape(shape)
        first, *others = range(len(shape))
        errors = jnp.expand_dims(self._slice(self.errors, shape[first]), others)
        for axis in others:
            signs = self._slice(self.signs, shape[axis])
            errors = errors * jnp.expand_dims(signs, [i for i in range(len(shape)) if i != axis])
        return jnp.broadcast_to(errors, shape)

    def _slice(self, pool: Array, count: int) -> Array:
        start = self.position[0] % POOL
        self.position[0] += count + 1
        rounds = -(-(start + count) // POOL)
        pool = pool if rounds == 1 else jnp.tile(pool, rounds)
        return jax.lax.slice(pool, (start,), (start + count,))


def rounding_errors(dtype: DTypeLike, signs: Integer[Array, " pool"], size: Float[Array, ""]) -> Rounding:
    """Errors of a given size.

    Args:
        dtype: the dtype whose arithmetic is imitated, float32 or float64.
        signs: ±1, at random.
        size: ε, of either sign.

    Returns:
        The errors.
    """
    u = unit_roundoff(dtype) + unit_roundoff(np.float64)
    pool = signs.astype(np.float64)
    return Rounding(dtype, pool, (size * u) * pool, [0], {})


def evaluate_rounded(
    jaxpr: Jaxpr, constants: Sequence[Any], inputs: Sequence[Any], rounding: Rounding
) -> list[Any]:
    """Evaluate a jaxpr with an error in every operation.

    Args:
        jaxpr: the function.
        constants: the values of its constants.
        inputs: its arguments, flat.
        rounding: the errors.

    Returns:
        Its results, flat.
    """
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, constants, strict=True))
    values |= zip(jaxpr.invars, inputs, strict=True)

    def read(var: Any) -> Any:
        return _constant(var.val, rounding) if isinstance(var, Literal) else values[var]

    for eqn in jaxpr.eqns:
        values |= zip(eqn.outvars, _apply(eqn, [read(var) for var in eqn.invars], rounding), strict=True)
    return [read(var) for var in jaxpr.outvars]


def _constant(value: Any, rounding: Rounding) -> Any:
    """A constant, with an error where the checked dtype cannot hold it."""
    if isinstance(value, jax.core.Tracer) or not jnp.issubdtype(jnp.asarray(value).dtype, jnp.floating):
        return value
    exact = np.asarray(value)
    with np.errstate(over="ignore"):
        held = exact.astype(rounding.dtype).astype(exact.dtype)
    magnitude = np.where((held == exact) | ~np.isfinite(exact), 0.0, np.abs(exact))
    return rounding.error(jnp.asarray(exact), jnp.asarray(magnitude)) if magnitude.any() else value


def _apply(eqn: JaxprEqn, inputs: list[Any], rounding: Rounding) -> Sequence[Any]:
    name = eqn.primitive.name
    if name in INLINED:
        inner = next(eqn.params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in eqn.params)
        return _evaluate_closed(inner, inputs, rounding)
    if name in LOOPS:
        return LOOPS[name](eqn, inputs, rounding)
    if name in DENSE:
        inputs = [_by_norm(value, rounding) for value in inputs]
    outputs = _bind(eqn, inputs)
    if name in EXACT and not _narrows(eqn):
        return outputs
    if name in DENSE:
        return [_by_norm(value, rounding) for value in outputs]
    if not all(map(_is_inexact, outputs)):
        return outputs
    magnitude = _magnitude(eqn, inputs, outputs[0])
    source = {"exp": "sub", "mul": "exp", "div": "exp"}.get(name)
    noted = (rounding.differences.get(id(value)) for value in inputs)
    known = [note.size for note in noted if note is not None and note.maker == source]
    if known:
        magnitude = jnp.abs(outputs[0]) * (1 + sum(known))
    result = rounding.error(outputs[0], magnitude)
    if name == "sub" or (name == "exp" and known):
        size = magnitude if name == "sub" else known[0]
        rounding.differences[id(result)] = _Difference(result, name, size)
    return [result, *outputs[1:]]


def _bind(eqn: JaxprEqn, inputs: Sequence[Any]) -> list[Any]:
    primitive: Any = eqn.primitive
    outputs = primitive.bind(*inputs, **primitive.get_bind_params(eqn.params))
    return list(outputs) if primitive.multiple_results else [outputs]


def _is_inexact(value: Any) -> bool:
    return bool(jnp.issubdtype(value.dtype, jnp.inexact))


def _narrows(eqn: JaxprEqn) -> bool:
    """Whether a conversion of floating numbers rounds them."""
    if eqn.primitive.name != "convert_element_type":
        return False
    before: Any = eqn.invars[0].aval
    after: Any = eqn.outvars[0].aval
    return _is_inexact(before) and _is_inexact(after) and _epsilon(after.dtype) > _epsilon(before.dtype)


def _epsilon(dtype: Any) -> float:
    info: Any = jnp.finfo(dtype)  # type: ignore[no-untyped-call]
    return float(info.eps)


def _magnitude(eqn: JaxprEqn, inputs: Sequence[Any], output: Array) -> Any:
    """What u is multiplied by in the error of one primitive's output."""
    name = eqn.primitive.name
    if name in PRODUCTS:
        return math.sqrt(PRODUCTS[name](eqn)) * jnp.abs(output)
    if name not in SUMS and name not in ("add", "add_any", "sub"):
        return jnp.abs(output)
    sizes = [jnp.abs(value) if _is_inexact(value) else value for value in map(jnp.asarray, inputs)]
    if name in ("add", "add_any", "sub"):
        return sizes[0] + sizes[1]
    terms = SUMS[name](eqn)
    big = name == "dot_general" and terms * math.prod(output.shape) > BIG_CONTRACTION
    partial = jnp.sqrt(_sum_of_powers(eqn, sizes, 2, by_norms=big))
    if terms > UNSORTED**2:
        partial = jnp.maximum(partial, _sum_of_powers(eqn, sizes, 1, by_norms=big) / UNSORTED)
    return math.sqrt(terms) * (jnp.abs(output) + partial)


def _sum_of_powers(eqn: JaxprEqn, sizes: Sequence[Any], power: int, *, by_norms: bool) -> Any:
    """The same sum of the terms' absolute values, each to a power; or a bound of it, by Cauchy-Schwarz."""
    powers = [value**power if _is_inexact(value) else value for value in sizes]
    if by_norms:
        powers = [
            jnp.sqrt(jnp.sum(value * value, axis=axes, keepdims=True))
            for value, axes in zip(powers, eqn.params["dimension_numbers"][0], strict=True)
        ]
    (total,) = _bind(eqn, powers)
    return total


def _by_norm(value: Any, rounding: Rounding) -> Any:
    """An error the size of the largest entry of each matrix."""
    if not hasattr(value, "dtype") or not _is_inexact(value) or value.ndim == 0:
        return value
    axes = tuple(range(max(0, value.ndim - 2), value.ndim))
    largest = jnp.max(jnp.abs(value), axis=axes, keepdims=True)
    return rounding.error(value, math.sqrt(value.shape[-1]) * jnp.broadcast_to(largest, value.shape))


def _evaluate_closed(inner: Any, inputs: Sequence[Any], rounding: Rounding) -> list[Any]:
    if isinstance(inner, ClosedJaxpr):
        constants = [_constant(value, rounding) for value in inner.consts]
        return evaluate_rounded(inner.jaxpr, constants, inputs, rounding)
    return evaluate_rounded(inner, [], inputs, rounding)


def _scan(eqn: JaxprEqn, inputs: Sequence[Any], rounding: Rounding) -> Sequence[Any]:
    params = eqn.params
    first, last = params["num_consts"], params["num_consts"] + params["num_carry"]
    constants, carry, each = inputs[:first], inputs[first:last], inputs[last:]

    def body(carry: Any, step: tuple[Array, list[Any]]) -> tuple[list[Any], list[Any]]:
        i, row = step
        out = _evaluate_closed(params["jaxpr"], [*constants, *carry, *row], rounding.step(i))
        return out[: params["num_carry"]], out[params["num_carry"] :]

    steps = (jnp.arange(params["length"]), list(each))
    carry, rows = jax.lax.scan(body, list(carry), steps, reverse=params["reverse"])
    return [*carry, *rows]


def _while(eqn: JaxprEqn, inputs: Sequence[Any], rounding: Rounding) -> Sequence[Any]:
    params = eqn.params
    first, last = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]

    def goes_on(state: tuple[Array, list[Any]]) -> Any:
        return jaxpr_as_fun(params["cond_jaxpr"])(*inputs[:first], *state[1])[0]

    def body(state: tuple[Array, list[Any]]) -> tuple[Array, list[Any]]:
        i, carry = state
        values = [*inputs[first:last], *carry]
        return i + 1, _evaluate_closed(params["body_jaxpr"], values, rounding.step(i))

    _, carry = jax.lax.while_loop(goes_on, body, (jnp.zeros((), jnp.int32), list(inputs[last:])))
    return carry


def _cond(eqn: JaxprEqn, inputs: Sequence[Any], rounding: Rounding) -> Sequence[Any]:
    def branch(inner: ClosedJaxpr) -> Callable[..., list[Any]]:
        return lambda *values: _evaluate_closed(inner, values, rounding)

    branches = [branch(inner) for inner in eqn.params["branches"]]
    result: Sequence[Any] = jax.lax.switch(inputs[0], branches, *inputs[1:])
    return result


LOOPS = {"scan": _scan, "while": _while, "cond": _cond}
