"""Check the gradient of any function: by hand in NumPy, automatically from the same function in JAX."""

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import DTypeLike

from autograd_ref.crosscheck.function.gradient_check import GradientCheck
from autograd_ref.crosscheck.function.known_points import KnownPoints
from autograd_ref.crosscheck.function.points import drawn_points, moved_points
from autograd_ref.crosscheck.function.pytrees import parameter_dtype, parameter_leaves
from autograd_ref.crosscheck.reports.report import NotJudged, Report
from handgrad.validation import check_dtype, check_positive_int, check_real

__all__ = ["POINTS", "assert_gradients", "check_gradients", "check_gradients_at"]

# At how many points a gradient is checked.
POINTS = 3


def check_gradients(
    hand: Callable[..., Any],
    reference: Callable[..., Any],
    params: Any,
    *args: Any,
    dtype: DTypeLike | None = None,
    seed: int = 0,
    name: str | None = None,
    points: int = POINTS,
    surrogate: bool = False,
    tolerance: float = 0.0,
) -> Report:
    """Hold a hand-written gradient of any function against automatic differentiation.

    Every gradient is judged by a bound measured on the reference (see `rounding_bounds`), at the given point
    and at others beside it. Three witnesses decide together: the hand's value, the automatic one, and a
    central difference of the reference's *values* in float64, in which nobody's derivative has a part. Where
    such a difference contradicts a gradient on which hand and reference agree, it is wrong; so is one whose
    reference is wrong. A gradient is *not judged* where nothing flows into it at any point, or where rounding
    hides it; where float32 does, float64 is asked whether that can be told all the same (`in_float64`).

    The quantities are ``loss``, then ``d`` and the path of each array in params, ``dW1``, ``dlayers[0].w``,
    ``dparams[0]``, ``dparams`` (see `pytrees.Leaf`), the parameters that the reference uses last first: the
    order in which a backward pass computes them.

    Args:
        hand: ``hand(params, *args) -> (loss, grads)``, with grads in the structure of params; the loss may be
            None. It is given NumPy arrays in the checked dtype, laid out in memory as they were given here,
            and JAX computes in that dtype meanwhile.
        reference: ``reference(params, *args) -> loss``, a JAX function that `jax.jit` can trace as a function
            of params and of the floating arrays among args. It is given their values in float64.
        params: a pytree of floating arrays; Python's floats become arrays of shape ().
        *args: what both take besides. Floating arrays, wherever they are in a pytree, are cast like params;
            anything else is passed as it is.
        dtype: float32 or float64, which is checked; None takes that of params.
        seed: of the random errors from which the bound is measured, and of the moves.
        name: what to call it in the report.
        points: how many to check at; at all but the first, params are moved by about 1e-2 of themselves.
            Parameters that are bound to each other (symmetric, normalised, sorted) want 1.
        surrogate: whether the rules are meant to differ from the derivative (straight-through, gradient
            reversal): then the hand is held against the reference's rules as they are.
        tolerance: a part of the larger of an entry and its array's root mean square to which each bound is
            widened, for what is inexact by design.

    Returns:
        The report; ok is None where something could not be judged. Its first_wrong is ``params``, ``args`` or
        ``determinism`` where hand changes what it is given, or answers differently the second time.

    Raises:
        NotJudged: hand or reference could not be run, or gave nothing that can be judged.
        TypeError: dtype is neither float32 nor float64.
    """
    leaves = parameter_leaves(params)
    checked = parameter_dtype(leaves) if dtype is None else check_dtype(dtype)
    where = moved_points(params, args, check_positive_int("points", points), checked, seed)
    known = KnownPoints(reference, checked, seed)
    return GradientCheck(hand, known, checked, seed, name, surrogate, _tolerance(tolerance)).report(where)


def check_gradients_at(
    hand: Callable[..., Any],
    reference: Callable[..., Any],
    examples: Sequence[tuple[Any, ...]],
    *,
    dtype: DTypeLike | None = None,
    seed: int = 0,
    name: str | None = None,
    surrogate: bool = False,
    tolerance: float = 0.0,
) -> Report:
    """Check a gradient at several examples; parameters that are the same in all are moved in the others.

    Args:
        hand: as in `check_gradients`.
        reference: as in `check_gradients`.
        examples: each (params, *args).
        dtype: as in `check_gradients`; None takes that of the first example's params.
        seed: as in `check_gradients`.
        name: as in `check_gradients`.
        surrogate: as in `check_gradients`.
        tolerance: as in `check_gradients`.

    Returns:
        The report.

    Raises:
        NotJudged, TypeError: as `check_gradients`.
    """
    leaves = parameter_leaves(examples[0][0])
    checked = parameter_dtype(leaves) if dtype is None else check_dtype(dtype)
    where = drawn_points(examples, checked, seed)
    known = KnownPoints(reference, checked, seed)
    return GradientCheck(hand, known, checked, seed, name, surrogate, _tolerance(tolerance)).report(where)


def assert_gradients(
    hand: Callable[..., Any], reference: Callable[..., Any], params: Any, *args: Any, **options: Any
) -> None:
    """Assert that a hand-written gradient is right; for one line in a test.

    Args:
        hand: as in `check_gradients`.
        reference: as in `check_gradients`.
        params: as in `check_gradients`.
        *args: as in `check_gradients`.
        **options: the keyword arguments of `check_gradients`.

    Raises:
        AssertionError: it is not; the message is the report.
        NotJudged: it could not be judged; the message is the report, or says what could not be run.
        TypeError: as `check_gradients`.
    """
    report = check_gradients(hand, reference, params, *args, **options)
    if report.ok is None:
        raise NotJudged(str(report))
    if not report.ok:
        raise AssertionError(str(report))


def _tolerance(value: float) -> float:
    return check_real("tolerance", value, minimum=0.0)
