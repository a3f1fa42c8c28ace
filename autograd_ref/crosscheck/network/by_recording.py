"""Judge networks of other forms by a recording of their own call: any loss, layers and names."""

import copy
import inspect
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.calling.target import Asked
from autograd_ref.crosscheck.program.guessed.judge import calls_of, judge_guessed
from autograd_ref.crosscheck.program.guessed.styles import Sizes
from autograd_ref.crosscheck.reports.report import Report

__all__ = ["check_by_recording"]

POINTS = 3


def check_by_recording(
    target: Any,
    name: str,
    *,
    dtype: str,
    sizes: tuple[int, ...] | None,
    reg: float,
    seed: int,
    tolerance: float,
    repair_seconds: float = 0.0,
    on_verdict: Callable[[Report], None] | None = None,
) -> Report | None:
    """Judge a network by its own forward pass, called with arguments guessed from its parameters' names.

    Args:
        target: a class, an instance or a function.
        name: its name in the report.
        dtype: dtype of parameters and inputs.
        sizes: N, D, H, C.
        reg: strength of the penalty.
        seed: seed of the random numbers.
        tolerance: tolerance of the bounds.
        repair_seconds: time limit for the search for a repair.
        on_verdict: called with the report before the search.

    Returns:
        The report, named after the called function; None if no call fits or none can be recorded.

    Raises:
        NotJudged: calls contradict each other.
    """
    space, called, file = _space_of(target)
    if called is None:
        return None
    given = Asked(name, None, 1, None, None, {}, POINTS, dtype, seed, tolerance)
    asked = given._replace(dtype=None if np.dtype(dtype) == np.float64 else dtype)
    guesses = calls_of(space, called, Sizes(*(sizes or (9, 7, 10, 5))), reg)
    return judge_guessed(space, file, asked._replace(repair_seconds=repair_seconds), guesses, on_verdict)


def _space_of(target: Any) -> tuple[Any, str | None, str]:
    """Return the names that a call can use, the target's own name, and its file."""
    held = target if inspect.isclass(target) or inspect.isroutine(target) else type(target)
    names = dict(vars(sys.modules.get(held.__module__ or "", SimpleNamespace())))
    path = str(getattr(held, "__qualname__", type(held).__name__)).rpartition("<locals>.")[2]
    root = path.partition(".")[0]
    if "<" in path or held.__module__ == "builtins":
        return None, None, ""
    if "." not in path:
        names[root] = held
    if held is not target:
        names["net"] = copy.deepcopy(target)
    code = getattr(inspect.unwrap(held), "__code__", None) if inspect.isroutine(held) else None
    file = (
        str(code.co_filename)
        if code is not None
        else getattr(sys.modules.get(held.__module__), "__file__", "")
    )
    return SimpleNamespace(**names), path if root in names else None, file or ""
