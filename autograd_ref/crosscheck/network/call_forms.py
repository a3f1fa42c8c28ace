"""The usual forms of this network, called in one way.

- A class `Class(input_size, hidden_size, output_size, std)` with `.params` and
  `.loss(X, y, reg) -> (loss, grads)`: CS231n's exercise of 2016-2020, and `handgrad.TwoLayerNet`.
- A class `Class(input_dim, hidden_dim, num_classes, weight_scale, reg)` with `.params`, `.reg` and
  `.loss(X, y) -> (loss, grads)`: the exercise from 2021 on.
- An instance of one of these classes.
- A function `loss(params, X, y, reg) -> (loss, grads)`.
"""

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from autograd_ref.crosscheck.errors import file_of, what_stopped
from autograd_ref.crosscheck.network.other_forms import (
    WAY_OUT,
    elsewhere,
    refuse_columns,
    refuse_other_arguments,
)
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.two_layer_net import QUANTITIES, precision
from handgrad.trace import BIASES, PARAMETERS, adjoint_of

__all__ = ["CallResult", "NetworkUnderTest", "fixed_sizes"]

STD = 1e-4  # standard deviation of the initial weights, which are replaced
SIZE_NAMES = (("input_size", "hidden_size", "output_size"), ("input_dim", "hidden_dim", "num_classes"))


@dataclass(frozen=True)
class CallResult:
    """The result of calling a user's network.

    Attributes:
        loss: the loss; NaN if the call failed.
        grads: the gradients by parameter, in float64, in the shape they were returned in.
        error: the reason why there is no loss and no gradient, or None.
        raised: the exception that the user's code raised.
    """

    loss: float
    grads: dict[str, np.ndarray]
    error: str | None = None
    raised: BaseException | None = field(default=None, compare=False)

    def by_quantity(self) -> dict[str, np.ndarray]:
        """Return the loss and the gradient under the comparison's names; only the loss if the call failed."""
        return {"loss": np.asarray(self.loss)} | {adjoint_of(q): grad for q, grad in self.grads.items()}


class NetworkUnderTest:
    """A user's network, ready for problems of one size. Its own warnings are not shown."""

    def __init__(self, target: Any, problem: Problem) -> None:
        """Create an instance of a class, or use an instance or function as it is.

        Args:
            target: a class, an instance or a function.
            problem: a problem with the sizes and the dtype of the network.

        Raises:
            NotJudged: the target is something else, cannot be created, or lacks a parameter.
        """
        self.net: Any = None
        self.function: Any = None
        self.dtype = problem.dtype
        if inspect.isclass(target):
            self.net = _construct(target, problem)
        elif hasattr(target, "loss") and hasattr(target, "params"):
            self.net = target
        elif callable(target):
            refuse_other_arguments(target)
            self.function = target
        else:
            told = repr(target) if isinstance(target, str) else f"an object of type {type(target).__name__}"
            raise NotJudged(
                f"{told} is neither a class or instance with .params and .loss, nor a function "
                f"loss(params, X, y, reg){WAY_OUT}"
            )
        self.params: dict[str, np.ndarray] = {}
        if self.net is not None:
            self._shapes = _parameter_shapes(self.net)
            refuse_columns(self._shapes, problem.sizes)

    def set_params(self, params: Mapping[str, np.ndarray]) -> None:
        """Give the network copies of the parameters."""
        self.params = {name: np.array(value) for name, value in params.items()}
        if self.net is not None:
            for name in PARAMETERS:
                self.params[name] = self.params[name].reshape(self._shapes[name])
                self.net.params[name] = self.params[name]

    def given_params(self) -> Mapping[str, Any]:
        """The parameters as the last call left them."""
        params: Mapping[str, Any] = self.params if self.net is None else self.net.params
        return params

    def loss(self, X: np.ndarray, y: np.ndarray, reg: float) -> Any:
        """Return the network's own (loss, grads) unchanged, and let its exceptions through.

        JAX code computes in the checked dtype, whatever JAX's own configuration is.
        """
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"), precision(self.dtype):
            loss = self.net.loss if self.function is None else partial(self.function, self.params)
            accepted = _accepted(loss)
            if "reg" in accepted:
                return loss(X, y, reg=reg)
            if self.function is not None or len(accepted) >= 3 or _is_open(accepted):
                return loss(X, y, reg)
            if hasattr(self.net, "reg"):
                self.net.reg = reg
            return self.net.loss(X, y)

    def scores(self, X: np.ndarray) -> Any:
        """Return the network's scores unchanged; None for a function, which does not return scores."""
        if self.net is None:
            return None
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"), precision(self.dtype):
            return self.net.loss(X)

    def trace(self, problem: Problem) -> dict[str, np.ndarray] | None:
        """Return everything in `QUANTITIES`, or None if the network has no trace."""
        if self.net is None or not callable(getattr(self.net, "trace", None)):
            return None
        self.set_params(problem.params)
        try:
            trace = self.net.trace(problem.X.copy(), problem.y.copy(), problem.reg)
            return {name: np.asarray(trace[name], np.float64) for name in QUANTITIES}
        except Exception:
            return None

    def evaluate(self, problem: Problem) -> CallResult:
        """Return the loss and its gradient for a problem, called with copies of everything in it."""
        self.set_params(problem.params)
        return self.call(problem.X.copy(), problem.y.copy(), problem.reg)

    def call(self, X: np.ndarray, y: np.ndarray, reg: float) -> CallResult:
        """Call the network's own code with the current parameters."""
        try:
            result = self.loss(X, y, reg)
        except Exception as error:
            return CallResult(float("nan"), {}, what_stopped(error, self._file()), error)
        return self._read(result)

    def _file(self) -> str:
        """Return the file of its source, as named in tracebacks."""
        loss = self.function if self.net is None else self.net.loss
        return file_of(getattr(loss, "__func__", loss))

    def _read(self, result: Any) -> CallResult:
        """Return the network's (loss, grads), each in float64.

        Raises:
            NotJudged: the result is something else, or lacks a key.
        """
        loss, grads = self._parts(result)
        value = _real_array("loss", loss)
        arrays = {name: _real_array(f"grads[{name!r}]", grads[name]) for name in PARAMETERS}
        if value.size != 1:
            raise NotJudged(f"loss must be one number, not an array of shape {value.shape}{WAY_OUT}")
        for name, array in arrays.items():
            given = self.params[name].shape
            if array.shape == given and self.net is not None:
                arrays[name] = array.reshape(_plain(name, given))
        return CallResult(float(value.reshape(())), arrays)

    def _parts(self, result: Any) -> tuple[Any, Mapping[str, Any]]:
        try:
            loss, grads = result
        except (TypeError, ValueError):
            what = f"{type(result).__name__}"
            what += f" of {len(result)}" if isinstance(result, tuple | list) else ""
            told = elsewhere(self.net)
            raise NotJudged(f"loss must return (loss, grads), not {what}{told}{WAY_OUT}") from None
        if not isinstance(grads, Mapping):
            raise NotJudged(f"grads must be a dict, not {type(grads).__name__}{WAY_OUT}")
        missing = [name for name in PARAMETERS if name not in grads]
        if missing:
            keys = ", ".join(sorted(map(str, grads))) or "none"
            raise NotJudged(f"grads must have the keys W1, b1, W2, b2; found {keys}{WAY_OUT}")
        return loss, grads


def fixed_sizes(target: Any) -> tuple[int, int, int] | None:
    """Return D, H, C of an instance; None for a class or function, which takes any size.

    Raises:
        NotJudged: the instance has other parameters than this network.
    """
    if inspect.isclass(target) or not (hasattr(target, "loss") and hasattr(target, "params")):
        return None
    shapes = _parameter_shapes(target)
    if len(shapes["W1"]) != 2 or len(shapes["W2"]) != 2:
        raise NotJudged(f"W1 and W2 must be matrices, not of shapes {shapes['W1']} and {shapes['W2']}")
    return shapes["W1"][0], shapes["W1"][1], shapes["W2"][1]


def _construct(target: type, problem: Problem) -> Any:
    accepted = _accepted(target)
    named = next((names for names in SIZE_NAMES if set(names) <= set(accepted)), None)
    wanted = {"std": STD, "weight_scale": STD, "reg": problem.reg, "dtype": problem.dtype.type}
    # Arguments keep their defaults, except the dtype, which is the checked one.
    options = {
        name: value
        for name, value in wanted.items()
        if name in accepted and (name == "dtype" or accepted[name].default is inspect.Parameter.empty)
    }
    if not callable(getattr(target, "loss", None)):
        raise NotJudged(f"{target.__name__} is a class without loss(X, y, reg){WAY_OUT}")
    try:
        if named is not None:
            return target(**dict(zip(named, problem.sizes, strict=True)), **options)
        return target(*problem.sizes, **options)
    except Exception as error:
        sizes = ", ".join(map(str, problem.sizes))
        raise NotJudged(
            f"{target.__name__}({sizes}), its sizes D, H, C, raised {type(error).__name__}: {error}{WAY_OUT}"
        ) from error


def _accepted(function: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a function or class; any number if it has no readable signature."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return inspect.signature(lambda *anything: None).parameters


def _is_open(accepted: Mapping[str, inspect.Parameter]) -> bool:
    return any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in accepted.values())


def _parameter_shapes(net: Any) -> dict[str, tuple[int, ...]]:
    params = getattr(net, "params", None)
    if not isinstance(params, Mapping) or any(name not in params for name in PARAMETERS):
        keys = sorted(map(str, params)) if isinstance(params, Mapping) else type(params).__name__
        raise NotJudged(f"params must be a dict with the keys W1, b1, W2, b2, not {keys}{WAY_OUT}")
    return {name: np.shape(params[name]) for name in PARAMETERS}


def _plain(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return (H,) for the shape (1, H) or (H, 1) of a bias."""
    return (int(np.prod(shape)),) if name in BIASES else shape


def _real_array(name: str, value: Any) -> np.ndarray:
    """Copy an array of real numbers to float64.

    Args:
        name: its name in error messages.
        value: the value.

    Raises:
        NotJudged: the value is not an array of real numbers.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O" and any(entry is None for entry in array.ravel()):
            raise TypeError("it is None")
        if array.dtype.kind == "c":
            raise TypeError("it is complex")
        return np.array(array, np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise NotJudged(f"{name} must hold real numbers: {error}") from None
