"""Check the gradient of any function: by hand in NumPy, automatically from the same function in JAX."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jaxtyping import Array
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.finite_differences import FiniteDifference, central_difference
from autograd_ref.arithmetic.sensitivity import Sensitivity, measure_sensitivity
from autograd_ref.crosscheck.bounds import Bounds
from autograd_ref.crosscheck.comparison import Quantity, judge
from autograd_ref.crosscheck.error_pattern import describe
from autograd_ref.crosscheck.function.pytrees import (
    Leaf,
    copy_arrays,
    find_leaf,
    is_floating_array,
    parameter_dtype,
    parameter_leaves,
)
from autograd_ref.crosscheck.report import Diagnosis, NotJudged, Report
from autograd_ref.two_layer_net import precision
from handgrad.validation import check_dtype

__all__ = ["assert_gradients", "check_gradients"]


def check_gradients(
    hand: Callable[..., Any],
    reference: Callable[..., Any],
    params: Any,
    *args: Any,
    dtype: DTypeLike | None = None,
    seed: int = 0,
    name: str | None = None,
) -> Report:
    """Hold a hand-written gradient of any function against automatic differentiation.

    Every gradient is judged by a bound measured on the reference (see `sensitivity`), and at its worst entry
    stand three witnesses: the hand's value, the automatic one, and a central difference of the reference's
    *values* in float64. Where the losses agree these are values of one and the same function, and nobody's
    derivative has a part in them, so that a reference whose values are right and whose gradient is wrong is
    found as well. Where the losses differ, the hand gradient is held against differences of the hand's own
    loss too, called with float64, and the signature says what came of it.

    The quantities are ``loss``, then ``d`` and the path of each array in params, in JAX's order (dicts by
    sorted keys): ``dW1``, ``dlayers[0].w``, ``dparams[0]``, ``dparams``; `pytrees.Leaf` has the rule.

    Args:
        hand: ``hand(params, *args) -> (loss, grads)``, with grads in the structure of params. It is given
            NumPy arrays in the checked dtype.
        reference: ``reference(params, *args) -> loss``, a JAX function that `jax.jit` can trace as a function
            of params and of the floating arrays among args. It is given their values in float64.
        params: a pytree of floating arrays; Python's floats become arrays of shape ().
        *args: what both take besides. Floating arrays, wherever in a pytree they stand, are cast like params;
            anything else is passed as it is.
        dtype: float32 or float64, which is checked; None takes that of params.
        seed: of the random errors from which the bound is measured.
        name: what to call it in the report.

    Returns:
        The report. Its first_wrong is ``params``, ``args`` or ``determinism`` where hand changes what it is
        given, or answers differently the second time.

    Raises:
        NotJudged: the gradient cannot be judged right or wrong; the message says why.
        TypeError: dtype is neither float32 nor float64.
    """
    leaves = parameter_leaves(params)
    checked = parameter_dtype(leaves) if dtype is None else check_dtype(dtype)
    params = jax.tree.unflatten(jax.tree.structure(params), [leaf.value.astype(checked) for leaf in leaves])
    leaves = parameter_leaves(params)
    args = tuple(copy_arrays(args, checked))

    subject = _Hand(hand, params, args, leaves, checked)
    answer, changed = subject.answer()
    traced = _trace(reference, params, args)
    with precision(np.float64):
        loss, *gradients = measure_sensitivity(traced.gradient, traced.inputs, checked, seed)
    _refuse_unjudgeable(loss, gradients, leaves)
    quantities = [_judge("loss", answer.loss, loss, None)]
    for i, (leaf, found) in enumerate(zip(leaves, gradients, strict=True)):
        quantities.append(_judge(f"d{leaf.name}", answer.grads[i], found, traced.difference(i)))

    fault = changed or _find_difference(answer, subject.answer()[0], [loss, *gradients], leaves)
    wrong = [quantity.name for quantity in quantities if not quantity.ok]
    signature = []
    if not quantities[0].ok:
        signature += _describe("loss", answer.loss, loss, None)
        signature.append(_own_difference(subject, answer, quantities[1:], gradients))
    for leaf, quantity, grad, found in zip(leaves, quantities[1:], answer.grads, gradients, strict=True):
        if not quantity.ok and quantity.odd_one_out != "automatic":
            signature += _describe(quantity.name, grad, found, leaf.value)
    return Report(
        target=name or getattr(hand, "__qualname__", None) or type(hand).__qualname__,
        dtype=checked.name,
        ok=not wrong and fault is None,
        first_wrong=fault[0] if fault else next(iter(wrong), None),
        diagnosis=(fault[1],) if fault else (),
        signature=" ".join(signature) or None,
        quantities=tuple(quantities),
    )


def assert_gradients(
    hand: Callable[..., Any], reference: Callable[..., Any], params: Any, *args: Any, **options: Any
) -> None:
    """Assert that a hand-written gradient is right; for one line in a test.

    Args:
        hand: as in `check_gradients`.
        reference: as in `check_gradients`.
        params: as in `check_gradients`.
        *args: as in `check_gradients`.
        **options: dtype, seed and name, as in `check_gradients`.

    Raises:
        AssertionError: it is not; the message is the report.
        NotJudged, TypeError: as `check_gradients`.
    """
    report = check_gradients(hand, reference, params, *args, **options)
    if not report.ok:
        raise AssertionError(str(report))


class _Answer(NamedTuple):
    """What a call of the hand gave, in float64: the loss, and the gradients in the order of the leaves."""

    loss: np.ndarray
    grads: list[np.ndarray]


class _Hand:
    """The hand's function at one point; every call gets copies of everything."""

    def __init__(
        self,
        function: Callable[..., Any],
        params: Any,
        args: tuple[Any, ...],
        leaves: Sequence[Leaf],
        dtype: np.dtype[Any],
    ) -> None:
        self.function, self.params, self.args = function, params, args
        self.leaves, self.dtype = leaves, dtype

    def answer(self) -> tuple[_Answer, tuple[str, Diagnosis] | None]:
        """The loss and gradients, and what the call changed of what it was given."""
        params, args = copy_arrays((self.params, self.args), self.dtype)
        result = self._call(params, args)
        try:
            loss, grads = result
        except (TypeError, ValueError):
            raise NotJudged(f"hand must return (loss, grads), not {type(result).__name__}") from None
        given = _real("loss", loss)
        found = [_real(f"d{leaf.name}", find_leaf(grads, leaf, self.params)) for leaf in self.leaves]
        return _Answer(given, found), self._changed(params, args)

    def loss_at(self, leaf: Leaf, value: np.ndarray) -> float:
        """The hand's own loss in float64, with another value of one of the parameters."""
        params, args = copy_arrays((self.params, self.args), np.float64)
        values, structure = jax.tree.flatten(params)
        at = next(i for i, each in enumerate(self.leaves) if each.path == leaf.path)
        values[at] = value
        result = self._call(jax.tree.unflatten(structure, values), args)
        return float(np.asarray(result[0], np.float64).reshape(()))

    def _call(self, params: Any, args: tuple[Any, ...]) -> Any:
        try:
            return self.function(params, *args)
        except (Exception, SystemExit) as error:
            raise NotJudged(f"hand raised {_one_line(error)}") from None

    def _changed(self, params: Any, args: tuple[Any, ...]) -> tuple[str, Diagnosis] | None:
        for what, now, before in (("params", params, self.params), ("args", args, self.args)):
            structures: list[Any] = [jax.tree.structure(now), jax.tree.structure(before)]
            if structures[0] != structures[1] or not all(
                map(_same, jax.tree.leaves(now), jax.tree.leaves(before))
            ):
                text = f"A call of hand changes {what}, which belong to the caller: work on a copy."
                return what, Diagnosis("inputs-mutated", (what,), (), text)
        return None


class _Traced(NamedTuple):
    """The reference and its gradient, as functions of a flat list of floating arrays, params first."""

    value: Callable[..., list[Array]]
    gradient: ClosedJaxpr
    inputs: list[Array]

    def difference(self, i: int) -> Callable[[str, tuple[int, ...]], FiniteDifference | None]:
        """Central differences of the reference's value by the parameter at position i."""

        def difference(_: str, index: tuple[int, ...]) -> FiniteDifference:
            def at(shifted: np.ndarray) -> float:
                (value,) = self.value(*self.inputs[:i], jnp.array(shifted), *self.inputs[i + 1 :])
                return float(value)

            with precision(np.float64):
                return central_difference(at, np.asarray(self.inputs[i]), index)

        return difference


def _trace(reference: Callable[..., Any], params: Any, args: tuple[Any, ...]) -> _Traced:
    leaves, structure = jax.tree.flatten((params, args))
    floating = [i for i, leaf in enumerate(leaves) if is_floating_array(leaf)]
    count = len(jax.tree.leaves(params))

    def value(*inputs: Any) -> Any:
        filled = list(leaves)
        for i, given in zip(floating, inputs, strict=True):
            filled[i] = given
        given_params, given_args = jax.tree.unflatten(structure, filled)
        return reference(given_params, *given_args)

    def loss(*inputs: Any) -> Any:
        return jnp.asarray(value(*inputs)).astype(np.float64)

    def gradient(*inputs: Any) -> Any:
        return jax.value_and_grad(loss, argnums=tuple(range(count)))(*inputs)

    with precision(np.float64):
        exact = [jnp.array(leaves[i], np.float64) for i in floating]
        try:
            result = jax.eval_shape(value, *exact)
        except Exception as error:
            raise NotJudged(f"reference raised {_one_line(error)}") from None
        given = jax.tree.leaves(result)
        if not isinstance(result, jax.ShapeDtypeStruct) or result.shape != ():
            shapes = ", ".join(str(each.shape) for each in given) or "nothing"
            raise NotJudged(f"reference must return one number, not {type(result).__name__} of {shapes}")
        if not jnp.issubdtype(result.dtype, jnp.floating):
            raise NotJudged(f"reference must return a floating number, not {result.dtype}")
        try:
            return _Traced(jax.jit(jaxpr_as_fun(_flat(loss, exact))), _flat(gradient, exact), exact)
        except Exception as error:
            raise NotJudged(f"reference cannot be differentiated: {_one_line(error)}") from None


def _flat(function: Callable[..., Any], inputs: Sequence[Any]) -> ClosedJaxpr:
    traced: ClosedJaxpr = jax.make_jaxpr(lambda *given: jax.tree.leaves(function(*given)))(*inputs)
    return traced


def _judge(name: str, hand: np.ndarray, found: Sensitivity, difference: Any) -> Quantity:
    if found.value.size == 0 and hand.shape == found.value.shape:
        nan = float("nan")
        return Quantity(name, hand.shape, True, 0.0, 0.0, 0.0, float("inf"), (), nan, nan)
    bounds = Bounds({name: found.radius}, {name: found.centre}, {name: found.slack}, [])
    return judge(name, hand, found.value, bounds, difference or (lambda name, index: None))


def _refuse_unjudgeable(loss: Sensitivity, gradients: Sequence[Sensitivity], leaves: Sequence[Leaf]) -> None:
    names = ["loss", *(f"d{leaf.name}" for leaf in leaves)]
    for name, found in zip(names, [loss, *gradients], strict=True):
        _refuse_non_finite("reference", name, found.value)
    for name, found in zip(names, [loss, *gradients], strict=True):
        if not np.isfinite(found.radius).all():
            raise NotJudged(f"{name} cannot be judged: rounding alone can make the reference's not finite")


def _refuse_non_finite(who: str, name: str, value: np.ndarray) -> None:
    bad = np.argwhere(~np.isfinite(value))
    if len(bad):
        where = f"[{', '.join(map(str, bad[0]))}]" if value.ndim else ""
        raise NotJudged(f"{who} gives {value[tuple(bad[0])]} in {name}{where}")


def _find_difference(
    first: _Answer, second: _Answer, allowed: Sequence[Sensitivity], leaves: Sequence[Leaf]
) -> tuple[str, Diagnosis] | None:
    """Two answers to the same call, which may differ by rounding."""
    names = ["loss", *(f"d{leaf.name}" for leaf in leaves)]
    pairs = zip(names, [first.loss, *first.grads], [second.loss, *second.grads], allowed, strict=True)
    for name, one, other, found in pairs:
        largest = np.max(found.radius, initial=0.0)
        if one.shape != other.shape or not np.all(np.abs(one - other) <= largest):
            text = f"The same call gives another {name} the second time: something random or left over."
            return "determinism", Diagnosis("not-deterministic", (name,), (), text)
    return None


def _describe(name: str, hand: np.ndarray, found: Sensitivity, parameter: np.ndarray | None) -> list[str]:
    if hand.shape != found.value.shape:
        text = describe(name, hand, found.value, parameter)
    else:
        at = None if parameter is None else np.atleast_1d(parameter)
        one, other, allowed = np.atleast_1d(hand, found.value, found.radius + 2 * found.slack)
        text = describe(name, one, other, at, allowed)
    return [] if text is None else [text]


def _own_difference(
    subject: _Hand, answer: _Answer, quantities: Sequence[Quantity], gradients: Sequence[Sensitivity]
) -> str:
    """Where the losses differ: is the hand gradient at least that of the hand's own loss?"""
    pairs = zip(subject.leaves, quantities, answer.grads, gradients, strict=True)
    for leaf, quantity, grad, found in pairs:
        if quantity.mismatch is not None or not grad.size:
            continue
        exact, index = leaf.value.astype(np.float64), quantity.index
        try:
            own = central_difference(partial(subject.loss_at, leaf), exact, index)
        except Exception:
            return "The losses differ; the hand's own cannot be had in float64 to see if its gradient fits."
        if not abs(grad[index] - own.value) <= own.error + found.radius[index]:
            at = f"{quantity.name}[{', '.join(map(str, index))}]"
            return (
                "The losses differ, and the hand gradient is not that of the hand's own loss either: "
                f"{at} is {grad[index]:.9g} by hand, {own.value:.9g} by finite difference."
            )
    return (
        "The losses differ; the hand gradient agrees with finite differences of the hand's own loss, so look "
        "at the loss first."
    )


def _real(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiuV":
            raise TypeError(f"it holds {array.dtype}")
        exact = np.array(array, np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise NotJudged(f"hand's {name} is no array of real numbers: {_one_line(error)}") from None
    _refuse_non_finite("hand", name, exact)
    return exact


def _same(one: Any, other: Any) -> bool:
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return True
    return one.shape == other.shape and np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")


def _one_line(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
