"""The reference, traced, differentiated and measured once for all points of the same shapes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jaxtyping import Array
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.jaxpr_facts import (
    draws_random_numbers,
    first_uses,
    lowest_precision,
    stops_gradients,
    without_stops,
    without_swallowed,
)
from autograd_ref.arithmetic.promotion import in_float64
from autograd_ref.arithmetic.rounding_bounds import RoundedFunction
from autograd_ref.crosscheck.errors import failed, file_of, what_stopped
from autograd_ref.crosscheck.function.points import Point
from autograd_ref.crosscheck.function.pytrees import is_floating_array
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.two_layer_net import precision

__all__ = ["Reference", "Traced", "is_same"]


@dataclass(frozen=True)
class Traced:
    """The reference as a function of flat arrays, parameters first.

    Attributes:
        loss: the loss.
        rounded: the loss and its gradients, with their bounds.
        params: number of arguments that are parameters.
        positions: position of each argument among the leaves of (params, args).
    """

    loss: ClosedJaxpr
    rounded: RoundedFunction
    params: int
    positions: tuple[int, ...]

    @cached_property
    def value(self) -> Callable[..., float]:
        """The compiled loss, without gradients."""
        compiled = jax.jit(jaxpr_as_fun(self.loss))
        return lambda *inputs: float(compiled(*inputs)[0])

    @cached_property
    def unstopped(self) -> Callable[..., list[Array]]:
        """The gradients without any `stop_gradient` of the reference."""
        return self._gradients(without_stops(self.loss))

    @cached_property
    def unswallowed(self) -> Callable[..., list[Array]]:
        """The gradients without terms that sums swallow."""
        return self._gradients(without_swallowed(self.loss))

    def _gradients(self, function: Callable[..., list[Array]]) -> Callable[..., list[Array]]:
        return jax.jit(jax.grad(lambda *inputs: function(*inputs)[0], argnums=tuple(range(self.params))))

    @cached_property
    def stops(self) -> bool:
        """Whether the reference stops a gradient."""
        return stops_gradients(self.loss)

    @cached_property
    def lowest(self) -> np.dtype[Any]:
        """The lowest precision in which it computes."""
        return lowest_precision(self.loss, self.params)

    @cached_property
    def first_uses(self) -> list[int | None]:
        """The first use of each argument; None if the loss does not depend on it."""
        return first_uses(self.loss)

    def unused(self, position: int) -> bool:
        """Whether the loss does not depend on a leaf of (params, args)."""
        return position in self.positions and self.first_uses[self.positions.index(position)] is None


@dataclass
class Reference:
    """A loss in JAX.

    Attributes:
        function: ``function(params, *args) -> loss``.
        dtype: the checked dtype; the reference computes in float64.
        traces: the traces, with the leaves that they contain as constants.
    """

    function: Callable[..., Any]
    dtype: DTypeLike
    traces: list[tuple[Any, dict[int, Any], Traced]] = field(default_factory=list)

    def at(self, point: Point) -> tuple[Traced, list[Array]]:
        """Return the traced reference for a point, and its arguments there; call this in float64.

        Raises:
            NotJudged: the reference raised, cannot be differentiated, or returns no loss.
        """
        leaves, structure = jax.tree.flatten((point.params, point.args))
        shapes = structure, tuple((np.shape(leaf), getattr(leaf, "dtype", None)) for leaf in leaves)
        alike = [(fixed, traced) for known, fixed, traced in self.traces if known == shapes]
        for fixed, traced in alike:
            if all(is_same(leaves[i], value) for i, value in fixed.items()):
                return traced, _inputs(leaves, traced.positions)
        floating = [i for i, leaf in enumerate(leaves) if is_floating_array(leaf)]
        given = [i for i, leaf in enumerate(leaves) if _can_be_traced(leaf)]
        found: Traced | None = None
        if alike:  # Labels, keys or masks differ: make them arguments, so that one trace serves all points.
            try:
                found = self._trace(point, floating + [i for i in given if i not in floating])
            except NotJudged:
                found = None
        traced = found or self._trace(point, floating)
        fixed = {i: leaf for i, leaf in enumerate(leaves) if i not in traced.positions}
        self.traces.append((shapes, fixed, traced))
        return traced, _inputs(leaves, traced.positions)

    def ignores(self, point: Point, traced: Traced, position: int) -> bool:
        """Whether the loss does not depend on a leaf of (params, args); False if this is unknown."""
        if position in traced.positions:
            return traced.unused(position)
        if not _can_be_traced(jax.tree.leaves((point.params, point.args))[position]):
            return False
        try:
            with precision(np.float64):
                return self._trace(point, [*traced.positions, position]).unused(position)
        except NotJudged:
            return False

    def _trace(self, point: Point, positions: Sequence[int]) -> Traced:
        leaves, structure = jax.tree.flatten((point.params, point.args))
        count = len(jax.tree.leaves(point.params))

        def value(*inputs: Any) -> Any:
            filled = list(leaves)
            for i, given in zip(positions, inputs, strict=True):
                filled[i] = given
            params, args = jax.tree.unflatten(structure, filled)
            return self.function(params, *args)

        def loss(*inputs: Any) -> Any:
            return jnp.asarray(value(*inputs)).reshape(()).astype(jnp.result_type(float))

        def gradient(*inputs: Any) -> Any:
            return jax.value_and_grad(loss, argnums=tuple(range(count)))(*inputs)

        exact = _inputs(leaves, positions)
        self._refuse_no_loss(value, exact)
        traced_loss = _flat(loss, exact, self._stopped)
        if np.dtype(self.dtype) == np.float32 and draws_random_numbers(traced_loss):
            with precision(np.float32):
                narrow = [x.astype(np.float32) if is_floating_array(x) else x for x in exact]
                pair = _flat(loss, narrow, self._stopped), _flat(gradient, narrow, self._stopped)
            traced_loss, traced_gradient = map(in_float64, pair)
        else:
            traced_gradient = _flat(gradient, exact, self._stopped)
        rounded = RoundedFunction(traced_gradient, count, self.dtype)
        return Traced(traced_loss, rounded, count, tuple(positions))

    def _refuse_no_loss(self, value: Callable[..., Any], exact: Sequence[Array]) -> None:
        try:
            result = jax.eval_shape(value, *exact)
        except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
            place = f"{self._stopped(error)}: ".partition(f"{type(error).__name__}")[0]
            raise NotJudged(
                f"reference cannot be traced by JAX: {place}{type(error).__name__}: it must compute with "
                "jax.numpy throughout, without float(), NumPy's functions, or an if on a value that depends "
                "on params or args (jnp.where instead)"
            ) from error
        except Exception as error:
            raise NotJudged(failed("reference", error, file_of(self.function))) from error
        if not isinstance(result, jax.ShapeDtypeStruct):
            listed = ", ".join(_told(each) for each in jax.tree.leaves(result))
            made = f"a {type(result).__name__} of {listed}" if listed else repr(result)
            raise NotJudged(f"reference must return one number, not {made}")
        if result.size != 1:
            raise NotJudged(f"reference must return one number, not {_told(result)}")
        if not jnp.issubdtype(result.dtype, jnp.floating):
            raise NotJudged(f"reference must return a floating number, not {result.dtype}")

    def _stopped(self, error: BaseException) -> str:
        return what_stopped(error, file_of(self.function))


def _can_be_traced(leaf: Any) -> bool:
    """Whether a leaf can be an argument of a traced function: an array of numbers or keys."""
    if isinstance(leaf, jax.Array):
        return True
    return isinstance(leaf, np.ndarray | np.generic) and leaf.dtype.kind in "biufc"


def _told(result: Any) -> str:
    return f"an array of shape {tuple(result.shape)}" if result.shape else "a number"


def _inputs(leaves: Sequence[Any], positions: Sequence[int]) -> list[Array]:
    return [
        jnp.array(leaves[i], np.float64) if is_floating_array(leaves[i]) else jnp.asarray(leaves[i])
        for i in positions
    ]


def _flat(
    function: Callable[..., Any], inputs: Sequence[Any], stopped: Callable[[BaseException], str]
) -> ClosedJaxpr:
    try:
        traced: ClosedJaxpr = jax.make_jaxpr(lambda *given: jax.tree.leaves(function(*given)))(*inputs)
    except Exception as error:
        raise NotJudged(f"reference cannot be differentiated: {stopped(error)}") from error
    return traced


def is_same(one: Any, other: Any) -> bool:
    """Whether two leaves are equal."""
    if isinstance(one, jax.Array) and jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
        one, other = jax.random.key_data(one), jax.random.key_data(other)
    if one is other:
        return True
    try:  # A user's __eq__ may raise, or return an array.
        if hasattr(one, "shape"):
            return bool(np.array_equal(np.asarray(one), np.asarray(other)))
        return bool(one == other)
    except Exception:
        return False
