"""A `torch.autograd.Function` as a gradient by hand, and its own forward pass under PyTorch's autograd.

By PyTorch's convention, the gradient of z = x + iy is ∂/∂x + i ∂/∂y.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.rules.pytorch.tensors import (
    array_of,
    array_or_zero,
    floating,
    is_floating,
    real,
    tensor_like,
    torch,
)

__all__ = [
    "Context", "TorchRule", "TorchUse", "enabled_gradients", "has_setup", "is_torch_function", "overrides",
]  # fmt: skip

Arrays = list[np.ndarray]


def is_torch_function(value: Any) -> bool:
    """Whether an object is a subclass of `torch.autograd.Function`."""
    if torch() is None or not isinstance(value, type):
        return False
    return issubclass(value, torch().autograd.Function)


def enabled_gradients() -> AbstractContextManager[Any]:
    """Return a context in which PyTorch tracks gradients, also during a forward pass of a Function."""
    return nullcontext() if torch() is None else torch().enable_grad()


class TorchUse(NamedTuple):
    """One call of a Function: its class, and the arguments of ``apply``."""

    function: Any
    args: tuple[Any, ...]


class Context:
    """A stand-in for the ctx of a forward pass, which keeps what it gets."""

    def __init__(self, needs: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs
        self.saved_tensors: tuple[Any, ...] = ()
        self.dirty_tensors: tuple[Any, ...] = ()
        self.materialize_grads = True

    @property
    def to_save(self) -> tuple[Any, ...]:
        """The saved tensors, under the name that PyTorch's autograd uses."""
        return self.saved_tensors

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors."""
        self.saved_tensors = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors."""
        self.saved_tensors = self.saved_tensors or tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Note what is changed in place."""
        self.dirty_tensors = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Do nothing: the Function's own outputs show which have no cotangent."""

    def set_materialize_grads(self, value: bool) -> None:
        """Do nothing."""
        self.materialize_grads = value


@dataclass
class TorchRule:
    """A Function at one use, in one precision.

    Attributes:
        use: its use.
        dtype: dtype of its floating arguments, a torch.dtype; None keeps their dtypes.
        file: the user's file.
        reference: another function with the same arguments that replaces its forward pass.
        seed: seed of its random numbers.
        held: the positions of arguments that are held fixed.
    """

    use: TorchUse
    dtype: Any
    file: str
    reference: Callable[..., Any] | None = None
    seed: int = 0
    held: frozenset[int] = frozenset()
    names: tuple[str, ...] = field(init=False)
    positions: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        args = self.use.args
        self.positions = tuple(i for i, each in enumerate(args) if is_floating(each) and i not in self.held)
        named = _parameters(self.use.function, len(args))
        self.names = tuple(named[i] for i in self.positions)

    @property
    def at(self) -> Arrays:
        """The floating arguments."""
        return [array_of(self.use.args[i]) for i in self.positions]

    @property
    def needed(self) -> frozenset[int]:
        """The positions of arguments by which the call needs a gradient; none if nothing says so."""
        return frozenset(i for i in self.positions if self.use.args[i].requires_grad)

    @property
    def constants(self) -> frozenset[int]:
        """The positions of floating arguments by which the call needs no gradient."""
        return frozenset(self.positions) - self.needed if self.needed else frozenset()

    def unanswered(self, arrays: Sequence[np.ndarray], cotangents: Sequence[Any]) -> frozenset[int]:
        """Return the positions of arguments for which the rule returns None."""
        inputs = self._inputs(arrays)
        made = self._apply(self._replaced([each.clone() for each in inputs]))
        found = zip(self.positions, self._found(made, inputs, cotangents), strict=True)
        return frozenset(i for i, each in found if each is None)

    @property
    def complex_names(self) -> tuple[str, ...]:
        """The names of the complex arguments."""
        pairs = zip(self.names, self.positions, strict=True)
        return tuple(name for name, i in pairs if self.use.args[i].is_complex())

    def outputs(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        """Return the floating outputs, by the Function itself, without derivatives."""
        with torch().no_grad():
            return floating(self._apply(self._filled(arrays)))

    def differentiable(self, arrays: Sequence[np.ndarray]) -> list[bool]:
        """Return, for each floating output, whether it takes a cotangent."""
        inputs = self._inputs(arrays)
        made = self._apply(self._replaced([each.clone() for each in inputs]))
        return [each.requires_grad for each in floating(made)]

    def value(self, arrays: Sequence[np.ndarray], cotangents: Sequence[np.ndarray]) -> float:
        """Return ⟨cotangents, outputs⟩, of the reference if there is one."""
        if self.reference is None:
            made = self.outputs(arrays)
        else:
            with torch().no_grad():
                made = floating(self.reference(*self._filled(arrays)))
        return float(sum(np.sum(array_of(one) * c) for one, c in zip(made, cotangents, strict=True)))

    def pull(
        self,
        arrays: Sequence[np.ndarray],
        cotangents: Sequence[Any],
        wanted: Sequence[int] | None = None,
        prepare: Callable[[Any], Any] = lambda tensor: tensor.clone(),
    ) -> Arrays:
        """Return the cotangents of the arguments that the rule gives.

        Args:
            arrays: the floating arguments.
            cotangents: arrays or tensors; None for an output that is not used.
            wanted: numbers of the arguments whose cotangents are needed; by default all.
            prepare: changes each argument before the call, for example its memory layout.
        """
        chosen = list(range(len(self.positions))) if wanted is None else list(wanted)
        inputs = self._inputs(arrays, chosen)
        made = self._apply(self._replaced([prepare(each) for each in inputs]))
        return self._gradients(made, [inputs[i] for i in chosen], cotangents)

    def pull_added(self, arrays: Sequence[np.ndarray], cotangents: Sequence[Any]) -> tuple[Arrays, Arrays]:
        """Return the cotangents of the arguments of two equal calls whose outputs are added."""
        inputs, others = self._inputs(arrays), self._inputs(arrays)
        calls = [self._replaced([each.clone() for each in given]) for given in (inputs, others)]
        pairs = zip(*(floating(self._apply(args)) for args in calls), strict=True)
        found = self._gradients([one + other for one, other in pairs], [*inputs, *others], cotangents)
        return found[: len(inputs)], found[len(inputs) :]

    def pull_again(self, arrays: Sequence[np.ndarray], cotangents: Sequence[Any]) -> Arrays:
        """Return the cotangents of the arguments from a second backward pass of one call."""
        inputs = self._inputs(arrays)
        made = self._apply(self._replaced([each.clone() for each in inputs]))
        self._found(made, inputs, cotangents, retain_graph=True)
        return self._gradients(made, inputs, cotangents)

    def second(self, arrays: Sequence[np.ndarray], cotangents: Sequence[Any], weights: Arrays) -> Arrays:
        """Return the derivatives of ⟨weights, cotangents of the arguments⟩ by PyTorch."""
        inputs = self._inputs(arrays)
        made = self._apply(self._replaced([each.clone() for each in inputs]))
        outs, given = self._weighed(made, cotangents)
        given = [each.requires_grad_() for each in given]  # otherwise @once_differentiable would not raise
        first = torch().autograd.grad(outs, inputs, given, allow_unused=True, create_graph=True)
        total = sum(
            (real(one) * torch().tensor(weight)).sum()
            for one, weight in zip(first, weights, strict=True)
            if one is not None
        )
        if getattr(total, "requires_grad", False):
            total.backward()  # unlike grad, it raises if the rule is @once_differentiable
        return [array_or_zero(each.grad, each) for each in inputs]

    def push(self, arrays: Sequence[np.ndarray], tangents: Sequence[np.ndarray]) -> Arrays:
        """Return the tangents of the floating outputs, in forward mode."""
        forward = torch().autograd.forward_ad
        pairs = zip(self._inputs(arrays, []), tangents, strict=True)
        with warnings.catch_warnings(), forward.dual_level():
            warnings.simplefilter("ignore", DeprecationWarning)  # PyTorch's own, when it is first used
            duals = [forward.make_dual(each, tensor_like(tangent, each)) for each, tangent in pairs]
            made = floating(self._apply(self._replaced(duals)))
            pushed = [(forward.unpack_dual(each).tangent, each) for each in made]
            return [array_or_zero(tangent, each) for tangent, each in pushed]

    def batched(
        self, arrays: Sequence[np.ndarray], axes: Sequence[int | None], cotangents: Sequence[np.ndarray] = ()
    ) -> Arrays:
        """Return the outputs under vmap, or the cotangents of the arguments, with the batch first.

        Args:
            arrays: the arguments; the first axis is the batch, where there is one.
            axes: for each argument the axis to which its batch is moved; None for an argument without.
            cotangents: batches of cotangents of the outputs; none for the outputs.
        """
        one = [each if axis is None else each[0] for each, axis in zip(arrays, axes, strict=True)]
        weights = [tensor_like(c, like) for c, like in zip(cotangents, self.outputs(one), strict=False)]
        pairs = zip(self._inputs(arrays, []), axes, strict=True)
        inputs = [each if axis is None else each.movedim(0, axis) for each, axis in pairs]
        count = len(inputs)

        def outputs(*given: Any) -> Any:
            return tuple(floating(self._apply(self._replaced(given))))

        def called(*given: Any) -> Any:
            return torch().func.vjp(outputs, *given[:count])[1](given[count:]) if weights else outputs(*given)

        found = torch().vmap(called, in_dims=(*axes, *[0] * len(weights)))(*inputs, *weights)
        return [array_of(each) for each in found]

    def automatic(self, arrays: Sequence[np.ndarray], cotangents: Sequence[Any]) -> Arrays:
        """Return the arguments' cotangents by autograd through the forward pass, with a stand-in ctx."""
        inputs = self._inputs(arrays)
        args = self._replaced([each.clone() for each in inputs])
        with torch().enable_grad(), self._seeded():
            if self.reference is not None:
                made = self.reference(*args)
            elif has_setup(self.use.function):
                made = self.use.function.forward(*args)
            else:
                made = self.use.function.forward(Context((True,) * len(args)), *args)
        return self._gradients(made, inputs, cotangents)

    # Arguments.

    def _inputs(self, arrays: Sequence[np.ndarray], chosen: Sequence[int] | None = None) -> list[Any]:
        made = []
        for number, (position, array) in enumerate(zip(self.positions, arrays, strict=True)):
            tensor = tensor_like(array, self.use.args[position], self.dtype)
            made.append(tensor.requires_grad_(chosen is None or number in chosen))
        return made

    def _replaced(self, tensors: Sequence[Any]) -> list[Any]:
        args = [each.clone() if torch().is_tensor(each) else each for each in self.use.args]
        for position, tensor in zip(self.positions, tensors, strict=True):
            args[position] = tensor
        return args

    def _filled(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        return self._replaced([each.detach() for each in self._inputs(arrays, [])])

    # Calls.

    def _apply(self, args: Sequence[Any]) -> Any:
        with self._seeded():
            return self.use.function.apply(*args)

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """Make random numbers the same in every call, without changing the global generator.

        `torch.manual_seed` formats the stack each time, which would take three quarters of a check.
        """
        generator = torch().default_generator
        state = generator.get_state()
        generator.manual_seed(self.seed)
        if torch().cuda.is_initialized():
            torch().cuda.manual_seed_all(self.seed)
        try:
            yield
        finally:
            generator.set_state(state)

    def draws(self, arrays: Sequence[np.ndarray]) -> bool:
        """Whether the Function draws random numbers."""
        other = replace(self, seed=self.seed + 1)
        pairs = zip(self.outputs(arrays), other.outputs(arrays), strict=True)
        return any(one.shape != two.shape or not torch().equal(one, two) for one, two in pairs)

    def _weighed(self, made: Any, cotangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        pairs = [
            (one, c if torch().is_tensor(c) else tensor_like(c, one))
            for one, c in zip(floating(made), cotangents, strict=True)
            if c is not None and one.requires_grad
        ]
        return [one for one, _ in pairs], [c for _, c in pairs]

    def _found(
        self, made: Any, inputs: Sequence[Any], cotangents: Sequence[Any], retain_graph: bool = False
    ) -> Sequence[Any]:
        outs, given = self._weighed(made, cotangents)
        if not outs:
            return [None] * len(inputs)
        found: Sequence[Any] = torch().autograd.grad(
            outs, inputs, given, allow_unused=True, retain_graph=retain_graph
        )
        return found

    def _gradients(self, made: Any, inputs: Sequence[Any], cotangents: Sequence[Any]) -> Arrays:
        pairs = zip(self._found(made, inputs, cotangents), inputs, strict=True)
        return [array_or_zero(one, each) for one, each in pairs]


def overrides(function: Any, name: str) -> bool:
    """Whether a Function has a static method of its own."""
    return getattr(function, name) is not getattr(torch().autograd.Function, name)


def has_setup(function: Any) -> bool:
    """Whether a Function's forward takes no ctx, because setup_context does."""
    return function.setup_context is not torch().autograd.Function.setup_context


def _parameters(function: Any, count: int) -> list[str]:
    """Return the names of the arguments of ``apply``."""
    code = getattr(function.forward, "__wrapped__", function.forward).__code__
    names = list(code.co_varnames[: code.co_argcount])[0 if has_setup(function) else 1 :]
    return [names[i] if i < len(names) else f"args[{i}]" for i in range(count)]
