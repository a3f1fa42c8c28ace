"""The adjoints of a loss with rounding errors in every contribution and sum, several draws at once."""

from __future__ import annotations

import numpy as np

from autograd_ref.recording.adjoints import Adjoints, kinks
from autograd_ref.recording.bounds import disturbed, stacked
from autograd_ref.recording.bounds.disturbed import Operands, Stack
from autograd_ref.recording.bounds.forward import Forward, is_wider, precision_of
from autograd_ref.recording.bounds.memories import Flow
from autograd_ref.recording.tape import Compute, Layout, Read, Value, Write

__all__ = ["Backward"]


class Backward:
    """The drawn adjoints of one pass, as far as they have been summed.

    Args:
        found: the exact adjoints.
        forward: the drawn values.
        leading: the values whose adjoints are drawn.
    """

    def __init__(self, found: Adjoints, forward: Forward, leading: set[Value]) -> None:
        self.found, self.forward, self.leading = found, forward, leading
        self.ties = set(found.ties)
        self.exact: dict[Value, np.ndarray] = {found.loss: found.of[found.loss].centre}
        self.stacks: dict[Value, Stack] = {}
        self._flows: dict[Value, Flow] = {}

    def go(self, value: Value, *, keep: bool) -> None:
        """Pass an adjoint on, and keep it or drop it; all uses of the value have been visited."""
        chosen = tuple([i for i in self.found.chosen(value) if value.inputs[i] in self.leading])
        flow, operation = self._flows.pop(value, None), value.operation
        if flow is not None and (keep or not isinstance(operation, Write) or flow.root != operation.root):
            self.exact[value], self.stacks[value] = flow.whole()
        if value in self.exact:
            self._hand_on(value, chosen)
        elif flow is not None and isinstance(operation, Write):
            self._pass_back(value, operation, flow, chosen)
        if not keep:
            self.exact.pop(value, None)
            self.stacks.pop(value, None)

    def _hand_on(self, value: Value, chosen: tuple[int, ...]) -> None:
        operation = value.operation
        exact, stack = self.exact[value], self.stacks.get(value)
        if not chosen:
            return
        if isinstance(operation, Read) and not operation.at.halves:
            self._flow_into(value.inputs[0], operation.root, operation.at, exact, stack)
            return
        if isinstance(operation, Write) and not operation.at.halves:
            flow = Flow(operation.root, self.forward.errors.draws)
            flow.add(operation.root, exact, _array(stack), self._errors(value))
            self._pass_back(value, operation, flow, chosen)
            return
        parts: list[tuple[Stack, np.ndarray | None]]
        if value in self.ties:
            parts = self._across_a_tie(value, self.forward.inputs(value), chosen, stack)
        elif isinstance(operation, Compute):
            operands, every = self.operands(value, stack), self.found.chosen(value)
            kept = tuple([n for n, i in enumerate(every) if i in chosen])
            kind = disturbed.kind_of(value, operands, every, kept)
            parts = [(each, None) for each in disturbed.run(kind, operands, self.forward.errors)]
        elif stack is None:
            parts = [(self.found.contributions[value, i].centre, None) for i in chosen]
        else:
            inputs = self.forward.inputs(value)
            parts = [*stacked.pull_back(value, inputs, chosen, (exact, np.asarray(stack)))]
        for i, (part, size) in zip(chosen, parts, strict=True):
            if size is not None:
                part = np.asarray(part) + self.forward.errors_of(value, precision_of(value), size)
            self._add(value, value.inputs[i], self.found.contributions[value, i].centre, part)

    def operands(self, value: Value, stack: Stack | None) -> Operands:
        """Return the operands of an operation's transposed derivative."""
        exact, drawn, notes, dtype, scale = self.forward.operands(value)
        return Operands([*exact, self.exact[value]], [*drawn, stack], [*notes, None], dtype, scale)

    def _add(self, value: Value, source: Value, exact: np.ndarray, part: Stack) -> None:
        """Add a contribution to an adjoint, with the rounding errors of the sum."""
        if is_wider(value, source):
            part = np.asarray(part) + self.forward.errors_of(value, precision_of(source), np.abs(exact))
        is_drawn = part.ndim > exact.ndim
        flow = self._flows.get(source)
        if flow is not None:
            flow.add(flow.root, exact, _array(part) if is_drawn else None, self._errors(source))
            return
        known = self.exact.get(source)
        if known is None:
            self.exact[source] = exact
            if is_drawn:
                self.stacks[source] = part
            return
        before = self.stacks.get(source, known)
        self.exact[source] = np.asarray(known + exact)
        errors = self._errors(source)(np.asarray(np.abs(known) + np.abs(exact)))
        for each in (np.asarray(part), np.asarray(before)):
            if each.dtype.kind == "c" and errors.dtype.kind != "c":
                errors = errors.astype(complex)  # as of a spectrum's real part and then its imaginary one
            errors += each
        self.stacks[source] = errors

    def _flow_into(
        self, memory: Value, root: Layout, at: Layout, exact: np.ndarray, stack: Stack | None
    ) -> None:
        """Add the adjoint of a read to the memory's adjoint."""
        flow = self._flows.get(memory)
        if flow is None or flow.root != root:
            before = self._flows.pop(memory, None)
            flow = self._flows[memory] = Flow(root, self.forward.errors.draws)
            if before is not None:
                flow.add(root, *before.whole(), self._errors(memory))
            if memory in self.exact:
                known = self.stacks.pop(memory, None)
                flow.add(root, self.exact.pop(memory), _array(known), self._errors(memory))
        flow.add(at, exact, _array(stack), self._errors(memory))

    def _pass_back(self, value: Value, operation: Write, flow: Flow, chosen: tuple[int, ...]) -> None:
        """Pass the adjoint of a memory on to the value written into it, and to its previous version."""
        old, new = value.inputs
        exact, stack = flow.take(operation.at)
        if 1 in chosen:
            part, size = stacked.summed(exact, stack, new.shape)
            if size is not None:
                part = part + self.forward.errors_of(value, precision_of(value), size)
            whole, _ = stacked.summed(exact, exact[None], new.shape)
            self._add(value, new, np.asarray(whole[0]), part)
        if 0 not in chosen:
            return
        if old in self._flows or old in self.exact:
            everything = flow.whole()
            self._flow_into(old, operation.root, operation.root, *everything)
        else:
            self._flows[old] = flow

    def _errors(self, value: Value) -> _Errors:
        return _Errors(self.forward, value)

    def _across_a_tie(
        self, value: Value, inputs: list[np.ndarray], chosen: tuple[int, ...], stack: Stack | None
    ) -> list[tuple[Stack, np.ndarray | None]]:
        """Return the contributions at a tie, which take one side or the other in different draws."""
        exact, draws = self.exact[value], self.forward.errors.draws
        base = kinks.contributions(value, inputs, chosen, self.found.jumps, (exact, None))
        assert base is not None  # noqa: S101
        sides: list[list[np.ndarray]] = [[] for _ in chosen]
        signs = np.sign(self.forward.errors.like(()))
        for one, sign in zip(stacked.full(_array(stack), exact, draws), signs, strict=True):
            moved = kinks.contributions(value, inputs, chosen, self.found.jumps, (np.asarray(one), None))
            assert moved is not None  # noqa: S101
            for kept, (middle, half), (_, usual) in zip(sides, moved, base, strict=True):
                kept.append(middle + sign * (_or_0(half) - _or_0(usual)))
        return [
            (np.stack(kept), np.asarray(np.abs(middle) + _or_0(half)))
            for kept, (middle, half) in zip(sides, base, strict=True)
        ]


class _Errors:
    """Errors whose size is given later."""

    def __init__(self, forward: Forward, value: Value):
        self.forward, self.value = forward, value

    def __call__(self, size: np.ndarray) -> np.ndarray:
        return self.forward.errors_of(self.value, precision_of(self.value), size)


def _array(stack: Stack | None) -> np.ndarray | None:
    return None if stack is None else np.asarray(stack)


def _or_0(half: np.ndarray | None) -> np.ndarray:
    return np.zeros(()) if half is None else np.asarray(half)
