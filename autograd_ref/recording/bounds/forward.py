"""The values of a loss with rounding errors in every operation, several draws at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.arithmetic.rounding_model import difference_error
from autograd_ref.recording.bounds import disturbed, stacked
from autograd_ref.recording.bounds.disturbed import Errors, Note, Operands, Stack
from autograd_ref.recording.bounds.memories import Version
from autograd_ref.recording.tape import Compute, Given, Read, Value, Write

__all__ = ["Forward", "Sizes", "is_finer", "is_wider", "precision_of", "roundoff"]

Sizes = Mapping[Value, np.ndarray]

# The operands about which a ufunc needs notes; see `rounding_model`.
_NOTED = {"exp": "sub", "multiply": "exp", "divide": "exp"}


class Forward:
    """The drawn values of one pass.

    Args:
        exact: the values of the tape, by number.
        held: the dtype of the errors in given values.
        errors: source of the errors.
        sizes: for each value, the size of its operation's errors in each draw (draws,), in units of the
            model's error.
    """

    def __init__(
        self, exact: Sequence[np.ndarray], held: Mapping[Value, np.dtype[Any]], errors: Errors, sizes: Sizes
    ):
        self.arrays, self.held, self.errors, self.sizes = exact, held, errors, sizes
        self._stacks: dict[Value, Stack] = {}
        self._versions: dict[Value, Version] = {}

    def __contains__(self, value: Value) -> bool:
        return value in self._stacks or value in self._versions

    def __getitem__(self, value: Value) -> Stack | None:
        """Return all draws of a value (draws, *shape); None for a value without errors."""
        version = self._versions.get(value)
        return self._stacks.get(value) if version is None else version.read(version.root)

    def forget(self, value: Value) -> None:
        """Drop a value that is no longer needed."""
        self._stacks.pop(value, None)
        self._versions.pop(value, None)

    def compute(self, value: Value) -> None:
        """Draw one value, from the values before it."""
        operation = value.operation
        if isinstance(operation, Write) and not operation.at.halves:
            self._write(value, operation)
            return
        if isinstance(operation, Given):
            if operation.path is not None:
                self._make(value, self.held.get(value))
            return
        if isinstance(operation, Compute):
            operands = self.operands(value)
            (self._stacks[value],) = disturbed.run(disturbed.kind_of(value, operands), operands, self.errors)
        elif any(each in self for each in value.inputs):
            self._stacks[value] = self._moved(value)
        if any(is_wider(each, value) for each in value.inputs):
            self._make(value)

    def _moved(self, value: Value) -> Stack:
        operation = value.operation
        if isinstance(operation, Read) and not operation.at.halves:
            version = self._versions.get(value.inputs[0])
            if version is None or version.root != operation.root:
                version = Version(self._full(value.inputs[0]), operation.root)
            return version.read(operation.at)
        drawn = [None if each is None else np.asarray(each) for each in map(self.__getitem__, value.inputs)]
        return stacked.forward(value, self.inputs(value), drawn, self.arrays[value.number])

    def _write(self, value: Value, operation: Write) -> None:
        old, new = value.inputs
        rounds = is_wider(new, value)
        if not (rounds or old in self or new in self):
            return
        version = self._versions.get(old)
        if version is None or not version.is_latest(operation.root):
            version = Version(self._full(old), operation.root)
        entries = self._full(new)
        if rounds:
            entries = entries + self.errors_of(value, precision_of(value), np.abs(self.arrays[new.number]))
        self._versions[value] = version.written(operation.at, stacked.wide(entries, operation.at.shape))

    def _full(self, value: Value) -> np.ndarray:
        known = self[value]
        stack = None if known is None else np.asarray(known)
        return stacked.full(stack, self.arrays[value.number], self.errors.draws)

    def _make(self, value: Value, dtype: np.dtype[Any] | None = None) -> None:
        """Add an error to a value."""
        exact = self.arrays[value.number]
        base = np.asarray(self._stacks.get(value, exact))
        errors = self.errors_of(value, dtype or precision_of(value), np.abs(exact))
        self._stacks[value] = np.add(base, errors, out=errors)

    def errors_of(self, value: Value, dtype: np.dtype[Any], size: Any) -> np.ndarray:
        """Return errors of an operation, of a given size in units of a dtype's unit roundoff."""
        scale = (roundoff(dtype) * self.sizes[value]).reshape(-1, *[1] * size.ndim)
        errors = np.asarray(scale * self.errors.like(size.shape))
        return np.multiply(errors, size, out=errors)

    def inputs(self, value: Value) -> list[np.ndarray]:
        """Return the exact inputs of an operation."""
        return [self.arrays[each.number] for each in value.inputs]

    def operands(self, value: Value) -> Operands:
        """Return the operands of an operation made by a `Compute`."""
        drawn = [self._held(each, value) if each.weak is float else self[each] for each in value.inputs]
        dtype = precision_of(value)
        maker = _NOTED.get(_ufunc(value))
        notes = [self._note(each, maker) if maker else None for each in value.inputs]
        return Operands(self.inputs(value), drawn, notes, dtype, roundoff(dtype) * self.sizes[value])

    def _held(self, number: Value, user: Value) -> np.ndarray | None:
        """Return a Python number with errors, in a dtype that cannot represent it."""
        exact = self.arrays[number.number]
        if not user.is_floating or user.dtype.type(exact) == exact:
            return None
        return np.asarray(exact + self.errors_of(user, precision_of(user), np.abs(exact)))

    def _note(self, value: Value, maker: str) -> Note | None:
        """Return facts about a value, if it is a difference or its exponential, as ``maker`` requires."""
        if maker == "sub" and _ufunc(value) == "subtract":
            a, b = (np.abs(each) for each in self.inputs(value))
            exact = np.asarray(self.arrays[value.number])
            return Note(maker, difference_error(a, b, exact, roundoff(precision_of(value))))
        if maker == "exp" and _ufunc(value) == "exp":
            inner = self._note(value.inputs[0], "sub")
            return inner and Note(maker, inner.size)
        return None


def precision_of(value: Value) -> np.dtype[Any]:
    """Return the real dtype in which NumPy computed a value."""
    return _real(value.dtype)


@cache
def _real(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.finfo(dtype).dtype


@cache
def roundoff(dtype: np.dtype[Any]) -> float:
    """Return the unit of the model's error: NumPy's rounding plus the checker's own."""
    return unit_roundoff(dtype) + unit_roundoff(np.float64)


def is_wider(source: Value, target: Value) -> bool:
    """Whether a floating value is rounded when it is converted to another's dtype."""
    if source.dtype == target.dtype or source.weak is not None:
        return False
    return source.is_floating and target.is_floating and is_finer(source.dtype, target.dtype)


@cache
def is_finer(a: np.dtype[Any], b: np.dtype[Any]) -> bool:
    """Whether one floating dtype has a smaller unit roundoff than another."""
    return bool(np.finfo(a).eps < np.finfo(b).eps)


def _ufunc(value: Value) -> str:
    """Return the name of a ufunc that is applied elementwise."""
    operation = value.operation
    if not isinstance(operation, Compute) or operation.kind != "ufunc" or operation.template != "__call__":
        return ""
    return operation.name
