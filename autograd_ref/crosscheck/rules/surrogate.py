"""Check a rule that is meant to differ from the derivative.

Under differentiation it must return the same as the function; every cotangent must have the shape of its
argument and be finite; and it must be linear in the cotangents of the outputs. Clipping is linear only for
small ones.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_ref.crosscheck.function.points import Point
from autograd_ref.crosscheck.quantity import Quantity
from autograd_ref.crosscheck.reports.report import Advice, Report
from autograd_ref.crosscheck.rules.asked import Asked
from autograd_ref.crosscheck.rules.differences import GRANTED, measured, other_outputs
from autograd_ref.crosscheck.rules.vary import Failure, differing

__all__ = ["LINEAR", "judge_surrogate", "nonlinear"]

Arrays = list[np.ndarray]
# Sizes of cotangents: as given, and so small that no clipping bound is reached.
SIZES = (1.0, 2.0**-24)
LINEAR = "is not linear in the cotangents"


def nonlinear(pull: Callable[[Arrays], Arrays], cotangents: Arrays, dtype: str, seed: int) -> list[Failure]:
    """Find failures of linearity in the cotangents, and results that are not finite.

    Args:
        pull: returns the cotangents of the arguments for cotangents of the outputs.
        cotangents: cotangents of the outputs.
        dtype: the dtype in which it computes.
        seed: seed of other cotangents.

    Returns:
        The failures, none if it is linear for small cotangents; their condition is empty if it is linear for
        none.
    """
    rng = np.random.default_rng([seed, 11])
    others = [np.asarray(rng.standard_normal(each.shape), each.dtype) for each in cotangents]
    found: list[list[Failure]] = []
    for size in SIZES:
        one, two = ([np.asarray(size * each, each.dtype) for each in given] for given in (cotangents, others))
        both = [np.asarray(a - 2 * b, a.dtype) for a, b in zip(one, two, strict=True)]
        nothing = [np.zeros_like(each) for each in one]
        failures: list[Failure] = []
        pulled = zip(pull(one), pull(two), pull(both), pull(nothing), strict=True)
        for i, (first, second, together, none) in enumerate(pulled):
            right = np.asarray(first - 2 * second)
            terms = np.asarray(np.abs(first) + 2 * np.abs(second))
            radius = np.asarray(
                GRANTED[dtype] * terms + measured(terms, np.zeros_like(terms), dtype).bound.radius
            )
            nought = np.zeros_like(none)
            failures += differing("", i, together, right, radius) or differing("", i, none, nought, radius)
            if not np.isfinite(first).all():
                failures.append(Failure("", i, (), float("nan"), float("nan")))
        found.append(failures)
    return (
        found[0]
        if found[0] and found[-1]
        else [each._replace(condition="for large cotangents") for each in found[0]]
    )


def judge_surrogate(rule: Any, points: Sequence[Point], asked: Asked) -> Report:
    """Judge a JAX rule by its shapes and by its linearity."""
    dtype = rule.dtype.name
    failures: list[Failure] = []
    values = []
    for point in points:
        cotangents, others = point.args

        def pull(given: Arrays, point: Point = point, others: Any = others) -> Arrays:
            with rule.precision():
                _, pulled = rule.forward_and_pull(point.params, given, others)
                return [np.asarray(each, np.float64) for each in pulled(given)]

        failures += nonlinear(pull, list(cotangents), dtype, asked.seed)
        values.append(rule.values(point))
    return surrogate_report(rule.names, points[0].params.values_, values, failures, len(points), dtype, asked)


def surrogate_report(
    names: Sequence[str], arguments: Sequence[Any], values: Sequence[tuple[float, float, float]],
    failures: Sequence[Failure], points: int, dtype: str, asked: Asked,
) -> Report:  # fmt: skip
    """Return the report on a rule that is meant to differ.

    Args:
        names: names of its arguments.
        arguments: the arguments.
        values: at each point ⟨cotangents, outputs⟩ by the rule, by the function, and the size of its terms.
        failures: failures of linearity.
        points: number of points tried.
        dtype: the checked dtype.
        asked: the settings.
    """
    nan = float("nan")
    grave = {each.number for each in failures if not each.condition}
    quantities = other_outputs(values, GRANTED[dtype])
    for i, (name, value) in enumerate(zip(names, arguments, strict=True)):
        quantities.append(
            Quantity(
                f"d{name}", np.shape(value), i not in grave, 0.0, 0.0, 0.0, nan, (), nan, nan,
                mismatch=LINEAR if i in grave else None,
            )
        )  # fmt: skip
    warnings = []
    if failures and not grave:
        listed = ", ".join(sorted({f"d{names[each.number]}" for each in failures}))
        text = f"{listed} {LINEAR} of the size tried; it is for small ones, as where a gradient is clipped."
        warnings.append(Advice("not-linear", text))
    wrong = [each for each in quantities if each.ok is False]
    return Report(
        target=asked.name,
        dtype=dtype,
        ok=not wrong,
        first_wrong=wrong[0].name if wrong else None,
        warnings=tuple(warnings),
        quantities=tuple(quantities),
        points=points,
    )
