"""Check the solvers given to `jax.lax.custom_linear_solve`, by which JAX differentiates its solution.

JAX takes the derivative of x in A x = b from the equation itself, with two solutions: x from ``solve``, and y
in Aᵀ y = c from ``transpose_solve``, the cotangent of b. Both are right if they solve their equation.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn, jaxpr_as_fun

from autograd_ref.crosscheck.quantity import Quantity, root_mean_square
from autograd_ref.crosscheck.reports.report import Diagnosis, NotJudged, Report
from autograd_ref.crosscheck.rules.asked import Asked
from autograd_ref.two_layer_net import precision

__all__ = ["LIBRARY", "Solve", "judge_solves", "solves_at"]

JAX = os.path.dirname(os.path.dirname(jax.__file__))
LIBRARY = os.path.join(JAX, "jax") + os.sep
# The residual of a right solution, as a part of the right-hand side, and the least that is wrong.
RIGHT, WRONG = 1e-3, 1e-2
# Larger systems are not solved a second time.
MOST = 1024


class Solve(NamedTuple):
    """A linear system that a call solves by its own solvers.

    Attributes:
        place: the place of the solver, for the reader.
        parts: JAX's functions matvec, vecmat, solve and transpose_solve; the last is None if there is none.
        constants: what each of them closes over, by its name.
        right: the right-hand side.
    """

    place: str
    parts: Any
    constants: dict[str, list[Any]]
    right: list[Any]


def solves_at(equation: JaxprEqn, operands: list[Any]) -> list[Solve]:
    """Return a linear system with its operands; none if JAX's own function solves it."""
    parts, lengths = equation.params["jaxprs"], equation.params["const_lengths"]
    file, _, line = parts.solve.jaxpr.debug_info.func_src_info.partition(" at ")[2].rpartition(":")
    if file.startswith(LIBRARY):
        return []
    left = list(operands)
    names = ("matvec", "vecmat", "solve", "transpose_solve")
    constants = {name: [left.pop(0) for _ in range(getattr(lengths, name))] for name in names}
    return [Solve(f"line {line} of {os.path.basename(file)}", parts, constants, left)]


def judge_solves(
    solves: Sequence[Solve], dtype: np.dtype[Any], asked: Asked
) -> list[tuple[str, Report | None, str]]:
    """Return the place of each linear system, and the report on its solvers or the reason why there is none.

    Args:
        solves: the systems.
        dtype: the checked dtype.
        asked: the settings.
    """
    judged: list[tuple[str, Report | None, str]] = []
    for each in solves:
        try:
            with precision(dtype):
                judged.append((each.place, _report(each, dtype.name, asked), ""))
        except NotJudged as error:
            judged.append((each.place, None, str(error)))
    return judged


def _report(solve: Solve, dtype: str, asked: Asked) -> Report:
    parts, given = solve.parts, [jnp.asarray(each) for each in solve.right]
    if parts.transpose_solve is None:
        raise NotJudged("it has no transpose_solve, so that JAX has no cotangent of b")
    rng = np.random.default_rng([asked.seed, 16])
    random = [jnp.asarray(rng.standard_normal(each.shape), each.dtype) for each in given]
    if sum(each.size for each in random) > MOST:
        raise NotJudged(f"it has more than {MOST} unknowns: call it with a smaller system")

    def multiply(*x: Any) -> list[Any]:
        return list(jaxpr_as_fun(parts.matvec)(*solve.constants["matvec"], *x))

    matrix = np.stack([_flat(multiply(*each)) for each in _units(random)], axis=1)
    found = {
        "loss": (matrix, jaxpr_as_fun(parts.solve)(*solve.constants["solve"], *random)),
        "db": (matrix.T, jaxpr_as_fun(parts.transpose_solve)(*solve.constants["transpose_solve"], *random)),
    }
    quantities = tuple(_judged(name, A, _flat(x), _flat(random)) for name, (A, x) in found.items())
    wrong = [each.name for each in quantities if each.ok is False]
    unsure = any(each.ok is None for each in quantities)
    said = {
        "loss": "solve does not solve A x = b",
        "db": "transpose_solve, or solve with symmetric=True, does not solve Aᵀ y = c",
    }
    return Report(
        target=asked.name, dtype=dtype, ok=False if wrong else None if unsure else True,
        first_wrong=wrong[0] if wrong else None, quantities=quantities,
        diagnosis=tuple(
            Diagnosis("linear-solve", (name,), (), f"{said[name]}, where A is what matvec multiplies by.")
            for name in wrong
        ),
    )  # fmt: skip


def _judged(name: str, matrix: np.ndarray, x: np.ndarray, right: np.ndarray) -> Quantity:
    residual = float(np.linalg.norm(matrix @ x - right) / np.linalg.norm(right))
    ok = True if residual <= RIGHT else False if not residual <= WRONG else None
    expected = np.linalg.lstsq(matrix, right)[0]
    worst = int(np.argmax(np.abs(x - expected)))
    error = float(np.abs(x - expected)[worst])
    reason = f"it leaves a residual of {100 * residual:.2g} % of the right-hand side" if ok is None else None
    return Quantity(
        name, x.shape, ok, error, error / (root_mean_square(expected) or 1.0), residual / RIGHT, RIGHT,
        (worst,), float(x[worst]), float(expected[worst]), reason=reason,
    )  # fmt: skip


def _units(like: Sequence[Any]) -> list[list[Any]]:
    """Return the unit vectors of a space of several arrays."""
    sizes = [each.size for each in like]
    columns = np.split(np.eye(sum(sizes)), np.cumsum(sizes)[:-1], axis=1)
    return [
        [
            jnp.asarray(part[i].reshape(each.shape), each.dtype)
            for part, each in zip(columns, like, strict=True)
        ]
        for i in range(sum(sizes))
    ]


def _flat(arrays: Sequence[Any]) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(each, np.float64)) for each in arrays])
