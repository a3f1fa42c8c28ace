"""Facts about a jaxpr that can be read without evaluating it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, jaxprs_in_params

from autograd_ref.arithmetic.rounding_model import float_epsilon
from autograd_ref.compiling.interpreter import CUSTOM_RULES, bind, inner_jaxpr, interpret_closed

__all__ = [
    "draws_random_numbers",
    "first_uses",
    "lowest_precision",
    "stops_gradients",
    "without_stops",
    "without_swallowed",
]

STOP = "stop_gradient"


def first_uses(function: ClosedJaxpr) -> list[int | None]:
    """Return the first use of each argument by something that the results depend on.

    Args:
        function: the function.

    Returns:
        For each argument the number of an equation, or None if the results do not depend on it.
    """
    uses: dict[int, int] = {}
    count = 0

    def rule(equation: JaxprEqn, operands: list[frozenset[int]]) -> Sequence[frozenset[int]]:
        nonlocal count
        count += 1
        together = frozenset().union(*operands)
        for i in together:
            uses.setdefault(i, count)
        return [together] * len(equation.outvars)

    arguments = [frozenset([i]) for i in range(len(function.jaxpr.invars))]
    results = interpret_closed(function, arguments, rule, lambda _: frozenset())
    needed = frozenset().union(*results)
    return [uses.get(i, 0) if i in needed else None for i in range(len(arguments))]


def lowest_precision(function: ClosedJaxpr, moved: int) -> np.dtype[Any]:
    """Return the coarsest floating dtype of any value that depends on one of the first `moved` arguments."""
    found = [np.dtype(np.float64)]

    def rule(equation: JaxprEqn, operands: list[bool]) -> Sequence[bool]:
        if any(operands):
            inside = [each for inner in jaxprs_in_params(equation.params) for each in _equations(inner)]
            avals: list[Any] = [var.aval for each in [equation, *inside] for var in each.outvars]
            found.extend(aval.dtype for aval in avals if jnp.issubdtype(aval.dtype, jnp.floating))
        return [any(operands)] * len(equation.outvars)

    depends = [i < moved for i in range(len(function.jaxpr.invars))]
    interpret_closed(function, depends, rule, lambda _: False)
    return max(found, key=float_epsilon)


def draws_random_numbers(function: ClosedJaxpr) -> bool:
    """Whether a function draws random numbers."""
    names = {equation.primitive.name for equation in _equations(function.jaxpr)}
    return any(name.startswith(("random_bits", "threefry", "rng_")) for name in names)


def stops_gradients(function: ClosedJaxpr) -> bool:
    """Whether a function contains a `jax.lax.stop_gradient`."""
    return any(equation.primitive.name == STOP for equation in _equations(function.jaxpr))


def without_stops(function: ClosedJaxpr) -> Callable[..., list[jax.Array]]:
    """Return the same function, with the same flat arguments, without stopped gradients.

    Custom rules are left as they are: only stops outside them are removed.
    """

    def rule(equation: JaxprEqn, operands: list[Any]) -> Sequence[Any]:
        return operands if equation.primitive.name == STOP else bind(equation, operands)

    return lambda *inputs: interpret_closed(function, inputs, rule, lambda value: value, CUSTOM_RULES)


def without_swallowed(function: ClosedJaxpr) -> Callable[..., list[jax.Array]]:
    """Return the same function, without the derivatives of terms that a sum swallows.

    The sum −1e30 + 1 swallows the 1, for example. The function's derivative then agrees with differences of
    its values.
    """

    def rule(equation: JaxprEqn, operands: list[Any]) -> Sequence[Any]:
        results = bind(equation, operands)
        if equation.primitive.name not in ("add", "sub"):
            return results
        one, other = operands
        kept = other if equation.primitive.name == "add" else -other
        return bind(
            equation, [_stopped_where(one, results[0] == kept), _stopped_where(other, results[0] == one)]
        )

    return lambda *inputs: interpret_closed(function, inputs, rule, lambda value: value, CUSTOM_RULES)


def _stopped_where(value: Any, swallowed: Any) -> Any:
    return jnp.where(swallowed & (value != 0), jax.lax.stop_gradient(value), value)


def _equations(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    for equation in jaxpr.eqns:
        yield equation
        inner = inner_jaxpr(equation)
        inside = [inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner] if inner else []
        for each in inside or jaxprs_in_params(equation.params):
            yield from _equations(each)
