"""Check that a contender computes the right gradient before it is timed.

The referee is the reference in float64, which must first agree with the plain path. The first two minibatches
avoid the ReLU's kink, where rounding alone could decide whether a unit fires.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.processes import BenchmarkError
from benchmarks.speed.cases import Case

# Relative to the norm: more than rounding, less than the effect of half the penalty; see `prepare`.
TOLERANCE = {"float32": 1e-3, "float64": 1e-8}
MARGIN = {"float32": 2e-5, "float64": 1e-10}

Arrays = dict[str, np.ndarray]


def prepare(case: Case, folder: Path) -> dict[str, Arrays]:
    """Write the data of all contenders, and compute the right results.

    Returns:
        In float64: ``gradient``, the loss and the gradient of each parameter on the first minibatch;
        ``step``, the parameters after a step on each of the first two; ``start``, the parameters before them.

    Raises:
        ValueError: the case's penalty is so small that a missing half of its gradient would not be noticed.
        BenchmarkError: handgrad and the reference disagree.
    """
    rng = np.random.default_rng(0)
    D, H, C, N = case.features, case.hidden, case.classes, case.batch_size
    X = rng.standard_normal((case.rows, D), np.float32).astype(case.dtype)
    y = rng.integers(0, C, case.rows)
    shapes = {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
    first = {name: 0.1 * rng.standard_normal(shape) for name, shape in shapes.items()}
    first["W1"] *= 10 * D**-0.5
    first = {name: q.astype(case.dtype) for name, q in first.items()}

    start = {name: q.astype(np.float64) for name, q in first.items()}
    params, gradients = start, []
    for rows in (slice(0, N), slice(N, 2 * N)):
        _clear_the_kink(X[rows], params, MARGIN[case.dtype], rng)
        gradients.append(_gradient(params, X[rows], y[rows], case.reg))
        params = {name: q - case.learning_rate * gradients[-1][name] for name, q in params.items()}

    for name in ("W1", "W2"):
        half = 2 * case.reg * np.linalg.norm(start[name]) / np.linalg.norm(gradients[0][name])
        if half < 2 * TOLERANCE[case.dtype]:
            raise ValueError(f"{case}: half of the penalty is only {half:.1e} of the gradient of {name}")

    for name, array in {"X": X, "y": y, **first}.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    return {"start": start, "gradient": gradients[0], "step": params}


def find_error(
    case: Case, expected: Mapping[str, Arrays], task: str, computed: Mapping[str, np.ndarray]
) -> str | None:
    """Describe the error in a contender's arrays; return None if they are right.

    The task is "gradient" or "step", and ``expected`` is the result of `prepare`.
    """
    for name, value in expected[task].items():
        if name not in computed or computed[name].shape != value.shape:
            return f"{task}: {name} is missing, or not of shape {value.shape}"
        # A step's error is relative to the step, not to the parameters.
        size = np.linalg.norm(value - expected["start"][name] if task == "step" else value)
        off = np.linalg.norm(computed[name] - value) / size
        if not off <= TOLERANCE[case.dtype]:
            return f"{task}: {name} is wrong by {off:.1e} of its norm"
    return None


def _clear_the_kink(X: np.ndarray, params: Arrays, margin: float, rng: np.random.Generator) -> None:
    """Draw the rows again, in place, that bring a hidden unit near the kink."""
    near = np.arange(len(X))
    while near.size:
        z1 = X[near] @ params["W1"] + params["b1"]
        near = near[(np.abs(z1) < margin).any(axis=1)]
        X[near] = rng.standard_normal((near.size, X.shape[1]), np.float32)


def _gradient(params: Arrays, X: np.ndarray, y: np.ndarray, reg: float) -> Arrays:
    """Return the reference's loss and gradient in float64, which the plain path must confirm."""
    from autograd_ref.two_layer_net import value_and_grad
    from handgrad.objective import Objective
    from handgrad.two_layer_net import PARAMETERS, trace_gradients

    loss, grads = value_and_grad(params, X, y, Objective(reg))
    trace = trace_gradients(params, X.astype(np.float64), y, reg)
    for name in PARAMETERS:
        off = np.linalg.norm(trace[f"d{name}"] - grads[name]) / np.linalg.norm(grads[name])
        if not off <= TOLERANCE["float64"]:
            raise BenchmarkError(
                f"handgrad and the reference disagree on d{name} by {off:.1e}, so nothing is timed"
            )
    return {"loss": loss, **grads}
