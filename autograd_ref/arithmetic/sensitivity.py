r"""How far two correct computations of the same gradient may lie apart: the bound, measured.

Where nobody has derived a bound, the reference itself is asked. `stochastic_rounding` evaluates it with a
random rounding error of the checked dtype in every operation, and three things are read off:

- **How much each entry moves.** With errors of 4 times their honest size, once with their signs and once
  with the opposite ones, an entry moves by $r_+$ and $r_-$. To first order the error of a computed gradient
  is such a sum of local errors times derivatives (Bauer, "Computational graphs and rounding error", SIAM J.
  Numer. Anal. 11, 1974), and $r_- = -r_+$. The bound is 4 times the root mean square of
  $\min(|r_+|, |r_-|)$ over 3 to 8 draws: 16 honest errors in size, which leaves room for the luck of 10⁹
  entries (six standard deviations) and for a hand that takes two or three times the reference's operations.
- **Smoothing.** The draws may be kind to an entry. So its mean square is taken to be at least the product of
  the means along each axis over the mean of the whole (the estimate of rank one of Shazeer & Stern,
  "Adafactor", ICML 2018, §3), and at least a sixteenth of the tensor's median.
- **The two sides of a kink.** Of two opposite errors one moves a value that lies on a kink, or within
  rounding of it, to the other side. Then $r_+ + r_-$ is not of second order but a jump, in just the entries
  that depend on the value, and the interval from 0 to $r_+ + r_-$ over all draws is granted apart: whatever
  lies between the one-sided derivatives is right. Only where several kinks meet in one entry does the
  smaller of $|r_+|$ and $|r_-|$ hold jumps too, and the bound is as wide as they are.

On both sides come $4u|g|$ for the last operations on an entry, and 2²⁰ times the smallest normal number of
the dtype for what underflows.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jaxtyping import Array, ArrayLike, Float, Integer
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.arithmetic.stochastic_rounding import POOL, evaluate_rounded, rounding_errors

__all__ = ["Sensitivity", "measure_sensitivity"]

STEP = 4.0
SAFETY = 4.0
MOST_DRAWS, FEWEST_DRAWS = 8, 3
FLOPS = 5e9

# For what runs in milliseconds and would take seconds to compile.
QUICK = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 0}


class Sensitivity(NamedTuple):
    """One result of a function and what rounding may do to it.

    Attributes:
        value: in float64.
        radius: the largest rounding error allowed in each entry.
        centre: the middle of the interval that kinks leave open.
        slack: half the width of that interval.
    """

    value: np.ndarray
    radius: np.ndarray
    centre: np.ndarray
    slack: np.ndarray


class _Responses(NamedTuple):
    """What the draws so far have shown of one result, entry by entry."""

    finite: Array
    squares: Array
    low: Array
    high: Array


def measure_sensitivity(
    function: ClosedJaxpr, inputs: Sequence[ArrayLike], dtype: DTypeLike, seed: int = 0
) -> list[Sensitivity]:
    """Evaluate a function and measure its sensitivity to rounding; to be called in float64.

    Args:
        function: whose results are floating arrays.
        inputs: its arguments, flat, in float64.
        dtype: whose arithmetic is allowed for, float32 or float64.
        seed: of the random errors.

    Returns:
        One for each of its results.
    """
    exact = [jnp.asarray(x) for x in inputs]
    cost = jax.jit(jaxpr_as_fun(function)).lower(*exact).cost_analysis() or {}
    draws = int(np.clip(FLOPS / max(cost.get("flops", 0.0), 1.0), FEWEST_DRAWS, MOST_DRAWS))
    evaluate = _quickly_compiled if draws == MOST_DRAWS else _slowly_compiled
    rng = np.random.default_rng(seed)

    def rounded(signs: np.ndarray, size: float) -> list[Array]:
        results: list[Array] = evaluate(function, np.dtype(dtype).name, exact, signs, jnp.asarray(size))
        return results

    values = rounded(np.ones(POOL, np.int8), 0.0)
    found = [_Responses(*(jnp.zeros_like(value) for _ in _Responses._fields)) for value in values]
    for _ in range(draws):
        signs = rng.choice(np.array([-1, 1], np.int8), POOL)
        found = _collect(found, values, rounded(signs, STEP), rounded(signs, -STEP))
    return [_sensitivity(np.asarray(value), each, dtype) for value, each in zip(values, found, strict=True)]


def _rounded(
    function: ClosedJaxpr,
    dtype: str,
    inputs: list[Array],
    signs: Integer[Array, " pool"],
    size: Float[Array, ""],
) -> list[Array]:
    """The function with errors of one size."""
    rounding = rounding_errors(dtype, signs, size)
    return evaluate_rounded(function.jaxpr, function.consts, [rounding.inputs(x) for x in inputs], rounding)


_slowly_compiled = jax.jit(_rounded, static_argnums=(0, 1))
_quickly_compiled = jax.jit(_rounded, static_argnums=(0, 1), compiler_options=QUICK)


@partial(jax.jit, donate_argnums=0)
def _collect(
    found: list[_Responses], values: list[Array], plus: list[Array], minus: list[Array]
) -> list[_Responses]:
    """One draw more; results that are not finite say nothing."""
    collected = []
    for old, value, p, m in zip(found, values, plus, minus, strict=True):
        finite = jnp.isfinite(p) & jnp.isfinite(m)
        jump = jnp.where(finite, (p - value) + (m - value), 0.0)
        response = jnp.where(finite, jnp.minimum(jnp.abs(p - value), jnp.abs(m - value)), 0.0)
        low, high = jnp.minimum(old.low, jump), jnp.maximum(old.high, jump)
        collected.append(
            _Responses(old.finite + finite.astype(np.float64), old.squares + response**2, low, high)
        )
    return collected


def _sensitivity(value: np.ndarray, found: _Responses, dtype: DTypeLike) -> Sensitivity:
    count, squares, low, high = map(np.asarray, found)
    u = unit_roundoff(dtype) + unit_roundoff(np.float64)
    floor = 2**20 * float(np.finfo(np.dtype(dtype)).tiny)
    response = SAFETY * np.sqrt(_smoothed(np.asarray(squares / np.maximum(count, 1))))
    radius = np.where(count == 0, np.inf, response + 4 * u * np.abs(value) + floor)
    with np.errstate(invalid="ignore"):  # a value that is not finite is its reader's to refuse
        centre, slack = np.asarray(value + (low + high) / 2), np.asarray((high - low) / 2)
    return Sensitivity(value, radius, centre, slack)


def _smoothed(square: np.ndarray) -> np.ndarray:
    """Mean squares, raised where they are smaller than those around them make likely."""
    mean = square.mean() if square.size else 0.0
    if not mean:
        return square
    rank_one = np.full((), mean)
    for axis in range(square.ndim):
        others = tuple(i for i in range(square.ndim) if i != axis)
        rank_one = rank_one * (square.mean(axis=others, keepdims=True) / mean)
    return np.asarray(np.maximum(square, np.maximum(rank_one, np.median(square) / 16)))
