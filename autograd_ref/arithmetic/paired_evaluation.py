r"""Evaluate a function twice at once, with the decisions of one evaluation imposed on the other.

One evaluation *leads* and the other *follows*. Where the function makes a decision (compares, rounds to an
integer, takes a sign, sorts), both use the leader's decision; everything else each computes with its own
numbers. Random rounding errors, with the size given by `rounding_model`, go into one of the two:

- Errors in the follower, with frozen decisions, show how far rounding moves each result *on one side of every
  kink*. The result is smooth even with many kinks nearby.
- Errors in the leader let the follower compute exactly, but with the decisions of some other program: at a
  tie, a consistent choice of sides. The distance of its result from the undisturbed one contains no rounding,
  only jumps between one-sided derivatives.

This is stochastic arithmetic (Vignes, "A stochastic arithmetic for reliable scientific computation",
Mathematics and Computers in Simulation 35, 1993) one level up, at the primitives of a jaxpr. In a step across
kinks, zeros among the parameters become ±1e-77 and other parameters move by 2⁻⁴⁰ of their size: enough to
decide every tie, too little to show in anything else.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn
from jaxtyping import Array, Float
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.paired_loops import LOOPS, Pair
from autograd_ref.arithmetic.pivots import lu_in_order
from autograd_ref.arithmetic.random_errors import RandomErrors
from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.arithmetic.rounding_model import (
    DENSE,
    PRODUCTS,
    SUMS,
    error_by_norm,
    error_size,
    float_epsilon,
    is_exact,
    is_inexact,
)
from autograd_ref.compiling.interpreter import bind, interpret_closed

__all__ = ["Difference", "Evaluated", "evaluate_pair", "follow"]

NEARLY_ZERO, NUDGE = 1e-77, 2.0**-40

# Decisions whose outcome is a floating number.
FLOATING_DECISIONS = {"ceil", "floor", "round", "sign"}


class Evaluated(NamedTuple):
    """The result of a paired evaluation.

    Attributes:
        results: the follower's results, flat.
        outcomes: the leader's decisions, flat; without decisions inside while loops and branches.
        differing: the number of decisions that the follower's numbers alone would have made differently.
    """

    results: list[Array]
    outcomes: list[Array]
    differing: Array


class Difference(NamedTuple):
    """An a − b or its exponential: the array (kept, so that its id stays unique), its maker, |a| + |b|."""

    value: Any
    maker: str
    size: Any


def evaluate_pair(
    function: ClosedJaxpr,
    inputs: Sequence[Array],
    moved: int,
    dtype: DTypeLike,
    pool: Float[Array, " pool"],
    sizes: tuple[Float[Array, ""], Float[Array, ""]],
    *,
    alike: bool = False,
) -> Evaluated:
    """Evaluate a function twice at once; see above. Call this in float64, and compile it.

    Args:
        function: a function with floating results.
        inputs: its arguments, flat; the floating ones in float64.
        moved: the number of arguments, from the first, by which it is differentiated.
        dtype: the dtype whose arithmetic is imitated.
        pool: random numbers of either sign and a size near 1 (POOL,).
        sizes: sizes of the leader's and of the follower's errors, in units of the model's error; of either
            sign.
        alike: whether an operation on single numbers makes the same error wherever its result is the same,
            and a sum is its larger part where the dtype cannot represent what the smaller one adds.

    Returns:
        The results, the leader's decisions, and how many of them are close.
    """
    run = Run(dtype, RandomErrors(pool), sizes, alike=alike)
    pairs = [run.input(x, depends=i < moved) for i, x in enumerate(inputs)]
    results = interpret_closed(function, pairs, run.apply, run.constant)
    return Evaluated([pair.follower for pair in results], run.outcomes, run.differing)


def follow(
    function: ClosedJaxpr,
    leaders: Sequence[Any],
    followers: Sequence[Any],
    known: Sequence[Difference | None],
    dtype: DTypeLike,
    errors: Float[Array, " errors"],
) -> list[Array]:
    """Evaluate only a follower, beside a leader without errors. Call this in float64, and compile it.

    Args:
        function: one operation, or a few.
        leaders: its arguments, flat, without errors.
        followers: the same arguments with errors; the leader's own objects where there are none.
        known: facts known about the arguments.
        dtype: the dtype whose arithmetic is imitated.
        errors: random numbers of either sign and of the size of one error of 1 (errors,).

    Returns:
        The follower's results, flat.
    """
    run = Run(dtype, RandomErrors(errors), None)
    run.differences = {id(each.value): each for each in known if each is not None}
    pairs = [Pair(a, b, depends=b is not a) for a, b in zip(leaders, followers, strict=True)]
    return [pair.follower for pair in interpret_closed(function, pairs, run.apply, run.constant)]


class Run:
    """The state of one traversal: the errors not yet used, and the decisions so far.

    Without sizes, the leader has no errors, and the pool contains the follower's errors themselves.
    """

    def __init__(
        self,
        dtype: DTypeLike,
        errors: RandomErrors,
        sizes: tuple[Array, Array] | None,
        *,
        alike: bool = False,
    ) -> None:
        self.dtype, self.errors, self.sizes, self.alike = dtype, errors, sizes, alike
        self.u = unit_roundoff(dtype) + unit_roundoff(np.float64)
        self.differences: dict[int, Difference] = {}
        self.outcomes: list[Array] = []
        self.differing = jnp.zeros((), np.int32)

    def input(self, value: Array, *, depends: bool) -> Pair:
        """Return an argument as a pair; an argument of differentiation is moved away from every tie."""
        if not is_inexact(value):
            return Pair(value, value, False)
        drawn = self.errors.draw(value.shape)
        assert self.sizes is not None  # noqa: S101
        leads, follows = self.sizes
        size = jnp.where(jnp.isfinite(value), jnp.abs(value), 0.0)
        # Shifts of different sizes, so that two of them cannot cancel and leave a value on its kink.
        different = jnp.sqrt(jnp.arange(value.size, dtype=np.float64) + (2.0 + self.errors.position))
        step = NEARLY_ZERO * different.reshape(value.shape) * jnp.sign(drawn)
        zero = jnp.where(value == 0, step, 0.0)
        leader = value + jnp.sign(leads) * (NUDGE * drawn * size + zero) if depends else value
        follower = self.errors.draw_by_value(value) if self.alike else drawn
        error = follows * self.u * follower * size
        # A function may be undefined beside 0: a power is NaN on one side.
        nudge = jnp.sign(leads + follows) * zero if depends and not self.alike else 0.0
        return Pair(leader, value + error + nudge, depends)

    def constant(self, value: Any) -> Pair:
        """Return a constant as a pair, with an error where the checked dtype cannot represent it."""
        if isinstance(value, jax.core.Tracer) or not jnp.issubdtype(jnp.asarray(value).dtype, jnp.floating):
            return Pair(value, value, False)
        exact = np.asarray(value)
        with np.errstate(over="ignore"):
            held = exact.astype(self.dtype).astype(exact.dtype)
        size = np.where((held == exact) | ~np.isfinite(exact), 0.0, np.abs(exact))
        if not size.any():
            return Pair(value, value, False)
        return self._disturb(
            jnp.asarray(exact), jnp.asarray(exact), jnp.asarray(size), depends=False, alone=True
        )

    def apply(self, eqn: JaxprEqn, operands: list[Pair]) -> Sequence[Pair]:
        """Compute one equation in both evaluations."""
        name = eqn.primitive.name
        if name in LOOPS:
            return LOOPS[name](self, eqn, operands)
        depends = any(each.depends for each in operands)
        if name in DENSE:
            operands = [self._by_norm(eqn, each, i) for i, each in enumerate(operands)]
        leaders = [each.leader for each in operands]
        results = bind(eqn, leaders)
        pairs = [
            Pair(leader, follower, depends)
            for leader, follower in zip(results, self._follow(eqn, operands, results), strict=True)
        ]
        if is_exact(eqn) or not all(map(is_inexact, results)):
            return pairs
        if self.alike and name in ("add", "sub"):
            pairs = [self._swallowing(name, operands, pairs[0])]
            results = [pairs[0].leader]
        if name in DENSE:
            return [self._by_norm(eqn, each, None) for each in pairs]
        size = error_size(eqn, leaders, results[0], self.u)
        source = {"exp": "sub", "mul": "exp", "div": "exp"}.get(name)
        noted = (self.differences.get(id(value)) for value in leaders)
        known = [note.size for note in noted if note is not None and note.maker == source]
        if known:
            size = jnp.abs(results[0]) * (1 + sum(known))
        alone = name not in SUMS and name not in PRODUCTS
        first = self._disturb(*pairs[0][:2], size, depends=depends, alone=alone)
        if name == "sub" or (name == "exp" and known):
            carried = size if name == "sub" else known[0]
            self.differences[id(first.leader)] = Difference(first.leader, name, carried)
        return [first, *pairs[1:]]

    def _follow(self, eqn: JaxprEqn, operands: list[Pair], leaders: list[Any]) -> list[Any]:
        """Return the follower's results, with the leader's decisions."""
        if all(each.leader is each.follower for each in operands):
            return leaders
        if self.sizes is None and not any(map(is_inexact, leaders)):
            return leaders
        name, followers = eqn.primitive.name, [each.follower for each in operands]
        if name == "select_and_scatter_add":  # (what is scattered, where the windows' largest are)
            return bind(eqn, [followers[0], operands[1].leader])
        if name == "sort" and len(operands) > 1:
            return self._follow_sort(eqn, operands, leaders)
        own = bind(eqn, followers)
        if name == "lu":
            _, pivots, order = leaders
            in_order = partial(lu_in_order, followers[0], order)
            return [jax.lax.cond(jnp.any(order != own[2]), in_order, lambda: own[0]), pivots, order]
        if name in FLOATING_DECISIONS:
            return [self._decide(leader, mine) for leader, mine in zip(leaders, own, strict=True)]
        return [
            mine if is_inexact(leader) else self._decide(leader, mine)
            for leader, mine in zip(leaders, own, strict=True)
        ]

    def _follow_sort(self, eqn: JaxprEqn, operands: list[Pair], leaders: list[Any]) -> list[Any]:
        """Return every operand in the order of the leader's keys."""
        axis = eqn.params["dimension"]
        shape = leaders[0].shape
        places = jax.lax.broadcasted_iota(np.int32, shape, axis)

        def order(keys: list[Any]) -> Array:
            params = {"dimension": axis, "is_stable": True, "num_keys": eqn.params["num_keys"]}
            *_, found = jax.lax.sort_p.bind(*keys, places, **params)
            return jnp.asarray(found)

        found = order([each.leader for each in operands])
        self._decide(found, order([each.follower for each in operands]))
        return [
            jnp.take_along_axis(each.follower, found, axis) if is_inexact(leader) else leader
            for each, leader in zip(operands, leaders, strict=True)
        ]

    def _decide(self, leader: Any, own: Any) -> Any:
        """Note a decision, and return the leader's, which both use."""
        if self.sizes is None or jnp.issubdtype(leader.dtype, jax.dtypes.extended):
            return leader
        self.outcomes.append(leader)
        differs = leader != own
        if is_inexact(leader):
            differs = differs & ~(jnp.isnan(leader) & jnp.isnan(own))
        self.differing = self.differing + jnp.sum(differs, dtype=np.int32)
        return leader

    def _swallowing(self, name: str, operands: list[Pair], total: Pair) -> Pair:
        """Return the sum or difference of two numbers, of which the larger may swallow the other."""
        one, other = operands
        kept = other if name == "add" else Pair(-other.leader, -other.follower, other.depends)
        most = self.u / 2
        first = jnp.abs(other.leader) <= most * jnp.abs(one.leader)
        second = jnp.abs(one.leader) <= most * jnp.abs(other.leader)

        def choose(a: Array, b: Array, both: Array) -> Array:
            return jnp.where(first, a, jnp.where(second, b, both))

        return Pair(
            choose(one.leader, kept.leader, total.leader),
            choose(one.follower, kept.follower, total.follower),
            total.depends,
        )

    def _disturb(
        self, leader: Array, follower: Array, size: Array, *, depends: bool, alone: bool = False
    ) -> Pair:
        """Add errors of a size in units of u to both values; alone: each is computed from single numbers."""
        size = jax.lax.convert_element_type(size, np.float64)
        finite = jax.lax.select(jax.lax.is_finite(size), size, jax.lax.full_like(size, 0.0))
        drawn = self.errors.draw_by_value(leader) if alone and self.alike else self.errors.draw(leader.shape)
        error = jax.lax.mul(drawn, finite)
        # Whole numbers computed only from data, such as counts and masks, are exact in any arithmetic.
        whole = False if depends else leader == jnp.round(leader)
        if self.sizes is None:
            return Pair(leader, follower + (error if depends else jnp.where(whole, 0.0, error)), depends)
        # A reference may compute this in a lower precision than the checked one.
        error = max(self.u, float_epsilon(leader.dtype) / 2) * error
        leads, follows = self.sizes
        lead = error if depends else jnp.where(whole, 0.0, error)
        return Pair(
            leader + (leads * lead).astype(leader.dtype),
            follower + (follows * error).astype(follower.dtype),
            depends,
        )

    def _by_norm(self, eqn: JaxprEqn, pair: Pair, operand: int | None) -> Pair:
        if not hasattr(pair.leader, "dtype") or not is_inexact(pair.leader) or pair.leader.ndim == 0:
            return pair
        return self._disturb(
            pair.leader, pair.follower, error_by_norm(eqn, pair.leader, operand=operand), depends=pair.depends
        )

    def inside(self, turn: Array | int) -> "Run":
        """Return a run for the body of a loop or a branch, with different errors in every iteration."""
        return Run(self.dtype, self.errors.inside(turn), self.sizes, alike=self.alike)
