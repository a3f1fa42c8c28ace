"""A JAX rule as a gradient by hand, and its function under automatic differentiation.

Complex operands and outputs are real arrays here, whose last axis holds the real and the imaginary part, so
that everything outside sees real derivatives. JAX's own operations connect both, by its convention: the
cotangent of z = x + iy is ∂/∂x − i ∂/∂y.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jax.tree_util import GetAttrKey

from autograd_ref.arithmetic.promotion import in_float64, wider
from autograd_ref.compiling.interpreter import bind
from autograd_ref.crosscheck.function.points import Point
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.crosscheck.rules.find import Rule, Use, primal_of, without_rules
from autograd_ref.two_layer_net import precision

__all__ = ["JaxRule", "Operands", "in_parts", "is_complex", "joined", "part_dtype", "rules_of"]


@jax.tree_util.register_pytree_with_keys_class
class Operands:
    """Differentiable operands of a rule by their names, a pytree in the order of the rule's arguments.

    Its own attributes end with an underscore, because an argument may be called `values`.
    """

    def __init__(self, names: tuple[str, ...], values: Sequence[Any]) -> None:
        self.names_, self.values_ = names, tuple(values)

    def __getattr__(self, name: str) -> Any:
        if name in ("names_", "values_") or name not in self.names_:
            raise AttributeError(name)
        return self.values_[self.names_.index(name)]

    def tree_flatten_with_keys(self) -> tuple[list[tuple[GetAttrKey, Any]], tuple[str, ...]]:
        """Return the values, each with its name."""
        named = zip(self.names_, self.values_, strict=True)
        return [(GetAttrKey(name), value) for name, value in named], self.names_

    @classmethod
    def tree_unflatten(cls, names: tuple[str, ...], values: Sequence[Any]) -> "Operands":
        """Return the same operands with other values."""
        return cls(names, values)


@dataclass
class JaxRule:
    """A rule at one use, in the checked precision and in float64.

    Attributes:
        own: the use in a call in the checked dtype.
        wide: the use in a call in float64; None if that is impossible.
        dtype: the checked dtype.
        function: the user's function, whose file is named in errors.
        held: the positions of operands that are held fixed.
    """

    own: Use
    wide: Use | None
    dtype: np.dtype[Any]
    function: Callable[..., Any]
    held: frozenset[int] = field(default=frozenset(), kw_only=True)

    @property
    def untraced(self) -> str:
        """The reason why JAX cannot trace the call; empty if it can."""
        return ""

    @property
    def rule(self) -> Rule:
        """The rule."""
        return self.own.rule

    @property
    def positions(self) -> list[int]:
        """The positions of operands that have a cotangent."""
        avals: list[Any] = [var.aval for var in self.own.equation.invars]
        floating = [i for i, aval in enumerate(avals) if jnp.issubdtype(aval.dtype, jnp.inexact)]
        # A −∞ that only starts a maximum takes no derivative.
        given = self.own.operands
        finite = [i for i in floating if not avals[i].size or bool(np.isfinite(np.asarray(given[i])).any())]
        return [i for i in finite if i >= self.own.constants and i not in self.held]

    @property
    def operands(self) -> list[Any]:
        """The operands of the rule at its use."""
        return self.own.operands

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the operands that have a cotangent."""
        return tuple(self.rule.arguments[i - self.own.constants] for i in self.positions)

    def example(self, operands: Sequence[Any], rng: np.random.Generator) -> tuple[Any, ...]:
        """Return operands as (params, cotangents, others), with random cotangents of floating outputs."""
        taken = set(self.positions)
        chosen = [np.asarray(in_parts(operands[i]), self.dtype) for i in self.positions]
        others = tuple(each for i, each in enumerate(operands) if i not in taken)
        cotangents = tuple(
            rng.standard_normal((*aval.shape, 2) if is_complex(aval) else aval.shape).astype(self.dtype)
            for aval in self._outputs()
            if jnp.issubdtype(aval.dtype, jnp.inexact)
        )
        return Operands(self.names, chosen), cotangents, others

    @property
    def complex_names(self) -> tuple[str, ...]:
        """The names of complex operands that have a cotangent."""
        pairs = zip(self.names, self.positions, strict=True)
        return tuple(name for name, i in pairs if is_complex(jnp.asarray(self.operands[i])))

    # The two sides.

    @property
    def hand(self) -> Callable[..., tuple[Any, Operands]]:
        """Return a function for ⟨cotangents, outputs⟩ and the rule's cotangents of the operands."""

        def hand(params: Operands, cotangents: Any, others: Any) -> tuple[Any, Operands]:
            value, pull = self.forward_and_pull(params, cotangents, others)
            return value, Operands(params.names_, pull(cotangents))

        hand.__wrapped__ = self.function  # type: ignore[attr-defined]
        return hand

    def forward_and_pull(
        self, params: Operands, cotangents: Sequence[Any], others: Sequence[Any]
    ) -> tuple[Any, Callable[[Sequence[Any]], list[Any]]]:
        """Return ⟨cotangents, outputs⟩, and the rule's function that pulls cotangents back."""
        outputs, pullback = jax.vjp(self._with(params, others), *self.given(params))
        return self.weighed(outputs, cotangents), lambda given: list(
            pullback(_all_cotangents(outputs, given))
        )

    def pulled(self, params: Operands, cotangents: Sequence[Any], others: Sequence[Any]) -> list[Any]:
        """Return the rule's cotangents of the operands."""
        return self.forward_and_pull(params, cotangents, others)[1](cotangents)

    def given(self, params: Operands) -> list[Any]:
        """Return the operands in the precision of the rule."""
        avals: list[Any] = [self._use(params).equation.invars[i].aval for i in self.positions]
        pairs = zip(params.values_, avals, strict=True)
        return [jnp.asarray(each).astype(part_dtype(aval.dtype)) for each, aval in pairs]

    def applied(self, params: Operands, others: Sequence[Any]) -> list[Any]:
        """Return the outputs, with the rule in place."""
        use = self._use(params)
        function = self._of_params(use, lambda *operands: bind(use.equation, operands), others)
        return [in_parts(each) for each in function(*params.values_)]

    def pushed(self, params: Operands, others: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        """Return the tangents of the outputs by the rule, in forward mode."""
        at = self.given(params)
        cast = [jnp.asarray(each, one.dtype) for each, one in zip(tangents, at, strict=True)]
        made: list[Any] = jax.jvp(self._with(params, others), at, cast)[1]
        return made

    def keeps_outputs(self, point: Point) -> bool:
        """Whether the rule returns exactly the function's own outputs in the checked precision."""
        params, others = point.params, point.args[1]
        with self.precision():
            ruled = jax.vjp(self._with(params, others), *self.given(params))[0]
            plain = self.applied(params, others)
        return all(
            np.array_equal(one, other, equal_nan=True) for one, other in zip(ruled, plain, strict=True)
        )

    def _with(self, params: Operands, others: Sequence[Any]) -> Callable[..., list[Any]]:
        """Return the outputs as a function of the operands that have a cotangent."""
        return lambda *values: self.applied(Operands(params.names_, values), others)

    def precision(self) -> Any:
        """Return a context in which JAX has the checked precision."""
        return precision(np.float32 if self.dtype == np.float32 else np.float64)

    def values(self, point: Point) -> tuple[float, float, float]:
        """Return ⟨cotangents, outputs⟩ by the rule and by the function, and the sum of the terms' sizes."""
        cotangents, others = point.args
        with self.precision():
            by_rule = float(self.forward_and_pull(point.params, cotangents, others)[0])
            outputs = [each for each in self.applied(point.params, others) if _is_floating(each)]
            sizes = [
                np.sum(np.abs(np.asarray(each, np.float64) * np.asarray(cotangent, np.float64)))
                for each, cotangent in zip(outputs, cotangents, strict=True)
            ]
        with precision(np.float64):
            exact = jax.tree.map(lambda each: jnp.asarray(each, np.float64), point.params)
            value = float(self.reference(exact, cotangents, others))
        return by_rule, value, float(np.sum(sizes))

    def reference(self, params: Operands, cotangents: Sequence[Any], others: Sequence[Any]) -> Any:
        """Return ⟨cotangents, outputs⟩ of the function without this rule."""
        return self._value(primal_of, params, cotangents, others)

    def bare_reference(self, params: Operands, cotangents: Sequence[Any], others: Sequence[Any]) -> Any:
        """Return the same without any rule."""
        return self._value(without_rules, params, cotangents, others)

    def _value(
        self, made: Callable[[Use], Callable[..., Any]], params: Operands, cotangents: Any, others: Any
    ) -> Any:
        if self.wide is None:
            primal: ClosedJaxpr = self.own.equation.params["call_jaxpr"]
            function, use = jaxpr_as_fun(in_float64(primal)), self.own
            called = self._of_params(use, function, others, widened=True)
        else:
            called = self._of_params(self.wide, made(self.wide), others)
        return self.weighed([in_parts(each) for each in called(*params.values_)], cotangents)

    def _use(self, params: Operands) -> Use:
        found = {np.dtype(getattr(each, "dtype", self.dtype)) for each in params.values_}
        if found <= {self.dtype} or (self.dtype != np.float64 and np.dtype(np.float64) not in found):
            return self.own
        if self.wide is None or found != {np.dtype(np.float64)}:
            raise NotJudged(f"the call was not made in {', '.join(sorted(each.name for each in found))}")
        return self.wide

    def _of_params(
        self, use: Use, function: Callable[..., Any], others: Sequence[Any], widened: bool = False
    ) -> Callable[..., list[Any]]:
        """Return a function of all operands as a function of the ones that have a cotangent."""
        avals: list[Any] = [var.aval for var in use.equation.invars]
        positions = set(self.positions)

        def called(*params: Any) -> list[Any]:
            chosen, rest = iter(params), iter(others)
            operands = []
            for i, aval in enumerate(avals):
                value = next(chosen if i in positions else rest)
                if i in positions and is_complex(aval):
                    value = joined(value)
                if not jnp.issubdtype(aval.dtype, jax.dtypes.extended):
                    value = jnp.asarray(value).astype(wider(aval.dtype) if widened else aval.dtype)
                operands.append(value)
            return list(function(*operands))

        return called

    @staticmethod
    def weighed(outputs: Sequence[Any], cotangents: Sequence[Any]) -> Any:
        """Return ⟨cotangents, outputs⟩ of the floating outputs."""
        floating = [each for each in outputs if _is_floating(each)]
        if not floating:
            raise NotJudged(
                "no output is an array of real or complex numbers, so there is nothing to differentiate"
            )
        total = jnp.zeros((), jnp.result_type(float))
        for each, cotangent in zip(floating, cotangents, strict=True):
            total += jnp.sum(each.astype(total.dtype) * jnp.asarray(cotangent).astype(total.dtype))
        return total

    def _outputs(self) -> list[Any]:
        return [var.aval for var in self.own.equation.outvars]


def rules_of(
    narrow: Sequence[Use], wide: Sequence[Use] | None, dtype: np.dtype[Any], function: Callable[..., Any]
) -> list[JaxRule]:
    """Return the rules at their uses, in the checked precision and, in the same order, in float64."""
    alike = wide is not None and [(u.rule.name, u.rule.line) for u in wide] == [
        (u.rule.name, u.rule.line) for u in narrow
    ]
    pairs = zip(narrow, wide if alike and wide is not None else [None] * len(narrow), strict=True)
    return [JaxRule(own, other, dtype, function) for own, other in pairs]


def _is_floating(aval: Any) -> bool:
    return bool(jnp.issubdtype(aval.dtype, jnp.floating))


def is_complex(aval: Any) -> bool:
    """Whether an array is complex, or an abstract one."""
    return bool(jnp.issubdtype(aval.dtype, jnp.complexfloating))


def part_dtype(dtype: Any) -> Any:
    """Return the dtype of a complex dtype's parts, and every other unchanged."""
    return np.dtype(dtype).type().real.dtype if jnp.issubdtype(dtype, jnp.complexfloating) else dtype


def in_parts(value: Any) -> Any:
    """Return a complex array as a real one, with both parts along a new last axis, and others as they are."""
    return jnp.stack([jnp.real(value), jnp.imag(value)], axis=-1) if is_complex(value) else value


def joined(parts: Any) -> Any:
    """Return the complex array of such a real one."""
    return jax.lax.complex(parts[..., 0], parts[..., 1])


def _all_cotangents(outputs: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    """Return cotangents of all outputs: the given ones for floating outputs, none for the others."""
    left = list(given)
    return [
        jnp.asarray(left.pop(0)).astype(each.dtype)
        if _is_floating(each)
        else np.zeros(np.shape(each), jax.dtypes.float0)
        for each in outputs
    ]
