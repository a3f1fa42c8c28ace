"""The equations that JAX produces for a step of the network, with the step's names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn
from jaxtyping import Array

from autograd_ref import two_layer_net
from autograd_ref.compiling.interpreter import bind, interpret_closed
from autograd_ref.compiling.options import quick_options
from autograd_ref.study.jax_source import jax_source
from autograd_ref.study.source import Step
from autograd_ref.two_layer_net import precision

__all__ = ["Equation", "counterpart", "equations"]

Values = Mapping[str, Any]

# The parameters that say what an operation does; the others follow from the shapes, or are bookkeeping.
TOLD = {"reduce_sum": "axes", "reduce_max": "axes", "transpose": "permutation"}


@dataclass(frozen=True)
class Equation:
    """One equation of a jaxpr.

    Attributes:
        result: the name of the quantity that has this value, or else t1, t2, ...
        shape: the shape in letters, such as N×H; empty for a scalar.
        primitive: the operation.
        parameters: its relevant parameters, or nothing.
        operands: names and numbers.
    """

    result: str
    shape: str
    primitive: str
    parameters: str
    operands: tuple[str, ...]


def counterpart(step: Step) -> Callable[[Values], dict[str, Array]]:
    """Return the reference's version of a step: the JAX source that the page shows for it, as a function.

    It takes the quantities known before the step, by name, and returns the ones that the step computes.
    """
    code = compile(jax_source(step).code, "jax", "exec")

    def run(before: Values) -> dict[str, Array]:
        scope = {**vars(two_layer_net), "jax": jax, **before}
        exec(code, scope)  # noqa: S102 - our own source
        return {name: scope[name] for name in step.targets}

    return run


def equations(steps: Sequence[Step], sizes: Mapping[str, int]) -> list[list[Equation]]:
    """Return each step's equations in JAX's order, without equations whose results are not used.

    Args:
        steps: all steps of a problem; their values serve to recognise the results.
        sizes: the letters N, D, H, C with their values in this problem: all different, and different from the
            constants of the computation.
    """
    with precision(np.float64):
        before = [_as_jax_takes_them(step.before) for step in steps]
        traced = [_Traced(step, values) for step, values in zip(steps, before, strict=True)]
        # Compile everything at once, which is faster than one operation at a time.
        computed = jax.jit(
            lambda inputs: [each.run(given) for each, given in zip(traced, inputs, strict=True)],
            compiler_options=quick_options(),
        )(before)
    return [each.equations(arrays, sizes) for each, arrays in zip(traced, computed, strict=True)]


def _as_jax_takes_them(values: Values) -> dict[str, Array]:
    """Return the values with labels in JAX's integers, so that the jaxpr contains no conversion."""
    arrays = {name: jnp.asarray(np.asarray(value)) for name, value in values.items()}
    return {**arrays, "y": arrays["y"].astype(np.int32)}


class _Traced:
    """The jaxpr of one step's counterpart."""

    def __init__(self, step: Step, before: Mapping[str, Array]) -> None:
        self.step = step
        function = counterpart(step)
        self.closed, shapes = jax.make_jaxpr(
            lambda *arrays: function(dict(zip(before, arrays, strict=True))), return_shape=True
        )(*before.values())
        self.targets = sorted(shapes)  # the order of a dict as a tree
        self.made: list[_Value] = []
        self.results: list[_Value] = []

    def run(self, before: Mapping[str, Array]) -> list[Array]:
        """Return the value of every operation, in order."""
        named = [_Value(before[name], name) for name in self.step.before]
        self.results = interpret_closed(self.closed, named, _recording(self.made), _constant)
        return [value.array for value in self.made]

    def equations(self, arrays: Sequence[Array], sizes: Mapping[str, int]) -> list[Equation]:
        """Return the equations that are used, with results named by their values."""
        for value, array in zip(self.made, arrays, strict=True):
            value.array = array
        for name, value in zip(self.targets, self.results, strict=True):
            value.name = name
        wanted = _wanted(self.results)
        used = [value for value in self.made if id(value) in wanted]
        _recognise(used, self.step)
        return [_equation(value, sizes) for value in used]


@dataclass(eq=False)
class _Value:
    """A value in a computation, an array or a literal of JAX's, and the operation that made it."""

    array: Any
    name: str = ""
    primitive: str = ""
    parameters: str = ""
    operands: list["_Value"] = field(default_factory=list)


def _recording(made: list[_Value]) -> Callable[[JaxprEqn, list[_Value]], list[_Value]]:
    """Return a rule that computes an operation and notes its results."""

    def apply(equation: JaxprEqn, operands: list[_Value]) -> list[_Value]:
        name, told = equation.primitive.name, _parameters(equation.primitive.name, equation.params)
        arrays = bind(equation, [each.array for each in operands])
        outcome = [_Value(array, "", name, told, operands) for array in arrays]
        made.extend(outcome)
        return outcome

    return apply


def _constant(value: Any) -> _Value:
    return _Value(jnp.asarray(value), _literal(value)) if np.ndim(value) == 0 else _Value(jnp.asarray(value))


def _literal(value: Any) -> str:
    return f"{float(value):g}"


def _parameters(primitive: str, params: Mapping[str, Any]) -> str:
    if primitive == "dot_general":
        (left, right), _ = params["dimension_numbers"]
        return f"contract {left[0]} with {right[0]}"
    told = TOLD.get(primitive)
    return "" if told is None else f"{told}={','.join(str(int(axis)) for axis in params[told])}"


def _recognise(made: Sequence[_Value], step: Step) -> None:
    """Name each value after the quantity it equals, or t1, t2, ..."""
    known = {**step.made, **{name: step.before[name] for name in step.before if name not in step.made}}
    taken = {value.name for value in made}
    anonymous = 0
    for value in made:
        array = np.asarray(value.array)
        for name, quantity in known.items():
            same = name not in taken and array.shape == np.shape(quantity) and array.dtype.kind == "f"
            if same and not value.name and np.allclose(array, quantity, rtol=1e-9, atol=0):
                value.name = name
                taken.add(name)
        if not value.name:
            anonymous += 1
            value.name = f"t{anonymous}"


def _wanted(results: Sequence[_Value]) -> set[int]:
    found: set[int] = set()
    waiting = list(results)
    while waiting:
        value = waiting.pop()
        if id(value) not in found:
            found.add(id(value))
            waiting += value.operands
    return found


def _equation(value: _Value, sizes: Mapping[str, int]) -> Equation:
    letters = {size: letter for letter, size in sizes.items()}
    shape = "×".join(letters.get(size, str(size)) for size in value.array.shape)
    operands = tuple(
        letters.get(int(each.name), each.name) if each.name.isdigit() else each.name
        for each in value.operands
    )
    return Equation(value.name, shape, value.primitive, value.parameters, operands)
