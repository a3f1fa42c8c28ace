"""Check a gradient by hand against a loss written in PyTorch."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.finite_differences import FiniteDifference
from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.crosscheck.errors import failed
from autograd_ref.crosscheck.function.hand import Hand, changed_names
from autograd_ref.crosscheck.function.judging import judge_gradient
from autograd_ref.crosscheck.function.points import Point, drawn_points
from autograd_ref.crosscheck.function.pytrees import is_floating_array, parameter_leaves
from autograd_ref.crosscheck.reports.report import Diagnosis, NotJudged, Report
from autograd_ref.crosscheck.rules.differences import RulePoint, Values, contradicted, measured, own_noise
from autograd_ref.crosscheck.rules.pytorch.tensors import torch

__all__ = ["check_against_pytorch", "is_pytorch_loss"]

Arrays = list[np.ndarray]
AGREE = 1e-4


def is_pytorch_loss(reference: Callable[..., Any], example: tuple[Any, ...], module: Any) -> bool:
    """Whether a function is PyTorch code: its module imports PyTorch, and it maps tensors to a tensor."""
    if torch() is None or not any(each is torch() for each in vars(module).values()):
        return False
    try:
        return bool(torch().is_tensor(reference(*jax.tree.map(_tensor, tuple(example)))))
    except Exception:
        return False


def check_against_pytorch(
    hand: Callable[..., Any],
    reference: Callable[..., Any],
    examples: Sequence[tuple[Any, ...]],
    *,
    dtype: DTypeLike,
    seed: int,
    name: str,
    tolerance: float,
    file: str,
) -> Report:
    """Compare a gradient by hand with PyTorch's gradient of a loss.

    Args:
        hand: ``hand(params, *args) -> (loss, grads)``, as in `check_gradients`.
        reference: ``reference(params, *args) -> loss``; it gets tensors in float64.
        examples: each (params, *args).
        dtype: the dtype to check, float32 or float64.
        seed: seed of everything random.
        name: name in the report.
        tolerance: as in `check_gradients`.
        file: file of the reference.

    Raises:
        NotJudged: one of them raises, or returns no loss.
    """
    checked: np.dtype[Any] = np.dtype(dtype)
    points = drawn_points(examples, checked, seed)
    side = Hand(hand, checked)
    names = [f"d{leaf.name}" for leaf in parameter_leaves(points[0].params)]
    found, notes, diagnosis = [], [], []
    for number, point in enumerate(points):
        point = point.inside(lambda at: _Loss(reference, at, file).is_finite)
        answer = side.answer(point)
        if answer.changed:
            listed = ", ".join(changed_names(point, answer.changed))
            text = f"A call of hand changes {listed}, which belongs to the caller: work on a copy."
            diagnosis = [Diagnosis("inputs-mutated", ("params",), (), text)]
        loss = _Loss(reference, point, file)
        rng = np.random.default_rng([seed, number])
        right = loss.loss_and_gradients(loss.at)
        noise = own_noise(loss.loss_and_gradients, loss.at, unit_roundoff(checked), rng)
        values = Values(loss.value, loss.at, rng)
        for i, gradient in enumerate(right[1:]):
            if contradicted(values, i, gradient, AGREE, rng):
                notes.append(f"{names[i]}: the reference's values contradict PyTorch's derivative of it.")
        given = [np.asarray(right[0] if answer.loss is None else answer.loss), *answer.grads]
        bounds = [measured(one, far, checked.name) for one, far in zip(right, noise, strict=True)]
        unused = frozenset(i + 1 for i, used in enumerate(loss.used) if not used)
        place = point.name, point.moved
        found.append(RulePoint(number, place, checked, given, bounds, partial(_difference, values), unused))
    judged = [
        judge_gradient(found, i, each, tolerance, checked.name)[0] for i, each in enumerate(["loss", *names])
    ]
    wrong = [each for each in judged if each.ok is False]
    unjudged = [each for each in judged if each.ok is None and each.name != "loss"]
    contradictory = bool(notes) and not wrong
    return Report(
        target=name,
        dtype=checked.name,
        ok=False if wrong or diagnosis else None if unjudged or contradictory else True,
        first_wrong=wrong[0].name if wrong else "params" if diagnosis else None,
        diagnosis=tuple(diagnosis),
        signature=" ".join(dict.fromkeys(notes)) or None,
        quantities=tuple(judged),
        points=len(points),
    )


def _difference(values: Values, i: int, index: tuple[int, ...]) -> FiniteDifference | None:
    return values.by_entry(i - 1, index) if i else None


class _Loss:
    """A loss in PyTorch at one point."""

    def __init__(self, function: Callable[..., Any], point: Point, file: str) -> None:
        self.function, self.point, self.file = function, point, file
        leaves, self.structure = jax.tree.flatten(point.params)
        self.at = [np.asarray(leaf, np.float64) for leaf in leaves]
        self.used = [True] * len(leaves)

    @property
    def is_finite(self) -> bool:
        """Whether there is a loss here."""
        return bool(np.isfinite(self.value(self.at)))

    def value(self, arrays: Arrays) -> float:
        """The loss."""
        return float(self.loss_and_gradients(arrays)[0])

    def loss_and_gradients(self, arrays: Arrays) -> Arrays:
        """The loss, and its gradients by autograd."""
        tensors = [torch().tensor(each, dtype=torch().float64).requires_grad_() for each in arrays]
        args = jax.tree.map(_tensor, self.point.args)
        try:
            loss = self.function(jax.tree.unflatten(self.structure, tensors), *args)
            grads = torch().autograd.grad(loss, tensors, allow_unused=True)
        except Exception as error:
            raise NotJudged(failed("reference", error, self.file)) from error
        self.used = [each is not None for each in grads]
        pairs = zip(grads, arrays, strict=True)
        made = [
            np.zeros(array.shape) if one is None else np.asarray(one.numpy(), np.float64)
            for one, array in pairs
        ]
        return [np.asarray(loss.detach().double().numpy(), np.float64).reshape(()), *made]


def _tensor(leaf: Any) -> Any:
    """An array as a tensor, floating ones in float64."""
    if is_floating_array(leaf):
        return torch().tensor(np.asarray(leaf, np.float64))
    return torch().tensor(leaf) if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biu" else leaf
