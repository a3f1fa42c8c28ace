"""The end of an exercise: the student's derivation beside JAX's, and the time that each takes."""

import ast
import inspect
import time
from collections.abc import Callable, Collection
from pathlib import Path
from timeit import Timer
from types import ModuleType
from typing import Any

import numpy as np

from autograd_ref.crosscheck.isolated.targets import load_module
from autograd_ref.crosscheck.program.calling.target import Asked, check_target
from autograd_ref.crosscheck.reports.report import Report
from autograd_ref.exercise.instrument import LOSS, forward_part, instrument
from autograd_ref.exercise.topic import Topic
from autograd_ref.two_layer_net import precision

__all__ = ["check_whole", "derivations", "loss_in_jax"]


def check_whole(file: Path, topic: Topic) -> tuple[Report, Any]:
    """Judge all gradients that the exercise's function returns, as `handgrad check` does.

    Returns:
        The report, and the function.

    Raises:
        NotJudged: the function cannot be judged.
    """
    module = load_module(str(file), str(file))
    asked = Asked(f"{file.name}:{topic.function}", None, 1, None, None, {}, 3, None, 0, 0.0)
    return check_target(module, str(file), asked), getattr(module, topic.function)


def loss_in_jax(topic: Topic) -> Callable[..., Any]:
    """Return a topic's forward pass with ``jax.numpy`` as ``np``."""
    import jax.numpy as jnp
    from jax.scipy.special import erf

    tree = ast.parse(topic.code)
    function = next(each for each in tree.body if isinstance(each, ast.FunctionDef))
    function.body = [*forward_part(function), ast.Return(ast.Name(LOSS, ast.Load()))]
    only = ast.fix_missing_locations(ast.Module([function], []))
    space: dict[str, Any] = {"np": jnp, "erf": erf}
    exec(compile(only, topic.name, "exec"), space)  # noqa: S102 - the topic's own
    made: Callable[..., Any] = space[topic.function]
    return made


def derivations(
    source: str, function: Callable[..., Any], topic: Topic, of: Collection[str]
) -> dict[str, Any]:
    """Return both derivations, and the time that each takes.

    Args:
        source: text of the student's file.
        function: the student's function.
        topic: the topic.
        of: the arguments that have a gradient.

    Returns:
        by_hand: the lines of the backward pass; by_jax: the line that replaces them; sizes: the shapes of the
        largest arrays; hand, jax and compile: seconds.
    """
    import jax

    begins = instrument(source, topic.name, topic).begins
    module = ModuleType(topic.name)
    exec(compile(topic.code, topic.name, "exec"), vars(module))  # noqa: S102 - the topic's own
    arguments = module.example(np.random.default_rng(0), topic.scale)
    names = list(inspect.signature(vars(module)[topic.function]).parameters)
    positions = tuple(i for i, name in enumerate(names) if name in of)
    with precision(np.float64):
        gradient = jax.jit(jax.value_and_grad(loss_in_jax(topic), argnums=positions))
        given = [jax.device_put(each) for each in arguments]
        start = time.perf_counter()
        jax.block_until_ready(gradient(*given))
        compiled = time.perf_counter() - start
        by_jax = _seconds(lambda: jax.block_until_ready(gradient(*given)))
    large = sorted(
        (i for i, each in enumerate(arguments) if np.ndim(each)), key=lambda i: -np.size(arguments[i])
    )[:2]
    return {
        "by_hand": _backward_lines(source, begins, topic.function),
        "by_jax": f"jax.grad({LOSS}, argnums={positions})",
        "sizes": ", ".join(f"{names[i]} {'×'.join(map(str, np.shape(arguments[i])))}" for i in sorted(large)),
        "hand": _seconds(lambda: function(*arguments)),
        "jax": by_jax,
        "compile": compiled,
    }


def _seconds(call: Callable[[], Any]) -> float:
    number, total = Timer(call).autorange()
    return total / number


def _backward_lines(source: str, begins: int, function: str) -> list[str]:
    """Return the lines between the loss and the return statement, without comments and empty lines."""
    node = next(
        each for each in ast.parse(source).body if isinstance(each, ast.FunctionDef) and each.name == function
    )
    end = node.body[-1].lineno - 1 if isinstance(node.body[-1], ast.Return) else node.end_lineno or 0
    lines = source.splitlines()[begins:end]
    return [each for each in lines if each.strip() and not each.lstrip().startswith("#")]
