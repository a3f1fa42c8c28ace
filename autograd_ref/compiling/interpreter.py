"""An interpreter of jaxprs for any kind of value, given a rule that computes one equation."""

from collections.abc import Callable, Container, Sequence
from typing import Any, TypeVar

from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

__all__ = [
    "CUSTOM_RULES", "SOLVE", "bind", "inner_jaxpr", "interpret", "interpret_closed", "operands_of_solve",
]  # fmt: skip

Value = TypeVar("Value")
Rule = Callable[[JaxprEqn, list[Value]], Sequence[Value]]

# Calls that only evaluate an inner function.
CALLS = {
    "checkpoint", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call",
    "custom_vjp_call_jaxpr", "jit", "pjit", "remat", "remat2",
}  # fmt: skip
# Calls among them with their own derivative, which is lost when they are entered.
CUSTOM_RULES = {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"}
# A linear system: it has a function that solves it, and others that define it.
SOLVE = "custom_linear_solve"


def interpret(
    jaxpr: Jaxpr,
    constants: Sequence[Value],
    inputs: Sequence[Value],
    rule: Rule[Value],
    constant: Callable[[Any], Value],
    whole: Container[str] = (),
) -> list[Value]:
    """Evaluate a jaxpr equation by equation, also inside the functions that it calls.

    Args:
        jaxpr: the function.
        constants: the values of its constants.
        inputs: its arguments, flat.
        rule: computes the results of one equation from its operands. Loops and branches are single equations.
        constant: converts a literal or an inner function's constant into a value.
        whole: names of calls that are not entered; the rule computes their results.

    Returns:
        The results, flat.
    """
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *inputs], strict=True))

    def read(atom: Any) -> Value:
        return constant(atom.val) if isinstance(atom, Literal) else values[atom]

    for equation in jaxpr.eqns:
        operands = [read(atom) for atom in equation.invars]
        inner = None if equation.primitive.name in whole else inner_jaxpr(equation)
        if inner is None:
            made = rule(equation, operands)
        else:
            if equation.primitive.name == SOLVE:
                operands = operands_of_solve(equation, operands)
            made = interpret_closed(inner, operands, rule, constant, whole)
        values.update(zip(equation.outvars, made, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def interpret_closed(
    function: ClosedJaxpr | Jaxpr,
    inputs: Sequence[Value],
    rule: Rule[Value],
    constant: Callable[[Any], Value],
    whole: Container[str] = (),
) -> list[Value]:
    """Evaluate a jaxpr that includes its constants; see `interpret`."""
    if isinstance(function, ClosedJaxpr):
        constants = [constant(value) for value in function.consts]
        return interpret(function.jaxpr, constants, inputs, rule, constant, whole)
    return interpret(function, [], inputs, rule, constant, whole)


def inner_jaxpr(equation: JaxprEqn) -> ClosedJaxpr | Jaxpr | None:
    """Return the function that an equation calls; None if the equation is not just a call."""
    if equation.primitive.name == SOLVE:
        solve: ClosedJaxpr = equation.params["jaxprs"].solve
        return solve
    if equation.primitive.name not in CALLS:
        return None
    keys = ("jaxpr", "call_jaxpr", "fun_jaxpr")
    return next(equation.params[key] for key in keys if key in equation.params)


def operands_of_solve(equation: JaxprEqn, operands: list[Value]) -> list[Value]:
    """Return the arguments that a linear solve passes to its solver: constants and the right-hand side."""
    lengths = equation.params["const_lengths"]
    before = lengths.matvec + lengths.vecmat
    after = before + lengths.solve + lengths.transpose_solve
    return [*operands[before : before + lengths.solve], *operands[after:]]


def bind(equation: JaxprEqn, operands: Sequence[Any]) -> list[Any]:
    """Compute an equation's results from other operands.

    Args:
        equation: the equation.
        operands: arrays or tracers.

    Returns:
        The results.
    """
    primitive: Any = equation.primitive
    results = primitive.bind(*operands, **primitive.get_bind_params(equation.params))
    return list(results) if primitive.multiple_results else [results]
