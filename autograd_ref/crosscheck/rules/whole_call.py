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
from numpy.typing import DTypeLike

from autograd_ref.compiling.interpreter import CUSTOM_RULES, bind, interpret_closed
from autograd_ref.crosscheck.errors import failed
from autograd_ref.crosscheck.function.points import Point
from autograd_ref.crosscheck.function.pytrees import is_complex_array, is_floating_array, path_name
from autograd_ref.crosscheck.program.calling.caught import Call
from autograd_ref.crosscheck.program.calling.foreign import with_values
from autograd_ref.crosscheck.reports.report import NotJudged, Report
from autograd_ref.crosscheck.rules.combine import listing
from autograd_ref.crosscheck.rules.find import Rule, Use, in_dtype, noting_calls, primal_at, rule_at, rule_of
from autograd_ref.crosscheck.rules.jax_rules import JaxRule, Operands, in_parts, joined
from autograd_ref.two_layer_net import precision

__all__ = [
    "WholeCall", "constant_operands", "find_calls", "given_zero", "on_values", "parameters",
    "told_close_over", "told_constant",
]  # fmt: skip


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


def find_calls(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], dtype: DTypeLike, file: str
) -> list[tuple[Any, tuple[Any, ...]]]:
    """Call a function on values, without tracing it, and note each call of a rule that is not JAX's own.

    Inside of ``jax.grad`` the arguments have values, too, and under ``jax.vmap`` the first of a batch.

    Args:
        function: JAX code.
        args: arguments of the call.
        kwargs: keyword arguments of the call.
        dtype: as in `find_uses`.
        file: the user's file, for the line of an exception.

    Returns:
        The `jax.custom_vjp` or `jax.custom_jvp` of each call, and its arguments, in order.

    Raises:
        NotJudged: the call raises.
    """
    calls: list[tuple[Any, tuple[Any, ...]]] = []

    def note(rule: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if rule_of(rule).is_library:
            return
        with jax.core.eval_context():
            known = with_values(Call(args, kwargs, {}))
        if not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(known[:2])):
            bound = inspect.signature(rule.fun).bind(*known.args, **known.kwargs)
            bound.apply_defaults()
            calls.append((rule, (*bound.args, *bound.kwargs.values())))

    with precision(np.float32 if np.dtype(dtype) == np.float32 else np.float64), jax.disable_jit():
        given, named = in_dtype((tuple(args), dict(kwargs)), dtype)
        try:
            with noting_calls(note):
                function(*given, **named)
        except Exception as error:
            raise NotJudged(failed("the call", error, file)) from error
    return calls


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


def given_zero(report: Report, rule: JaxRule, point: Point) -> frozenset[int]:
    """Return the positions of operands whose cotangent is wrong, and that the rule gives as 0 or None."""
    wrong = {each.name for each in report.quantities if each.ok is False and not each.mismatch}
    if isinstance(rule, WholeCall) or not wrong - {"loss"}:
        return frozenset()
    with rule.precision():
        made = rule.pulled(point.params, *point.args)
    given = zip(rule.positions, rule.names, made, strict=True)
    return frozenset(i for i, name, each in given if f"d{name}" in wrong and not np.any(each))


def told_constant(rule: JaxRule, positions: frozenset[int]) -> str:
    """Say which operands are constant in a call, and ignored by the rule."""
    names = [name for i, name in zip(rule.positions, rule.names, strict=True) if i in positions]
    listed, are = listing(names), "is" if len(names) == 1 else "are"
    return (
        f"{listed} {are} constant in this call, and the rule returns 0 for {'it' if are == 'is' else 'them'}."
    )


def told_close_over(rule: JaxRule, positions: frozenset[int]) -> str:
    """Say how to check a rule that returns 0 for arguments because they are constants."""
    names = [name for i, name in zip(rule.positions, rule.names, strict=True) if i in positions]
    left = [name for name in rule.rule.arguments if name not in names]
    if not left or not all(name.isidentifier() for name in (*rule.rule.arguments, rule.rule.name)):
        return ""
    given = f"lambda {', '.join(left)}: {rule.rule.name}({', '.join(rule.rule.arguments)})"
    one = len(names) == 1
    return f"If {listing(names)} {'is a constant' if one else 'are constants'}, check {given}."


def parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a function's parameters, as far as known."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()
