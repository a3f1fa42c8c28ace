"""The checker's bounds from both sides: nothing right is flagged, and what is off by little is seen."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from autograd_ref.crosscheck.bounds import chained_bounds, stagewise_bounds
from autograd_ref.crosscheck.comparison import (
    GRADIENTS,
    Comparison,
    compare_gradients,
    compare_trace,
)  # fmt: skip
from autograd_ref.crosscheck.problems import Problem, random_problem
from autograd_ref.crosscheck.quantity import judge
from autograd_ref.two_layer_net import PENALTY, QUANTITIES, adjoints, stagewise
from benchmarks.checkers.hard_problems import hard_problem
from benchmarks.checkers.sensitivity import planted, smallest_caught
from benchmarks.results import (
    RESULTS,
    environment_line,
    markdown,
    progress,
    show,
    write_json,
    write_section,
)  # fmt: skip
from handgrad.two_layer_net import PARAMETERS

DTYPES = "float64", "float32"
SMALL = (10, 10, 10, 10), (9, 11, 8, 10), (12, 8, 10, 9), (8, 12, 11, 10)  # N, D, H, C
DRAWS = 5  # of each
LARGE = 200, 3072, 150, 10

Trace = dict[str, Any]


def by_matrices(problem: Problem) -> Trace:
    """The trace of `TwoLayerNet`."""
    return problem.net().trace(problem.X, problem.y, problem.reg)


def one_by_one(problem: Problem) -> Trace:
    """The same quantities written differently: every sum one term after the other, in the problem's dtype."""
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


def reference(problem: Problem) -> tuple[dict[str, np.ndarray], Any]:
    """Every quantity by automatic differentiation, and the bounds from end to end."""
    exact = {name: q.astype(np.float64) for name, q in problem.params.items()}
    automatic = adjoints(exact, problem.X, problem.y, problem.reg)
    values = {"X": problem.X, "y": problem.y, **problem.params, **automatic}
    return automatic, chained_bounds(values, problem.dtype, problem.reg, PENALTY, {})


def whole(problem: Problem, trace: Trace, known: tuple[dict[str, np.ndarray], Any]) -> Comparison:
    """The loss and the gradient of a trace, judged from end to end."""
    grads = {name: trace[f"d{name}"] for name in PARAMETERS}
    return compare_gradients(problem, trace["loss"], grads, PENALTY, *known)


def false_alarms(problems: int) -> dict[str, Any]:
    """Judge right networks on hard problems.

    Args:
        problems: how many.

    Returns:
        The alarms, each with all that is needed to see it again, and by dtype and quantity the largest
        error in units of its bound.
    """
    alarms: list[dict[str, Any]] = []
    worst: dict[str, dict[str, float]] = {dtype: {} for dtype in DTYPES}
    for number in progress(range(problems), "False alarms"):
        for dtype in DTYPES:
            problem = hard_problem(number, dtype)
            known = reference(problem)
            for network, evaluate in NETWORKS.items():
                trace = evaluate(problem)
                judged = {"end to end": whole(problem, trace, known), "trace": compare_trace(problem, trace)}
                for how, comparison in judged.items():
                    for quantity in comparison.quantities:
                        key = f"{quantity.name}, {how}"
                        worst[dtype][key] = max(worst[dtype].get(key, 0.0), quantity.bound_units)
                        if not quantity.ok:
                            alarms.append({
                                "problem": problem.name, "dtype": dtype, "network": network, "how": how,
                                "quantity": str(quantity), "bound_units": quantity.bound_units,
                            })  # fmt: skip
    return {"problems": problems, "alarms": alarms, "worst": worst}


def sensitivity_from_end_to_end(dtype: str) -> dict[str, float]:
    """The smallest error caught in each gradient and in the loss, at its worst over small problems."""
    problems = [
        random_problem(np.random.default_rng(seed), sizes, dtype=dtype)
        for seed in range(DRAWS)
        for sizes in SMALL
    ]
    found = [_smallest_caught_in_each(problem) for problem in problems]
    return {name: max(each[name] for each in found) for name in GRADIENTS}


def _smallest_caught_in_each(problem: Problem) -> dict[str, float]:
    known, trace = reference(problem), by_matrices(problem)

    def caught(name: str, relative: float) -> bool:
        off = {**trace, name: planted(trace[name], relative)}
        return whole(problem, off, known).first_wrong == name

    return {name: _or_infinite(smallest_caught(partial(caught, name))) for name in GRADIENTS}


def _or_infinite(error: float | None) -> float:
    return float("inf") if error is None else error


def sensitivity_of_stages(dtype: str) -> dict[str, float]:
    """The smallest error caught in each quantity of a trace, on a network of the exercise's full size.

    The stage that is off is judged alone at first; what was found is then shown to `compare_trace`.
    """
    problem = random_problem(np.random.default_rng(0), LARGE, dtype=dtype)
    trace = by_matrices(problem)
    values = {name: np.asarray(each, np.float64) for name, each in trace.items() if name != "y"}
    values["y"] = problem.y
    automatic = stagewise(values, problem.reg)
    bounds = stagewise_bounds(values, problem.dtype, problem.reg, PENALTY)

    def caught(name: str, relative: float) -> bool:
        off = planted(trace[name], relative)
        return not judge(name, off, automatic[name], bounds.of(name, automatic[name]), lambda *_: None).ok

    found = {name: _or_infinite(smallest_caught(partial(caught, name))) for name in QUANTITIES}
    for name, error in found.items():
        seen = compare_trace(problem, {**trace, name: planted(trace[name], error)})
        if seen.first_wrong != name:
            raise AssertionError(f"{name} in {dtype}: compare_trace sees {seen.first_wrong}")
    return found


def measure_bounds(problems: int, out: Path = RESULTS) -> None:
    """Count false alarms and measure the sensitivity; print a table and write JSON to a folder.

    With the default folder the table goes into benchmarks/README.md as well.
    """
    console = Console()
    alarms = false_alarms(problems)
    cases = [(how, dtype) for how in (sensitivity_from_end_to_end, sensitivity_of_stages) for dtype in DTYPES]
    found = [how(dtype) for how, dtype in progress(cases, "Sensitivity")]
    environment = environment_line("numpy", "scipy", "jax")
    whole_found, trace_found = (dict(zip(DTYPES, each, strict=True)) for each in (found[:2], found[2:]))
    sensitivity = {"end to end": whole_found, "trace": trace_found}
    write_json(out / "bounds.json", {"environment": environment, **alarms, "sensitivity": sensitivity})

    largest = {
        dtype: max(worst.items(), key=lambda item: item[1]) for dtype, worst in alarms["worst"].items()
    }
    near = "; ".join(f"{dtype} {units:.2f} ({name})" for dtype, (name, units) in largest.items())
    said = (
        f"{len(alarms['alarms'])} false alarms in {problems:,} random problems, each in float64 and float32, "
        f"by two networks, from end to end and stage by stage. The nearest that any came to its bound, in "
        f"units of it: {near}."
    )
    head, rows = _table(found)
    title = "Smallest relative error caught in one entry of median size"
    console.print(said, highlight=False)
    for alarm in alarms["alarms"][:20]:
        console.print(alarm)
    show(console, title, head, rows)
    console.print(environment, highlight=False)
    if out == RESULTS:
        write_section("bounds", f"{said}\n\n{title}:\n\n{markdown(head, rows)}\n\n{environment}.")


def _table(found: Sequence[Mapping[str, float]]) -> tuple[list[str], list[list[str]]]:
    N, D, H, C = LARGE
    settings = "end to end, N, D, H, C near 10", f".trace, N={N}, D={D}, H={H}, C={C}"
    head = ["quantity", *(f"{setting}, {dtype}" for setting in settings for dtype in DTYPES)]
    rows = [
        [name, *(f"{each[name]:.1e}" if name in each else "–" for each in found)] for name in QUANTITIES
    ]  # fmt: skip
    return head, rows
