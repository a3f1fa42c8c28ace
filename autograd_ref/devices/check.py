r"""The gradient of a sharded batch, by hand and by JAX, held against that of the whole.

The bounds are those of `bounds`, from end to end, which hold in whatever order the terms are added. What
sharding adds to them: by hand, the gradient of each of $K$ shards is multiplied by a rounded $N_k/N$ and
added to the others, at most $K + 2$ roundings more of each term; in JAX the rows' weights $1/N$ are rounded,
and the devices add up their parts. So the radius of $dW_1$ grows by $\gamma_{K+2} |X|^\top |dz_1|$, where a
kink counts at its largest, and the others' in the same way.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from numpy.typing import DTypeLike
from rich.table import Table

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.crosscheck.bounds import Bounds, chained_bounds
from autograd_ref.crosscheck.comparison import GRADIENTS, Comparison, compare_gradients
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.table import comparison_json
from autograd_ref.devices.on_device import find_device
from autograd_ref.devices.processes import start_together
from autograd_ref.two_layer_net import PENALTY, adjoints, matmul_precision
from handgrad.shards import split_rows
from handgrad.two_layer_net import PARAMETERS

__all__ = [
    "Case",
    "ShardedComparison",
    "check_sharded",
    "layouts",
    "sharded_json",
    "sharded_table",
]

# Beyond these, one machine is only kept busy with itself.
MOST_SHARDS = 64
MOST_PROCESSES = 8

# A loss and its gradient.
Gradient = tuple[Any, Mapping[str, np.ndarray]]

PROGRAM = ("-P", "-m", "autograd_ref.devices.child")


@dataclasses.dataclass(frozen=True)
class Case:
    """One problem on one mesh of devices.

    Attributes:
        problem: what is computed.
        data: shards of the batch.
        hidden: shards of the hidden units.
    """

    problem: Problem
    data: int
    hidden: int = 1


@dataclasses.dataclass(frozen=True)
class ShardedComparison:
    """One problem, whole and in shards.

    Attributes:
        problem: what was computed.
        shards: how many devices took part.
        processes: in how many processes.
        device: "cpu" or "gpu".
        precision: what products of float32 matrices were asked for.
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
        """A sentence about the first quantity that is wrong, and on which side."""
        side, found = next((name, each) for name, each in self.sides.items() if not each.ok)
        wrong = next(quantity for quantity in found.quantities if not quantity.ok)
        where = f" at {list(wrong.index)}" if wrong.index else ""
        return (
            f"{wrong.name} {_described(side, self.shards)} is wrong, on {found.name} in {found.dtype}:"
            f"{where} it is {wrong.hand:.9g}, that of the whole batch {wrong.automatic:.9g}."
        )


def layouts(shards: int) -> list[tuple[int, int]]:
    """The meshes (data, hidden) of so many devices that a check takes.

    Args:
        shards: how many devices.

    Returns:
        All of them along the batch; and as many as the smallest factor along the hidden units.
    """
    factor = next((k for k in range(2, shards + 1) if shards % k == 0), None)
    return [(shards, 1), *([(shards // factor, factor)] if factor else [])]


def check_sharded(
    problems: Sequence[Problem], shards: int, processes: int, *, device: str = "cpu", time_limit: float
) -> list[ShardedComparison]:
    """Judge the gradients of each problem, whole and in shards.

    Args:
        problems: each in the dtype to check it in.
        shards: how many devices take part, a multiple of processes.
        processes: in how many processes.
        device: "cpu", whose devices are simulated, or "gpu".
        time_limit: seconds for all.

    Returns:
        One comparison for each problem.

    Raises:
        ValueError: shards and processes do not go together, or there are not so many devices.
        EndedEarly: as `start_together`.
    """
    _check_counts(shards, processes, device)
    cases = [Case(problem, *layout) for problem in problems for layout in layouts(shards)]
    found = iter(compute(cases, processes=processes, device=device, time_limit=time_limit))
    comparisons = []
    for problem in problems:
        exact = {name: np.asarray(value, np.float64) for name, value in problem.params.items()}
        automatic = adjoints(exact, problem.X, problem.y, problem.reg, PENALTY, problem.activation)
        values = {"X": problem.X, "y": problem.y, **problem.params, **automatic}
        whole = chained_bounds(values, problem.dtype, problem.reg, PENALTY, {}, problem.activation)
        bounds = sharded_bounds(whole, values, problem.dtype, shards)
        gradients: dict[str, Gradient] = {"whole": problem.net().loss(problem.X, problem.y, problem.reg)}
        for data, hidden in layouts(shards):
            sides = next(found)
            gradients |= {"by hand": sides["hand"]} if "hand" in sides else {}
            gradients[f"JAX {data}×{hidden}"] = sides["jax"]
        judged = {
            side: _judge(problem, gradient, automatic, whole if side == "whole" else bounds)
            for side, gradient in gradients.items()
        }
        comparisons.append(ShardedComparison(problem, shards, processes, device, matmul_precision(), judged))
    return comparisons


def compute(
    cases: Sequence[Case], *, processes: int, device: str = "cpu", time_limit: float
) -> list[dict[str, Gradient]]:
    """The sharded loss and gradient of each case, in processes of their own.

    Args:
        cases: with several processes, each takes all of the devices.
        processes: how many.
        device: "cpu", whose devices are simulated, or "gpu".
        time_limit: seconds for all.

    Returns:
        For each case ``{"jax": (loss, grads), "hand": (loss, grads)}``; no "hand" where the hidden units are
        in shards.

    Raises:
        EndedEarly: as `start_together`.
    """
    devices = max(case.data * case.hidden for case in cases) // processes
    request = {
        "devices": devices if device == "cpu" else None,
        "time_limit": time_limit,
        "cases": [
            {
                "problem": i,
                "data": case.data,
                "hidden": case.hidden,
                "reg": case.problem.reg,
                "activation": case.problem.activation,
            }
            for i, case in enumerate(cases)
        ],
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
                    for side in ("jax", "hand")
                    if f"{i}/{side}/loss" in answer
                }
                for i in range(len(cases))
            ]


def _judge(problem: Problem, gradient: Gradient, automatic: Mapping[str, Any], bounds: Bounds) -> Comparison:
    loss, grads = gradient
    return compare_gradients(problem, loss, grads, PENALTY, automatic, bounds)


def sharded_bounds(whole: Bounds, values: Mapping[str, np.ndarray], dtype: DTypeLike, shards: int) -> Bounds:
    """The bounds of a sharded computation.

    Args:
        whole: those of the whole batch, from end to end.
        values: X, y, the parameters and every quantity, computed by the reference.
        dtype: of the checked computation.
        shards: how many.

    Returns:
        The same with larger radii, for the loss and the gradients.
    """
    u = unit_roundoff(dtype)
    gamma = (shards + 2) * u / (1 - (shards + 2) * u)
    v = {name: np.abs(np.asarray(value, np.float64)) for name, value in values.items() if name != "y"}
    dz1: Float[np.ndarray, "N H"] = (
        np.abs(whole.centre["dz1"]) + whole.slack["dz1"] if "dz1" in whole.centre else v["dz1"]
    )
    terms = {
        "loss": v["loss"],
        "dW2": v["h1"].T @ v["dscores"],
        "db2": v["dscores"].sum(axis=0),
        "dW1": v["X"].T @ dz1,
        "db1": dz1.sum(axis=0),
    }
    radius = whole.radius | {name: whole.radius[name] + gamma * terms[name] for name in GRADIENTS}
    return dataclasses.replace(whole, radius=radius)


def sharded_table(found: ShardedComparison) -> Table:
    """A problem's quantities as rows, every side's largest error in units of its bound as a column.

    Args:
        found: to show.

    Returns:
        A table for a rich console, within 80 columns.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left", title_style="bold")
    table.title = f"{found.problem.name}, {found.problem.dtype.name}: {_taking_part(found)}"
    table.add_column("quantity")
    table.add_column("shape")
    for side in found.sides:
        table.add_column(side, justify="right")
    table.add_column("would see", justify="right")
    table.add_column("verdict")
    for rows in zip(*(each.quantities for each in found.sides.values()), strict=True):
        ok = all(quantity.ok for quantity in rows)
        shape = "×".join(map(str, rows[0].shape)) or "scalar"
        units = [f"{q.bound_units:.3f}" if q.bound_units < 1000 else f"{q.bound_units:.1e}" for q in rows]
        seen = f"{max(quantity.resolution for quantity in rows):.0e}"
        style = None if ok else "bold red"
        table.add_row(rows[0].name, shape, *units, seen, "ok" if ok else "WRONG", style=style)
    return table


def sharded_json(found: ShardedComparison) -> dict[str, Any]:
    """The comparison as an object for JSON.

    Args:
        found: to show.

    Returns:
        name, dtype, ok, shards, processes, device, precision, rows (of each shard), and sides, a
        `comparison_json` for each.
    """
    return {
        "name": found.problem.name,
        "dtype": found.problem.dtype.name,
        "ok": found.ok,
        "shards": found.shards,
        "processes": found.processes,
        "device": found.device,
        "precision": found.precision,
        "rows": _rows(found),
        "sides": {side: comparison_json(each) for side, each in found.sides.items()},
    }


def _check_counts(shards: int, processes: int, device: str) -> None:
    if processes > MOST_PROCESSES:
        raise ValueError(f"--processes must be at most {MOST_PROCESSES}, not {processes}")
    if shards > MOST_SHARDS:
        raise ValueError(f"--shards must be at most {MOST_SHARDS}, not {shards}")
    if shards % processes:
        raise ValueError(
            f"--shards must be a multiple of --processes, so that each has as many devices; {shards} is none "
            f"of {processes}"
        )
    if device == "gpu":
        find_device(device)
        if processes > 1:
            raise ValueError("--processes is for the CPU; on GPUs --shards takes one GPU each")
        if (there := jax.device_count(device)) < shards:
            raise ValueError(f"--shards {shards} takes as many GPUs, and JAX finds {there}")


def _rows(found: ShardedComparison) -> list[int]:
    return [rows.stop - rows.start for rows in split_rows(len(found.problem.y), found.shards)]


def _taking_part(found: ShardedComparison) -> str:
    rows = _rows(found)
    each = f"{rows[0]}" if rows[0] == rows[-1] else f"{rows[-1]} or {rows[0]}"
    processes = "1 process" if found.processes == 1 else f"{found.processes} processes"
    where = "" if found.device == "cpu" else f", {found.device}, products {found.precision!r}"
    shards = "1 shard" if found.shards == 1 else f"{found.shards} shards"
    return f"{shards} of {each} rows, {processes}{where}"


def _described(side: str, shards: int) -> str:
    return "of the whole batch by hand" if side == "whole" else f"in {shards} shards, {side},"
