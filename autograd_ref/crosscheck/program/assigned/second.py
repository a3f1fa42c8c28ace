"""A second derivative next to a gradient, as returned by objectives of gradient boosting: (grad, hess)."""

import re
from collections.abc import Sequence

import numpy as np

from autograd_ref.arithmetic.rounding import Bound, unit_roundoff
from autograd_ref.arithmetic.rounding_bounds import Measured
from autograd_ref.crosscheck.program.assigned.gradients import Candidate
from autograd_ref.crosscheck.program.guessed.roles import role_of
from autograd_ref.crosscheck.program.paths import of_path
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.recording import Leaf, Recording, adjoints, replay
from autograd_ref.recording.adjoints import Adjoints

__all__ = ["boosting_pair", "second_derivative"]

# The step as a part of the entries' size, and the accuracy of differences of exact gradients.
STEP, GOOD = 3e-5, 1e-7
# With more entries than this, mixed second derivatives are not computed.
MOST = 300

_SECOND = re.compile(r"^(?:hess\w*|\w*_hess|h|second\w*|d2\w*|curvature)$", re.IGNORECASE)
_PREDICTED = re.compile(
    r"^(?:\w*pred\w*|scores?|margins?|raw\w*|approx\w*|outputs?|y_?hat|logits?|f|z)$", re.I
)


def boosting_pair(
    known: Sequence[Candidate], leaves: Sequence[Leaf]
) -> tuple[Leaf, Candidate, Candidate] | None:
    """Find a prediction among the arguments whose gradient and second derivative are returned.

    Args:
        known: the possible gradients.
        leaves: the arrays that the loss depends on.
    """
    returned = [each for each in known if each.is_returned and each.array.ndim]
    if len(returned) != 2 or returned[0].array.shape != returned[1].array.shape:
        return None
    first, second = returned
    fitting = [leaf for leaf in leaves if leaf.array.shape == first.array.shape]
    named = [leaf for leaf in fitting if _PREDICTED.match(of_path(leaf.path).name)]
    says_so = _SECOND.match(second.name.name) is not None
    if not says_so and (second.name.name != "return" or not named):
        return None
    inputs = named or [leaf for leaf in fitting if role_of(of_path(leaf.path).name) != "labels"]
    return (inputs[0], first, second) if inputs else None


def second_derivative(recording: Recording, found: Adjoints, leaf: Leaf) -> Measured:
    """Return the diagonal of the second derivative by a leaf, computed by differences of exact gradients.

    Raises:
        NotJudged: the leaf is a part of a larger array, or has too many entries that depend on each other.
    """
    value = leaf.value
    if value not in found.of:
        raise NotJudged(f"{leaf.path} is a part of a larger array: give the call a copy of it")
    start = np.asarray(found.arrays[value.number], np.float64)
    step = STEP * (float(np.sqrt(np.mean(start**2))) or 1.0)

    def gradient(moved: np.ndarray) -> np.ndarray:
        arrays = replay(recording.tape, {value: moved})
        return adjoints(recording, found.loss, arrays).of[value].centre

    def along(direction: np.ndarray) -> np.ndarray:
        """Return the second derivative times a direction."""
        return (gradient(start + step * direction) - gradient(start - step * direction)) / (2 * step)

    rng = np.random.default_rng(0)
    directions = [rng.choice([-1.0, 1.0], start.shape) * rng.uniform(0.5, 1.0, start.shape) for _ in range(2)]
    one, other = (along(each) / each for each in directions)
    size = float(np.abs(one).max(initial=0.0))
    if np.all(np.abs(one - other) <= GOOD * size):
        diagonal = one
    elif start.size > MOST:
        raise NotJudged(f"hess is judged for at most {MOST} entries that depend on each other")
    else:
        units = np.eye(start.size).reshape(start.size, *start.shape)
        diagonal = sum((unit * along(unit) for unit in units), np.zeros(start.shape))
    usual = float(np.sqrt(np.mean(diagonal**2)))
    good = max(GOOD, 64 * unit_roundoff(leaf.array.dtype))
    radius = good * np.maximum(np.abs(diagonal), usual)
    return Measured(diagonal, Bound(radius, diagonal, np.zeros(start.shape)), None)
