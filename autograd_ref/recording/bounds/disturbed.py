"""Single operations with rounding errors, for all draws at once; equal operations are compiled once.

An operation and its transposed derivative are jaxprs, so they have the same rounding model as JAX references:
`paired_evaluation` computes the draws (followers) together with the exact values (the leader), with the
leader's decisions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache, lru_cache, partial
from itertools import cycle
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import Jaxpr, jaxprs_in_params

from autograd_ref.arithmetic.paired_evaluation import Difference, follow
from autograd_ref.arithmetic.rounding_model import DENSE, is_exact
from autograd_ref.compiling.kernel import Kernel, compiled, description, in_threads
from autograd_ref.compiling.options import quick_options
from autograd_ref.recording.bounds.stacked import wide
from autograd_ref.recording.kernels import flat, flat_length, in_double, kernel_of
from autograd_ref.recording.tape import Value

__all__ = ["Errors", "Kind", "Note", "Operands", "Stack", "compile_all", "kind_of", "run"]

# All draws of a value (draws, *shape). JAX's results are awaited only where NumPy needs them.
Stack = np.ndarray | jax.Array

# A prime; longer sequences of numbers than this repeat.
PERIOD = 16_381


class Note(NamedTuple):
    """Facts about a value that is a difference or its exponential; see `Difference`."""

    maker: str
    size: np.ndarray


@lru_cache(maxsize=1)
def _pool(draws: int) -> np.ndarray:
    """Return the numbers from which errors are taken; where they begin to be taken is random."""
    rng = np.random.default_rng(draws)
    shape = (3 * PERIOD * draws,)
    pool = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    pool.flags.writeable = False
    return pool


class Errors:
    """Random numbers of either sign between ½ and 3⁄2, independent between draws."""

    def __init__(self, draws: int, rng: np.random.Generator):
        self.draws, self.rng = draws, rng
        self._pool = _pool(draws)
        self._starts = cycle(rng.integers(PERIOD * draws, size=PERIOD).tolist())

    def some(self, count: int) -> np.ndarray:
        """Return a few numbers (draws, count)."""
        start = next(self._starts)
        return self._pool[start : start + count * self.draws].reshape(self.draws, count)

    def like(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return numbers for every entry of an array (draws, *shape)."""
        count = math.prod(shape)
        if count > 2 * PERIOD:
            drawn = self.rng.random((self.draws, *shape), np.float32)
            drawn -= 0.5
            drawn += drawn
            drawn += np.copysign(np.float32(0.5), drawn)
            return drawn
        return self.some(count).reshape(self.draws, *shape)


class Operands(NamedTuple):
    """The operands of an operation, and its rounding.

    Attributes:
        exact: its inputs.
        drawn: the same with errors; None for an input without errors.
        notes: facts known about the inputs.
        dtype: the dtype in which NumPy computed.
        scale: scale of the operation's errors in each draw (draws,).
    """

    exact: list[np.ndarray]
    drawn: list[Stack | None]
    notes: list[Note | None]
    dtype: np.dtype[Any]
    scale: np.ndarray


class Kind(NamedTuple):
    """All that one compiled function depends on but the number of draws.

    Attributes:
        kernel: the operation, or its transposed derivative.
        moved: which arguments have errors.
        makers: what is known of them.
        shapes: of the arguments, with their dtypes.
        dtype: in which NumPy computed.
    """

    kernel: Kernel
    moved: tuple[bool, ...]
    makers: tuple[str | None, ...]
    shapes: tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]
    dtype: np.dtype[Any]


def kind_of(value: Value, operands: Operands, active: tuple[int, ...] | None = None) -> Kind:
    """Return the kind of function to compile for an operation made by a `Compute`.

    Args:
        value: a value on the tape.
        operands: the operands; for a derivative, the last is the adjoint of the result.
        active: the inputs whose contributions are needed; None for the operation itself.
    """
    # The contribution to an input that was broadcast is a sum, which makes errors.
    is_entrywise = all(value.inputs[i].shape == value.shape for i in active or ())
    length = flat_length(value.operation, value.shape) if is_entrywise else None
    return Kind(
        kernel_of(value, active),
        tuple([each is not None for each in operands.drawn]),
        tuple([None if each is None else each.maker for each in operands.notes]),
        tuple([(each.shape if length is None else (length,), each.dtype) for each in operands.exact]),
        operands.dtype,
    )


def run(kind: Kind, operands: Operands, errors: Errors) -> list[Stack]:
    """Draw an operation's result, or the contributions to the adjoints of its active inputs."""
    kernel, count = _kernel(kind, errors.draws)
    exact = operands.exact
    stacks = [each for each in operands.drawn if each is not None]
    sizes = [each.size for each in operands.notes if each is not None]
    scaled = errors.some(count) * operands.scale[:, None]
    if all(each.shape == shape for each, (shape, _) in zip(exact, kind.shapes, strict=True)):
        results: list[Stack] = kernel(exact, stacks, sizes, scaled)
        return results
    draws, shape = errors.draws, np.broadcast_shapes(*[each.shape for each in exact])
    length, size = kind.shapes[0][0][0], math.prod(shape)
    exact = [flat(np.broadcast_to(each, shape), (), length) for each in exact]
    sizes = [flat(np.broadcast_to(each, shape), (), length) for each in sizes]
    stacks = [flat(wide(np.asarray(each), shape), (draws,), length) for each in stacks]
    found = kernel(exact, stacks, sizes, scaled)
    return [np.asarray(each)[:, :size].reshape(draws, *shape) for each in found]


def compile_all(kinds: Iterable[Kind], draws: int) -> None:
    """Compile before anything is run."""
    in_threads(partial(_compile, kind, draws) for kind in kinds)


def _compile(kind: Kind, draws: int) -> None:
    with in_double(), np.errstate(all="ignore"):
        _kernel(kind, draws)


@cache
def _kernel(kind: Kind, draws: int) -> tuple[Callable[..., Any], int]:
    """Return a compiled function, and the number of errors it needs."""
    key = description(kind.kernel.description, *kind[1:], draws)
    return compiled(None if kind.kernel.description is None else key, lambda: _made(kind, draws))


def _made(kind: Kind, draws: int) -> tuple[jax.stages.Compiled, int]:
    kernel, moved, makers, shapes, dtype = kind
    exact = [jax.ShapeDtypeStruct(*each) for each in shapes]
    traced = jax.make_jaxpr(kernel.function)(*exact)

    def call(leaders: Any, followers: Any, sizes: Any, errors: Any) -> Any:
        rest, noted = iter(followers), iter(sizes)
        known = [
            None if maker is None else Difference(leader, maker, next(noted))
            for leader, maker in zip(leaders, makers, strict=True)
        ]
        beside = [next(rest) if is_moved else leader for leader, is_moved in zip(leaders, moved, strict=True)]
        return follow(traced, leaders, beside, known, dtype, errors)

    every = jax.jit(jax.vmap(call, in_axes=(None, 0, None, 0)), compiler_options=quick_options())
    count = min(sum(math.prod(shape) for shape, _ in shapes) + _errors(traced.jaxpr), 2 * PERIOD)
    stacks = [
        jax.ShapeDtypeStruct((draws, *shape), kind)
        for (shape, kind), x in zip(shapes, moved, strict=True)
        if x
    ]
    sizes = [each for each, maker in zip(exact, makers, strict=True) if maker is not None]
    errors = jax.ShapeDtypeStruct((draws, count), np.float64)
    return every.lower(exact, stacks, sizes, errors).compile(), count


def _errors(jaxpr: Jaxpr) -> int:
    """Return how many errors a jaxpr needs at most."""
    found = 0
    for each in jaxpr.eqns:
        used = [*each.outvars, *(each.invars if each.primitive.name in DENSE else ())]
        if not is_exact(each):
            found += sum(math.prod(var.aval.shape) + 1 for var in used)
        found += sum(map(_errors, jaxprs_in_params(each.params)))
    return found
