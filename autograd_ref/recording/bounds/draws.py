"""All of a loss's adjoints with rounding errors in every operation, forward and back, several draws at once.

Each operation makes the errors of the dtype in which NumPy computed it: its result going forward, its
contributions and their sums going back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.recording import kinks
from autograd_ref.recording.adjoints import Adjoints
from autograd_ref.recording.bounds import disturbed, stacked
from autograd_ref.recording.bounds.disturbed import Errors, Note
from autograd_ref.recording.kernels import in_double
from autograd_ref.recording.tape import Compute, Given, Tape, Value

__all__ = ["Drawn", "draw", "precision_of", "roundoff"]

Drawn = dict[Value, np.ndarray]
Sizes = Callable[[Value], np.ndarray]


def draw(
    tape: Tape, found: Adjoints, errors: Errors, sizes: Sizes, wanted: Collection[Value], flags: kinks.Flags
) -> Drawn:
    """Draw the adjoints of some values.

    Args:
        tape: of the recording.
        found: the exact adjoints.
        errors: to draw from.
        sizes: of the errors of an operation in each draw (draws,), in honest ones.
        wanted: the values.
        flags: what `kinks.undecided` gives.

    Returns:
        Their adjoints (draws, *shape); one into which no error comes is missing.
    """
    with in_double(), np.errstate(all="ignore"):
        run = _Run(found, errors, sizes, flags)
        needed = found.forward
        for value in tape.values[: found.loss.number + 1]:
            if value in needed and value.is_floating:
                run.go_forward(value)
        run.exact[found.loss] = found.of[found.loss].centre
        kept = set(wanted)
        for value in reversed(tape.values[: found.loss.number + 1]):
            if value in run.exact:
                run.go_back(value)
                if value not in kept:
                    run.adjoints.pop(value, None)
                del run.exact[value]
            run.values.pop(value, None)
        return run.adjoints


def precision_of(value: Value) -> np.dtype[Any]:
    """The real dtype in which NumPy computed a value."""
    return np.finfo(value.dtype).dtype


def roundoff(dtype: np.dtype[Any]) -> float:
    """What an honest error is in units of: NumPy's rounding, and this instrument's own."""
    return unit_roundoff(dtype) + unit_roundoff(np.float64)


class _Run:
    """The state of one pass."""

    def __init__(self, found: Adjoints, errors: Errors, sizes: Sizes, flags: kinks.Flags):
        self.found, self.errors, self.sizes, self.flags = found, errors, sizes, flags
        self.ties = set(found.ties)
        self.values: Drawn = {}
        self.notes: dict[Value, Note] = {}
        self.adjoints: Drawn = {}
        self.exact: dict[Value, np.ndarray] = {}  # adjoints, as far as they were added up

    def go_forward(self, value: Value) -> None:
        """Draw one value."""
        operation = value.operation
        exact = self.found.arrays[value.number]
        if isinstance(operation, Given):
            if operation.path is not None:
                self._make(value, np.abs(exact))
            return
        inputs = [self.found.arrays[each.number] for each in value.inputs]
        if isinstance(operation, Compute):
            self.values[value], note = disturbed.forward(
                value, inputs, *self._operands(value), precision_of(value), self.errors, self.sizes(value)
            )
            if note is not None:
                self.notes[value] = note
        else:
            drawn, _ = self._operands(value)
            if any(each is not None for each in drawn):
                self.values[value] = stacked.forward(value, inputs, drawn, exact)
        if any(_is_wider(each, value) for each in value.inputs):
            self._make(value, np.abs(exact))

    def _make(self, value: Value, size: np.ndarray) -> None:
        """One error more in a value."""
        base = self.values.get(value, self.found.arrays[value.number])
        self.values[value] = base + self._errors(value, value, size)

    def _operands(self, value: Value) -> tuple[list[np.ndarray | None], list[Note | None]]:
        drawn = [
            self._held(each, value) if each.weak is float else self.values.get(each) for each in value.inputs
        ]
        return drawn, [self.notes.get(each) for each in value.inputs]

    def _held(self, number: Value, user: Value) -> np.ndarray | None:
        """A Python number in a dtype that cannot hold it."""
        exact = self.found.arrays[number.number]
        if not user.is_floating or user.dtype.type(exact) == exact:
            return None
        return np.asarray(exact + self._errors(user, user, np.abs(exact)))

    def _errors(self, value: Value, held: Value, size: np.ndarray) -> np.ndarray:
        """Errors of a given size, in units of the unit roundoff of the dtype that holds the result."""
        scale = (roundoff(precision_of(held)) * self.sizes(value)).reshape(-1, *[1] * size.ndim)
        return np.asarray(scale * self.errors.like(size.shape) * size)

    def go_back(self, value: Value) -> None:
        """Hand an adjoint on."""
        chosen = tuple([i for i in range(len(value.inputs)) if (value, i) in self.found.contributions])
        if not chosen:
            return
        inputs = [self.found.arrays[each.number] for each in value.inputs]
        exact, stack = self.exact[value], self.adjoints.get(value)
        parts: list[stacked.Part]
        if value in self.ties:
            parts = self._across_a_tie(value, inputs, chosen, stack)
        elif isinstance(value.operation, Compute):
            results = disturbed.pull_back(
                value,
                inputs,
                *self._operands(value),
                precision_of(value),
                self.errors,
                self.sizes(value),
                chosen,
                (exact, stack),
            )
            parts = [(each, None) for each in results]
        elif stack is None:
            parts = [(self.found.contributions[value, i].centre, None) for i in chosen]
        else:
            parts = stacked.pull_back(value, inputs, chosen, (exact, stack))
        for i, (part, size) in zip(chosen, parts, strict=True):
            self._add(value, i, part, size)

    def _add(self, value: Value, i: int, part: np.ndarray, size: np.ndarray | None) -> None:
        """Add a contribution to an adjoint, with the errors of doing so."""
        source = value.inputs[i]
        exact = self.found.contributions[value, i].centre
        if size is not None:
            part = part + self._errors(value, value, size)
        if _is_wider(value, source):
            part = part + self._errors(value, source, np.abs(exact))
        known = self.exact.get(source)
        if known is None:
            self.exact[source] = exact
            if part.ndim > exact.ndim:
                self.adjoints[source] = part
            return
        before = self.adjoints.get(source, known)
        self.exact[source] = np.asarray(known + exact)
        self.adjoints[source] = before + part + self._errors(source, source, np.abs(known) + np.abs(exact))

    def _across_a_tie(
        self, value: Value, inputs: list[np.ndarray], chosen: tuple[int, ...], stack: np.ndarray | None
    ) -> list[stacked.Part]:
        """The contributions where several are right: those of one side or the other, from draw to draw."""
        exact = self.exact[value]
        base = kinks.contributions(value, inputs, chosen, self.flags, (exact, None))
        assert base is not None  # noqa: S101
        sides: list[list[np.ndarray]] = [[] for _ in chosen]
        signs = np.sign(self.errors.like(()))
        for draw, sign in enumerate(signs):
            moved = kinks.contributions(
                value, inputs, chosen, self.flags, (exact if stack is None else stack[draw], None)
            )
            assert moved is not None  # noqa: S101
            for kept, (middle, half), (_, usual) in zip(sides, moved, base, strict=True):
                kept.append(middle + sign * (np.asarray(half) - np.asarray(usual)))
        return [
            (np.stack(kept), np.abs(middle) + np.asarray(half))
            for kept, (middle, half) in zip(sides, base, strict=True)
        ]


def _is_wider(source: Value, target: Value) -> bool:
    """Whether a floating value is rounded where it becomes another."""
    if not (source.is_floating and target.is_floating) or source.weak is not None:
        return False
    return bool(np.finfo(source.dtype).eps < np.finfo(target.dtype).eps)
