"""Check the gradient of any function, written by hand in NumPy, against the same function in JAX."""

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import DTypeLike

from autograd_ref.crosscheck.function.gradient_check import GradientCheck
from autograd_ref.crosscheck.function.known_points import KnownPoints
from autograd_ref.crosscheck.function.points import drawn_points, moved_points
from autograd_ref.crosscheck.function.pytrees import parameter_dtype, parameter_leaves
from autograd_ref.crosscheck.reports.asserted import assert_right
from autograd_ref.crosscheck.reports.report import Report
from handgrad.validation import (
    check_dtype,
    check_function,
    check_natural,
    check_positive_int,
    check_real,
)

__all__ = ["POINTS", "assert_gradients", "check_gradients", "check_gradients_at"]

# The number of points at which a gradient is checked.
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
    """Compare a hand-written gradient of any function with automatic differentiation.

    Every gradient is judged by a bound measured on the reference (see `rounding_bounds`), at the given point
    and at others near it. Three results are compared: the gradient by hand, the automatic one, and a central
    difference of the reference's *values* in float64, which uses no derivative. If such a difference
    contradicts a gradient on which hand and reference agree, the gradient is wrong; a gradient whose
    reference is wrong is wrong, too. A gradient is *not judged* if nothing flows into it at any point, or if
    rounding hides it; if rounding in float32 hides it, float64 may still decide (`in_float64`).

    The quantities are ``loss``, then ``d`` and the path of each array in params, ``dW1``, ``dlayers[0].w``,
    ``dparams[0]``, ``dparams`` (see `pytrees.Leaf`), with the parameters that the reference uses last first:
    the order in which a backward pass computes them.

    Args:
        hand: ``hand(params, *args) -> (loss, grads)``, with grads in the structure of params; the loss may be
            None. It gets NumPy arrays in the checked dtype, with the memory layout of the given ones, and JAX
            computes in this dtype during the call.
        reference: ``reference(params, *args) -> loss``, a JAX function that `jax.jit` can trace as a function
            of params and of the floating arrays among args. It gets their values in float64.
        params: a pytree of floating arrays; Python floats become arrays of shape ().
        *args: other arguments of both. Floating arrays, wherever they are in a pytree, are cast like params;
            anything else is passed unchanged.
        dtype: the dtype to check, float32 or float64; None for the dtype of params.
        seed: seed of the random errors from which the bound is measured, and of the moves.
        name: name in the report.
        points: number of points to check; at all but the first, params are moved by about 1e-2 of their size.
            Parameters that depend on each other (symmetric, normalised, sorted) need 1.
        surrogate: whether the rules are meant to differ from the derivative (straight-through, gradient
            reversal): then the hand gradient is compared with the reference's rules.
        tolerance: widen each bound to this part of the larger of the entry and its array's root mean square,
            for gradients that are inexact by design.

    Returns:
        The report; ok is None if something could not be judged. Its first_wrong is ``params``, ``args`` or
        ``determinism`` if hand changes its arguments, or answers differently the second time.

    Raises:
        NotJudged: hand or reference could not be run, or returned nothing that can be judged.
        TypeError, ValueError: an argument of the check is wrong.
    """
    __tracebackhide__ = True
    check_function("hand", hand)
    check_function("reference", reference)
    check_natural("seed", seed)
    leaves = parameter_leaves(params)
    checked = parameter_dtype(leaves) if dtype is None else check_dtype(dtype)
    where = moved_points(params, args, check_positive_int("points", points), checked, seed)
    known = KnownPoints(reference, checked, seed)
    told = check_real("tolerance", tolerance, minimum=0.0)
    return GradientCheck(hand, known, checked, seed, name, surrogate, told).report(where)


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
    """Check a gradient at several examples; parameters that are equal in all are moved in all but the first.

    Args:
        hand: as in `check_gradients`.
        reference: as in `check_gradients`.
        examples: each (params, *args).
        dtype: as in `check_gradients`; None for the dtype of the first example's params.
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
    told = check_real("tolerance", tolerance, minimum=0.0)
    return GradientCheck(hand, known, checked, seed, name, surrogate, told).report(where)


def assert_gradients(
    hand: Callable[..., Any], reference: Callable[..., Any], params: Any, *args: Any, **options: Any
) -> None:
    """Assert that a hand-written gradient is right, in one line of a test.

    Args:
        hand: as in `check_gradients`.
        reference: as in `check_gradients`.
        params: as in `check_gradients`.
        *args: as in `check_gradients`.
        **options: the keyword arguments of `check_gradients`.

    Raises:
        AssertionError: the gradient is wrong; the message is the report.
        NotJudged: it could not be judged; the message is the report, or says what could not be run.
        TypeError, ValueError: as for `check_gradients`.
    """
    __tracebackhide__ = True
    assert_right(check_gradients, hand, reference, params, *args, **options)
