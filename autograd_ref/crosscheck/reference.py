"""What is right for a problem, and how far rounding may lead a correct computation away from it."""

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
    """A problem's right answer.

    Attributes:
        trace: every quantity and adjoint by automatic differentiation, in float64.
        bounds: what is allowed from end to end.
    """

    trace: Trace
    bounds: Bounds


def reference_of(
    problem: Problem, uncertainty: Mapping[str, float] = EXACT, dtype: DTypeLike | None = None
) -> Reference:
    """Compute a problem's right answer.

    Args:
        problem: whose inputs are taken as they are, in whatever dtype, and computed with in float64.
        uncertainty: how far the c of each parameter's penalty may be off, where it was measured.
        dtype: whose arithmetic is allowed for; None for the problem's own.

    Returns:
        The answer and its bounds.
    """
    exact = {name: np.asarray(value, np.float64) for name, value in problem.params.items()}
    trace = adjoints(exact, problem.X, problem.y, problem.objective)
    return Reference(trace, chained_bounds(trace, dtype or problem.dtype, problem.objective, uncertainty))
