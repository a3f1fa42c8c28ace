"""The right results for a problem, and the bounds on rounding in a correct computation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from autograd_ref.crosscheck.bounds import EXACT, Bounds, chained_bounds
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.two_layer_net import adjoints
from handgrad.trace import Trace

__all__ = ["Reference", "reference_of"]


@dataclass(frozen=True)
class Reference:
    """The right results for a problem.

    Attributes:
        trace: every quantity and adjoint by automatic differentiation, in float64.
        bounds: the end-to-end bounds.
    """

    trace: Trace
    bounds: Bounds


def reference_of(
    problem: Problem, uncertainty: Mapping[str, float] = EXACT, dtype: DTypeLike | None = None
) -> Reference:
    """Compute the right results for a problem.

    Args:
        problem: the problem; its inputs keep their values and are computed with in float64.
        uncertainty: the possible error in the c of each parameter's penalty, if it was measured.
        dtype: the dtype whose rounding is allowed; None for the problem's own.

    Returns:
        The results and their bounds.
    """
    exact = {name: np.asarray(value, np.float64) for name, value in problem.params.items()}
    trace = adjoints(exact, problem.X, problem.y, problem.objective)
    return Reference(trace, chained_bounds(trace, dtype or problem.dtype, problem.objective, uncertainty))
