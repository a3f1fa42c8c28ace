"""Python's own functions of numbers in jax.numpy."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp

from autograd_ref.recording.tape import Compute

__all__ = ["MATH", "number_function"]


def number_function(operation: Compute) -> Callable[..., Any]:
    """Return a built-in function of numbers, or a function of `math`."""
    if operation.name == "round":
        return lambda x: jnp.round(x, operation.template)
    if operation.name == "complex":
        return lambda x, y=0.0: jnp.reshape(x, ()) + 1j * jnp.reshape(y, ())
    if operation.name in ("float", "bool"):
        return lambda x: jnp.reshape(x, ())
    if operation.name == "trunc":
        return lambda x: jnp.reshape(jnp.trunc(x), ())
    if operation.name in ("sum", "max", "min"):
        return {"sum": _add_all, "max": _largest, "min": _smallest}[operation.name]
    if operation.name.startswith("math."):
        return MATH[operation.name.removeprefix("math.")]
    raise AssertionError(operation.name)


def _add_all(*terms: Any) -> Any:
    return reduce(jnp.add, terms)


def _largest(*terms: Any) -> Any:
    return reduce(jnp.maximum, terms)


def _smallest(*terms: Any) -> Any:
    return reduce(jnp.minimum, terms)


def _length(*xs: Any) -> Any:
    return jnp.sqrt(_add_all(*(x * x for x in xs)))


def _halves(xs: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    return xs[: len(xs) // 2], xs[len(xs) // 2 :]


def _table_of_math() -> dict[str, Callable[..., Any]]:
    names = {
        "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan",
        "atan2": "arctan2", "atanh": "arctanh", "fabs": "abs", "pow": "power",
    }  # fmt: skip
    same = (
        "cbrt", "ceil", "copysign", "cos", "cosh", "degrees", "exp", "exp2", "expm1", "floor", "fmod",
        "isfinite", "isinf", "isnan", "log10", "log1p", "log2", "radians", "sin", "sinh", "sqrt", "tan",
        "tanh", "trunc",
    )  # fmt: skip
    table: dict[str, Callable[..., Any]] = {name: getattr(jnp, other) for name, other in names.items()}
    table |= {name: getattr(jnp, name) for name in same}
    special = jax.scipy.special
    table |= {"erf": special.erf, "erfc": special.erfc, "lgamma": special.gammaln, "gamma": special.gamma}
    table["log"] = lambda x, *base: jnp.log(x) / jnp.log(base[0]) if base else jnp.log(x)
    table["hypot"] = _length
    table["dist"] = lambda *xs: _length(*map(jnp.subtract, *_halves(xs)))
    table["sumprod"] = lambda *xs: _add_all(*map(jnp.multiply, *_halves(xs)))
    table["fsum"] = _add_all
    table["prod"] = lambda *xs: reduce(jnp.multiply, xs)
    table["remainder"] = lambda x, y: x - y * jnp.round(x / y)
    return table


MATH = _table_of_math()
