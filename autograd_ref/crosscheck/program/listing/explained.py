"""Explain in words the meaning of a backward value, and whether it is right."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.assigned.moved import is_copy
from autograd_ref.crosscheck.program.blame.known import Known, Meaning
from autograd_ref.crosscheck.program.blame.regions import Trust, region_of
from autograd_ref.crosscheck.program.blame.says import is_transposed, meaning_in_words, plainest
from autograd_ref.crosscheck.program.blame.source import statement_at
from autograd_ref.crosscheck.program.blame.tapes import Output, Tapes
from autograd_ref.crosscheck.program.blame.words import (
    in_words,
    is_read_again,
    is_written,
    name_of,
    shows_transposed,
    target_of,
)
from autograd_ref.crosscheck.program.listing.bound import Bound, provisional
from autograd_ref.crosscheck.program.paths import cores, shown
from autograd_ref.recording import Value
from autograd_ref.recording.tape import Move

__all__ = ["Explained", "Explanation"]

AUXILIARY = "auxiliary"
UNKNOWN = "not known to be right"


class Explanation(NamedTuple):
    """The explanation of a value: see `Line`.

    Attributes:
        what: its kind.
        name: the forward value that it belongs to.
        factor: the factor.
        ok: whether it is right.
        note: all of it in words.
    """

    what: str
    name: str | None
    factor: float | None
    ok: bool | None
    note: str


class Explained:
    """The explanations of a program's backward values.

    Args:
        tapes: the tapes of the program.
        names: the names of its values.
    """

    def __init__(self, tapes: Tapes, names: Sequence[Bound]):
        self.tapes = tapes
        self.known = Known(tapes)
        self.trust = Trust(tapes, self.known)
        at_fault = [each for each in tapes.outputs if each.is_wrong]
        regions = [region_of(each, tapes, self.trust) for each in at_fault]
        self.suspects = {value.number for region in regions for value in region.suspects}
        self._reached = set(tapes.backward)
        self.provisional = provisional(names)
        self._second = {each.value.number for each in names if each.origin == "second"}
        self._forward_names = {
            name: each
            for each in reversed(list(tapes.points[0].run.found.of))
            if (name := name_of(each, tapes)) is not None
        }

    def of(self, value: Value) -> Explanation:
        """Explain a value."""
        output = next((each for each in self.tapes.outputs if each.value is value), None)
        has_other_name = value.number in self._second and bool(self.known.of(value))
        if output is not None and not has_other_name:
            return self._output(output)
        if is_copy(value) and value.inputs[0] in self.tapes.forward:
            return self._auxiliary(value, f"a copy of {in_words(value.inputs[0], self.tapes)}")
        meanings = self.known.of(value)
        if meanings:
            return self._known(value, meanings)
        if (joined := self._joined(value)) is not None:
            return joined
        wanted = self._named_for(target_of(value), value)
        is_final = value.number not in self.provisional
        if wanted is not None and value.number in self.suspects and is_final:
            return Explanation("wrong", wanted, None, False, f"✗ not ∂loss/∂{wanted}")
        if is_written(value) and value.inputs[0] in self.tapes.forward:
            return self._overwriting(value)
        return self._auxiliary(value)

    def second(self, value: Value, name: str) -> Explanation:
        """Explain a second name of a value, which is wrong if it does not fit and has wrong consequences."""
        found = self.of(value)
        wanted = self._named_for(name, value)
        makes_wrong = any(each.number in self.suspects for each in self.tapes.uses.get(value.number, ()))
        if wanted is None or wanted == found.name or not makes_wrong or self._is_adjoint_of(wanted, value):
            return found
        if not self.known.of(value):
            return Explanation("wrong", wanted, None, False, f"✗ not ∂loss/∂{wanted}")
        words = meaning_in_words(plainest(self.known.of(value), self.tapes), self.tapes, self.known)
        return Explanation("wrong", wanted, found.factor, False, f"✗ {words}, not ∂loss/∂{wanted}")

    def right_for(self, name: str) -> np.ndarray | None:
        """Return the right adjoint of the forward value with a name, at the first point."""
        of = self._forward_names.get(name)
        right = None if of is None else self.known.adjoint(of)
        return None if right is None else right[0]

    def _output(self, output: Output) -> Explanation:
        name, value = shown(output.path), output.value
        words = f"the step size times ∂loss/∂{name}" if output.is_change else f"∂loss/∂{name}"
        factor = None if output.is_change else 1.0
        if not output.is_wrong:
            return Explanation("adjoint", name, factor, True, f"{words} ✓")
        found = [] if output.is_change else self.known.of(value)
        instead = [each for each in found if each.of is output.leaf] or found
        but = (
            f", but {meaning_in_words(plainest(instead, self.tapes), self.tapes, self.known)}"
            if found
            else ""
        )
        return Explanation("wrong", name, None, False, f"✗ not {words}{but}")

    def _known(self, value: Value, meanings: list[Meaning]) -> Explanation:
        best = plainest(meanings, self.tapes)
        wanted = self._named_for(target_of(value), value)
        for each in meanings:
            if wanted and name_of(each.of, self.tapes) == wanted and each.is_exact == best.is_exact:
                best = each
                break
        name = in_words(best.of, self.tapes)
        is_right = self.trust.is_trusted(value) or (
            best.is_exact and (value not in self._reached or value.number in self._second)
        )
        kind = best.kind
        is_turned = shows_transposed(value)
        if kind == "adjoint" and is_transposed(best, self.tapes) and not is_turned:
            kind = "transposed"
        kind = "contribution" if kind == "adjoint" and is_read_again(best.of, self.tapes) else kind
        note = meaning_in_words(best, self.tapes, self.known)
        note = note.removesuffix(", transposed") if is_turned else note
        factor = float(f"{best.factor:.12g}")
        # Any number is a multiple of any other, and an unsuspected value may be so by chance.
        is_number = int(np.prod(value.shape)) == 1 and abs(abs(factor) - 1) > 1e-7
        if value.number not in self.suspects and (is_number or not is_right):
            return self._auxiliary(value)
        if not is_right:
            return Explanation(kind, name, factor, None, f"{note} ({UNKNOWN})")
        return Explanation(kind, name, factor, True, f"{note} ✓")

    def _auxiliary(self, value: Value, note: str | None = None) -> Explanation:
        """Explain a value that is not a multiple of an adjoint or of a part of one."""
        same = None if note else self._same(value)
        if same is not None and same.place != value.place:
            words = in_words(same, self.tapes)
            line = f" (line {same.place.line})" if same.place and "(line " not in words else ""
            note = f"equal to {words}{line}"
        elif note is None and value.number in self.suspects:
            note = UNKNOWN
        return Explanation(AUXILIARY, None, None, None, note or AUXILIARY)

    def _joined(self, value: Value) -> Explanation | None:
        """Explain an array that joins several others, such as the adjoints of all time steps."""
        operation = value.operation
        if not isinstance(operation, Move) or operation.name not in ("stack", "concatenate"):
            return None
        if all(each in self.tapes.forward or not self.tapes.is_backward(each) for each in value.inputs):
            return self._auxiliary(value, "values of the forward pass, joined")
        found = [self.of(each) for each in value.inputs]
        first = found[0]
        if not all(each.ok and (each.what, each.factor) == (first.what, first.factor) for each in found):
            return None
        notes = dict.fromkeys(each.note.removesuffix(" ✓") for each in found)
        text = " and ".join(notes) if len(notes) < 3 else f"{first.note.removesuffix(' ✓')}, …"
        return first._replace(note=f"{text}, joined ✓")

    def _overwriting(self, value: Value) -> Explanation:
        """Explain a write into the memory of a forward value."""
        name = in_words(value.inputs[0], self.tapes)
        bare = name.partition(" (line ")[0]
        readers = {
            each.place.line
            for each in self.tapes.uses.get(value.number, ())
            if each.place and value.place and each.place.line != value.place.line
            for node in ast.walk(statement_at(each.place).node or ast.Pass())
            if isinstance(node, ast.expr) and ast.unparse(node) == bare
        }
        if not readers:
            return self._auxiliary(value)
        return Explanation(
            "stale", name, None, None, f"overwrites {name}, which line {min(readers)} still reads"
        )

    def _same(self, value: Value) -> Value | None:
        """Return a forward value that was computed before and is equal at every point."""
        if int(np.prod(value.shape)) < 2:
            return None
        arrays = [np.asarray(each) for each in self.tapes.arrays(value)]
        for other in self._by_content.get((value.shape, arrays[0].tobytes()), ()):
            if all(map(np.array_equal, arrays, self.tapes.arrays(other))):
                return other
        return None

    @cached_property
    def _by_content(self) -> dict[tuple[tuple[int, ...], bytes], list[Value]]:
        found: dict[tuple[tuple[int, ...], bytes], list[Value]] = {}
        for each in self.tapes.values:
            if each in self.tapes.forward and each.is_floating and each.shape and each.place is not None:
                array = np.asarray(self.tapes.arrays(each)[0])
                found.setdefault((each.shape, array.tobytes()), []).append(each)
        return found

    def _is_adjoint_of(self, name: str, value: Value) -> bool:
        of = self._forward_names[name]
        return any(
            each.of is of and each.is_exact and each.kind == "adjoint" for each in self.known.of(value)
        )

    def _named_for(self, target: str | None, value: Value) -> str | None:
        """Return the forward value to which a variable's name refers, if it has its shape."""
        for core in cores(target) if target is not None and target.isidentifier() else ():
            known = self._forward_names.get(core)
            if known is not None and known.shape == value.shape:
                return core
        return None
