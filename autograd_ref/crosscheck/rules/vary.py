"""Call a rule that is right as called in other ways: under `jit`, under `vmap`, differentiated twice."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from autograd_ref.arithmetic.finite_differences import line_difference
from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.compiling.options import quick_options
from autograd_ref.crosscheck.errors import what_stopped
from autograd_ref.crosscheck.function.points import Point
from autograd_ref.crosscheck.rules.asked import Asked
from autograd_ref.crosscheck.rules.differences import INEXACT, measured, own_noise
from autograd_ref.crosscheck.rules.jax_rules import JaxRule, Operands
from autograd_ref.two_layer_net import precision

__all__ = ["Failure", "Variations", "Way", "differing", "failures_of", "resized_calls"]

Arrays = list[np.ndarray]
# A difference contradicts a second derivative if it is this many times its own error away.
SURELY, RELATIVE = 8.0, 1e-4
# Larger arrays are not changed in size.
MOST = 2**20


class Failure(NamedTuple):
    """A failure of a rule in another call.

    Attributes:
        condition: the condition, such as "under vmap".
        number: the number of the operand whose cotangent is wrong.
        entry: the index of the worst entry.
        found: the rule's value there.
        right: its value as called, or the right one.
        of: what has these values; empty for the cotangent.
    """

    condition: str
    number: int
    entry: tuple[int, ...]
    found: float
    right: float
    of: str = ""

    def told(self, name: str) -> str:
        """A sentence."""
        what = self.of or name
        at = f"{what}[{', '.join(map(str, self.entry))}]" if self.entry else what
        values = f"{at} is {self.found:.9g} there, not {self.right:.9g}"
        return f"Right as it is called, wrong {self.condition}: {values}."


Way = tuple[str, Callable[[], Iterator[Failure]]]


def failures_of(
    ways: Sequence[Way], file: str, context: Callable[[], AbstractContextManager[Any]] = nullcontext
) -> tuple[list[Failure], list[str]]:
    """Call a rule in other ways.

    Args:
        ways: the condition of each way, and a function for its failures.
        file: file of the rule.
        context: the context of each call.

    Returns:
        The failures, and a sentence for each way in which it cannot be called.
    """
    found: list[Failure] = []
    refusals = []
    for condition, way in ways:
        try:
            with context():
                found += [each._replace(condition=each.condition or condition) for each in way()]
        except Exception as error:
            refusals.append(f"It cannot be called {condition}: {what_stopped(error, file).rstrip('.')}.")
    return found, refusals


class Variations:
    """Other calls of one rule."""

    def __init__(self, rule: JaxRule, points: Sequence[Point], asked: Asked) -> None:
        self.rule, self.points = rule, list(points)
        self.file, self.seed, self.tolerance = asked.file, asked.seed, asked.tolerance
        self.refusals: list[str] = []
        self.base = [self._pulled(point.params.values_, *point.args) for point in self.points]
        self.allowed = [self._allowance(number) for number in range(len(self.points))]

    def failures(self) -> list[Failure]:
        """Return the failures; afterwards ``refusals`` names the calls that could not be made."""
        ways: list[Way] = [
            ("with cotangents that are 0", self._zeros),
            ("by one argument alone", self._one_by_one),
        ]
        if not self.rule.untraced:
            ways += [("under jit", self._jit), ("under vmap", self._vmap)]
        if self.rule.rule.kind == "custom_jvp":
            ways.append(("in forward mode", self._forward))
        found, refusals = failures_of(ways, self.file, self.rule.precision)
        self.refusals += refusals
        return [*found, *self._twice()]

    # Comparisons.

    def _pull(self, params: Sequence[Any], cotangents: Sequence[Any], others: Sequence[Any]) -> list[Any]:
        return self.rule.pulled(Operands(self.rule.names, params), cotangents, others)

    def _pulled(self, params: Sequence[Any], cotangents: Sequence[Any], others: Sequence[Any]) -> Arrays:
        with self.rule.precision():
            return _arrays(self._pull(params, cotangents, others))

    def _allowance(self, number: int) -> Arrays:
        point, base = self.points[number], self.base[number]

        def gradients(arrays: Arrays) -> Arrays:
            return self._pulled([each.astype(self.rule.dtype) for each in arrays], *point.args)

        at = [np.asarray(each, np.float64) for each in point.params.values_]
        rng = np.random.default_rng([self.seed, 8, number])
        noise = own_noise(gradients, at, unit_roundoff(self.rule.dtype), rng)
        pairs = zip(base, noise, strict=True)
        bounds = [measured(one, far, self.rule.dtype.name).bound.radius for one, far in pairs]
        sizes = [self.tolerance * np.abs(one).max(initial=0.0) for one in base]
        return [np.asarray(np.maximum(bound, size)) for bound, size in zip(bounds, sizes, strict=True)]

    def _compare(self, found: Sequence[Any], number: int = 0, condition: str = "") -> Iterator[Failure]:
        for i, (one, right, radius) in enumerate(
            zip(_arrays(found), self.base[number], self.allowed[number], strict=True)
        ):
            yield from differing(condition, i, one, right, radius)

    # The ways to call.

    def _jit(self) -> Iterator[Failure]:
        compiled = jax.jit(self._pull, compiler_options=quick_options())
        yield from self._compare(compiled(self.points[0].params.values_, *self.points[0].args))

    def _zeros(self) -> Iterator[Failure]:
        point = self.points[0]
        params, (cotangents, others) = list(point.params.values_), point.args
        nothing = [np.zeros_like(each) for each in cotangents]
        alone = [
            _arrays(self._pull(params, [*nothing[:k], each, *nothing[k + 1 :]], others))
            for k, each in enumerate(cotangents)
        ]
        if len(cotangents) == 1:
            for i, each in enumerate(_arrays(self._pull(params, nothing, others))):
                yield from differing("", i, each, np.zeros_like(each), self.allowed[0][i])
            return
        total = [np.asarray(np.sum(each, axis=0)) for each in zip(*alone, strict=True)]
        yield from self._compare(total, condition="with the cotangent of one output at a time")
        for k in range(len(cotangents)):
            condition = f"where only output {k} is used"
            for i, one in enumerate(self._pull_from(k, params, cotangents, others)):
                yield from differing(condition, i, one, alone[k][i], self.allowed[0][i])

    def _pull_from(self, k: int, params: list[Any], cotangents: Sequence[Any], others: Any) -> Arrays:
        def output(*params: Any) -> Any:
            made = self.rule.applied(Operands(self.rule.names, params), others)
            return [each for each in made if jnp.issubdtype(each.dtype, jnp.floating)][k]

        made, pull = jax.vjp(output, *params)
        return _arrays(pull(jnp.asarray(cotangents[k]).astype(made.dtype)))

    def _one_by_one(self) -> Iterator[Failure]:
        point = self.points[0]
        params, (cotangents, others) = list(point.params.values_), point.args
        if len(params) < 2:
            return
        for i in range(len(params)):

            def alone(one: Any, i: int = i) -> Any:
                given = Operands(self.rule.names, [*params[:i], one, *params[i + 1 :]])
                return [
                    each
                    for each in self.rule.applied(given, others)
                    if jnp.issubdtype(each.dtype, jnp.floating)
                ]

            made, pull = jax.vjp(alone, params[i])
            given = [jnp.asarray(c).astype(each.dtype) for c, each in zip(cotangents, made, strict=True)]
            found = _arrays(pull(given))[0]
            condition = f"where only the derivative with respect to {self.rule.names[i]} is taken"
            yield from differing(condition, i, found, self.base[0][i], self.allowed[0][i])

    def _vmap(self) -> Iterator[Failure]:
        points = self.points
        if len(points) < 2 or not all(_same(points[0].args[1], point.args[1]) for point in points):
            return
        others = points[0].args[1]
        pull = partial(self._pull, others=others)
        params = [np.stack(each) for each in zip(*(point.params.values_ for point in points), strict=True)]
        cotangents = [np.stack(each) for each in zip(*(point.args[0] for point in points), strict=True)]
        first, weights = list(points[0].params.values_), list(points[0].args[0])
        alone = range(min(len(first), 3) if len(first) > 1 else 0)

        def one_of(k: int, one: Sequence[Any], others: Sequence[Any]) -> list[Any]:
            return [one[i] if i == k else other for i, other in enumerate(others)]

        def batched(params: Any, cotangents: Any, first: Any, weights: Any) -> list[Any]:
            over = [(one_of(k, [0] * len(first), [None] * len(first)), None) for k in alone]
            pulled = [
                jax.vmap(pull, in_axes=axes)(one_of(k, params, first), weights)
                for k, axes in zip(alone, over, strict=True)
            ]
            return [jax.vmap(pull)(params, cotangents), jax.vmap(pull, (None, 0))(first, cotangents), *pulled]

        compiled = batched if self.refusals else jax.jit(batched, compiler_options=quick_options())
        made = compiled(params, cotangents, first, weights)
        together, by_cotangents, *singly = [_arrays(each) for each in made]
        for number in range(len(points)):
            yield from self._compare([each[number] for each in together], number)
        right = self._pulled(first, points[1].args[0], others)
        yield from self._second(by_cotangents, right, "under vmap over cotangents alone")
        for k, found in zip(alone, singly, strict=True):
            right = self._pulled(one_of(k, points[1].params.values_, first), weights, others)
            yield from self._second(found, right, f"under vmap over {self.rule.names[k]} alone")

    def _second(self, batch: Arrays, right: Arrays, condition: str) -> Iterator[Failure]:
        """Compare the second entries of a batch."""
        for i, (found, expected) in enumerate(zip(batch, right, strict=True)):
            yield from differing(condition, i, np.asarray(found[1]), expected, self.allowed[0][i])

    def _forward(self) -> Iterator[Failure]:
        """Compare tangents pushed forward, weighed by cotangents, with cotangents pulled back."""
        point = self.points[0]
        params, (cotangents, others) = list(point.params.values_), point.args
        rng = np.random.default_rng([self.seed, 9])
        for i, each in enumerate(params):
            tangent = rng.standard_normal(np.shape(each)).astype(self.rule.dtype)
            for sign in (1.0, -1.0):
                tangents = [np.zeros_like(one) for one in params]
                tangents[i] = (sign * tangent).astype(self.rule.dtype)
                found = self.rule.weighed(self.rule.pushed(point.params, others, tangents), cotangents)
                terms = self.base[0][i] * tangents[i]
                size = float(np.sqrt(np.sum(np.square(terms))))
                allowed = float(np.sum(self.allowed[0][i] * np.abs(tangent))) + 1e-3 * size
                yield from differing(
                    "", i, np.asarray(found, np.float64), np.asarray(np.sum(terms)), np.asarray(allowed)
                )

    def _twice(self) -> list[Failure]:
        """Compare JAX's derivative of the rule's results with differences of them, in float64."""
        if self.rule.wide is None:
            return []
        point = self.points[0]
        rng = np.random.default_rng([self.seed, 10])
        with precision(np.float64):
            params, cotangents = _arrays(point.params.values_), _arrays(point.args[0])
            weights = [np.asarray(rng.standard_normal(each.shape)) for each in params]
            moves = [np.asarray(rng.standard_normal(each.shape)) for each in params]

            def weighed(params: list[Any]) -> Any:
                pulled = self._pull(params, cotangents, point.args[1])
                return sum(jnp.sum(one * weight) for one, weight in zip(pulled, weights, strict=True))

            try:
                both = jax.jit(jax.value_and_grad(weighed), compiler_options=quick_options())
                second = _arrays(both(params)[1])
            except Exception:
                return []  # without a second derivative, JAX raises
            terms = [float(np.sum(one * move)) for one, move in zip(second, moves, strict=True)]

            def along(t: float, which: int) -> float:
                moved = [
                    np.asarray(each + t * moves[i]) if i == which else each for i, each in enumerate(params)
                ]
                return float(both(moved)[0])

            found = []
            # What is known by its values is often an iteration, which is not exact.
            left = INEXACT * float(np.sum([np.sqrt(np.sum(np.square(each))) for each in second]))
            for i, term in enumerate(terms):
                difference = line_difference(partial(along, which=i))
                if difference is None or not np.isfinite(term):
                    continue
                scale = float(np.sqrt(np.sum(np.square(second[i] * moves[i]))))
                allowed = SURELY * difference.error + RELATIVE * max(scale, abs(difference.value))
                if abs(term - difference.value) <= allowed + left + 1e-9 * abs(float(both(params)[0])):
                    continue
                expected = self._twice_by_reference(params, cotangents, weights, moves[i], i)
                if expected is None or abs(term - expected) > RELATIVE * max(scale, abs(expected)):
                    found.append(
                        Failure("differentiated twice, along a direction", i, (), term, difference.value)
                    )
            return found

    def _twice_by_reference(
        self, params: list[Any], cotangents: list[Any], weights: list[Any], move: Any, i: int
    ) -> float | None:
        """Return the same for the function without the rule; None if that has none."""
        others = self.points[0].args[1]

        def weighed(params: list[Any]) -> Any:
            pulled = jax.grad(self.rule.reference)(Operands(self.rule.names, params), cotangents, others)
            return sum(jnp.sum(one * weight) for one, weight in zip(pulled.values_, weights, strict=True))

        try:
            return float(jnp.sum(jax.grad(weighed)(params)[i] * move))
        except Exception:
            return None


def differing(
    condition: str, number: int, found: np.ndarray, right: np.ndarray, radius: np.ndarray
) -> list[Failure]:
    """Return the worst entry in which a cotangent differs from the expected one; none if all agree."""
    if found.shape != right.shape:
        nan = float("nan")
        return [Failure(f"{condition} (of shape {found.shape})", number, (), nan, nan)]
    if not found.size:
        return []
    neither = ~np.isfinite(found) & ~np.isfinite(right)
    with np.errstate(all="ignore"):
        units = np.where(neither, 0.0, np.abs(found - right) / radius)
    units = np.where(np.isnan(units), np.inf, units)
    index = tuple(int(k) for k in np.unravel_index(np.argmax(units), units.shape))
    if units[index] <= 1:
        return []
    return [Failure(condition, number, index, float(found[index]), float(right[index]))]


def _arrays(found: Sequence[Any]) -> Arrays:
    return [np.asarray(each, np.float64) for each in found]


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return all(
        a is b or (np.shape(a) == np.shape(b) and bool(jnp.all(jnp.asarray(a) == jnp.asarray(b))))
        for a, b in zip(one, other, strict=True)
    )


def resized_calls(
    arrays: Sequence[np.ndarray], fixed: Sequence[Any]
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yield arrays of other sizes; a size that occurs in several arrays is changed in all.

    Args:
        arrays: the arrays of numbers in the call.
        fixed: the other arguments of the call; a size that equals a number there is kept.

    Yields:
        The condition of the call, and the arrays, in which the old entries are repeated if there is more
        room.
    """
    kept = {each for each in fixed if isinstance(each, int) and not isinstance(each, bool)}
    sizes: list[int] = []
    for each in arrays:
        sizes += [size for size in each.shape if size > 1 and size not in kept and size not in sizes]
    if not sizes or max(each.size for each in arrays) > MOST:
        return
    leading = next((each.shape[0] for each in arrays if each.ndim > 1 and each.shape[0] in sizes), None)
    if leading is not None and not any(_may_be_index(each, leading) for each in arrays):
        yield f"at batch 1 ({leading} in the call)", [_resized(each, {leading: 1}) for each in arrays]
    ordered = {size for each in arrays if _is_ordered(each) for size in each.shape}
    for size in (each for each in sizes if each not in ordered):
        larger = size + 1 + size % 2  # odd
        yield f"at size {larger} ({size} in the call)", [_resized(each, {size: larger}) for each in arrays]


def _may_be_index(array: np.ndarray, size: int) -> bool:
    """Whether integers, other than labels of a batch's samples, may be indices into a shrinking axis."""
    integers = array.dtype.kind in "iu" and array.size > 0
    return bool(integers and size not in array.shape and array.max() >= 1)


def _is_ordered(array: np.ndarray) -> bool:
    """Whether integers are all different or sorted, as indices and segments are, so that none is repeated."""
    if array.dtype.kind not in "iu" or array.size < 2:
        return False
    return len(np.unique(array)) == array.size or bool(np.all(np.diff(array, axis=-1) >= 0))


def _resized(array: np.ndarray, sizes: Mapping[int, int]) -> np.ndarray:
    for axis, size in enumerate(array.shape):
        if size in sizes:
            array = np.take(array, np.arange(sizes[size]) % size, axis=axis)
    return array
