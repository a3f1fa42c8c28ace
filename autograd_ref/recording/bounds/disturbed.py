"""Single operations with rounding errors, all draws side by side; compiled once for all that are equal.

An operation and its transposed derivative are jaxprs, so the model of rounding is the one of written
references: `paired_evaluation` computes the draws (followers) beside the exact values (the leader), with the
leader's decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import cycle
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from autograd_ref.arithmetic.paired_evaluation import Difference, follow
from autograd_ref.recording.kernels import in_double, uncompiled
from autograd_ref.recording.tape import Value

__all__ = ["Errors", "Note", "Stack", "add", "forward", "pull_back"]

# All draws of a value (draws, *shape). What JAX computes is waited for only where NumPy needs it.
Stack = np.ndarray | jax.Array

# For what runs in microseconds and would take longer to compile.
_QUICK = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 0}

# A prime; draws of more numbers than this repeat themselves.
_PERIOD = 16_381


class Note(NamedTuple):
    """What is known of a value that is a difference or its exponential; see `Difference`."""

    maker: str
    size: np.ndarray


class Errors:
    """Random numbers of either sign between ½ and 3⁄2, independent between draws."""

    def __init__(self, draws: int, rng: np.random.Generator):
        self.draws, self.rng = draws, rng
        shape = (draws, 3 * _PERIOD)
        self.pool = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
        with in_double():
            self.pool_in_jax = jnp.asarray(self.pool)
        self._starts = cycle(rng.integers(_PERIOD, size=_PERIOD).tolist())

    def start(self) -> int:
        """Where an operation begins in the pool."""
        return next(self._starts)

    def like(self, shape: tuple[int, ...]) -> np.ndarray:
        """Numbers for every entry of an array (draws, *shape)."""
        count = int(np.prod(shape))
        if count > 2 * _PERIOD:
            drawn = 2 * self.rng.random((self.draws, count), np.float32) - 1
            return (drawn + np.copysign(np.float32(0.5), drawn)).reshape(self.draws, *shape)
        start = self.start()
        return self.pool[:, start : start + count].reshape(self.draws, *shape)


def forward(
    value: Value,
    inputs: Sequence[np.ndarray],
    drawn: Sequence[Stack | None],
    notes: Sequence[Note | None],
    dtype: np.dtype[Any],
    errors: Errors,
    size: np.ndarray,
) -> tuple[Stack, Note | None]:
    """The result of an operation, (draws, *shape), with what is known of it.

    Args:
        value: on the tape, made by a `Compute`.
        inputs: the exact ones.
        drawn: with errors (draws, *shape); None for one without.
        notes: what is known of the inputs.
        dtype: in which NumPy computed.
        errors: to draw from.
        size: of the errors in each draw (draws,), in honest ones.
    """
    (result,), (note,) = _run(uncompiled(value), list(inputs), drawn, notes, dtype, errors, size)
    return result, note


def pull_back(
    value: Value,
    inputs: Sequence[np.ndarray],
    drawn: Sequence[Stack | None],
    notes: Sequence[Note | None],
    dtype: np.dtype[Any],
    errors: Errors,
    size: np.ndarray,
    active: tuple[int, ...],
    cotangent: tuple[np.ndarray, Stack | None],
) -> list[Stack]:
    """The contributions (draws, *shape) to the adjoints of some inputs.

    Args:
        value: as for `forward`, and so are all others but the last two.
        inputs: the exact ones.
        drawn: with errors.
        notes: what is known of the inputs.
        dtype: in which NumPy computed.
        errors: to draw from.
        size: of the errors.
        active: the inputs that are asked for.
        cotangent: the adjoint of the result, exact and with errors.
    """
    exact, moved = cotangent
    function = uncompiled(value, active)
    results, _ = _run(
        function, [*inputs, exact], [*drawn, moved], [*notes, None], dtype, errors, size, backward=True
    )
    return results


def _run(
    function: Callable[..., Any],
    leaders: list[np.ndarray],
    drawn: Sequence[Stack | None],
    notes: Sequence[Note | None],
    dtype: np.dtype[Any],
    errors: Errors,
    size: np.ndarray,
    *,
    backward: bool = False,
) -> tuple[list[Stack], list[Note | None]]:
    moved = tuple([each is not None for each in drawn])
    makers = tuple([None if each is None else each.maker for each in notes])
    kernel = _kernel(function, moved, makers, dtype, backward)
    results, sizes = kernel(
        leaders,
        [each for each in drawn if each is not None],
        [each.size for each in notes if each is not None],
        errors.pool_in_jax,
        errors.start(),
        size,
    )
    return results, [
        None if each is None else Note(maker, np.asarray(each[maker]))
        for each in sizes
        for maker in (each or [None])
    ]


def add(a: Stack, b: Stack, size: np.ndarray, errors: np.ndarray, scale: np.ndarray) -> Stack:
    """A sum with rounding errors.

    Args:
        a: all draws, or one for all.
        b: the same.
        size: of the errors (*shape).
        errors: to take, (draws, *shape).
        scale: what the errors are in units of, in each draw (draws,).
    """
    found: Stack = _added(a, b, size, errors, scale)
    return found


@partial(jax.jit, compiler_options=_QUICK)
def _added(a: Any, b: Any, size: Any, errors: Any, scale: Any) -> Any:
    return a + b + errors * (scale.reshape(-1, *[1] * size.ndim) * size)


@cache
def _kernel(
    function: Callable[..., Any],
    moved: tuple[bool, ...],
    makers: tuple[str | None, ...],
    dtype: np.dtype[Any],
    backward: bool,
) -> Callable[..., Any]:
    def call(leaders: Any, followers: Any, sizes: Any, pool: Any, start: Any, size: Any) -> Any:
        shapes = [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in leaders]
        traced = jax.make_jaxpr(function)(*((shapes[:-1], shapes[-1]) if backward else shapes))
        rest, noted = iter(followers), iter(sizes)
        known = [
            None if maker is None else Difference(leader, maker, next(noted))
            for leader, maker in zip(leaders, makers, strict=True)
        ]
        beside = [next(rest) if is_moved else leader for leader, is_moved in zip(leaders, moved, strict=True)]
        results, differences = follow(traced, leaders, beside, known, dtype, pool, start, size)
        return results, [each and {each.maker: each.size} for each in differences]

    # What is known is the same in every draw.
    every = jax.vmap(call, in_axes=(None, 0, None, 0, None, 0), out_axes=(0, None))
    return jax.jit(every, compiler_options=_QUICK)
