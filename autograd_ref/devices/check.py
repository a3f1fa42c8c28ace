r"""Compare the gradient of a sharded batch, by hand and by JAX, with the gradient of the whole batch.

The bounds are the end-to-end ones of `bounds`, which hold for any order of summation. Sharding adds to them:
by hand, the gradient of each of $K$ shards is multiplied by a rounded $N_k/N$ and added to the others, at
most $K + 2$ more roundings of each term; in JAX the rows' weights $1/N$ are rounded, and the devices add up
their parts. So the radius of $dW_1$ grows by $\gamma_{K+2} |X|^\top |dz_1|$, with the largest slope at a
kink, and the others grow in the same way.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax
import numpy as np
from rich.table import Table

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.crosscheck.bounds import Bounds
from autograd_ref.crosscheck.comparison import GRADIENTS, Comparison, compare_gradients
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.reference import Reference, reference_of
from autograd_ref.crosscheck.reports.table import comparison_json
from autograd_ref.devices.on_device import find_device
from autograd_ref.devices.processes import start_together
from autograd_ref.two_layer_net import matmul_precision
from handgrad.shards import split_rows
from handgrad.trace import PARAMETERS

__all__ = ["Case", "ShardedComparison", "check_sharded", "layouts", "sharded_json", "sharded_table"]

# More would only slow one machine down.
MOST_SHARDS = 64
MOST_PROCESSES = 8

# A loss and its gradient.
Gradient = tuple[Any, Mapping[str, np.ndarray]]

PROGRAM = ("-P", "-m", "autograd_ref.devices.child")


@dataclasses.dataclass(frozen=True)
class Case:
    """One problem on a mesh of ``data`` shards of the batch and ``hidden`` shards of the hidden units."""

    problem: Problem
    data: int
    hidden: int = 1


@dataclasses.dataclass(frozen=True)
class ShardedComparison:
    """One problem, whole and in shards, with one device per shard.

    Attributes:
        device: "cpu" or "gpu".
        precision: the precision that was set for products of float32 matrices.
        sides: every way of computing the gradient: "whole" and "by hand", and "JAX" with each mesh.
    """

    problem: Problem
    shards: int
    processes: int
    device: str
    precision: str
    sides: dict[str, Comparison]

    @property
    def ok(self) -> bool:
        """Whether every quantity of every side is within its bound."""
        return all(side.ok for side in self.sides.values())

    def what_is_wrong(self) -> str:
        """A sentence about the first wrong quantity, and the side on which it is wrong."""
        side, comparison = next(named for named in self.sides.items() if not named[1].ok)
        wrong = next(quantity for quantity in comparison.quantities if not quantity.ok)
        problem = f"{self.problem.name} in {self.problem.dtype.name}"
        where = f" at {list(wrong.index)}" if wrong.index else ""
        return (
            f"{wrong.name} {_described(side, self.shards)} is wrong, on {problem}:{where} it is "
            f"{wrong.hand:.9g}, but {wrong.automatic:.9g} for the whole batch."
        )


def layouts(shards: int) -> list[tuple[int, int]]:
    """Return the meshes (data, hidden) of a check with a number of devices.

    One has all devices along the batch; another has as many as the smallest factor along the hidden units.
    """
    factor = next((k for k in range(2, shards + 1) if shards % k == 0), None)
    return [(shards, 1), *([(shards // factor, factor)] if factor else [])]


def check_sharded(
    problems: Sequence[Problem], shards: int, processes: int, *, device: str = "cpu", time_limit: float
) -> list[ShardedComparison]:
    """Judge the gradients of each problem, in its dtype, whole and in shards.

    Args:
        problems: the problems to compute.
        shards: number of devices, a multiple of processes.
        processes: number of processes.
        device: "cpu", whose devices are simulated, or "gpu".
        time_limit: seconds for all problems together.

    Raises:
        ValueError: shards is not a multiple of processes, or there are too few devices.
        ProcessEndedError: as for `start_together`.
    """
    _check_counts(shards, processes, device)
    cases = [Case(problem, *layout) for problem in problems for layout in layouts(shards)]
    answers = iter(compute(cases, processes=processes, device=device, time_limit=time_limit))
    comparisons = []
    for problem in problems:
        whole = reference_of(problem)
        in_shards = dataclasses.replace(whole, bounds=sharded_bounds(whole, problem.dtype, shards))
        by_hand = problem.net().loss(problem.X, problem.y, problem.reg)
        sides = {"whole": compare_gradients(problem, *by_hand, whole)}
        for data, hidden in layouts(shards):
            for side, gradient in next(answers).items():
                name = "by hand" if side == "hand" else f"JAX {data}×{hidden}"
                sides[name] = compare_gradients(problem, *gradient, in_shards)
        comparisons.append(ShardedComparison(problem, shards, processes, device, matmul_precision(), sides))
    return comparisons


def compute(
    cases: Sequence[Case], *, processes: int, device: str = "cpu", time_limit: float
) -> list[dict[str, Gradient]]:
    """Return the sharded loss and gradient of each case, computed in separate processes.

    The result for each case is ``{"hand": (loss, grads), "jax": (loss, grads)}``, without "hand" if the
    hidden units are in shards. With several processes, each case must use all devices. Errors and other
    arguments: see `check_sharded`.
    """
    devices = max(case.data * case.hidden for case in cases) // processes
    request = {
        "devices": devices if device == "cpu" else None,
        "time_limit": time_limit,
        "meshes": [(case.data, case.hidden) for case in cases],
        "objectives": [(case.problem.reg, case.problem.activation) for case in cases],
    }
    problems = {
        f"{i}/{name}": value
        for i, case in enumerate(cases)
        for name, value in {"X": case.problem.X, "y": case.problem.y, **case.problem.params}.items()
    }
    with TemporaryDirectory(prefix="handgrad-") as name:
        folder = Path(name)
        (folder / "request.json").write_text(json.dumps(request))
        np.savez(folder / "problems.npz", **problems)  # type: ignore[arg-type]
        start_together([*PROGRAM, str(folder)], folder, processes, time_limit)
        with np.load(folder / "answer.npz", allow_pickle=False) as answer:
            return [
                {
                    side: (answer[f"{i}/{side}/loss"], {q: answer[f"{i}/{side}/{q}"] for q in PARAMETERS})
                    for side in ("hand", "jax")
                    if f"{i}/{side}/loss" in answer
                }
                for i in range(len(cases))
            ]


def sharded_bounds(whole: Reference, dtype: np.dtype[Any], shards: int) -> Bounds:
    """Return the end-to-end bounds of the loss and the gradients, widened for a sharded computation."""
    u = unit_roundoff(dtype)
    gamma = (shards + 2) * u / (1 - (shards + 2) * u)
    trace, bounds = whole.trace, whole.bounds
    dz1 = np.abs(trace.dz1)
    if "dz1" in bounds.centre:
        dz1 = np.abs(bounds.centre["dz1"]) + bounds.slack["dz1"]
    dscores = np.abs(trace.dscores)
    terms = {
        "loss": np.abs(trace.loss),
        "dW2": np.abs(trace.h1).T @ dscores,
        "db2": dscores.sum(axis=0),
        "dW1": np.abs(trace.X).T @ dz1,
        "db1": dz1.sum(axis=0),
    }
    radius = bounds.radius | {name: bounds.radius[name] + gamma * terms[name] for name in GRADIENTS}
    return dataclasses.replace(bounds, radius=radius)


def sharded_table(comparison: ShardedComparison) -> Table:
    """Return a table, 80 columns wide, with each side's largest error over its bound for each quantity."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left", title_style="bold")
    table.title = f"{comparison.problem.name}, {comparison.problem.dtype.name}: {_taking_part(comparison)}"
    table.add_column("quantity")
    table.add_column("shape")
    for side in comparison.sides:
        table.add_column(side, justify="right")
    table.add_column("detects", justify="right")
    table.add_column("verdict")
    for rows in zip(*(side.quantities for side in comparison.sides.values()), strict=True):
        ok = all(quantity.ok for quantity in rows)
        shape = "×".join(map(str, rows[0].shape)) or "scalar"
        units = [f"{q.bound_units:.3f}" if q.bound_units < 1000 else f"{q.bound_units:.1e}" for q in rows]
        seen = f"{max(quantity.resolution for quantity in rows):.0e}"
        style = None if ok else "bold red"
        table.add_row(rows[0].name, shape, *units, seen, "ok" if ok else "WRONG", style=style)
    return table


def sharded_json(comparison: ShardedComparison) -> dict[str, Any]:
    """Return the comparison for JSON: `ShardedComparison`, and the rows of each shard."""
    return {
        "name": comparison.problem.name,
        "dtype": comparison.problem.dtype.name,
        "ok": comparison.ok,
        "shards": comparison.shards,
        "processes": comparison.processes,
        "device": comparison.device,
        "precision": comparison.precision,
        "rows": _rows(comparison),
        "sides": {name: comparison_json(side) for name, side in comparison.sides.items()},
    }


def _check_counts(shards: int, processes: int, device: str) -> None:
    if processes > MOST_PROCESSES:
        raise ValueError(f"--processes must be at most {MOST_PROCESSES}, not {processes}")
    if shards > MOST_SHARDS:
        raise ValueError(f"--shards must be at most {MOST_SHARDS}, not {shards}")
    if shards % processes:
        raise ValueError(
            "--shards must be a multiple of --processes, so that all have the same number of devices; "
            f"{shards} is not a multiple of {processes}"
        )
    if device == "gpu":
        find_device(device)
        if processes > 1:
            raise ValueError("--processes works only on the CPU; on GPUs each of the --shards uses one GPU")
        if (there := jax.device_count(device)) < shards:
            raise ValueError(f"--shards {shards} needs {shards} GPUs, but JAX finds {there}")


def _rows(comparison: ShardedComparison) -> list[int]:
    return [rows.stop - rows.start for rows in split_rows(len(comparison.problem.y), comparison.shards)]


def _taking_part(comparison: ShardedComparison) -> str:
    rows = _rows(comparison)
    count = f"{rows[0]}" if rows[0] == rows[-1] else f"{rows[-1]} or {rows[0]}"
    processes = "1 process" if comparison.processes == 1 else f"{comparison.processes} processes"
    where = "" if comparison.device == "cpu" else f", {comparison.device}, products {comparison.precision!r}"
    shards = "1 shard" if comparison.shards == 1 else f"{comparison.shards} shards"
    return f"{shards} of {count} rows, {processes}{where}"


def _described(side: str, shards: int) -> str:
    return "of the whole batch by hand" if side == "whole" else f"in {shards} shards, {side},"
