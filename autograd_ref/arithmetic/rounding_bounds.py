r"""Measured bounds on the difference of two correct computations of the same function.

Where no bound was derived, it is measured on the reference itself. `paired_evaluation` evaluates the
reference with a random rounding error in every operation, to measure two things:

- **How far rounding moves each entry**, with every decision frozen. To first order the error of a computed
  gradient is a sum of local errors times derivatives (Bauer, "Computational graphs and rounding error", SIAM
  J. Numer. Anal. 11, 1974), so its size is the root mean square $s$ over the draws. The bound is $16 s$: six
  standard deviations, enough for 10⁹ entries, for a hand gradient that needs two or three times the
  reference's operations. Every entry has its own bound. With few draws, $s$ may be too small by chance; so
  the quantile of Student's t for this number of draws replaces 16 where it is larger.
  If rounding still hides entries, equal numbers are rounded alike (`alike`): the scores in a fully masked row
  of attention, in which −1e30 swallows everything else, stay equal.
- **The interval that ties leave open**, with exact arithmetic and other decisions: see `ties`.

Both sides are widened by $4u|g|$ for the last operations on an entry, and by 2²⁰ times the smallest normal
number of the dtype for underflow.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr
from jaxtyping import Array, ArrayLike
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.paired_evaluation import Evaluated, evaluate_pair
from autograd_ref.arithmetic.random_errors import POOL
from autograd_ref.arithmetic.rounding import Bound, unit_roundoff
from autograd_ref.arithmetic.ties import Ties, measure_ties
from autograd_ref.compiling.options import quick_options

__all__ = ["STEP", "Measured", "RoundedFunction", "granted"]

STEP = 4.0
SAFETY, UNLIKELY = 16.0, 1e-10
DRAWS, FEWER, FEW = 16, 8, 4
FLOPS = 4e9
# Rounding hides an entry if its bound is larger than this part of it; this part of all entries may be hidden.
HIDDEN = 0.01


class Measured(NamedTuple):
    """One result of a function, and the effect of rounding on it.

    Attributes:
        value: the result in float64.
        bound: the bound around it.
        ties: the freedom that ties leave; None if the result does not depend on a tie.
        swallowed: the same in the checked dtype, if there a large part of a sum swallows the rest and
            changes the result; otherwise None.
    """

    value: np.ndarray
    bound: Bound
    ties: Ties | None
    swallowed: "Measured | None" = None


class RoundedFunction:
    """A function that can be evaluated with rounding errors; compiled once for all points of one shape."""

    def __init__(self, function: ClosedJaxpr, moved: int, dtype: DTypeLike) -> None:
        """Prepare a function for evaluation in float64.

        Args:
            function: a function with floating results.
            moved: the number of arguments, from the first, by which it is differentiated.
            dtype: the dtype whose rounding is allowed, float32 or float64.
        """
        self.function, self.moved, self.dtype = function, moved, np.dtype(dtype)
        self._evaluate: dict[bool, jax.stages.Compiled] = {}
        self.cost = 0.0

    def measure(self, inputs: Sequence[ArrayLike], rng: np.random.Generator, *, few: bool) -> list[Measured]:
        """Evaluate the function at one point and measure its bounds there.

        Args:
            inputs: its arguments, flat; the floating ones in float64.
            rng: source of the random errors.
            few: whether fewer draws, with wider bounds, are enough.

        Returns:
            A `Measured` for each of its results.
        """
        exact = [jnp.asarray(x) for x in inputs]
        base = self._run(exact, np.ones(POOL), 0.0, 0.0)
        response, draws, differing = self._responses(exact, base, rng, few=few)
        values = [np.asarray(value) for value in base.results]
        ties: list[Ties | None] = [None] * len(values)
        if differing:
            most = int(np.clip(20 * FLOPS / max(self.cost, 1.0), 32, 800))
            evaluate = partial(self._run_sided, exact)
            pool = _pool(rng)
            ties = measure_ties(base, evaluate, lambda: np.roll(pool, rng.integers(POOL)), most)
        measured = [self._measured(*each, draws) for each in zip(values, response, ties, strict=True)]
        if all(map(_is_seen, measured)):
            return measured
        base = self._run(exact, np.ones(POOL), 0.0, 0.0, alike=True)
        response, draws, _ = self._responses(exact, base, rng, few=few, alike=True)
        again = [
            self._measured(np.asarray(value), moved, open_, draws)
            for value, moved, open_ in zip(base.results, response, ties, strict=True)
        ]
        return [_sharper(*each) for each in zip(measured, again, strict=True)]

    def _responses(
        self, exact: list[Array], base: Evaluated, rng: np.random.Generator, *, few: bool, alike: bool = False
    ) -> tuple[list[np.ndarray], int, int]:
        """Return how far rounding errors move each entry, the number of draws, and of changed decisions.

        An entry that is not finite in every draw is moved by infinity.
        """
        affordable = int(FLOPS / max(self.cost, 1.0))
        draws = int(np.clip(affordable, FEW if few else FEWER, FEWER if few else DRAWS))
        norms = [np.zeros(value.shape) for value in base.results]
        counts = [np.zeros(value.shape) for value in base.results]
        differing = 0
        for _ in range(draws):
            drawn = self._run(exact, _pool(rng), 0.0, STEP, alike=alike)
            for each in zip(norms, counts, base.results, drawn.results, strict=True):
                _collect(*each)
            differing += int(drawn.differing)
        response = [
            np.where(count < draws, np.inf, norm / np.sqrt(draws) / STEP)
            for norm, count in zip(norms, counts, strict=True)
        ]
        return response, draws, differing

    def evaluate(self, inputs: Sequence[ArrayLike]) -> list[np.ndarray]:
        """Return the function's results."""
        exact = [jnp.asarray(x) for x in inputs]
        return [np.asarray(value) for value in self._run(exact, np.ones(POOL), 0.0, 0.0).results]

    def response(
        self, inputs: Sequence[ArrayLike], rng: np.random.Generator, dtype: DTypeLike
    ) -> list[np.ndarray]:
        """Return how far rounding in another dtype moves each entry, without a safety factor."""
        exact = [jnp.asarray(x) for x in inputs]
        base = self._run(exact, np.ones(POOL), 0.0, 0.0)
        size = unit_roundoff(dtype) / unit_roundoff(self.dtype)
        runs = [self._run(exact, _pool(rng), 0.0, size) for _ in range(4)]
        moved = [
            [np.abs(np.asarray(a - b)) for a, b in zip(run.results, base.results, strict=True)]
            for run in runs
        ]
        return [np.asarray(np.max(each, axis=0)) for each in zip(*moved, strict=True)]

    def _run(
        self, exact: list[Array], pool: np.ndarray, leads: float, follows: float, *, alike: bool = False
    ) -> Evaluated:
        sizes = jnp.asarray(leads, np.float64), jnp.asarray(follows, np.float64)
        if alike not in self._evaluate:
            self._evaluate[alike] = self._compiled(exact, pool, sizes, alike=alike)
        found: Evaluated = self._evaluate[alike](exact, pool, sizes)
        return found

    def _run_sided(self, exact: list[Array], pool: np.ndarray, sign: float) -> Evaluated:
        return self._run(exact, pool, sign * STEP, 0.0)

    def _compiled(
        self, exact: list[Array], pool: np.ndarray, sizes: tuple[Array, Array], *, alike: bool
    ) -> jax.stages.Compiled:
        def evaluate(inputs: list[Array], pool: Array, sizes: tuple[Array, Array]) -> Evaluated:
            return evaluate_pair(self.function, inputs, self.moved, self.dtype, pool, sizes, alike=alike)

        lowered = jax.jit(evaluate).lower(exact, pool, sizes)
        self.cost = float((lowered.cost_analysis() or {}).get("flops", 0.0))
        return lowered.compile(compiler_options=quick_options() if self.cost * DRAWS < FLOPS else None)

    def _measured(self, value: np.ndarray, response: np.ndarray, ties: Ties | None, draws: int) -> Measured:
        radius = self._radius(value, response, draws)
        if ties is None:
            return Measured(value, Bound(radius, value, np.zeros_like(value)), None)
        return Measured(
            value, Bound(radius, value + (ties.low + ties.high) / 2, (ties.high - ties.low) / 2), ties
        )

    def _radius(self, value: np.ndarray, response: np.ndarray, draws: int) -> np.ndarray:
        return granted(response, np.asarray(np.abs(value)), draws, self.dtype)


def _sharper(independent: Measured, alike: Measured) -> Measured:
    """Combine a measurement with independent errors and one with equal errors for equal numbers."""
    radius = alike.bound.radius
    if np.any(np.abs(alike.value - independent.value) > radius):
        return independent._replace(swallowed=alike)
    return independent._replace(
        bound=independent.bound._replace(radius=np.fmin(independent.bound.radius, radius))
    )


def _is_seen(each: Measured) -> bool:
    """Whether rounding hides almost none of the finite entries."""
    finite = np.isfinite(each.value)
    size = np.abs(np.where(finite, each.value, 0.0))
    largest = size.max(initial=0.0)
    usual = largest * np.sqrt(np.mean((size / largest) ** 2)) if largest else 0.0
    hidden = each.bound.radius > HIDDEN * np.maximum(size, usual)
    return not largest or bool(np.mean(hidden, where=finite) < HIDDEN)


def granted(response: np.ndarray, size: np.ndarray, draws: int, dtype: DTypeLike) -> np.ndarray:
    """Return the bound on rounding errors.

    Args:
        response: how far rounding errors move each entry, as a root mean square over draws.
        size: the size of each entry.
        draws: the number of draws.
        dtype: the dtype of the entries.
    """
    u = unit_roundoff(dtype) + unit_roundoff(np.float64)
    quantile = SAFETY if draws >= DRAWS else max(SAFETY, _students_t(draws))
    return np.asarray(quantile * response + 4 * u * size + 2**20 * float(np.finfo(np.dtype(dtype)).tiny))


def _students_t(draws: int) -> float:
    """Return the value that Student's t exceeds with half the probability `UNLIKELY`: 14.7 for 16 draws."""
    from scipy.special import stdtrit  # a third of the time of all other imports

    return -float(stdtrit(draws, UNLIKELY / 2))


def _pool(rng: np.random.Generator) -> np.ndarray:
    """Return numbers of either sign between ½ and 3⁄2, so that no error is close to zero."""
    drawn = rng.uniform(-1.0, 1.0, POOL)
    return drawn + np.copysign(0.5, drawn)


def _collect(norm: np.ndarray, count: np.ndarray, value: Array, drawn: Array) -> None:
    """Add a draw; results that are not finite do not count. Squares would underflow below 1e-154."""
    with np.errstate(all="ignore"):
        moved = np.asarray(drawn) - np.asarray(value)
        finite = np.isfinite(moved)
        np.hypot(norm, moved, out=norm, where=finite)
    count += finite
