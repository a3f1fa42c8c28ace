"""Compute a function in float64 that was traced in float32, with unchanged random numbers.

JAX draws different random bits for float64 and for float32. For a comparison with a program that runs in
float32, the reference is traced in float32, where it draws the program's numbers, and then computed in
float64.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn

from autograd_ref.compiling.interpreter import bind, interpret_closed

__all__ = ["in_float64", "wider"]

DTYPES = ("new_dtype", "preferred_element_type", "dtype")
WIDER = {np.dtype(np.float32): np.dtype(np.float64), np.dtype(np.complex64): np.dtype(np.complex128)}
BITS = "bitcast_convert_type"


def in_float64(function: ClosedJaxpr) -> ClosedJaxpr:
    """Trace a function again with float64 in place of float32; call this in float64.

    Args:
        function: a function that was traced with float32 as the widest dtype.

    Returns:
        The function for float64 arguments.
    """
    avals: list[Any] = [var.aval for var in function.jaxpr.invars]
    shapes = [jax.ShapeDtypeStruct(aval.shape, wider(aval.dtype)) for aval in avals]
    traced: ClosedJaxpr = jax.make_jaxpr(
        lambda *inputs: interpret_closed(function, inputs, _rule, _promoted)
    )(*shapes)
    return traced


def wider(dtype: Any) -> Any:
    """Return the double format for a single one, and every other dtype as it is."""
    return WIDER.get(dtype, dtype)


def _promoted(value: Any) -> Any:
    dtype = getattr(value, "dtype", None)
    return jnp.asarray(value, WIDER[dtype]) if dtype in WIDER else value


def _rule(equation: JaxprEqn, operands: list[Any]) -> Sequence[Any]:
    if equation.primitive.name == BITS:
        avals: list[Any] = [var.aval for var in equation.invars]
        pairs = zip(operands, avals, strict=True)
        narrow = [each.astype(aval.dtype) if each.dtype != aval.dtype else each for each, aval in pairs]
        return [_promoted(each) for each in bind(equation, narrow)]
    params = {key: _wider_parameter(key, value) for key, value in equation.params.items()}
    return bind(equation.replace(params=params), operands)


def _wider_parameter(key: str, value: Any) -> Any:
    if isinstance(value, ClosedJaxpr):
        return in_float64(value)
    if isinstance(value, tuple) and value and all(isinstance(each, ClosedJaxpr) for each in value):
        return tuple(map(in_float64, value))
    return wider(value) if key in DTYPES and value is not None else value
