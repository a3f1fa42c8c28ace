"""Gradient checkers, each called as in its documentation, with its own defaults and thresholds.

All but handgrad's get a network as a function of its four parameters, on one batch. The parameters have the
order W2, b2, W1, b1 of the backward pass, so that a checker that names the first wrong input names the first
wrong gradient.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from autograd_ref.crosscheck.problems import Problem, toy_problem

BACKWARD_ORDER = ("W2", "b2", "W1", "b1")


@dataclass(frozen=True)
class Finding:
    """A checker's verdict on a network.

    Attributes:
        ok: whether it passed the network.
        first_wrong: the quantity it named, or the first of several in the order of the backward pass.
        mistakes: the ids of the mistakes that it named.
    """

    ok: bool
    first_wrong: str | None = None
    mistakes: frozenset[str] = frozenset()


class Contender(Protocol):
    """One checker in one setting."""

    needs: str  # the module without which it cannot run

    def check(self, target: Any, problem: Problem) -> Finding:
        """Check a network, given as a class or an instance, on a problem."""


class NetworkFunction:
    """The checked network, as a function of only its parameters."""

    def __init__(self, target: Any, problem: Problem) -> None:
        self._net: Any = target(*problem.sizes) if isinstance(target, type) else target
        self._problem = problem

    def __call__(self, params: Mapping[str, np.ndarray]) -> tuple[Any, dict[str, np.ndarray]]:
        self._net.params = dict(params)
        return self._net.loss(self._problem.X, self._problem.y, self._problem.reg)


class Handgrad:
    """`check_network`, on its own problems; the first is also the problem of the other checkers."""

    needs = "autograd_ref"

    def check(self, target: Any, problem: Problem) -> Finding:
        from autograd_ref import check_network

        sizes = len(problem.y), *problem.sizes
        report = check_network(target, dtype=problem.dtype, sizes=sizes, reg=problem.reg)
        mistakes = frozenset(diagnosis.id for diagnosis in report.diagnosis)
        return Finding(report.ok is True, report.first_wrong, mistakes)


class Torch:
    """`torch.autograd.gradcheck` of a Function whose backward returns the hand's gradients."""

    needs = "torch"

    def __init__(self, *, fast_mode: bool) -> None:
        self._fast_mode = fast_mode

    def check(self, target: Any, problem: Problem) -> Finding:
        import torch

        evaluate = NetworkFunction(target, problem)

        class Network(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *inputs: Any) -> Any:
                arrays = (tensor.detach().numpy() for tensor in inputs)
                loss, ctx.grads = evaluate(dict(zip(BACKWARD_ORDER, arrays, strict=True)))
                return torch.as_tensor(np.asarray(loss), dtype=inputs[0].dtype)

            @staticmethod
            def backward(ctx: Any, dloss: Any) -> Any:
                return tuple(dloss * torch.as_tensor(np.asarray(ctx.grads[name])) for name in BACKWARD_ORDER)

        inputs = [torch.tensor(problem.params[name], requires_grad=True) for name in BACKWARD_ORDER]
        try:
            torch.autograd.gradcheck(Network.apply, inputs, fast_mode=self._fast_mode)
        except RuntimeError as error:  # GradcheckError is one, and so is a gradient of the wrong shape
            match = re.search(r"(?:respect to input|gradient at index) (\d)", str(error))
            return Finding(ok=False, first_wrong=match and f"d{BACKWARD_ORDER[int(match[1])]}")
        return Finding(ok=True)


class Jax:
    """`jax.test_util.check_grads` of a `custom_vjp` whose backward returns the hand's gradients."""

    needs = "jax"

    def check(self, target: Any, problem: Problem) -> Finding:
        import jax
        import jax.numpy as jnp
        from jax.test_util import check_grads

        evaluate = NetworkFunction(target, problem)

        # Outside jit these get values, not tracers, and may pass them to NumPy.
        def forward(*inputs: Any) -> Any:
            arrays = (np.asarray(value) for value in inputs)
            loss, grads = evaluate(dict(zip(BACKWARD_ORDER, arrays, strict=True)))
            kept = tuple(jnp.asarray(grads[name], problem.dtype) for name in BACKWARD_ORDER)
            return jnp.asarray(loss, problem.dtype), kept

        def backward(grads: Any, dloss: Any) -> Any:
            return tuple(dloss * grad for grad in grads)

        network = jax.custom_vjp(lambda *inputs: forward(*inputs)[0])
        network.defvjp(forward, backward)
        with jax.enable_x64(problem.dtype == np.float64):
            inputs = tuple(problem.params[name] for name in BACKWARD_ORDER)
            try:
                check_grads(network, inputs, order=1, modes=["rev"])
            except AssertionError:  # the gradient along one random direction, all inputs at once
                return Finding(ok=False)
        return Finding(ok=True)


class Scipy:
    """`scipy.optimize.check_grad` of the parameters as one vector: the 2-norm of all differences.

    SciPy gives no threshold. Its own test uses 0 to 7 decimals, which is 1.5e-7
    (scipy/optimize/tests/test_optimize.py, test_check_grad); scikit-learn's uses 5
    (sklearn/manifold/tests/test_t_sne.py, test_gradient).
    """

    needs = "scipy"

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold

    def check(self, target: Any, problem: Problem) -> Finding:
        from scipy.optimize import check_grad

        evaluate = NetworkFunction(target, problem)
        ends = np.cumsum([problem.params[name].size for name in BACKWARD_ORDER])[:-1]

        def evaluate_vector(x: np.ndarray) -> tuple[Any, dict[str, np.ndarray]]:
            parts = zip(BACKWARD_ORDER, np.split(x, ends), strict=True)
            return evaluate({name: part.reshape(problem.params[name].shape) for name, part in parts})

        def gradient(x: np.ndarray) -> np.ndarray:
            _, grads = evaluate_vector(x)
            return np.concatenate([np.ravel(grads[name]) for name in BACKWARD_ORDER])

        start = np.concatenate([problem.params[name].ravel() for name in BACKWARD_ORDER])
        error = check_grad(lambda x: evaluate_vector(x)[0], gradient, start)
        return Finding(ok=bool(error < self._threshold))


class Course:
    """CS231n's check: central differences with h = 1e-5, the largest relative error of each gradient.

    The relative error and the step are from CS231n's exercise (two_layer_net.ipynb, gradient_check.py, 2017),
    the thresholds from its notes (cs231n.github.io/neural-networks-3, "Gradient Checks"): 1e-4 is usually
    okay for objectives with kinks, 1e-7 is the error to be happy with.
    """

    needs = "numpy"

    def __init__(self, threshold: float, *, toy: bool = False) -> None:
        self._threshold = threshold
        self._toy = toy

    def check(self, target: Any, problem: Problem) -> Finding:
        if self._toy:
            problem = toy_problem().astype(problem.dtype)
        evaluate = NetworkFunction(target, problem)
        params = {name: value.copy() for name, value in problem.params.items()}
        _, grads = evaluate(params)
        wrong = []
        for name in BACKWARD_ORDER:
            numerical = _central_differences(lambda: evaluate(params)[0], params[name])
            if not _relative_error(grads[name], numerical) <= self._threshold:
                wrong.append(f"d{name}")
        return Finding(not wrong, wrong[0] if wrong else None)


def _relative_error(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest over all entries; infinite for wrong shapes, on which CS231n's loop stops."""
    try:
        return float(np.max(np.abs(one - other) / np.maximum(1e-8, np.abs(one) + np.abs(other))))
    except ValueError:
        return float("inf")


def _central_differences(loss: Any, x: np.ndarray) -> np.ndarray:
    """Return the loss's derivative with respect to every entry of x, which is moved in place and restored."""
    slopes, h = np.zeros_like(x), 1e-5
    for index in np.ndindex(x.shape):
        before = x[index]
        x[index] = before + h
        above = loss()
        x[index] = before - h
        below = loss()
        x[index] = before
        slopes[index] = (above - below) / (2 * h)
    return slopes


CONTENDERS: dict[str, Contender] = {
    "handgrad check_network": Handgrad(),
    "torch gradcheck": Torch(fast_mode=False),
    "torch gradcheck, fast_mode": Torch(fast_mode=True),
    "jax check_grads": Jax(),
    "scipy check_grad < 1.5e-7": Scipy(1.5e-7),
    "scipy check_grad < 1.5e-5": Scipy(1.5e-5),
    "CS231n ≤ 1e-7": Course(1e-7),
    "CS231n ≤ 1e-4": Course(1e-4),
    "CS231n ≤ 1e-7, its toy problem": Course(1e-7, toy=True),
    "CS231n ≤ 1e-4, its toy problem": Course(1e-4, toy=True),
}

INSTALL = {"torch": "pip install -e '.[torch]'"}


def judge(contender: Contender, target: Any, problem: Problem) -> Finding:
    """Check without warnings. An exception of the checker counts as a failed check that names nothing."""
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        try:
            return contender.check(target, problem)
        except Exception:
            return Finding(ok=False)
