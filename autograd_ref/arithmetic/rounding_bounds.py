r"""How far two correct computations of the same function may be apart: the bound, measured.

Where nobody has derived a bound, the reference itself is asked. `paired_evaluation` evaluates it with a
random rounding error in every operation, and two things are measured:

- **How much rounding moves each entry**, with every decision frozen. To first order the error of a computed
  gradient is a sum of local errors times derivatives (Bauer, "Computational graphs and rounding error", SIAM
  J. Numer. Anal. 11, 1974), so its size is the root mean square $s$ over the draws. The bound is $16 s$: six
  standard deviations, for the luck of 10⁹ entries, of a hand that takes two or three times the reference's
  operations. No entry borrows from its neighbours. Draws that happen to be kind to an entry are paid for by
  their number: the quantile of Student's t for that many draws takes the place of 16 where it is larger.
  Where rounding hides entries all the same, numbers that are equal are rounded alike (`alike`): the scores of
  a row of attention that is masked throughout, in which −1e30 swallows all else, stay equal.
- **The interval that ties leave open**, with exact arithmetic and other decisions: see `ties`.

On both sides come $4u|g|$ for the last operations on an entry, and 2²⁰ times the smallest normal number of
the dtype for what underflows.
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
from autograd_ref.compiling.options import QUICK

__all__ = ["STEP", "Measured", "RoundedFunction", "granted"]

STEP = 4.0
SAFETY, UNLIKELY = 16.0, 1e-10
DRAWS, FEWER, FEW = 16, 8, 4
FLOPS = 4e9
# Rounding hides an entry of which it is granted more than this part; hidden may be this part of all entries.
HIDDEN = 0.01


class Measured(NamedTuple):
    """One result of a function and what rounding may do to it.

    Attributes:
        value: in float64.
        bound: what is allowed around it.
        ties: what ties leave open; None where the result depends on none.
        swallowed: the same in the checked dtype, where a large part of a sum swallows the rest of it so that
            the result is another; None where it is not.
    """

    value: np.ndarray
    bound: Bound
    ties: Ties | None
    swallowed: "Measured | None" = None


class RoundedFunction:
    """A function that can be evaluated with rounding errors; compiled once for all points of one shape."""

    def __init__(self, function: ClosedJaxpr, moved: int, dtype: DTypeLike) -> None:
        """Prepare a function; to be used in float64.

        Args:
            function: whose results are floating arrays.
            moved: the number of arguments, the first ones, by which its derivatives are taken.
            dtype: whose arithmetic is allowed for, float32 or float64.
        """
        self.function, self.moved, self.dtype = function, moved, np.dtype(dtype)
        self._evaluate: dict[bool, jax.stages.Compiled] = {}
        self.cost = 0.0

    def measure(self, inputs: Sequence[ArrayLike], rng: np.random.Generator, *, few: bool) -> list[Measured]:
        """Evaluate the function at one point and measure its bounds there.

        Args:
            inputs: its arguments, flat; the floating ones in float64.
            rng: for the random errors.
            few: whether fewer draws, and wider bounds, will do.

        Returns:
            One for each of its results.
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
        """How far honest errors move each entry, in how many draws, and how many decisions they change.

        An entry that is not finite in every draw is moved by infinity.
        """
        affordable = int(FLOPS / max(self.cost, 1.0))
        draws = int(np.clip(affordable, FEW if few else FEWER, FEWER if few else DRAWS))
        norms = [jnp.zeros_like(value) for value in base.results]
        counts = [jnp.zeros_like(value) for value in base.results]
        differing = 0
        for _ in range(draws):
            drawn = self._run(exact, _pool(rng), 0.0, STEP, alike=alike)
            norms, counts = _collect(norms, counts, base.results, drawn.results)
            differing += int(drawn.differing)
        response = [
            np.where(count < draws, np.inf, np.asarray(norm) / np.sqrt(draws) / STEP)
            for norm, count in zip(norms, map(np.asarray, counts), strict=True)
        ]
        return response, draws, differing

    def evaluate(self, inputs: Sequence[ArrayLike]) -> list[np.ndarray]:
        """The function's results."""
        exact = [jnp.asarray(x) for x in inputs]
        return [np.asarray(value) for value in self._run(exact, np.ones(POOL), 0.0, 0.0).results]

    def response(
        self, inputs: Sequence[ArrayLike], rng: np.random.Generator, dtype: DTypeLike
    ) -> list[np.ndarray]:
        """How far rounding in another dtype moves each entry, without any safety."""
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
        return lowered.compile(compiler_options=QUICK if self.cost * DRAWS < FLOPS else None)

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
    """What was measured with independent errors, and again with equal ones of equal numbers."""
    radius = alike.bound.radius
    if np.any(np.abs(alike.value - independent.value) > radius):
        return independent._replace(swallowed=alike)
    return independent._replace(
        bound=independent.bound._replace(radius=np.fmin(independent.bound.radius, radius))
    )


def _is_seen(each: Measured) -> bool:
    """Whether rounding hides hardly any of the entries that are finite."""
    finite = np.isfinite(each.value)
    size = np.abs(np.where(finite, each.value, 0.0))
    largest = size.max(initial=0.0)
    usual = largest * np.sqrt(np.mean((size / largest) ** 2)) if largest else 0.0
    hidden = each.bound.radius > HIDDEN * np.maximum(size, usual)
    return not largest or bool(np.mean(hidden, where=finite) < HIDDEN)


def granted(response: np.ndarray, size: np.ndarray, draws: int, dtype: DTypeLike) -> np.ndarray:
    """The bound on rounding errors.

    Args:
        response: how far honest errors move each entry, as a root mean square over draws.
        size: of each entry itself.
        draws: their number.
        dtype: in which an entry is held.
    """
    u = unit_roundoff(dtype) + unit_roundoff(np.float64)
    quantile = SAFETY if draws >= DRAWS else max(SAFETY, _students_t(draws))
    return np.asarray(quantile * response + 4 * u * size + 2**20 * float(np.finfo(np.dtype(dtype)).tiny))


def _students_t(draws: int) -> float:
    """What Student's t exceeds with half the probability `UNLIKELY`: 14.7 for 16 draws."""
    from scipy.special import stdtrit  # a third of the time of all other imports

    return -float(stdtrit(draws, UNLIKELY / 2))


def _pool(rng: np.random.Generator) -> np.ndarray:
    """Numbers of either sign between ½ and 3⁄2: none so small that an entry of one term is spared."""
    return rng.uniform(0.5, 1.5, POOL) * rng.choice([-1.0, 1.0], POOL)


@partial(jax.jit, donate_argnums=(0, 1))
def _collect(
    norms: list[Array], counts: list[Array], values: list[Array], drawn: list[Array]
) -> tuple[list[Array], list[Array]]:
    """One draw more; results that are not finite are not counted. Squares would underflow below 1e-154."""
    moved = [a - b for a, b in zip(drawn, values, strict=True)]
    finite = [jnp.isfinite(each) for each in moved]
    norms = [jnp.hypot(old, jnp.where(ok, x, 0.0)) for old, ok, x in zip(norms, finite, moved, strict=True)]
    return norms, [old + ok.astype(np.float64) for old, ok in zip(counts, finite, strict=True)]
