"""Verdicts on each quantity from the results on all problems: right, wrong, or not judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isfinite

import jax
import jax.numpy as jnp
import numpy as np

from autograd_ref.arithmetic.rounding import Bound
from autograd_ref.arithmetic.rounding_bounds import RoundedFunction
from autograd_ref.crosscheck.comparison import TENSORS, Comparison
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.quantity import SEEN_SHARE, Quantity
from autograd_ref.two_layer_net import loss, precision
from handgrad.trace import PARAMETERS, quantity_of

__all__ = ["measured_bounds", "verdicts"]


def verdicts(
    derived: Sequence[Comparison], measured: Callable[[int], Comparison], dtype: str
) -> tuple[Quantity, ...]:
    """Return the verdict on each quantity, over all problems.

    Args:
        derived: one comparison for each problem, by derived bounds.
        measured: compares the problem of a number by measured bounds, which are narrower for large networks;
            called only if a gradient needs them.
        dtype: the checked dtype, for the message.

    Returns:
        Each quantity at its worst. A gradient is right if 99 % of its entries are seen on one problem
        and none is wrong on any.
    """
    found = _by_name(derived)
    for i in range(len(derived)):
        open_ = [name for name in TENSORS if name in found and _hidden_by_rounding(found[name])]
        if not open_:
            break
        for quantity in measured(i).quantities:
            if quantity.name in open_:
                found[quantity.name].append(replace(quantity, point=i))
    return tuple(_verdict(quantities, len(derived), dtype) for quantities in found.values())


def measured_bounds(problem: Problem, uncertainty: Mapping[str, float], seed: int) -> dict[str, Bound]:
    """Measure the bounds of a problem's gradients on the reference.

    Args:
        problem: the problem, with the penalty that was read off the loss.
        uncertainty: the possible error in the c of each parameter's penalty.
        seed: seed of the random rounding errors.

    Returns:
        A bound for each of `TENSORS`.
    """
    y, objective = problem.y, problem.objective
    exact = [np.asarray(value, np.float64) for value in (*map(problem.params.get, PARAMETERS), problem.X)]

    def gradients(*inputs: jax.Array) -> tuple[jax.Array, ...]:
        *params, X = inputs
        found = jax.grad(lambda p: loss(p, X, jnp.asarray(y), objective))(
            dict(zip(PARAMETERS, params, strict=True))
        )
        return tuple(found[quantity_of(name)] for name in TENSORS)

    with precision(np.float64):
        rounded = RoundedFunction(jax.make_jaxpr(gradients)(*exact), len(PARAMETERS), problem.dtype)
        results = rounded.measure(exact, np.random.default_rng(seed), few=False)
    bounds = {}
    for name, measured in zip(TENSORS, results, strict=True):
        q = quantity_of(name)
        unsure = 2 * problem.reg * uncertainty.get(q, 0.0) * np.abs(problem.params[q].astype(np.float64))
        bounds[name] = measured.bound._replace(radius=measured.bound.radius + unsure)
    return bounds


def _by_name(comparisons: Sequence[Comparison]) -> dict[str, list[Quantity]]:
    by_name: dict[str, list[Quantity]] = {}
    for i, comparison in enumerate(comparisons):
        for quantity in comparison.quantities:
            by_name.setdefault(quantity.name, []).append(replace(quantity, point=i))
    return by_name


def _seen(found: Sequence[Quantity]) -> float:
    return max(each.seen for each in found)


def _flows(found: Sequence[Quantity]) -> bool:
    """Whether the right value is not 0 somewhere."""
    return any(isfinite(each.resolution) for each in found)


def _hidden_by_rounding(found: Sequence[Quantity]) -> bool:
    return all(each.ok for each in found) and _flows(found) and _seen(found) < SEEN_SHARE


def _verdict(found: Sequence[Quantity], problems: int, dtype: str) -> Quantity:
    worst = replace(max(found, key=_badness), seen=_seen(found))
    if not worst.ok:
        return worst
    tried = f"at any of the {problems} problems tried" if problems > 1 else "at the one problem tried"
    if worst.name == "loss" and not worst.seen and _flows(found):
        reason = f"rounding in {dtype} alone may move it by more than 1 % {tried}"
    elif worst.name not in TENSORS:
        return worst
    elif not _flows(found):
        reason = (
            f"nothing flows into it {tried}: its right value is 0 everywhere there, so 0 by hand proves "
            "nothing"
        )
    elif worst.seen < SEEN_SHARE:
        reason = f"only {100 * worst.seen:.3g} % of its entries are determined to 1 % {tried}, in {dtype}"
    else:
        return worst
    return replace(worst, ok=None, reason=reason)


def _badness(quantity: Quantity) -> tuple[bool, bool, float]:
    return not quantity.ok, quantity.mismatch is not None, quantity.bound_units
