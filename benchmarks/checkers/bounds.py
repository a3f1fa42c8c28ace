"""The checker's bounds from both sides: right networks are not flagged, and small errors are caught."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from autograd_ref.crosscheck.bounds import stagewise_bounds
from autograd_ref.crosscheck.comparison import GRADIENTS, Comparison, compare_gradients, compare_trace
from autograd_ref.crosscheck.problems import Problem, random_problem
from autograd_ref.crosscheck.quantity import judge
from autograd_ref.crosscheck.reference import Reference, reference_of
from autograd_ref.two_layer_net import QUANTITIES, stagewise
from benchmarks.checkers.hard_problems import hard_problem
from benchmarks.checkers.smallest_error import smallest_caught, with_error
from benchmarks.results import Table, environment_line, progress, publish, write_json
from handgrad.two_layer_net import PARAMETERS

DTYPES = "float64", "float32"
SMALL = (10, 10, 10, 10), (9, 11, 8, 10), (12, 8, 10, 9), (8, 12, 11, 10)  # N, D, H, C
DRAWS = 5  # of each size
LARGE = 200, 3072, 150, 10

Trace = Mapping[str, Any]


def by_matrices(problem: Problem) -> Trace:
    """Return the trace of `TwoLayerNet`."""
    return problem.net().trace(problem.X, problem.y, problem.reg)


def one_by_one(problem: Problem) -> Trace:
    """Return the same trace, computed differently: every sum term by term, in the problem's dtype."""
    X, y, N, real = problem.X, problem.y, len(problem.y), problem.dtype.type
    W1, b1, W2, b2 = (problem.params[name] for name in PARAMETERS)
    reg = real(problem.reg)

    def total(terms: np.ndarray, axis: int = 0) -> np.ndarray:
        return np.cumsum(terms, axis=axis).take(-1, axis=axis)

    def product(A: np.ndarray, B: np.ndarray) -> np.ndarray:
        return total(A[:, :, None] * B[None], axis=1)

    z1 = b1 + product(X, W1)
    h1 = (z1 + np.abs(z1)) / 2
    scores = b2 + product(h1, W2)
    shifted = scores - scores.max(axis=1, keepdims=True)
    exp = np.exp(shifted)
    sums = total(exp, axis=1)
    probs = exp / sums[:, None]
    loss = total(np.log(sums) - shifted[np.arange(N), y]) / real(N)
    loss += total(2 * reg * W1.ravel() ** 2) + total(2 * reg * W2.ravel() ** 2)
    dscores = (probs - np.eye(len(b2), dtype=probs.dtype)[y]) * real(1 / N)
    dh1 = product(dscores, W2.T)
    dz1 = np.where(h1 > 0, dh1, 0)
    return {
        "z1": z1, "h1": h1, "scores": scores, "probs": probs, "loss": loss, "dscores": dscores,
        "dW2": 4 * reg * W2 + product(h1.T, dscores), "db2": total(dscores),
        "dh1": dh1, "dz1": dz1, "dW1": 4 * reg * W1 + product(X.T, dz1), "db1": total(dz1),
    }  # fmt: skip


NETWORKS: dict[str, Callable[[Problem], Trace]] = {"TwoLayerNet": by_matrices, "one by one": one_by_one}


def whole(problem: Problem, trace: Trace, known: Reference) -> Comparison:
    """Judge the loss and the gradient of a trace from end to end."""
    grads = {name: trace[f"d{name}"] for name in PARAMETERS}
    return compare_gradients(problem, trace["loss"], grads, known)


def false_alarms(problems: int) -> dict[str, Any]:
    """Judge right networks on a number of hard problems.

    Returns:
        The alarms, each with the problem that reproduces it, and the largest error in units of its bound for
        each dtype and quantity.
    """
    alarms: list[str] = []
    worst: dict[str, dict[str, float]] = {dtype: {} for dtype in DTYPES}
    for number in progress(range(problems), "False alarms"):
        for dtype in DTYPES:
            problem = hard_problem(number, dtype)
            known = reference_of(problem)
            for network, evaluate in NETWORKS.items():
                trace = evaluate(problem)
                judged = {"end to end": whole(problem, trace, known), "trace": compare_trace(problem, trace)}
                for how, comparison in judged.items():
                    for quantity in comparison.quantities:
                        key = f"{quantity.name}, {how}"
                        worst[dtype][key] = max(worst[dtype].get(key, 0.0), quantity.bound_units)
                        if not quantity.ok:
                            where = f"{problem.name}, {dtype}, {network}, {how}"
                            alarms.append(f"{where}: {quantity}")
    return {"problems": problems, "alarms": alarms, "worst": worst}


def smallest_errors_end_to_end(dtype: str) -> dict[str, float]:
    """Return the smallest error caught in the loss and in each gradient, the worst of some small problems."""
    problems = [
        random_problem(np.random.default_rng(seed), sizes, dtype=dtype)
        for seed, sizes in product(range(DRAWS), SMALL)
    ]
    by_problem = [_smallest_errors(problem) for problem in problems]
    return {name: max(errors[name] for errors in by_problem) for name in GRADIENTS}


def _smallest_errors(problem: Problem) -> dict[str, float]:
    known, trace = reference_of(problem), by_matrices(problem)

    def is_caught(name: str, relative: float) -> bool:
        off = {**trace, name: with_error(trace[name], relative)}
        return whole(problem, off, known).first_wrong == name

    return {name: smallest_caught(partial(is_caught, name)) or np.inf for name in GRADIENTS}


def smallest_errors_of_stages(dtype: str) -> dict[str, float]:
    """Return the smallest error caught in each quantity of a trace, on a network of CS231n's size.

    The bisection judges only the wrong stage; `compare_trace` then confirms the error.
    """
    problem = random_problem(np.random.default_rng(0), LARGE, dtype=dtype)
    trace = by_matrices(problem)
    values = {name: np.asarray(value, np.float64) for name, value in trace.items() if name != "y"}
    values["y"] = problem.y
    automatic = stagewise(values, problem.objective)
    bounds = stagewise_bounds(values, problem.dtype, problem.objective)

    def is_caught(name: str, relative: float) -> bool:
        off = with_error(trace[name], relative)
        return not judge(name, off, automatic[name], bounds.of(name, automatic[name]), lambda *_: None).ok

    errors = {name: smallest_caught(partial(is_caught, name)) or np.inf for name in QUANTITIES}
    for name, error in errors.items():
        comparison = compare_trace(problem, {**trace, name: with_error(trace[name], error)})
        if comparison.first_wrong != name:
            raise AssertionError(f"{name} in {dtype}: compare_trace names {comparison.first_wrong}")
    return errors


def measure_bounds(problems: int, out: Path) -> None:
    """Count false alarms on a number of problems, find the smallest errors, write JSON, publish a table."""
    counts = false_alarms(problems)
    N, D, H, C = LARGE
    ways = {
        "end to end, N, D, H, C near 10": smallest_errors_end_to_end,
        f".trace, N={N}, D={D}, H={H}, C={C}": smallest_errors_of_stages,
    }
    smallest: dict[str, dict[str, float]] = {}
    for way, dtype in progress(list(product(ways, DTYPES)), "Smallest errors"):
        smallest[f"{way}, {dtype}"] = ways[way](dtype)
    environment = environment_line("numpy", "scipy", "jax")
    write_json(out / "bounds.json", {"environment": environment, **counts, "smallest errors": smallest})

    nearest = []
    for dtype, worst in counts["worst"].items():
        name, units = max(worst.items(), key=lambda item: item[1])
        nearest.append(f"{dtype} {units:.2f} ({name})")
    summary = (
        f"{len(counts['alarms'])} false alarms in {problems:,} random problems, each in float64 and float32, "
        f"by two networks, from end to end and stage by stage. The nearest that any came to its bound, in "
        f"units of it: {'; '.join(nearest)}."
    )
    alarms = [f"False alarm: {alarm}" for alarm in counts["alarms"]]
    rows = [
        [name, *(f"{errors[name]:.1e}" if name in errors else "–" for errors in smallest.values())]
        for name in QUANTITIES
    ]
    title = "Smallest relative error caught in one entry of median size"
    publish("bounds", [summary, *alarms, Table(title, ["quantity", *smallest], rows), environment], out)
