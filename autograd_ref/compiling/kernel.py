"""Small functions of arrays, of which a check needs about a hundred; cached ones skip tracing, too.

Each becomes steps of NumPy if that is possible (see `steps`), and is compiled otherwise. JAX looks a compiled
program up by its traced and lowered code, and tracing and lowering take as long as everything else. Here the
key is a description of what the function is made from (see `description`). Cached programs are unpickled, as
`jax.experimental.serialize_executable` requires. They come from the cache directory, and running them as
machine code already needs more trust than unpickling.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.serialize_executable import deserialize_and_load, serialize

from autograd_ref.compiling.options import quick_options
from autograd_ref.compiling.programs import Programs
from autograd_ref.compiling.steps import Steps, steps_of

__all__ = ["Kernel", "Made", "description", "keep_in", "kept", "make"]

# A function of flat arrays, ready to be called.
Made = Steps | jax.stages.Compiled

_kept: list[tuple[Programs, str]] = []


def keep_in(programs: Programs, source: str) -> None:
    """Cache the kernels that are made from now on.

    Args:
        programs: the cache.
        source: a digest of the code and the settings that make kernels.
    """
    _kept[:] = [(programs, source)]


def description(*parts: Any) -> str | None:
    """Return a text for the parts of a function; None if other parts might have the same text."""
    return repr(parts) if _is_plain(parts) else None


def _is_plain(part: Any) -> bool:
    if isinstance(part, tuple):
        return all(map(_is_plain, part))
    if isinstance(part, type):
        return part.__module__ in ("builtins", "numpy")
    if isinstance(part, np.dtype):
        return part.isbuiltin == 1
    if isinstance(part, np.generic):
        return part.dtype.kind in "biufcSU"
    return part is None or part is np._NoValue or type(part) in (bool, int, float, complex, str, bytes)


def make(function: Callable[..., list[Any]], arguments: Sequence[Any]) -> Made:
    """Trace a function of flat arrays, and return it as steps of NumPy, or compiled.

    Args:
        function: the function; it returns a list.
        arguments: the arguments, or their shapes and dtypes.
    """
    traced = jax.jit(function, compiler_options=quick_options()).trace(*arguments)
    return steps_of(traced.jaxpr) or traced.lower().compile()


def kept(key: str | None, create: Callable[[], tuple[Made, Any]]) -> tuple[Made, Any]:
    """Return a function and facts about it, from the cache or newly made.

    Args:
        key: the `description` of the function and its arguments.
        create: makes both; the facts can be pickled.
    """
    if key is None or not _kept:
        return create()
    ((programs, source),) = _kept
    key = f"{source} {key}"
    content = programs.get(key)
    if content is not None:
        try:
            packed, facts = pickle.loads(content)  # noqa: S301 - as trusted as machine code
            if isinstance(packed, Steps):
                return packed, facts
            program, inputs, results = packed
            if b"lapack" in program:
                _start_lapack()
            devices = jax.local_devices(backend="cpu")[:1]
            return deserialize_and_load(program, inputs, results, execution_devices=devices), facts
        except Exception:  # noqa: S110 - a file from another version of JAX may fail in any way
            pass
    with programs.aside():
        made, facts = create()
    try:
        content = pickle.dumps((made if isinstance(made, Steps) else serialize(made), facts))
    except (NotImplementedError, ValueError):  # not every program can be serialized
        return made, facts
    programs.put(key, content)
    return made, facts


@cache
def _start_lapack() -> None:
    """Load LAPACK, as JAX does when it lowers a program: one from the cache would crash without it."""
    jax.jit(jnp.linalg.cholesky).lower(np.eye(1, dtype=np.float32))


class Kernel:
    """A function of flat arrays that is made anew for each combination of their shapes and dtypes.

    Args:
        function: the function; it returns a list.
        *parts: everything that the function is made from, for `description`.
    """

    def __init__(self, function: Callable[..., list[Any]], *parts: Any) -> None:
        self.function, self.description = function, description(*parts)
        self._made: dict[Any, Made] = {}

    def __call__(self, *arrays: Any) -> list[Any]:
        """Return the function's results."""
        shapes = tuple([(each.shape, each.dtype) for each in arrays])
        found = self._made.get(shapes)
        if found is None:
            key = None if self.description is None else description(self.description, shapes)
            found, _ = kept(key, lambda: (make(self.function, arrays), None))
            self._made[shapes] = found
        results: list[Any] = found(*arrays)
        return results
