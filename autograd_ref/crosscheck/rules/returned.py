"""Check JAX code that returns a loss and gradients, by differentiating the loss without any rule."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autograd_ref.compiling.interpreter import bind, interpret_closed
from autograd_ref.crosscheck.function.check import check_gradients_at
from autograd_ref.crosscheck.reports.report import Report
from autograd_ref.crosscheck.rules.asked import Asked
from autograd_ref.crosscheck.rules.find import in_dtype
from autograd_ref.crosscheck.rules.jax_rules import Operands
from autograd_ref.crosscheck.rules.whole_call import parameters
from autograd_ref.two_layer_net import precision

__all__ = ["check_returned", "count_differentiated"]

Call = tuple[Sequence[Any], Mapping[str, Any]]


def count_differentiated(function: Callable[..., Any], call: Call) -> int:
    """Return the number of first arguments by which a call returns gradients after the loss; 0 for none.

    Args:
        function: JAX code.
        call: its arguments.
    """
    args, kwargs = call
    try:
        with precision(np.float32):
            given = in_dtype(tuple(args), np.float32)
            result = jax.eval_shape(lambda: function(*given, **kwargs))
    except Exception:
        return 0
    if not isinstance(result, tuple | list) or len(result) < 2:
        return 0
    loss, *grads = result
    if getattr(loss, "shape", None) != () or not jnp.issubdtype(loss.dtype, jnp.floating):
        return 0
    if len(grads) == 1 and _alike(grads[0], given[0]):
        return 1
    parts = list(grads[0]) if len(grads) == 1 and isinstance(grads[0], tuple | list) else grads
    fits = len(parts) <= len(given) and all(
        _alike(one, other) for one, other in zip(parts, given, strict=False)
    )
    return len(parts) if fits else 0


def _alike(grads: Any, argument: Any) -> bool:
    """Whether gradients have the structure and the shapes of an argument."""
    built: Any = jax.tree.structure(grads)
    if built != jax.tree.structure(argument):
        return False
    ours, theirs = jax.tree.leaves(grads), jax.tree.leaves(argument)
    return all(np.shape(one) == np.shape(other) for one, other in zip(ours, theirs, strict=True))


def check_returned(function: Callable[..., Any], calls: Sequence[Call], count: int, asked: Asked) -> Report:
    """Judge the gradients that calls of JAX code return.

    Args:
        function: the code.
        calls: one call for each point.
        count: number of first arguments that have gradients.
        asked: the settings.

    Raises:
        NotJudged: as for `check_gradients`.
    """
    keywords = calls[0][1]
    arrays = all(isinstance(each, np.ndarray | jax.Array) for each in calls[0][0][:count])
    names = (*parameters(function), *(f"args[{i}]" for i in range(count)))[:count]

    def call(params: Any, rest: Sequence[Any]) -> Any:
        first = params.values_ if arrays else (params,) if count == 1 else params
        return function(*first, *rest, **keywords)

    def hand(params: Any, *rest: Any) -> tuple[Any, Any]:
        loss, *grads = call(params, rest)
        alone = grads[0] if len(grads) == 1 else tuple(grads)
        return loss, Operands(names, (alone,) if count == 1 else alone) if arrays else alone

    def reference(params: Any, *rest: Any) -> Any:
        leaves, structure = jax.tree.flatten(params)

        def loss(*given: Any) -> Any:
            return call(jax.tree.unflatten(structure, given), rest)[0]

        traced: Any = jax.make_jaxpr(loss)(*leaves)
        return interpret_closed(traced, leaves, bind, lambda value: value)[0]

    def params_of(args: Sequence[Any]) -> Any:
        if arrays:
            return Operands(names, args[:count])
        return args[0] if count == 1 else tuple(args[:count])

    hand.__wrapped__ = function  # type: ignore[attr-defined]
    examples = [(params_of(args), *args[count:]) for args, _ in calls]
    return check_gradients_at(
        hand,
        reference,
        examples,
        dtype=asked.dtype,
        seed=asked.seed,
        name=asked.name,
        surrogate=asked.surrogate,
        tolerance=asked.tolerance,
    )
