"""Compare a whole call with the same call without its rules, if a rule cannot be traced by itself.

A rule that closes over traced values can be called only while they are traced. Then the function that defines
it is differentiated with respect to its own arguments, both with and without its rules. A rule with an `if`
on a value cannot be traced at all. It is called on values alone.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn, jaxprs_in_params

from autograd_ref.compiling.interpreter import CUSTOM_RULES, bind, interpret_closed
from autograd_ref.crosscheck.function.pytrees import is_complex_array, is_floating_array, path_name
from autograd_ref.crosscheck.rules.find import Rule, Use, in_dtype, primal_at, rule_at, rule_of
from autograd_ref.crosscheck.rules.jax_rules import JaxRule, Operands, in_parts, joined

__all__ = ["WholeCall", "constant_operands", "on_values", "parameters"]


@dataclass
class WholeCall(JaxRule):
    """A call of JAX code, differentiated with respect to its own real and complex arguments.

    Attributes:
        call: its arguments and keyword arguments.
        parameters: their names.
        bare: returns the outputs without any rule, or of another function, for such arguments; None traces
            the function itself without its rules.
        untraced: the reason why JAX cannot trace the call; empty if it can.
    """

    call: tuple[Sequence[Any], Mapping[str, Any]] = ((), {})
    parameters: tuple[str, ...] = ()
    bare: Callable[..., Any] | None = None
    untraced: str = ""

    @property
    def _leaves(self) -> list[tuple[Any, Any]]:
        return list(jax.tree_util.tree_flatten_with_path((tuple(self.call[0]), dict(self.call[1])))[0])

    @property
    def positions(self) -> list[int]:
        """The positions of the real and complex arrays among the leaves."""
        leaves = enumerate(self.operands)
        return [i for i, leaf in leaves if is_floating_array(leaf) or is_complex_array(leaf)]

    @property
    def operands(self) -> list[Any]:
        """All leaves of the arguments."""
        return [leaf for _, leaf in self._leaves]

    @property
    def names(self) -> tuple[str, ...]:
        """The arguments in the usual notation."""
        return tuple(self._name(path) for i, (path, _) in enumerate(self._leaves) if i in self.positions)

    def _name(self, path: tuple[Any, ...]) -> str:
        if path[0].idx == 1:
            return path_name(path[1:])
        number = path[1].idx
        known = number < len(self.parameters)
        head = self.parameters[number] if known else f"args[{number}]"
        return head + "".join(jax.tree_util.keystr((key,)) for key in path[2:])

    def given(self, params: Operands) -> list[Any]:
        """Return JAX arrays."""
        return [jnp.asarray(each) for each in params.values_]

    def applied(self, params: Operands, others: Sequence[Any]) -> list[Any]:
        """Return the outputs of the call, with its rules in place."""
        return self._called(self.function, params.values_, others)

    def example(self, operands: Sequence[Any], rng: np.random.Generator) -> tuple[Any, ...]:
        """Return the leaves as (params, cotangents, others)."""
        chosen = [np.asarray(in_parts(operands[i]), self.dtype) for i in self.positions]
        params = Operands(self.names, chosen)
        others = tuple(each for i, each in enumerate(operands) if i not in self.positions)
        with self.precision():
            shapes = self._outputs_of(self.given(params), others)
        cotangents = tuple(
            rng.standard_normal(each.shape).astype(self.dtype)
            for each in shapes
            if jnp.issubdtype(each.dtype, jnp.floating)
        )
        return params, cotangents, others

    def _outputs_of(self, values: Sequence[Any], others: Sequence[Any]) -> list[Any]:
        """Return the outputs, or what has their shapes and dtypes."""
        if self.untraced:
            return self._called(self.function, values, others)
        shapes: list[Any] = jax.eval_shape(lambda *given: self._called(self.function, given, others), *values)
        return shapes

    def _called(
        self, function: Callable[..., Any], values: Sequence[Any], others: Sequence[Any]
    ) -> list[Any]:
        structure: Any = jax.tree.structure((tuple(self.call[0]), dict(self.call[1])))
        left, rest = list(values), list(others)
        count = structure.num_leaves
        leaves = [left.pop(0) if i in self.positions else rest.pop(0) for i in range(count)]
        pairs = zip(leaves, self.operands, strict=True)
        args, kwargs = jax.tree.unflatten(
            structure, [joined(each) if is_complex_array(given) else each for each, given in pairs]
        )
        return [in_parts(jnp.asarray(each)) for each in jax.tree.leaves(function(*args, **kwargs))]

    def _value(self, made: Any, params: Operands, cotangents: Any, others: Any) -> Any:
        if self.bare is not None:
            outputs = self._called(self.bare, params.values_, others)
        else:
            traced: ClosedJaxpr = jax.make_jaxpr(lambda *values: self._called(self.function, values, others))(
                *params.values_
            )
            outputs = interpret_closed(traced, list(params.values_), bind, lambda value: value)
        return self.weighed(outputs, cotangents)


def on_values(value: Any, args: Sequence[Any], dtype: np.dtype[Any], reason: str) -> WholeCall:
    """Return a rule that JAX cannot trace, as a call of it on values.

    Args:
        value: a `jax.custom_vjp` or `jax.custom_jvp`.
        args: its arguments; those that have no derivative are held fixed.
        dtype: the checked dtype.
        reason: the reason why it cannot be traced.
    """
    rule, fixed = rule_of(value), value.nondiff_argnums
    chosen = [i for i in range(len(args)) if i not in fixed]

    def called(function: Callable[..., Any]) -> Callable[..., Any]:
        def with_fixed(*given: Any) -> Any:
            left = iter(given)
            return function(*(each if i in fixed else next(left) for i, each in enumerate(args)))

        return with_fixed

    arrays = [np.asarray(args[i], dtype) if isinstance(args[i], float) else args[i] for i in chosen]
    names = tuple(rule.arguments[i] if i < len(rule.arguments) else f"args[{i}]" for i in chosen)
    use = Use(rule, None, [])
    return WholeCall(use, None, dtype, called(value), (arrays, {}), names, called(value.fun), reason)


def constant_operands(
    function: Callable[..., Any], call: tuple[Sequence[Any], Mapping[str, Any]], dtype: Any, rule: Rule
) -> frozenset[int]:
    """Return the positions of a rule's operands that depend on no real or complex array of the call.

    JAX must have the checked precision.

    Args:
        function: JAX code that uses the rule.
        call: its arguments.
        dtype: the checked dtype.
        rule: the rule.
    """
    leaves, structure = jax.tree.flatten(in_dtype((tuple(call[0]), dict(call[1])), dtype))
    at = [i for i, leaf in enumerate(leaves) if is_floating_array(leaf) or is_complex_array(leaf)]
    found: list[list[bool]] = []

    def called(*values: Any) -> Any:
        filled = [values[at.index(i)] if i in at else leaf for i, leaf in enumerate(leaves)]
        args, kwargs = jax.tree.unflatten(structure, filled)
        return jax.tree.leaves(function(*args, **kwargs))

    def walk(inner: Any, depends: Sequence[bool]) -> list[bool]:
        return interpret_closed(inner, list(depends), results, lambda value: False, CUSTOM_RULES)

    def results(equation: JaxprEqn, depends: list[bool]) -> list[bool]:
        name, params = equation.primitive.name, equation.params
        if name in CUSTOM_RULES:
            if rule_at(equation)[:3] == rule[:3]:
                found.append(depends)
            return walk(primal_at(equation), depends)
        if name == "scan":  # what is carried may depend on more with each round
            first, last = params["num_consts"], params["num_consts"] + params["num_carry"]
            carried = [any(depends[first:last])] * (last - first)
            for _ in range(2):
                made = walk(params["jaxpr"], [*depends[:first], *carried, *depends[last:]])
                carried = [any(made[: last - first]) or any(carried)] * (last - first)
        else:
            for inner in jaxprs_in_params(params):  # a branch, or the body of a loop
                walk(inner, [any(depends)] * len(inner.invars))
        return [any(depends)] * len(equation.outvars)

    try:
        walk(jax.make_jaxpr(called)(*(leaves[i] for i in at)), [True] * len(at))
    except Exception:  # it needs values, so that this is unknown
        return frozenset()
    columns = enumerate(zip(*found, strict=False))
    return frozenset(i for i, depends in columns if not any(depends))


def parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a function's parameters, as far as known."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()
