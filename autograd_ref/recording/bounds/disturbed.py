"""Single operations with rounding errors, for all draws at once; equal operations are traced once.

An operation and its transposed derivative are jaxprs, so they have the same rounding model as JAX references:
`paired_evaluation` computes the draws (followers) together with the exact values (the leader), with the
leader's decisions.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from itertools import cycle
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import Jaxpr, jaxprs_in_params

from autograd_ref.arithmetic.paired_evaluation import Difference, follow
from autograd_ref.arithmetic.rounding_model import DENSE, is_exact
from autograd_ref.compiling.kernel import Kernel, Made, description, kept, make
from autograd_ref.recording.kernels import kernel_of
from autograd_ref.recording.tape import Value

__all__ = ["Errors", "Kind", "Note", "Operands", "Stack", "kind_of", "run"]

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
    """Everything that determines a function of `_kernel`, except the number of draws.

    Attributes:
        kernel: the operation, or its transposed derivative.
        moved: which arguments have errors.
        makers: what is known of them.
        shapes: of the arguments, with their dtypes.
        dtype: in which NumPy computed.
        kept: which results are needed; None for all.
    """

    kernel: Kernel
    moved: tuple[bool, ...]
    makers: tuple[str | None, ...]
    shapes: tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]
    dtype: np.dtype[Any]
    kept: tuple[int, ...] | None


def kind_of(
    value: Value,
    operands: Operands,
    active: tuple[int, ...] | None = None,
    kept: tuple[int, ...] | None = None,
) -> Kind:
    """Return the kind of function for an operation made by a `Compute`.

    Args:
        value: a value on the tape.
        operands: the operands; for a derivative, the last is the adjoint of the result.
        active: the inputs with a contribution; None for the operation itself.
        kept: which of these contributions are needed; None for all.
    """
    return Kind(
        kernel_of(value, active),
        tuple([each is not None for each in operands.drawn]),
        tuple([None if each is None else each.maker for each in operands.notes]),
        tuple([(each.shape, each.dtype) for each in operands.exact]),
        operands.dtype,
        kept,
    )


def run(kind: Kind, operands: Operands, errors: Errors) -> list[Stack]:
    """Draw an operation's result, or the contributions to the adjoints of its active inputs."""
    kernel, count = _kernel(kind, errors.draws)
    stacks = [each for each in operands.drawn if each is not None]
    sizes = [each.size for each in operands.notes if each is not None]
    drawn = errors.some(count) * operands.scale[:, None]
    results: list[Stack] = kernel(*operands.exact, *stacks, *sizes, drawn)
    return results


@cache
def _kernel(kind: Kind, draws: int) -> tuple[Made, int]:
    """Return a function that is ready to be called, and the number of errors it needs."""
    key = description(kind.kernel.description, *kind[1:], draws)
    return kept(None if kind.kernel.description is None else key, lambda: _made(kind, draws))


def _made(kind: Kind, draws: int) -> tuple[Made, int]:
    kernel, moved, makers, shapes, dtype, kept = kind
    exact = [jax.ShapeDtypeStruct(*each) for each in shapes]
    traced = jax.make_jaxpr(kernel.function)(*exact)

    def call(*arrays: Any) -> list[Any]:
        *operands, errors = arrays
        leaders, others = operands[: len(exact)], operands[len(exact) :]
        rest, noted = iter(others), iter(others[sum(moved) :])
        known = [
            None if maker is None else Difference(leader, maker, next(noted))
            for leader, maker in zip(leaders, makers, strict=True)
        ]
        beside = [next(rest) if is_moved else leader for leader, is_moved in zip(leaders, moved, strict=True)]
        results = follow(traced, leaders, beside, known, dtype, errors)
        return results if kept is None else [results[i] for i in kept]  # with the same errors

    count = min(sum(math.prod(shape) for shape, _ in shapes) + _errors(traced.jaxpr), 2 * PERIOD)
    stacks = [
        jax.ShapeDtypeStruct((draws, *each.shape), each.dtype)
        for each, x in zip(exact, moved, strict=True)
        if x
    ]
    sizes = [each for each, maker in zip(exact, makers, strict=True) if maker is not None]
    errors = jax.ShapeDtypeStruct((draws, count), np.float64)
    axes = *(None for _ in exact), *(0 for _ in stacks), *(None for _ in sizes), 0
    return make(jax.vmap(call, in_axes=axes), [*exact, *stacks, *sizes, errors]), count


def _errors(jaxpr: Jaxpr) -> int:
    """Return how many errors a jaxpr needs at most."""
    found = 0
    for each in jaxpr.eqns:
        used = [*each.outvars, *(each.invars if each.primitive.name in DENSE else ())]
        if not is_exact(each):
            found += sum(math.prod(var.aval.shape) + 1 for var in used)
        found += sum(map(_errors, jaxprs_in_params(each.params)))
    return found
