"""The expressions of a program on its tape, and changes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autograd_ref.crosscheck.program.blame.tapes import Tapes
from autograd_ref.crosscheck.program.blame.trial import Change
from autograd_ref.recording import Place, Value

__all__ = ["Edit", "Expression", "everywhere", "expressions"]


@dataclass(frozen=True)
class Expression:
    """One expression of the source, and all values that it made in the run.

    Attributes:
        values: the values in the order of the run.
    """

    values: tuple[Value, ...]

    @property
    def first(self) -> Value:
        """The first value that it made."""
        return self.values[0]


@dataclass(frozen=True)
class Edit:
    """A change of an expression.

    Attributes:
        kind: the kind of mistake that it undoes.
        says: the replacement, as part of a sentence.
        changes: the changes by the number of the value.
        at: its place, if that is not the expression's own.
        weight: how common the mistake is.
    """

    kind: str
    says: str
    changes: dict[int, Change]
    at: Place | None = None
    weight: float = 3.0


def expressions(values: Sequence[Value], tapes: Tapes) -> list[Expression]:
    """Return the expressions that made some values, with everything they made in the backward part."""

    def kind(value: Value) -> object:
        name = getattr(value.operation, "name", type(value.operation).__name__)
        return value._code, value._position, name, len(value.inputs)

    found: dict[object, Expression] = {}
    for value in values:
        key = kind(value)
        if key not in found:
            every = (each for each in tapes.made_with(value) if tapes.is_backward(each) and kind(each) == key)
            found[key] = Expression(tuple(every))
    return list(found.values())


def everywhere(expression: Expression, kind: str, says: str, change: Change, weight: float = 3.0) -> Edit:
    """Return a change of all values that an expression made."""
    return Edit(kind, says, {each.number: change for each in expression.values}, None, weight)
