"""The report on a check, as text, as HTML for notebooks and as JSON."""

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

if TYPE_CHECKING:  # judging needs no printing
    from rich.console import Console, ConsoleOptions
    from rich.table import Table
    from rich.text import Text

__all__ = ["Advice", "Blame", "Diagnosis", "NotJudged", "Report"]


# An error is serious from this part of the largest entry on.
GRAVE = 1e-2


class NotJudged(ValueError):  # noqa: N818
    """The target could not be judged right or wrong; the message is one line that says why."""

    __module__ = "autograd_ref"  # the name by which it is imported, in tracebacks


@dataclass(frozen=True)
class Diagnosis:
    """A mistake whose replay gives exactly the wrong gradients.

    Attributes:
        id: its id in the catalogue of `mistakes`.
        tensors: the gradients that contain it; ("loss",) for a mistake only in the loss.
        equivalent: ids of other mistakes that would explain everything equally.
        text: a sentence that says what is wrong, and the line to write instead.
    """

    id: str
    tensors: tuple[str, ...]
    equivalent: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Advice:
    """Advice about something other than the gradient.

    Attributes:
        id: no-max-shift, log-underflow or no-penalty.
        text: a sentence.
    """

    id: str
    text: str


@dataclass(frozen=True)
class Blame:
    """A place that is probably wrong.

    Attributes:
        file: file of the source.
        line: the first line of the expression, from 1.
        end_line: its last line.
        col: its first column, in characters from 0.
        end_col: the column after its last character.
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
        """Return the place, its line, and carets under the expression."""
        indent = len(self.code) - len(self.code.lstrip())
        end = self.end_col if self.end_line == self.line else len(self.code)
        number = f"{self.line:>5}"
        carets = " " * (self.col - indent) + "^" * max(end - self.col, 1)
        head = f"{Path(self.file).name}:{self.line}: {self.says}"
        return f"{head}\n{number} │ {self.code.lstrip()}\n{' ' * len(number)} │ {carets}"


@dataclass(frozen=True)
class Report:
    """The verdict on a hand-written gradient; if it is wrong, the first wrong quantity, and the reason.

    Attributes:
        target: the checked target.
        dtype: the checked dtype.
        ok: whether every quantity is within its bound and every test passed; None if nothing is wrong but
            something could not be judged.
        first_wrong: the earliest wrong quantity in the order of computation, or the failed test: X, y,
            params, scores or determinism. None if everything is right.
        diagnosis: the mistakes that explain everything; empty if the catalogue has none.
        signature: the pattern of the error, if no mistake explains it.
        warnings: warnings about robustness, not about the gradient.
        penalty: for each parameter q, the c of the penalty c·reg·‖q‖² that was read off the loss.
        activation: the hidden layer's activation, read off the scores or the loss, a name in
            `handgrad.activations`; None if there is none, or another one.
        quantities: the quantities, each at its worst over all problems.
        kinks: (problem, sample, unit) of every pre-activation within rounding of the activation's kink.
        points: number of points.
        form: network, reference, recorded or rule: the kind of reference.
        call: the expression that made a recorded call, if there is one.
        loss: the origin of a recorded call's loss: ``return[0]``, or an expression.
        blame: the statements of a recorded call that most likely made a gradient wrong, at most three.
        lines: explanations of each backward statement of a recorded call, if requested.
        listing: the source of all functions in the call, line by line, if requested.
        repair: a change that makes everything right, if one was found.
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
        """Return the attributes, for JSON; null replaces numbers that are not finite."""
        found = asdict(self)
        found["quantities"] = [quantity_json(quantity) for quantity in self.quantities]
        found["lines"] = [
            {"is" if key == "what" else key: x for key, x in line.items()} for line in found["lines"]
        ]
        found["penalty"] = {q: c if math.isfinite(c) else None for q, c in self.penalty.items()}
        return found

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Report":
        """Return the report from an object of `to_json`.

        Args:
            found: the object, read from JSON or not.

        Returns:
            The report; numbers that were not finite are NaN.
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
        """Return one line: right, or the first wrong quantity."""
        if self.ok:
            return f"{self.target}: the gradient is right ({self.dtype})."
        if self.ok is None:
            open_ = [each.name for each in self.quantities if each.ok is None and each.name != "loss"]
            named = ", ".join(open_) or "a gradient"
            return f"{self.target}: {named} {'are' if len(open_) > 1 else 'is'} not judged ({self.dtype})."
        named = ", ".join(each.id for each in self.diagnosis)
        return f"{self.target}: {self.first_wrong} is wrong ({self.dtype})" + (
            f": {named}." if named else "."
        )

    def sentences(self) -> list[str]:
        """Return sentences with everything a reader needs besides the table."""
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
        """Return the summary, the wrong quantities and their reasons; short enough for a failing test."""
        return "\n".join(
            [self.summary(), *self.witnesses(), *map(str, self.blame), *self.mended(), *self.sentences()]
        )

    def assignment(self) -> str:
        """Return the assignment of a recorded call's gradients to arrays, as text."""
        pairs = [(each.source, each.of) for each in self.quantities if each.source is not None]
        return ", ".join(f"{source} for {leaf}" for source, leaf in pairs) or "none"

    def mended(self) -> list[str]:
        """Return the repair, as lines for a reader."""
        judged = sum(each.name != "loss" for each in self.quantities)
        return [] if self.repair is None else self.repair.lines(judged, self.dtype)

    def witnesses(self) -> list[str]:
        """Return the worst entry of each wrong quantity, serious ones first, and reasons for not judging."""
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
        """Return a self-contained page with the listing, if there is one."""
        return listing_html(self.target, str(self), self.listing)

    def _repr_html_(self) -> str:
        if self.listing:
            return self.to_html()
        from rich.console import Console

        console = Console(file=StringIO(), record=True, width=100, force_jupyter=False)
        console.print(self)
        return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")


def quantity_witness(quantity: Quantity) -> str:
    """Return a sentence with the three values of a quantity whose automatic value is the odd one out."""
    return (
        f"{quantity.name}[{', '.join(map(str, quantity.index))}]: by hand {quantity.hand:.9g} and by finite "
        f"difference {quantity.finite_difference:.9g} agree; the reference's {quantity.automatic:.9g} is the "
        "odd one out, so look for the mistake there."
    )


def quantity_both(quantity: Quantity) -> str:
    """Return advice for a mistake that hand and reference share."""
    return (
        f"{quantity.name}: hand and reference give the same gradient, but the reference's values "
        "give another one. Look for a mistake in a rule that both share, or pass surrogate=True "
        "(--surrogate) if it is meant."
    )
