"""Adjoints during the reverse pass; adjoints of memory that is written in parts share a buffer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.recording.kernels import double, sum_to
from autograd_ref.recording.layouts import History, extent
from autograd_ref.recording.tape import Layout, Read, Value, Write

__all__ = ["Adjoint", "Gathered"]


class Adjoint(NamedTuple):
    """∂loss/∂value, in the value's shape.

    Attributes:
        centre: the derivative; between one-sided derivatives, the middle of them.
        slack: half the distance between them, or None if every entry has one derivative.
    """

    centre: np.ndarray
    slack: np.ndarray | None

    @property
    def low(self) -> np.ndarray:
        """The smallest right value of each entry."""
        return self.centre if self.slack is None else self.centre - self.slack

    @property
    def high(self) -> np.ndarray:
        """The largest right value of each entry."""
        return self.centre if self.slack is None else self.centre + self.slack


class _Flow:
    """The adjoint of a piece of memory, beginning with its last version, then the one before, and so on."""

    def __init__(self, root: Layout, dtype: Any):
        self.root = root
        self._centre = History(np.zeros(extent(root), dtype))
        self._slack: History | None = None

    @property
    def moment(self) -> tuple[int, int | None]:
        return self._centre.moment, None if self._slack is None else self._slack.moment

    def add(self, at: Layout, part: Adjoint) -> None:
        self._centre.add(at, part.centre)
        if part.slack is not None:
            if self._slack is None:
                self._slack = History(np.zeros(extent(self.root)))
            self._slack.add(at, part.slack)

    def clear(self, at: Layout) -> None:
        """Set the adjoint of overwritten entries to 0."""
        self._centre.write(at, 0.0)
        if self._slack is not None:
            self._slack.write(at, 0.0)

    def seen(self, at: Layout, moment: tuple[int, int | None] | None = None) -> Adjoint:
        """Return a copy of the adjoint at some positions, at a moment or now."""
        of_centre, of_slack = self.moment if moment is None else moment
        centre = self._centre.window(at, of_centre).copy()
        if self._slack is None or of_slack is None:
            return Adjoint(centre, None)
        slack = self._slack.window(at, of_slack).copy()
        return Adjoint(centre, slack if slack.any() else None)


class Gathered(Mapping[Value, Adjoint]):
    """The adjoint of every value, summed over its uses that have been visited."""

    def __init__(self) -> None:
        self._whole: dict[Value, Adjoint] = {}
        self._flows: dict[Value, _Flow] = {}
        self._complete: dict[Value, tuple[int, int | None]] = {}

    def __getitem__(self, value: Value) -> Adjoint:
        flow = self._flows.get(value)
        return self._whole[value] if flow is None else flow.seen(flow.root, self._complete.get(value))

    def __contains__(self, value: object) -> bool:
        return value in self._whole or value in self._flows

    def __iter__(self) -> Iterator[Value]:
        yield from self._whole
        yield from self._flows

    def __len__(self) -> int:
        return len(self._whole) + len(self._flows)

    def complete(self, value: Value) -> None:
        """Note that all uses of a value have been visited."""
        if value in self._flows:
            self._complete[value] = self._flows[value].moment

    def add(self, value: Value, part: Adjoint) -> None:
        """Add the contribution of one use."""
        flow = self._flows.get(value)
        if flow is not None:
            flow.add(flow.root, part)
        else:
            self._whole[value] = part if value not in self._whole else _sum(self._whole[value], part)

    def pass_on(self, value: Value, active: tuple[int, ...]) -> bool:
        """Pass the adjoint of a read from a memory, or of a write to it, on to the memory.

        Returns:
            Whether this was done; otherwise the operation must be differentiated like any other.
        """
        operation = value.operation
        if not isinstance(operation, (Read, Write)) or operation.at.halves:
            return False
        if isinstance(operation, Read):
            flow = self._flow(value.inputs[0], operation.root)
            if flow is not None:
                flow.add(operation.at, self[value])
            return flow is not None
        flow = self._flow(value, operation.root)
        if flow is None:
            return False
        self.complete(value)
        old, new = value.inputs
        if 1 in active:
            self.add(new, _sum_to(flow.seen(operation.at), new))
        if 0 in active:
            flow.clear(operation.at)
            if old in self:
                self.add(old, flow.seen(flow.root))
            else:
                self._flows[old] = flow
        return True

    def _flow(self, value: Value, root: Layout) -> _Flow | None:
        """Return the flow of a memory; None if its known adjoint has another layout."""
        flow = self._flows.get(value)
        if flow is None:
            flow = self._flows[value] = _Flow(root, double(value.dtype))
            known = self._whole.pop(value, None)
            if known is not None:
                flow.add(root, known)
        return flow if flow.root == root else None


def _sum(a: Adjoint, b: Adjoint) -> Adjoint:
    if a.slack is None or b.slack is None:
        slack = b.slack if a.slack is None else a.slack
    else:
        slack = np.asarray(a.slack + b.slack)
    return Adjoint(np.asarray(a.centre + b.centre), slack)  # of two 0-d arrays NumPy makes a scalar


def _sum_to(part: Adjoint, value: Value) -> Adjoint:
    centre = sum_to(part.centre, value.shape)
    slack = None if part.slack is None else sum_to(part.slack, value.shape)
    return Adjoint(np.real(centre) if value.dtype.kind == "f" else centre, slack)
