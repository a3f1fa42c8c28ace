"""The JAX source of every step: its line, and the reference's own functions in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from autograd_ref import two_layer_net
from autograd_ref.study.source import Step, read_function
from autograd_ref.two_layer_net import CROSS_ENTROPY, stages
from handgrad.activations import ActivationName
from handgrad.objective import PENALTY
from handgrad.two_layer_net import PARAMETERS

__all__ = ["GRADIENT", "JaxSource", "jax_source", "loss_source"]

# The line that replaces the whole backward pass.
GRADIENT = "grads = jax.grad(loss)(params, X, y, reg)"


@dataclass(frozen=True)
class JaxSource:
    """One step in JAX.

    Attributes:
        code: a line or two, with the names of the quantities.
        functions: the definitions of this project's own functions in it, without annotations.
    """

    code: str
    functions: tuple[str, ...]


def loss_source(steps: Sequence[Step]) -> str:
    """Return the loss that `GRADIENT` differentiates: the lines of the forward pass in a function."""
    lines = [line for step in steps if not step.backward for line in jax_source(step).code.splitlines()]
    needed = [line for line in lines if not line.startswith("probs =")]
    unpacked = f"{', '.join(PARAMETERS)} = (params[q] for q in {PARAMETERS})".replace("'", '"')
    return "\n    ".join(["def loss(params, X, y, reg):", unpacked, *needed, "return loss"])


def jax_source(step: Step, activation: ActivationName = "relu") -> JaxSource:
    """Return the JAX code for a step of the hand derivation.

    In the backward pass, it is the call that gives only this step's adjoints. Raise ValueError if the
    reference does not have such a step.
    """
    targets = set(step.targets)
    if step.adds:
        (name,) = targets
        return _source(f"{name} += jax.grad(penalty)({name[1:]}, reg)", two_layer_net.penalty)
    if targets == {"loss"}:
        terms = [f"penalty({name}, reg)" for name in PENALTY]
        return _source(" + ".join(["loss = data_loss", *terms]), two_layer_net.penalty)
    if targets == {"data_loss", "probs"}:
        code = "data_loss = cross_entropy(scores, y)\nprobs = softmax(scores)"
        return _source(code, two_layer_net.cross_entropy, two_layer_net.softmax)
    if targets == {"dscores"}:
        return _source("dscores = jax.grad(cross_entropy)(scores, y)", CROSS_ENTROPY.forward)
    for stage in stages(activation):
        if targets == {stage.output}:
            arguments = ", ".join(stage.inputs)
            return _source(f"{stage.output} = {_call(stage.forward, arguments)}", stage.forward)
        if targets <= {f"d{name}" for name in stage.inputs}:
            made = ", ".join(f"d{name}" if f"d{name}" in targets else "_" for name in stage.inputs)
            made += "," * (len(stage.inputs) == 1)
            code = f"_, vjp = jax.vjp({_named(stage.forward)}, {', '.join(stage.inputs)})"
            return _source(f"{code}\n{made} = vjp(d{stage.output})", stage.forward)
    raise ValueError(f"autograd_ref/two_layer_net.py has no stage that makes {', '.join(step.targets)}")


def _source(code: str, *functions: Callable[..., Any]) -> JaxSource:
    ours = [function for function in functions if _module(function) == two_layer_net.__name__]
    return JaxSource(code, tuple(read_function(function).code for function in ours))


def _module(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__module__", ""))


def _call(function: Callable[..., Any], arguments: str) -> str:
    if isinstance(function, partial):
        options = ", ".join(f"{name}={value!r}" for name, value in function.keywords.items())
        return f"{_named(function.func)}({arguments}, {options})"
    return f"{_named(function)}({arguments})"


def _named(function: Callable[..., Any]) -> str:
    """Return the text for calling a function, or passing it as an argument."""
    if isinstance(function, partial):
        return f"lambda z1: {_call(function, 'z1')}"
    name = str(getattr(function, "__name__", ""))
    if _module(function) == two_layer_net.__name__:
        return name
    for package, known_as in ((jax.nn, "jax.nn"), (jnp, "jnp")):
        if getattr(package, name, None) is function:
            return f"{known_as}.{name}"
    raise ValueError(f"autograd_ref/study/jax_source.py does not know how {name} is called in JAX")
