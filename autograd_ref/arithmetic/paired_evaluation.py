r"""A function evaluated twice at once, with the decisions of one evaluation imposed on the other.

Of the two evaluations one *leads* and one *follows*. Where the function decides (compares, rounds to an
integer, takes a sign, sorts), both go on with what the leader's numbers say; in everything else each computes
with its own. Rounding errors, of the size that `rounding_model` gives and of random sign, go into either:

- into the follower alone, and the decisions are frozen: how far rounding moves each result *on one side of
  every kink*, smooth however many kinks are near;
- into the leader alone, and the follower computes exactly, with decisions that are some other program's: at a
  tie, one consistent choice of sides. How far that result is from the undisturbed one has no rounding in it,
  only jumps between one-sided derivatives.

This is stochastic arithmetic (Vignes, "A stochastic arithmetic for reliable scientific computation",
Mathematics and Computers in Simulation 35, 1993) one level up, at the primitives of a jaxpr. Zeros among the
parameters become ±1e-77 in a step across kinks, and other parameters move by 2⁻⁴⁰ of themselves: enough to
decide every tie, too little to be seen in anything else.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn, jaxpr_as_fun
from jaxtyping import Array, Float
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.interpreter import bind, interpret_closed
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

__all__ = ["Difference", "Evaluated", "evaluate_pair", "follow"]

NEARLY_ZERO, NUDGE = 1e-77, 2.0**-40

# Decisions whose outcome is itself a floating number.
FLOATING_DECISIONS = {"ceil", "floor", "round", "sign"}


class Evaluated(NamedTuple):
    """What a paired evaluation gave.

    Attributes:
        results: the follower's, flat.
        outcomes: of the leader's decisions, flat; without those inside of while loops and branches.
        differing: how many decisions the follower's own numbers would have made otherwise.
    """

    results: list[Array]
    outcomes: list[Array]
    differing: Array


class _Pair(NamedTuple):
    """A value in both evaluations, and whether it depends on what the derivative is taken by."""

    leader: Any
    follower: Any
    depends: bool


class Difference(NamedTuple):
    """An a − b or its exponential: the array (held, so that its identity stays its own), maker, |a| + |b|."""

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
    """Evaluate a function twice at once; see above. To be called in float64, and to be compiled.

    Args:
        function: whose results are floating arrays.
        inputs: its arguments, flat; the floating ones in float64.
        moved: the first so many of them are what its derivatives are taken by.
        dtype: the dtype whose arithmetic is imitated.
        pool: random numbers of either sign and a size near 1 (POOL,).
        sizes: of the leader's errors and of the follower's, in honest errors; of either sign.
        alike: whether an operation on single numbers makes the same error wherever its result is the same, and
            a sum is its larger part where the dtype cannot hold what the smaller one adds.

    Returns:
        The results, the leader's decisions, and how many of them are close.
    """
    run = _Run(dtype, RandomErrors(pool), sizes, alike=alike)
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
    """Evaluate a follower alone, beside a leader without errors; to be called in float64, and to be compiled.

    Args:
        function: one operation, or a few.
        leaders: its arguments, flat, as they are without errors.
        followers: the same with errors; the very leaders where there are none.
        known: what is known of the arguments.
        dtype: the dtype whose arithmetic is imitated.
        errors: random numbers of either sign and of the size of one error of 1 (errors,).

    Returns:
        The follower's results, flat.
    """
    run = _Run(dtype, RandomErrors(errors), None)
    run.differences = {id(each.value): each for each in known if each is not None}
    pairs = [_Pair(a, b, depends=b is not a) for a, b in zip(leaders, followers, strict=True)]
    return [pair.follower for pair in interpret_closed(function, pairs, run.apply, run.constant)]


class _Run:
    """The state of one traversal: the errors still to be used, and the decisions so far.

    Without sizes of errors the leader has none, and the pool holds the follower's as they are.
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

    def input(self, value: Array, *, depends: bool) -> _Pair:
        """An argument: the follower's with an error, both off every tie where the derivative is by it."""
        if not is_inexact(value):
            return _Pair(value, value, False)
        drawn = self.errors.draw(value.shape)
        assert self.sizes is not None  # noqa: S101
        leads, follows = self.sizes
        # Of different sizes, so that no two of them cancel and leave a value on its kink.
        different = jnp.sqrt(jnp.arange(value.size, dtype=np.float64) + (2.0 + self.errors.position))
        step = NEARLY_ZERO * different.reshape(value.shape) * jnp.sign(drawn)
        zero = jnp.where(value == 0, step, 0.0)
        leader = value + jnp.sign(leads) * (NUDGE * drawn * jnp.abs(value) + zero) if depends else value
        follower = self.errors.draw_by_value(value) if self.alike else drawn
        error = follows * self.u * follower * jnp.abs(value)
        nudge = jnp.sign(leads + follows) * zero if depends else 0.0
        return _Pair(leader, value + error + nudge, depends)

    def constant(self, value: Any) -> _Pair:
        """A constant, with an error where the checked dtype cannot hold it."""
        if isinstance(value, jax.core.Tracer) or not jnp.issubdtype(jnp.asarray(value).dtype, jnp.floating):
            return _Pair(value, value, False)
        exact = np.asarray(value)
        with np.errstate(over="ignore"):
            held = exact.astype(self.dtype).astype(exact.dtype)
        size = np.where((held == exact) | ~np.isfinite(exact), 0.0, np.abs(exact))
        if not size.any():
            return _Pair(value, value, False)
        return self._disturb(
            jnp.asarray(exact), jnp.asarray(exact), jnp.asarray(size), depends=False, alone=True
        )

    def apply(self, eqn: JaxprEqn, operands: list[_Pair]) -> Sequence[_Pair]:
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
            _Pair(leader, follower, depends)
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

    def _follow(self, eqn: JaxprEqn, operands: list[_Pair], leaders: list[Any]) -> list[Any]:
        """The follower's results, with the leader's decisions."""
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

    def _follow_sort(self, eqn: JaxprEqn, operands: list[_Pair], leaders: list[Any]) -> list[Any]:
        """Every operand in the order of the leader's keys."""
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
        """Note a decision; both go on with the leader's."""
        if self.sizes is None or jnp.issubdtype(leader.dtype, jax.dtypes.extended):
            return leader
        self.outcomes.append(leader)
        differs = leader != own
        if is_inexact(leader):
            differs = differs & ~(jnp.isnan(leader) & jnp.isnan(own))
        self.differing = self.differing + jnp.sum(differs, dtype=np.int32)
        return leader

    def _swallowing(self, name: str, operands: list[_Pair], total: _Pair) -> _Pair:
        """The sum or difference of two numbers, of which the larger may swallow the other."""
        one, other = operands
        kept = other if name == "add" else _Pair(-other.leader, -other.follower, other.depends)
        most = self.u / 2
        first = jnp.abs(other.leader) <= most * jnp.abs(one.leader)
        second = jnp.abs(one.leader) <= most * jnp.abs(other.leader)

        def choose(a: Array, b: Array, both: Array) -> Array:
            return jnp.where(first, a, jnp.where(second, b, both))

        return _Pair(
            choose(one.leader, kept.leader, total.leader),
            choose(one.follower, kept.follower, total.follower),
            total.depends,
        )

    def _disturb(
        self, leader: Array, follower: Array, size: Array, *, depends: bool, alone: bool = False
    ) -> _Pair:
        """Both values with errors of the given size in units of u; alone: each was made of single numbers."""
        size = jax.lax.convert_element_type(size, np.float64)
        finite = jax.lax.select(jax.lax.is_finite(size), size, jax.lax.full_like(size, 0.0))
        drawn = self.errors.draw_by_value(leader) if alone and self.alike else self.errors.draw(leader.shape)
        error = drawn * finite
        # Whole numbers made of data alone, counts and masks, are exact in anybody's arithmetic.
        whole = False if depends else leader == jnp.round(leader)
        if self.sizes is None:
            return _Pair(leader, follower + (error if depends else jnp.where(whole, 0.0, error)), depends)
        # A reference may compute this in less than what is checked.
        error = max(self.u, float_epsilon(leader.dtype) / 2) * error
        leads, follows = self.sizes
        lead = error if depends else jnp.where(whole, 0.0, error)
        return _Pair(
            leader + (leads * lead).astype(leader.dtype),
            follower + (follows * error).astype(follower.dtype),
            depends,
        )

    def _by_norm(self, eqn: JaxprEqn, pair: _Pair, operand: int | None) -> _Pair:
        if not hasattr(pair.leader, "dtype") or not is_inexact(pair.leader) or pair.leader.ndim == 0:
            return pair
        return self._disturb(
            pair.leader, pair.follower, error_by_norm(eqn, pair.leader, operand=operand), depends=pair.depends
        )

    def inside(self, turn: Array | int) -> "_Run":
        """A run for the body of a loop or a branch, with other errors at every turn."""
        return _Run(self.dtype, self.errors.inside(turn), self.sizes, alike=self.alike)


# A loop's state is a flat list: the leaders of all pairs, then the followers.


def _split(pairs: Sequence[_Pair]) -> list[Any]:
    return [*(jnp.asarray(each.leader) for each in pairs), *(jnp.asarray(each.follower) for each in pairs)]


def _joined(values: Sequence[Any], depends: Sequence[bool]) -> list[_Pair]:
    half = len(values) // 2
    return [_Pair(*each) for each in zip(values[:half], values[half:], depends, strict=True)]


def _scan(run: _Run, eqn: JaxprEqn, operands: list[_Pair]) -> Sequence[_Pair]:
    params = eqn.params
    first, last = params["num_consts"], params["num_consts"] + params["num_carry"]
    constants, carry, each = operands[:first], operands[first:last], operands[last:]
    depends = any(pair.depends for pair in operands)
    kinds = [depends] * params["num_carry"], [pair.depends for pair in each]

    def body(state: Any, step: Any) -> tuple[Any, Any]:
        differing, carried = state
        turn, row = step
        within = run.inside(turn)
        pairs = [*constants, *_joined(carried, kinds[0]), *_joined(row, kinds[1])]
        out = interpret_closed(params["jaxpr"], pairs, within.apply, within.constant)
        made = _split(out[: params["num_carry"]]), _split(out[params["num_carry"] :])
        return (differing + within.differing, made[0]), (made[1], within.outcomes)

    start = (jnp.zeros((), np.int32), _split(carry))
    steps = (jnp.arange(params["length"]), _split(each))
    (differing, state), (rows, outcomes) = jax.lax.scan(body, start, steps, reverse=params["reverse"])
    run.differing = run.differing + differing
    run.outcomes += outcomes
    count = len(rows) // 2
    return [*_joined(state, kinds[0]), *_joined(rows, [depends] * count)]


def _while(run: _Run, eqn: JaxprEqn, operands: list[_Pair]) -> Sequence[_Pair]:
    params = eqn.params
    first, last = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    kinds = [any(pair.depends for pair in operands)] * (len(operands) - last)
    half = len(kinds)

    def goes_on(state: Any) -> Any:
        leaders = [*(pair.leader for pair in operands[:first]), *state[2][:half]]
        (answer,) = jaxpr_as_fun(params["cond_jaxpr"])(*leaders)
        return answer

    def body(state: Any) -> Any:
        turn, differing, carried = state
        within = run.inside(turn)
        pairs = [*operands[first:last], *_joined(carried, kinds)]
        out = interpret_closed(params["body_jaxpr"], pairs, within.apply, within.constant)
        return turn + 1, differing + within.differing, _split(out)

    start = (jnp.zeros((), np.int32), jnp.zeros((), np.int32), _split(operands[last:]))
    _, differing, state = jax.lax.while_loop(goes_on, body, start)
    run.differing = run.differing + differing
    return _joined(state, kinds)


def _cond(run: _Run, eqn: JaxprEqn, operands: list[_Pair]) -> Sequence[_Pair]:
    index, *others = operands
    depends = any(pair.depends for pair in operands)
    kinds = [pair.depends for pair in others]

    def branch(inner: ClosedJaxpr) -> Callable[..., Any]:
        def evaluate(values: list[Any]) -> Any:
            within = run.inside(0)
            out = interpret_closed(inner, _joined(values, kinds), within.apply, within.constant)
            return within.differing, _split(out)

        return evaluate

    branches = [branch(inner) for inner in eqn.params["branches"]]
    differing, values = jax.lax.switch(index.leader, branches, _split(others))
    run.differing = run.differing + differing
    return _joined(values, [depends] * (len(values) // 2))


LOOPS: dict[str, Callable[[_Run, JaxprEqn, list[_Pair]], Sequence[_Pair]]] = {
    "scan": _scan, "while": _while, "cond": _cond,
}  # fmt: skip
