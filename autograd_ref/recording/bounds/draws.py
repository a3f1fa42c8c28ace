"""All of a loss's adjoints with rounding errors in every operation, forward and back, several draws at once.

Each operation makes the errors of the dtype in which NumPy computed it: its result going forward, its
contributions and their sums going back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.arithmetic.rounding_model import difference_error
from autograd_ref.recording import kinks
from autograd_ref.recording.adjoints import Adjoints, ancestors
from autograd_ref.recording.bounds import disturbed, stacked
from autograd_ref.recording.bounds.disturbed import Errors, Kind, Note, Operands, Stack
from autograd_ref.recording.kernels import in_double
from autograd_ref.recording.tape import Compute, Given, Tape, Value

__all__ = ["Drawn", "Plan", "Sizes", "draw", "precision_of", "roundoff"]

Drawn = dict[Value, Stack]
Sizes = Mapping[Value, np.ndarray]


# Of which operands a ufunc wants to know more; see `rounding_model`.
_NOTED = {"exp": "sub", "multiply": "exp", "divide": "exp"}


# Operations on more entries take as long to run as to compile, and are compiled when they are run.
SMALL = 100_000


class Plan(NamedTuple):
    """What is to be drawn.

    Attributes:
        found: the exact adjoints of one loss.
        needed: the floating values that the loss or a value in ``by_hand`` was made from, in their order.
        wanted: whose adjoints are asked for.
        by_hand: what is asked for itself.
        flags: what `kinks.undecided` gives.
        held: the dtype of the errors in what was given: the finest that any operation computed with it.
    """

    found: Adjoints
    needed: list[Value]
    wanted: set[Value]
    by_hand: set[Value]
    flags: kinks.Flags
    held: dict[Value, np.dtype[Any]]


def plan(tape: Tape, found: Adjoints, wanted: Iterable[Value], by_hand: Iterable[Value]) -> Plan:
    """Find out once what every pass has to know."""
    hands = set(by_hand)
    used = found.forward.union(*map(ancestors, hands))
    needed = [value for value in tape.values if value in used and value.is_floating]
    active = {value for value in found.of if value.is_floating}
    flags = kinks.undecided(tape, found.arrays, active) if found.ties else {}
    held: dict[Value, np.dtype[Any]] = {}
    for value in reversed(needed):
        user = precision_of(value) if isinstance(value.operation, Compute) else held.get(value)
        for each in value.inputs:
            if each.is_floating and user is not None:
                held[each] = _finer(held.get(each, precision_of(each)), user)
    return Plan(found, needed, set(wanted), hands, flags, held)


def draw(plan: Plan, errors: Errors, sizes: Sizes) -> tuple[Drawn, Drawn]:
    """Draw the adjoints that are wanted, and the values by hand.

    Args:
        plan: which they are.
        errors: to draw from.
        sizes: for each needed value, of the errors of its operation in each draw (draws,), in honest ones.

    Returns:
        Both (draws, *shape); one into which no error comes is missing.
    """
    found = plan.found
    with in_double(), np.errstate(all="ignore"):
        run = _Run(plan, errors, sizes)
        run.prepare(plan.needed)
        for value in plan.needed:
            run.go_forward(value)
        by_hand = {value: run.values[value] for value in plan.by_hand if value in run.values}
        run.exact[found.loss] = found.of[found.loss].centre
        for value in reversed(plan.needed):
            if value in run.exact:
                run.go_back(value)
                if value not in plan.wanted:
                    run.adjoints.pop(value, None)
                del run.exact[value]
            run.values.pop(value, None)
        return run.adjoints, by_hand


def precision_of(value: Value) -> np.dtype[Any]:
    """The real dtype in which NumPy computed a value."""
    return np.finfo(value.dtype).dtype


def roundoff(dtype: np.dtype[Any]) -> float:
    """What an honest error is in units of: NumPy's rounding, and this instrument's own."""
    return unit_roundoff(dtype) + unit_roundoff(np.float64)


class _Run:
    """The state of one pass."""

    def __init__(self, plan: Plan, errors: Errors, sizes: Sizes):
        self.found, self.flags, self.held = plan.found, plan.flags, plan.held
        self.errors, self.sizes = errors, sizes
        self.ties = set(plan.found.ties)
        self.values: Drawn = {}
        self.adjoints: Drawn = {}
        self.exact: dict[Value, np.ndarray] = {}  # adjoints, as far as they were added up

    def prepare(self, needed: list[Value]) -> None:
        """Compile what the pass will call: one of each function and its inputs' shapes."""
        kinds: dict[Kind, None] = {}
        seen = set()
        for value in needed:
            operation = value.operation
            if isinstance(operation, Given):
                is_moved = operation.path is not None
            else:
                is_moved = isinstance(operation, Compute) or any(each in self.values for each in value.inputs)
            if isinstance(operation, Compute):
                chosen = self._chosen(value)
                key = (
                    operation,
                    chosen,
                    value.dtype,
                    tuple([(each.shape, each.dtype) for each in value.inputs]),
                )
                if key not in seen and sum(math.prod(each.shape) for each in (value, *value.inputs)) < SMALL:
                    seen.add(key)
                    operands = self._operands(value)
                    kinds[disturbed.kind_of(value, operands)] = None
                    if chosen:
                        self.exact[value] = self.found.of[value].centre
                        back = self._operands_back(value, self.exact[value])
                        kinds[disturbed.kind_of(value, back, chosen)] = None
            if is_moved:
                self.values[value] = self.found.arrays[value.number]
        disturbed.compile_all(kinds, self.errors.draws)
        self.values.clear()
        self.exact.clear()

    def _chosen(self, value: Value) -> tuple[int, ...]:
        """The inputs that an adjoint is handed on to."""
        return tuple([i for i in range(len(value.inputs)) if (value, i) in self.found.contributions])

    def go_forward(self, value: Value) -> None:
        """Draw one value."""
        operation = value.operation
        exact = self.found.arrays[value.number]
        if isinstance(operation, Given):
            if operation.path is not None:
                self._make(value, np.abs(exact), self.held.get(value))
            return
        if isinstance(operation, Compute):
            operands = self._operands(value)
            (self.values[value],) = disturbed.run(disturbed.kind_of(value, operands), operands, self.errors)
        else:
            drawn = [
                each if each is None else np.asarray(each) for each in map(self.values.get, value.inputs)
            ]
            if any(each is not None for each in drawn):
                self.values[value] = stacked.forward(value, self._inputs(value), drawn, exact)
        if any(_is_wider(each, value) for each in value.inputs):
            self._make(value, np.abs(exact))

    def _make(self, value: Value, size: Any, dtype: np.dtype[Any] | None = None) -> None:
        """One error more in a value."""
        base = np.asarray(self.values.get(value, self.found.arrays[value.number]))
        self.values[value] = base + self._errors(value, dtype or precision_of(value), size)

    def _inputs(self, value: Value) -> list[np.ndarray]:
        return [self.found.arrays[each.number] for each in value.inputs]

    def _operands(self, value: Value) -> Operands:
        drawn = [
            self._held(each, value) if each.weak is float else self.values.get(each) for each in value.inputs
        ]
        dtype = precision_of(value)
        notes = [self._note(each, _NOTED.get(_ufunc(value))) for each in value.inputs]
        return Operands(self._inputs(value), drawn, notes, dtype, roundoff(dtype) * self.sizes[value])

    def _operands_back(self, value: Value, stack: Stack | None) -> Operands:
        operands = self._operands(value)
        return operands._replace(
            exact=[*operands.exact, self.exact[value]],
            drawn=[*operands.drawn, stack],
            notes=[*operands.notes, None],
        )

    def _note(self, value: Value, maker: str | None) -> Note | None:
        """What is known of a difference or its exponential, if that is what is asked for."""
        if maker == "sub" and _ufunc(value) == "subtract":
            a, b = (np.abs(each) for each in self._inputs(value))
            exact = np.asarray(self.found.arrays[value.number])
            return Note(maker, difference_error(a, b, exact, roundoff(precision_of(value))))
        if maker == "exp" and _ufunc(value) == "exp":
            inner = self._note(value.inputs[0], "sub")
            return inner and Note(maker, inner.size)
        return None

    def _held(self, number: Value, user: Value) -> np.ndarray | None:
        """A Python number in a dtype that cannot hold it."""
        exact = self.found.arrays[number.number]
        if not user.is_floating or user.dtype.type(exact) == exact:
            return None
        return np.asarray(exact + self._errors(user, precision_of(user), np.abs(exact)))

    def _errors(self, value: Value, dtype: np.dtype[Any], size: Any) -> np.ndarray:
        """Errors of a given size, in units of a dtype's unit roundoff."""
        scale = (roundoff(dtype) * self.sizes[value]).reshape(-1, *[1] * size.ndim)
        return np.asarray(scale * self.errors.like(size.shape) * size)

    def go_back(self, value: Value) -> None:
        """Hand an adjoint on."""
        chosen = self._chosen(value)
        if not chosen:
            return
        inputs = self._inputs(value)
        exact, stack = self.exact[value], self.adjoints.get(value)
        parts: list[tuple[Stack, np.ndarray | None]]
        if value in self.ties:
            parts = self._across_a_tie(value, inputs, chosen, stack)
        elif isinstance(value.operation, Compute):
            operands = self._operands_back(value, stack)
            kind = disturbed.kind_of(value, operands, chosen)
            results = disturbed.run(kind, operands, self.errors)
            parts = [(each, None) for each in results]
        elif stack is None:
            parts = [(self.found.contributions[value, i].centre, None) for i in chosen]
        else:
            parts = [*stacked.pull_back(value, inputs, chosen, (exact, np.asarray(stack)))]
        for i, (part, size) in zip(chosen, parts, strict=True):
            self._add(value, i, part, size)

    def _add(self, value: Value, i: int, part: Stack, size: np.ndarray | None) -> None:
        """Add a contribution to an adjoint, with the errors of doing so."""
        source = value.inputs[i]
        exact = self.found.contributions[value, i].centre
        if size is not None:
            part = np.asarray(part) + self._errors(value, precision_of(value), size)
        if _is_wider(value, source):
            part = np.asarray(part) + self._errors(value, precision_of(source), np.abs(exact))
        known = self.exact.get(source)
        if known is None:
            self.exact[source] = exact
            if part.ndim > exact.ndim:
                self.adjoints[source] = part
            return
        before = self.adjoints.get(source, known)
        self.exact[source] = np.asarray(known + exact)
        size = np.abs(known) + np.abs(exact)
        scale = roundoff(precision_of(source)) * self.sizes[source]
        self.adjoints[source] = disturbed.add(before, part, size, self.errors.like(size.shape), scale)

    def _across_a_tie(
        self, value: Value, inputs: list[np.ndarray], chosen: tuple[int, ...], stack: Stack | None
    ) -> list[tuple[Stack, np.ndarray | None]]:
        """The contributions where several are right: those of one side or the other, from draw to draw."""
        exact = self.exact[value]
        base = kinks.contributions(value, inputs, chosen, self.flags, (exact, None))
        assert base is not None  # noqa: S101
        sides: list[list[np.ndarray]] = [[] for _ in chosen]
        every = (
            np.broadcast_to(exact, (self.errors.draws, *exact.shape)) if stack is None else np.asarray(stack)
        )
        signs = np.sign(self.errors.like(()))
        for one, sign in zip(every, signs, strict=True):
            moved = kinks.contributions(value, inputs, chosen, self.flags, (one, None))
            assert moved is not None  # noqa: S101
            for kept, (middle, half), (_, usual) in zip(sides, moved, base, strict=True):
                kept.append(middle + sign * (np.asarray(half) - np.asarray(usual)))
        return [
            (np.stack(kept), np.abs(middle) + np.asarray(half))
            for kept, (middle, half) in zip(sides, base, strict=True)
        ]


def _ufunc(value: Value) -> str:
    """The name of a ufunc that is applied entry by entry."""
    operation = value.operation
    if not isinstance(operation, Compute) or operation.kind != "ufunc" or operation.template != "__call__":
        return ""
    return operation.name


def _finer(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    return a if np.finfo(a).eps <= np.finfo(b).eps else b


def _is_wider(source: Value, target: Value) -> bool:
    """Whether a floating value is rounded where it becomes another."""
    if not (source.is_floating and target.is_floating) or source.weak is not None:
        return False
    return bool(np.finfo(source.dtype).eps < np.finfo(target.dtype).eps)
