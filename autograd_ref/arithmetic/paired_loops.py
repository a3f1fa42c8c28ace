"""Loops and branches of a paired evaluation, which both values pass through together."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn, jaxpr_as_fun

from autograd_ref.compiling.interpreter import interpret_closed

if TYPE_CHECKING:
    from autograd_ref.arithmetic.paired_evaluation import Run

__all__ = ["LOOPS", "Pair"]


class Pair(NamedTuple):
    """A value in both evaluations, and whether it depends on the arguments of differentiation."""

    leader: Any
    follower: Any
    depends: bool


# A loop's state is a flat list: the leaders of all pairs, then the followers.


def _split(pairs: Sequence[Pair]) -> list[Any]:
    return [*(jnp.asarray(each.leader) for each in pairs), *(jnp.asarray(each.follower) for each in pairs)]


def _joined(values: Sequence[Any], depends: Sequence[bool]) -> list[Pair]:
    half = len(values) // 2
    return [Pair(*each) for each in zip(values[:half], values[half:], depends, strict=True)]


def _scan(run: "Run", eqn: JaxprEqn, operands: list[Pair]) -> Sequence[Pair]:
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


def _while(run: "Run", eqn: JaxprEqn, operands: list[Pair]) -> Sequence[Pair]:
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


def _cond(run: "Run", eqn: JaxprEqn, operands: list[Pair]) -> Sequence[Pair]:
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


LOOPS: dict[str, Callable[["Run", JaxprEqn, list[Pair]], Sequence[Pair]]] = {
    "scan": _scan, "while": _while, "cond": _cond,
}  # fmt: skip
