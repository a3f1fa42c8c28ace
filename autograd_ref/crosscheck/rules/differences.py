"""Judge a rule by differences of its function's values, if the function cannot be differentiated.

Small gradients are judged entry by entry. For large ones, some entries are judged, and the derivatives along
some random directions, to which every entry contributes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from autograd_ref.arithmetic.finite_differences import FLAT, FiniteDifference, line_difference
from autograd_ref.arithmetic.rounding import Bound, unit_roundoff
from autograd_ref.arithmetic.rounding_bounds import Measured
from autograd_ref.crosscheck.quantity import Quantity, root_mean_square
from autograd_ref.crosscheck.reports.report import Advice

__all__ = [
    "GRANTED", "INEXACT", "ROUNDOFF", "RulePoint", "Values", "by_values", "coarser", "computed_in",
    "contradicted", "low_precision", "measured", "other_outputs", "own_noise", "seen_parts",
]  # fmt: skip

ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}

# Larger gradients are not judged entry by entry, but by this number of entries and directions.
MOST, ENTRIES, DIRECTIONS = 256, 48, 16
# The error granted to any formula, as a part of the larger of an entry and its array's root mean square.
GRANTED = {"float64": 1e-7, "float32": 2.0**-11, "float16": 2.0**-6, "bfloat16": 2.0**-4}
# The response to rounding of the arguments is multiplied by this.
SAFETY, SURELY = 16.0, 8.0
DRAWS, LINES = 3, 4
# A function that is known only by its values is often an iteration, exact to about this part.
INEXACT = 2e-5
# A line through more entries than this crosses too many kinks.
MOST_ALONG = 256

FORMATS = {"float32": np.float32, "float16": np.float16, "bfloat16": np.dtype(jnp.bfloat16)}

Arrays = Sequence[np.ndarray]


@dataclass
class RulePoint:
    """The results of a rule and its function at one point, for `function.judging`.

    Attributes:
        number: the number of the point.
        place: its name, and whether it was moved.
        dtype: the checked dtype.
        by_hand: the rule's gradients.
        gradients: the right gradients.
        differences: returns the derivative with respect to one entry of one argument, from values only.
        unused: numbers of the arguments on which the function does not depend.
    """

    number: int
    place: tuple[str, bool]
    dtype: np.dtype[Any]
    by_hand: list[np.ndarray]
    gradients: list[Measured]
    differences: Callable[[int, tuple[int, ...]], FiniteDifference | None] = lambda i, index: None
    unused: frozenset[int] = frozenset()

    @property
    def lowest(self) -> np.dtype[Any]:
        """The lowest precision of the reference."""
        return np.dtype(np.float64)

    def noise(self, i: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Not known."""
        return None

    def is_used(self, i: int) -> bool:
        """Whether the function depends on an argument."""
        return i not in self.unused

    def difference(self, i: int, index: tuple[int, ...]) -> FiniteDifference | None:
        """Return the derivative with respect to one entry."""
        return self.differences(i, index)

    def finer_by_hand(self, i: int) -> np.ndarray | None:
        """Not known."""
        return None


@dataclass
class Values:
    """A function's values around one point.

    Attributes:
        function: returns a number for a list of arrays.
        at: the point, in float64.
        rng: source of the directions.
        roundoff: the unit roundoff of the function.
    """

    function: Callable[[list[np.ndarray]], float]
    at: list[np.ndarray]
    rng: np.random.Generator
    roundoff: float = unit_roundoff(np.float64)
    _parts: dict[int, np.ndarray] = field(default_factory=dict)

    def by_entry(self, i: int, index: tuple[int, ...]) -> FiniteDifference | None:
        """Return the derivative with respect to one entry of one array; None if the values do not show it."""
        direction = np.zeros(self.at[i].shape)
        direction[index] = 1.0
        return self.along(i, direction, max(abs(float(self.at[i][index])), _usual(self.at[i])))

    def along(self, i: int, direction: np.ndarray, scale: float = 1.0) -> FiniteDifference | None:
        """Return the derivative along a direction of one array."""

        def value(t: float) -> float:
            moved = list(self.at)
            moved[i] = np.asarray(self.at[i] + t * direction)
            return float(self.function(moved))

        return line_difference(value, scale, self.roundoff)

    def directions(self, i: int) -> np.ndarray:
        """Return the directions in which array i is judged, one per row."""
        if i not in self._parts:
            size = self.at[i].size
            if size <= MOST:
                self._parts[i] = np.eye(size)
            else:
                some = self.rng.choice(size, ENTRIES, replace=False)
                signs = self.rng.choice([-1.0, 1.0], (DIRECTIONS, size)) * _usual(self.at[i])
                self._parts[i] = np.concatenate([np.eye(1, size, k) for k in some] + [signs])
        return self._parts[i]

    def derivatives(self, i: int) -> list[FiniteDifference | None]:
        """Return the derivatives of array i in its directions."""
        found = []
        for row in self.directions(i):
            touched = np.abs(self.at[i].ravel()[row != 0]).max(initial=0.0)
            scale = max(float(touched), _usual(self.at[i])) if np.count_nonzero(row) == 1 else 1.0
            found.append(self.along(i, row.reshape(self.at[i].shape), scale))
        return found


def computed_in(outputs: Callable[[Arrays], np.ndarray], at: Arrays, given: str) -> str | None:
    """Return a lower precision that represents every output exactly, so that they were computed in it.

    A fused kernel may compute in float32 whatever it is given.

    Args:
        outputs: returns a function's outputs, or some of them, in float64.
        at: its arguments.
        given: the precision that they have.
    """
    moved = [np.asarray(each * (1 + 1e-3 * np.pi)) for each in at]
    here, there = outputs(at), outputs(moved)
    inputs = np.concatenate([np.ravel(each) for each in moved])
    if (not here.any() and not there.any()) or np.array_equal(here, there):
        return None
    found = None
    for name, kind in FORMATS.items():
        exact = [np.array_equal(each.astype(kind).astype(float), each) for each in (here, there, inputs)]
        if ROUNDOFF[name] > ROUNDOFF[given] and exact == [True, True, False]:
            found = name
    return found


def coarser(checked: str, inside: str | None) -> str:
    """Return the precision by whose bound a rule is judged: the checked one, or a lower one inside."""
    return max(checked, inside or checked, key=ROUNDOFF.__getitem__)


def low_precision(inside: str) -> Advice:
    """Return the warning about a computation in a lower precision than the arguments have."""
    return Advice("low-precision", f"It computes in {inside} inside, and was judged with the bound for that.")


def contradicted(
    values: Values, i: int, gradient: np.ndarray, part: float, rng: np.random.Generator
) -> bool | None:
    """Find out whether the values contradict a gradient along random directions.

    Args:
        values: the function's values.
        i: the number of the array.
        gradient: the gradient for that array.
        part: allowed error of a derivative along a direction, as a part of the size of its terms.
        rng: source of the directions.

    Returns:
        Whether they do; None if the values have no derivative along any direction.
    """
    heard = None
    for _ in range(LINES):
        direction = np.asarray(rng.choice([-1.0, 1.0], gradient.shape) * _usual(values.at[i]))
        if direction.size > MOST_ALONG:
            direction *= rng.permutation(direction.size).reshape(direction.shape) < MOST_ALONG
        difference = values.along(i, direction)
        if difference is None:
            continue
        heard = False
        terms = gradient * direction
        size = float(np.sqrt(np.sum(np.square(terms))))
        if abs(difference.value - float(np.sum(terms))) > SURELY * difference.error + part * max(
            size, 1e-300
        ):
            return True
    return heard


def seen_parts(values: Values, i: int, gradient: np.ndarray) -> np.ndarray:
    """Return a gradient in the directions in which it is judged; the gradient itself if entry by entry."""
    if gradient.shape != values.at[i].shape or gradient.size <= MOST:
        return gradient
    return np.asarray(values.directions(i) @ gradient.ravel())


def by_values(values: Values, i: int, dtype: str, noise: np.ndarray) -> tuple[Measured, bool]:
    """Return one gradient by differences, and whether the function depends on its array at all."""
    found = values.derivatives(i)
    value = np.array([np.nan if each is None else each.value for each in found])
    error = np.array([np.inf if each is None else each.error for each in found])
    if values.at[i].size <= MOST:
        value, error = value.reshape(values.at[i].shape), error.reshape(values.at[i].shape)
    # An iteration that stops before the last digit depends on its start to that extent.
    left = INEXACT * abs(float(values.function(values.at))) / _usual(values.at[i])
    used = any(each != FLAT for each in found)
    if np.all(np.abs(value) <= left):
        used, value = False, np.zeros_like(value)
    right = measured(value, noise, dtype)
    size = np.maximum(np.where(np.isfinite(value), np.abs(value), 0.0), root_mean_square(value))
    radius = right.bound.radius + SURELY * np.where(np.isfinite(error), error, 0.0) + INEXACT * size
    return right._replace(bound=right.bound._replace(radius=radius)), used


def measured(value: np.ndarray, noise: np.ndarray, dtype: str) -> Measured:
    """Return a right value with its bound.

    Args:
        value: the value, in float64.
        noise: how far rounding of the arguments moves it; see `own_noise`.
        dtype: the dtype in which the other side computes.
    """
    size = np.maximum(np.where(np.isfinite(value), np.abs(value), 0.0), root_mean_square(value))
    radius = SAFETY * noise + GRANTED[dtype] * size + 1e-300
    return Measured(value, Bound(np.asarray(radius), value, np.zeros_like(value)), None)


def other_outputs(values: Sequence[tuple[float, float, float]], part: float) -> list[Quantity]:
    """Return the outputs as a wrong quantity, if a rule returns others than its function.

    Args:
        values: at each point ⟨cotangents, outputs⟩ by the rule, by the function, and the size of its terms.
        part: allowed difference, as a part of the size.

    Returns:
        The quantity, named loss; none if they agree.
    """
    nan = float("nan")
    far = [(a, b) for a, b, size in values if np.isfinite(b) and not abs(a - b) <= part * size]
    return [Quantity("loss", (), False, abs(a - b), nan, float("inf"), nan, (), a, b) for a, b in far[:1]]


def own_noise(
    gradients: Callable[[list[np.ndarray]], list[np.ndarray]],
    at: Arrays,
    roundoff: float,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Return how far rounding of the arrays moves each entry of a gradient."""
    base = gradients(list(at))
    noise = [np.zeros(each.shape) for each in base]
    for _ in range(DRAWS):
        moved = [np.asarray(each * (1 + roundoff * rng.uniform(-1, 1, each.shape))) for each in at]
        for most, one, other in zip(noise, gradients(moved), base, strict=True):
            if one.shape == most.shape:
                far = np.asarray(np.abs(one - other))
                np.maximum(most, np.where(np.isfinite(far), far, 0.0), out=most)
    return noise


def _usual(array: np.ndarray) -> float:
    return root_mean_square(array) or 1.0
