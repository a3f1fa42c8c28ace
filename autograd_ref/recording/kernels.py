"""Single operations as JAX functions; equal operations are traced once.

A program is never compiled as a whole, because 800 unrolled operations would take 19 s. The description of an
operation and the dtypes of NumPy's loop can be hashed; its numbers are arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autograd_ref.compiling.kernel import Kernel
from autograd_ref.recording import meaning
from autograd_ref.recording.tape import Compute, NotRecorded, Value

__all__ = ["by_numpy", "compute", "computed_in", "double", "in_double", "kernel_of", "pull_back", "slopes"]

# Functions that NumPy computes in float64 for integers or Booleans, and jax.numpy in float32.
_AVERAGES = {"average", "mean", "median", "percentile", "quantile", "std", "var"}


@contextmanager
def in_double() -> Iterator[None]:
    """Allow 64 bits and NumPy's broadcasting rules, on the CPU; all kernels run in this context.

    NumPy's operations are small and many: on a GPU, to compile them takes ten times as long.
    """
    with (
        jax.default_device(_cpu()),
        jax.enable_x64(True),
        jax.default_matmul_precision("highest"),
        jax.numpy_rank_promotion("allow"),
        jax.numpy_dtype_promotion("standard"),
    ):
        yield


@cache
def _cpu() -> jax.Device | None:
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX was told to use other platforms only
        return None


def compute(value: Value, inputs: Sequence[Any]) -> np.ndarray:
    """Return the result of an operation on other inputs, in float64 throughout.

    Args:
        value: a value on the tape, made by a `Compute`.
        inputs: arrays in the shapes of its inputs.
    """
    operation = value.operation
    assert isinstance(operation, Compute)  # noqa: S101
    if not value.is_floating and operation.kind == "ufunc":
        return by_numpy(operation, inputs, value.dtype)
    if _is_empty(value) and value.array is not None:
        return np.asarray(value.array).astype(double(value.dtype))
    (result,) = _forward(operation, _loop(value))(*inputs)
    return np.asarray(result)


def pull_back(
    value: Value, inputs: Sequence[Any], active: tuple[int, ...], cotangent: np.ndarray
) -> list[np.ndarray]:
    """Return the contributions of one operation to the adjoints of its active inputs, in float64."""
    if _is_empty(value):
        return [np.zeros(inputs[i].shape, double(value.inputs[i].dtype)) for i in active]
    kernel = _backward(value.operation, _loop(value), active)
    try:
        return [np.asarray(each) for each in kernel(*inputs, cotangent)]
    except (NotImplementedError, ValueError) as error:  # JAX has no rule for one of the arguments
        name = getattr(value.operation, "name", "")
        raise NotRecorded(f"{name} has no derivative here: {error}", value.place) from None


def slopes(
    value: Value, inputs: Sequence[Any], active: tuple[int, ...], unit: complex = 1.0
) -> list[np.ndarray]:
    """Return the derivative of every entry of the result with respect to its entry of each active input.

    Args:
        value: the result of an elementwise operation.
        inputs: arrays in the shapes of its inputs.
        active: positions of the inputs whose derivatives are needed.
        unit: the adjoint of every entry; the imaginary part of a complex result has its own derivative.
    """
    kernel = _slopes(value.operation, _loop(value), active, unit)
    return [np.asarray(each) for each in kernel(*inputs)]


def kernel_of(value: Value, active: tuple[int, ...] | None = None) -> Kernel:
    """An operation in float64, with the function to be traced; the same object for all that are equal.

    Args:
        value: on the tape, made by a `Compute`.
        active: if given, the function is the operation's transposed derivative instead: of its inputs and
            an adjoint, it gives the contributions to the adjoints of the active inputs.
    """
    loop = _loop(value)
    if active is not None:
        return _backward(value.operation, loop, active)
    return _forward(value.operation, loop)


def sum_to(contribution: Any, shape: tuple[int, ...]) -> Any:
    """Return the contribution to a broadcast input: a sum over the axes along which it was repeated."""
    if contribution.shape == shape:
        return contribution
    extra = contribution.ndim - len(shape)
    repeated = [extra + i for i, n in enumerate(shape) if n == 1 and contribution.shape[extra + i] != 1]
    return contribution.sum(axis=(*range(extra), *repeated), keepdims=True).reshape(shape)


@cache
def _forward(operation: Compute, loop: Any) -> Kernel:
    function = meaning.function_of(operation)
    *before, after = loop

    def call(*inputs: Any) -> list[Any]:
        return [jnp.asarray(function(*_cast(inputs, before))).astype(after)]

    return Kernel(call, "forward", operation, loop)


@cache
def _backward(operation: Compute, loop: Any, active: tuple[int, ...]) -> Kernel:
    elementwise = meaning.is_elementwise(operation)

    def call(*operands: Any) -> list[Any]:
        *inputs, cotangent = operands
        if not elementwise:
            return list(_vjp(operation, loop, active, inputs, cotangent))
        wide = [jnp.broadcast_to(each, cotangent.shape) for each in inputs]
        wide_results = _vjp(operation, loop, active, wide, cotangent)
        # An adjoint of 0 contributes 0, even through an infinite derivative.
        used = [jnp.where(cotangent == 0, 0.0, each) for each in wide_results]
        return [sum_to(each, inputs[i].shape) for each, i in zip(used, active, strict=True)]

    return Kernel(call, "backward", operation, loop, active)


@cache
def _slopes(operation: Compute, loop: Any, active: tuple[int, ...], unit: complex) -> Kernel:
    def call(*inputs: Any) -> list[Any]:
        shape = jnp.broadcast_shapes(*(each.shape for each in inputs))
        wide = [jnp.broadcast_to(each, shape) for each in inputs]
        return list(_vjp(operation, loop, active, wide, jnp.full(shape, unit, loop[-1])))

    return Kernel(call, "slopes", operation, loop, active, unit)


def _vjp(operation: Compute, loop: Any, active: tuple[int, ...], inputs: list[Any], cotangent: Any) -> Any:
    function = meaning.function_of(operation)
    *before, after = loop

    def of_active(*chosen: Any) -> Any:
        every = list(inputs)
        for i, each in zip(active, chosen, strict=True):
            every[i] = each
        return jnp.asarray(function(*_cast(every, before))).astype(after)

    _, pull = jax.vjp(of_active, *(inputs[i] for i in active))
    return pull(cotangent)


def _cast(inputs: Sequence[Any], dtypes: Sequence[Any]) -> list[Any]:
    return [each if dtype is None else each.astype(dtype) for each, dtype in zip(inputs, dtypes, strict=True)]


def _loop(value: Value) -> tuple[Any, ...]:
    """Return the dtypes of NumPy's loop, in float64; None for an input that has its dtype already."""
    given = tuple([(each.dtype, each.weak) for each in value.inputs])
    return _loop_of(value.operation, given, value.dtype)


@cache
def _loop_of(operation: Compute, inputs: tuple[tuple[Any, type | None], ...], result: Any) -> tuple[Any, ...]:
    own = [dtype for dtype, _ in inputs]
    if operation.kind == "ufunc":
        dtypes = _ufunc_loop(operation, tuple([weak or dtype for dtype, weak in inputs]), result)
    else:  # NumPy widens the inputs, and with a dtype argument it narrows the result
        wide = result if result.kind in "fc" else None
        averages = operation.name.removeprefix("nan") in _AVERAGES
        # The first input is averaged; a mask stays one.
        dtypes = (*[_wider(each, wide, averages and not i) for i, each in enumerate(own)], result)
    before = [double(each) for each in dtypes[:-1]]
    has = [None if each == double(given) else each for each, given in zip(before, own, strict=True)]
    return *has, double(result)


def _wider(dtype: np.dtype[Any], result: np.dtype[Any] | None, averages: bool) -> np.dtype[Any] | None:
    if result is None or (averages and dtype.kind in "iub"):
        return result
    return result if dtype.kind == result.kind and dtype.itemsize < result.itemsize else None


def computed_in(value: Value) -> list[Value]:
    """Return the floating values in whose dtypes NumPy or SciPy computed an operation."""
    operation = value.operation
    if isinstance(operation, Compute) and meaning.is_scipys(operation):  # some give float64 for float32
        return [each for each in (value, *value.inputs) if each.is_floating and each.weak is None]
    return [value]


def _is_empty(value: Value) -> bool:
    """Whether a result has no entries, so that it stays the same."""
    if 0 not in value.shape and not any(0 in each.shape for each in value.inputs):
        return False
    floating = [each for each in value.inputs if each.is_floating]
    return 0 in value.shape or (bool(floating) and all(0 in each.shape for each in floating))


def double(dtype: Any) -> Any:
    """Return the dtype in which the exact replay computes."""
    return np.dtype(_DOUBLES.get(dtype.kind, dtype)) if dtype is not None else None


_DOUBLES = {"f": np.float64, "c": np.complex128}


def _ufunc_loop(operation: Compute, given: tuple[Any, ...], result: np.dtype[Any]) -> tuple[Any, ...]:
    method = operation.template if isinstance(operation.template, str) else operation.template[0]
    rest: tuple[Any, ...]
    if method in ("__call__", "outer"):
        ufunc = meaning.ufunc_named(operation.name)
        asked = [None if kind is bool else kind for kind in given[: ufunc.nin]]
        asked = [np.dtype(bool) if kind is None else kind for kind in asked]
        dtypes = list(ufunc.resolve_dtypes((*asked, *[None] * ufunc.nout))[: ufunc.nin])
        if result.kind == "f":  # by dtype=, or in Python's division and powers of integers
            dtypes = [
                result if each.kind in "iub" or each.itemsize < result.itemsize else each for each in dtypes
            ]
        rest = given[ufunc.nin :]
    elif method == "at":
        dtypes, rest = [given[0], np.dtype(np.int64)], given[2:]
        return (*dtypes, *[given[0]] * len(rest), result)
    else:
        dtypes, rest = [given[0] if given[0].kind in "fc" else result], given[1:]
    return (*dtypes, *[None] * len(rest), result)


def by_numpy(operation: Compute, inputs: Sequence[Any], dtype: np.dtype[Any]) -> np.ndarray:
    """Compute a ufunc without derivative: comparisons, tests, integers."""
    from autograd_ref.recording.template import fill

    ufunc = meaning.ufunc_named(operation.name)
    method, *rest = (operation.template,) if isinstance(operation.template, str) else operation.template
    if method == "at":
        changed = np.array(inputs[0])
        ufunc.at(
            changed.reshape(-1),
            inputs[1].reshape(-1),
            *[np.broadcast_to(x, np.shape(inputs[1])).reshape(-1) for x in inputs[2:]],
        )
        return changed
    count = {"__call__": ufunc.nin, "outer": 2}.get(method, 1)
    kwargs = fill(rest[0], inputs[count:]) if rest else {}
    if len(rest) > 1:
        kwargs["out"] = np.array(inputs[-1])
    with np.errstate(all="ignore"):
        result = getattr(ufunc, method)(*inputs[:count], **kwargs)
    return np.asarray(result if operation.output is None else result[operation.output]).astype(
        dtype, copy=False
    )
