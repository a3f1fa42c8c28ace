"""Compare every operation on the tape with NumPy's own result."""

from __future__ import annotations

import numpy as np

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.recording.kernels import by_numpy, computed_in, double, in_double
from autograd_ref.recording.record import Recording
from autograd_ref.recording.replay import Arrays, evaluate
from autograd_ref.recording.tape import Compute, Given, NotRecorded, Value

__all__ = ["InstrumentFault", "check_operations"]

# Random changes of an operation's inputs by their rounding.
_DRAWS = 4
# Functions that JAX computes as a sum of terms up to 4 (Lanczos), which cancel beside their zeros.
_SUMS = {"gammaln", "loggamma", "betaln", "multigammaln", "digamma", "psi"}


class InstrumentFault(Exception):  # noqa: N818
    """An operation on the tape differs from NumPy's result: a fault of this package, not of the program."""


def check_operations(recording: Recording) -> None:
    """Compute every operation in float64 from NumPy's own inputs, and compare.

    Raises:
        InstrumentFault: an operation differs by more than its rounding; the message names it and its place.
        NotRecorded: the program changed an array by code that records nothing.
    """
    arrays = Arrays()
    with in_double(), np.errstate(all="ignore"):
        for value in recording.tape.values:
            known = value.array
            if known is None:
                arrays.compute(value)
                continue
            if not isinstance(value.operation, Given):
                _check(value, [arrays[each.number] for each in value.inputs], known)
            arrays.append(known)


def _check(value: Value, inputs: list[np.ndarray], known: np.ndarray) -> None:
    if value.is_floating:  # NumPy rounds a number in the code to the dtype of the arrays beside it
        inputs = [
            x.astype(value.dtype) if each.weak is float else _double(x)
            for each, x in zip(value.inputs, inputs, strict=True)
        ]
    again = evaluate(value, list(map(_double, inputs)) if value.is_floating else inputs)
    if again.shape != known.shape or again.dtype != double(known.dtype):
        raise InstrumentFault(
            f"{_described(value)}: {again.dtype} of shape {again.shape}, "
            f"not {double(known.dtype)}{known.shape}"
        )
    again = again.astype(known.dtype)
    if not value.is_floating:
        if not np.array_equal(again, known):
            raise InstrumentFault(f"{_described(value)} is another value than NumPy's")
        return
    u = max(unit_roundoff(each.dtype) for each in computed_in(value))
    finite = np.isfinite(known) & np.isfinite(again)
    same = (again == known) | (np.isnan(known) & np.isnan(again))
    off = np.where(finite & ~same, np.abs(_double(again) - known), 0.0)
    if not isinstance(value.operation, Compute):
        if not same.all():
            raise InstrumentFault(f"{_described(value)} is another value than NumPy's")
        return
    if (off <= 16 * u * np.abs(known)).all() and (finite | same).all():
        return
    allowed = _conditioned(value, inputs, u)
    told = np.isfinite(allowed) & (allowed < np.finfo(value.dtype).max)
    if u > unit_roundoff(np.float64):  # float32 overflows on the way to a finite result
        told &= np.isfinite(known)
    if not (finite | same | ~told).all() or (off > allowed).any():
        if _is_changed_later(value, inputs, again, allowed):
            text = "what this computes is changed later by C code that was not recorded, such as a method "
            raise NotRecorded(f"{text}that is called on its class: call it on the array", value.place)
        raise InstrumentFault(f"{_described(value)} differs from NumPy's value by {off.max():.2g}")


def _is_changed_later(value: Value, inputs: list[np.ndarray], again: np.ndarray, allowed: np.ndarray) -> bool:
    """Whether NumPy computes what the replay does, and the program's array holds something else."""
    if value.operation.kind != "ufunc":  # type: ignore[union-attr]
        return False
    by_itself = by_numpy(value.operation, inputs, value.dtype)  # type: ignore[arg-type]
    return bool((np.abs(_double(by_itself) - again) <= allowed).all())


def _conditioned(value: Value, inputs: list[np.ndarray], u: float) -> np.ndarray:
    """Return the effect of rounding errors in the inputs on an operation's result."""
    rng = np.random.default_rng(0)
    exact = evaluate(value, [_double(each) for each in inputs])
    largest = np.zeros(np.shape(exact))
    for _ in range(_DRAWS):
        moved = [
            np.asarray(each * (1 + u * rng.standard_normal(each.shape))) if each.dtype.kind in "fc" else each
            for each in map(_double, inputs)
        ]
        largest = np.maximum(largest, np.abs(evaluate(value, moved) - exact))
    terms = max([each.size for each in inputs], default=1)
    tiny = float(np.finfo(value.dtype).tiny)
    size = np.abs(exact)
    name = value.operation.name  # type: ignore[union-attr]
    if "linalg." in name:
        size = size.max(initial=0.0)  # stable by norm, not by entry
    if name == "scipy.linalg.expm":  # the number of squarings is the logarithm of the norm
        size *= max(1.0, np.abs(_double(inputs[0])).sum(-2).max(initial=0.0))
    if name in _SUMS:
        size = size + 4.0
    return np.asarray(
        32 * np.maximum(largest, largest.mean()) + (16 + 4 * np.sqrt(terms)) * u * size + 64 * tiny
    )


def _double(array: np.ndarray) -> np.ndarray:
    return array.astype(double(array.dtype), copy=False)


def _described(value: Value) -> str:
    operation = value.operation
    name = getattr(operation, "name", type(operation).__name__.lower())
    return f"{value.place}: the recorded {name}"
