"""Compiler options for XLA."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import jax

__all__ = ["jit_quickly", "quick_options"]

# For functions that run in milliseconds at most: they compile in a quarter of the time. Matrix products come
# from a library, and are as fast as with optimization.
QUICK: dict[str, str | bool] = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_backend_optimization_level": "0",
    "xla_cpu_parallel_codegen_split_count": "1",
}


@cache
def quick_options() -> dict[str, str | bool]:
    """Return the options for quick compilation that the installed version of XLA accepts.

    XLA's options come and go: JAX 0.11 refuses a program for the first of them.
    """
    nothing = jax.jit(lambda: 0).lower()

    def accepted(options: dict[str, str | bool]) -> bool:
        try:
            nothing.compile(compiler_options=options)
        except jax.errors.JaxRuntimeError:
            return False
        return True

    if accepted(QUICK):
        return QUICK
    return {name: value for name, value in QUICK.items() if accepted({name: value})}


def jit_quickly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function with `quick_options` when it is first called.

    For functions of a module: to ask XLA what it accepts starts a backend, which no import may do.
    """

    @cache
    def jitted() -> Callable[..., Any]:
        return jax.jit(function, compiler_options=quick_options())

    @wraps(function)
    def call(*args: Any) -> Any:
        return jitted()(*args)

    return call
