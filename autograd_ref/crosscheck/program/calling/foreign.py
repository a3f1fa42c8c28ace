"""Arrays of JAX and PyTorch among the arguments of a call that a program makes itself."""

import sys
from typing import Any

import jax
import jax.numpy as jnp

from autograd_ref.crosscheck.program.calling.caught import Call

__all__ = ["has_foreign", "with_values"]


def has_foreign(args: Any, kwargs: Any) -> bool:
    """Whether a floating array of JAX with known values, or of PyTorch, is among the arguments."""
    return any(_is_floating(_value(leaf)) for leaf in _leaves((args, kwargs)))


def with_values(call: Call) -> Call:
    """Return a call with values in place of what JAX traces by grad or vmap; of a batch, the first.

    Other calls keep their own containers: in copies by JAX, the keys of dicts are sorted.
    """
    given = call.args, call.kwargs
    if not any(isinstance(leaf, jax.core.Tracer) for leaf in _leaves(given)):
        return call
    args, kwargs = jax.tree.map(_value, given)
    return call._replace(args=args, kwargs=kwargs)


def _leaves(tree: Any) -> list[Any]:
    try:
        return jax.tree.leaves(tree)
    except Exception:  # JAX cannot sort the keys of a dict, or a list contains itself
        return []


def _value(leaf: Any) -> Any:
    while isinstance(leaf, jax.core.Tracer):
        if hasattr(leaf, "primal"):
            leaf = leaf.primal
        elif getattr(leaf, "batch_dim", None) is not None:
            batch = _value(leaf.val)
            leaf = None if isinstance(batch, jax.core.Tracer) else jnp.take(batch, 0, leaf.batch_dim)
        else:
            break
    return leaf


def _is_floating(leaf: Any) -> bool:
    if isinstance(leaf, jax.core.Tracer):
        return False
    if isinstance(leaf, jax.Array):
        return bool(jnp.issubdtype(leaf.dtype, jnp.inexact))
    torch = sys.modules.get("torch")
    return torch is not None and torch.is_tensor(leaf) and (leaf.is_floating_point() or leaf.is_complex())
