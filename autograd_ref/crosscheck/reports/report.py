"""What a check found, as text, as HTML for notebooks and as JSON."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograd_ref.crosscheck.quantity import Quantity
from autograd_ref.crosscheck.reports.listed import Line, Row, listing_html, listing_text
from autograd_ref.crosscheck.reports.repair import Repair
from autograd_ref.crosscheck.reports.table import quantity_json, quantity_table

if TYPE_CHECKING:  # what judges prints nothing
    from rich.console import Console, ConsoleOptions
    from rich.table import Table
    from rich.text import Text

__all__ = ["Advice", "Blame", "Diagnosis", "NotJudged", "Report"]


# The part of the largest entry from which on an error is grave.
GRAVE = 1e-2


class NotJudged(ValueError):  # noqa: N818
    """What was given could not be judged right or wrong; the message is one line that says why."""


@dataclass(frozen=True)
class Diagnosis:
    """A mistake that, replayed, gives the very gradients that were found wrong.

    Attributes:
        id: in the catalogue of `mistakes`.
        tensors: the gradients it was found in; ("loss",) for a mistake in the loss alone.
        equivalent: ids of other mistakes that would explain everything equally.
        text: a sentence that says what is wrong, and the line to write instead.
    """

    id: str
    tensors: tuple[str, ...]
    equivalent: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Advice:
    """Something beside the gradient that its author would want to know.

    Attributes:
        id: no-max-shift, log-underflow or no-penalty.
        text: a sentence.
    """

    id: str
    text: str


@dataclass(frozen=True)
class Blame:
    """A place that is likely to be wrong.

    Attributes:
        file: of the source.
        line: the first line of the expression, from 1.
        end_line: its last line.
        col: its first column, in characters from 0.
        end_col: the column behind its last character.
        code: the first line of the source there.
        kind: operator, operand, factor, step, term, overwritten, stale, transpose, axis, index, name,
            misnamed or region.
        says: a sentence, or several.
    """

    file: str
    line: int
    end_line: int
    col: int
    end_col: int
    code: str
    kind: str
    says: str

    def __str__(self) -> str:
        """The place, its line and carets under the expression."""
        indent = len(self.code) - len(self.code.lstrip())
        end = self.end_col if self.end_line == self.line else len(self.code)
        number = f"{self.line:>5}"
        carets = " " * (self.col - indent) + "^" * max(end - self.col, 1)
        head = f"{Path(self.file).name}:{self.line}: {self.says}"
        return f"{head}\n{number} │ {self.code.lstrip()}\n{' ' * len(number)} │ {carets}"


@dataclass(frozen=True)
class Report:
    """Whether a hand-written gradient is right; if not, which quantity is wrong first, and why.

    Attributes:
        target: what was checked.
        dtype: the dtype that was asked for.
        ok: whether every quantity is within its bound and every probe passed; None where nothing is wrong and
            something could not be judged.
        first_wrong: the earliest wrong quantity in the order of computation, or the failed probe: X, y,
            params, scores or determinism. None if all is well.
        diagnosis: the mistakes that explain everything, empty when nothing in the catalogue does.
        signature: what the error looks like where no mistake explains it.
        warnings: about robustness, not about the gradient.
        penalty: for each parameter q, the c of the penalty c·reg·‖q‖² that was read off the loss.
        activation: of the hidden layer, as it was read off the scores or the loss, a name in
            `handgrad.activations`; None for what has none, or none of these.
        quantities: each at its worst over all problems.
        kinks: (problem, sample, unit) of every pre-activation within rounding of the activation's kink.
        points: how many points it was checked at.
        form: network, reference, recorded or rule: what the gradient was held against.
        call: the expression that made a recorded call, if it was given as one.
        loss: where a recorded call's loss came from: ``return[0]``, or an expression.
        blame: the statements of a recorded call that most likely made a gradient wrong, at most three.
        lines: what each backward statement of a recorded call computes, where that was asked for.
        listing: the source of all functions that took part, line by line, where that was asked for.
        repair: a change with which all is right, where one was found.
    """

    target: str
    dtype: str
    ok: bool | None
    first_wrong: str | None
    diagnosis: tuple[Diagnosis, ...] = ()
    signature: str | None = None
    warnings: tuple[Advice, ...] = ()
    penalty: dict[str, float] = field(default_factory=dict)
    activation: str | None = None
    quantities: tuple[Quantity, ...] = ()
    kinks: tuple[tuple[str, int, int], ...] = ()
    points: int = 1
    form: str = "reference"
    call: str | None = None
    loss: str | None = None
    blame: tuple[Blame, ...] = ()
    lines: tuple[Line, ...] = ()
    listing: tuple[Row, ...] = ()
    repair: Repair | None = None

    def to_json(self) -> dict[str, Any]:
        """The attributes, for JSON; null stands for a number that is not finite."""
        found = asdict(self)
        found["quantities"] = [quantity_json(quantity) for quantity in self.quantities]
        found["lines"] = [
            {"is" if key == "what" else key: x for key, x in line.items()} for line in found["lines"]
        ]
        found["penalty"] = {q: c if math.isfinite(c) else None for q, c in self.penalty.items()}
        return found

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Report":
        """The report that `to_json` wrote.

        Args:
            found: the object, read from JSON or not.

        Returns:
            The report; what was not finite is NaN in it.
        """
        quantities = []
        for each in found["quantities"]:
            numbers = {f.name: float("nan") for f in fields(Quantity) if f.type is float or f.type == "float"}
            named = {"source" if name == "from" else name: value for name, value in each.items()}
            known = {name: value for name, value in named.items() if value is not None or name not in numbers}
            sequences = {name: tuple(each[name]) for name in ("shape", "index")}
            quantities.append(Quantity(**{**numbers, **known, **sequences}))
        parts = {
            "diagnosis": tuple(
                Diagnosis(each["id"], tuple(each["tensors"]), tuple(each["equivalent"]), each["text"])
                for each in found["diagnosis"]
            ),
            "warnings": tuple(Advice(**each) for each in found["warnings"]),
            "quantities": tuple(quantities),
            "blame": tuple(Blame(**each) for each in found["blame"]),
            "lines": tuple(
                Line(**{"what" if key == "is" else key: x for key, x in each.items()})
                for each in found["lines"]
            ),
            "listing": tuple(Row(**each) for each in found["listing"]),
            "penalty": {q: float("nan") if c is None else c for q, c in found["penalty"].items()},
            "repair": None if found["repair"] is None else Repair(**found["repair"]),
            "kinks": tuple((str(problem), int(n), int(h)) for problem, n, h in found["kinks"]),
        }
        return cls(**{**found, **parts})

    def summary(self) -> str:
        """One line: right, or what is wrong first."""
        if self.ok:
            return f"{self.target}: the gradient is right ({self.dtype})."
        if self.ok is None:
            named = ", ".join(
                each.name for each in self.quantities if each.ok is None and each.name != "loss"
            )
            return f"{self.target}: {named or 'a gradient'} is not judged ({self.dtype})."
        named = ", ".join(each.id for each in self.diagnosis)
        return f"{self.target}: {self.first_wrong} is wrong ({self.dtype})" + (
            f": {named}." if named else "."
        )

    def sentences(self) -> list[str]:
        """What a reader needs to know beside the table, a sentence each."""
        said = [each.text for each in self.diagnosis]
        if self.signature is not None:
            said.append(self.signature)
        said += [quantity_witness(each) for each in self.quantities if each.odd_one_out == "automatic"]
        said += [quantity_both(each) for each in self.quantities if each.odd_one_out == "both"]
        said += [f"Warning: {each.text}" for each in self.warnings]
        if self.penalty:
            if self.activation is None:
                said.append("The hidden layer's activation could not be read; it was judged as relu.")
            else:
                said.append(f"Activation of the hidden layer, read off its outputs: {self.activation}.")
            read = ", ".join(f"{q} {c:.6g}" for q, c in self.penalty.items())
            said.append(f"Penalty read off the loss, c in c·reg·‖q‖²: {read}.")
        if self.form == "recorded":
            said.append(f"Loss: {self.loss}. Gradients: {self.assignment()}.")
        return said

    def __str__(self) -> str:
        """The summary, the wrong quantities and what was found; short enough for a failing test."""
        return "\n".join(
            [self.summary(), *self.witnesses(), *map(str, self.blame), *self.mended(), *self.sentences()]
        )

    def assignment(self) -> str:
        """Which gradient of a recorded call was held against the derivative by what."""
        pairs = [(each.source, each.of) for each in self.quantities if each.source is not None]
        return ", ".join(f"{source} by {leaf}" for source, leaf in pairs) or "none"

    def mended(self) -> list[str]:
        """The repair, as lines for a reader."""
        judged = sum(each.name != "loss" for each in self.quantities)
        return [] if self.repair is None else self.repair.lines(judged, self.dtype)

    def witnesses(self) -> list[str]:
        """The worst entry of each wrong quantity, grave before slight, and why others are not judged."""
        wrong = [each for each in self.quantities if each.ok is False]
        grave = [each for each in wrong if not each.max_rel < GRAVE]
        slight = [each for each in wrong if each.max_rel < GRAVE]
        by_reason: dict[str | None, list[str]] = {}
        for each in self.quantities:
            if each.ok is None and each.name != "loss":
                by_reason.setdefault(each.reason, []).append(each.name)
        unjudged = [
            f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not judged: {reason}"
            for reason, names in by_reason.items()
        ]
        return [*map(str, [*grave, *slight]), *unjudged]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "Iterator[Text | Table]":
        from rich.text import Text

        yield Text(self.summary(), style="bold" if self.ok else "bold red")
        if self.quantities:
            yield quantity_table(self.quantities)
        for sentence in self.witnesses():
            yield Text(sentence)
        for blame in self.blame:
            said, *source = str(blame).split("\n")
            yield Text(said)
            yield from (Text(line, no_wrap=True, overflow="ignore") for line in source)
        for line in self.mended():
            yield Text(line)
        for sentence in self.sentences():
            yield Text(sentence)
        yield from listing_text(self.listing)

    def to_html(self) -> str:
        """One page with the listing, if there is one; it needs nothing else."""
        return listing_html(self.target, str(self), self.listing)

    def _repr_html_(self) -> str:
        if self.listing:
            return self.to_html()
        from rich.console import Console

        console = Console(file=StringIO(), record=True, width=100, force_jupyter=False)
        console.print(self)
        return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")


def quantity_witness(quantity: Quantity) -> str:
    """What the three witnesses say of a quantity whose automatic value is the odd one out."""
    return (
        f"{quantity.name}[{', '.join(map(str, quantity.index))}]: by hand {quantity.hand:.9g} and by finite "
        f"difference {quantity.finite_difference:.9g} agree; the reference's {quantity.automatic:.9g} is the "
        "odd one out, so look for the mistake there."
    )


def quantity_both(quantity: Quantity) -> str:
    """What is to be done where hand and reference share a mistake."""
    return (
        f"{quantity.name}: hand and reference give the same gradient, the reference's values another one. "
        "Look for a mistake in a rule that both share, or pass surrogate=True (--surrogate) if it is meant."
    )
