"""What came back about one target: a report, or why there is none."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from autograd_ref.crosscheck.report import Report

__all__ = ["Verdict", "read_answer", "tally"]


@dataclass(frozen=True)
class Verdict:
    """One target's report, or the line that says why it could not be judged.

    Attributes:
        target: as it was named.
        report: None if it could not be judged.
        error: None if it could.
    """

    target: str
    report: Report | None
    error: str | None = None

    def passed(self, *, strict: bool) -> bool | None:
        """Whether the gradient is right and, if strict, without a warning; None if it was not judged."""
        if self.report is None:
            return None
        return self.report.ok and not (strict and self.report.warnings)

    def line(self) -> str:
        """The verdict in one line."""
        if self.report is None:
            return f"{self.target}: could not be judged: {self.error}"
        warned = ", ".join(each.id for each in self.report.warnings)
        return self.report.summary() + (f" Warnings: {warned}." if warned else "")

    def to_json(self) -> dict[str, Any]:
        """The report for JSON, or target, ok (null) and error."""
        if self.report is None:
            return {"target": self.target, "ok": None, "error": self.error}
        return self.report.to_json()


def read_answer(target: str, answer: dict[str, Any]) -> Verdict:
    """Make sense of what came back from the process in which the target's own code ran.

    Args:
        target: as it was named.
        answer: {"report": anything at all} or {"error": one line}.

    Returns:
        The verdict. Only what can be shown in full as text and as JSON is taken for a report.
    """
    if "error" in answer:
        return Verdict(target, None, _printable(answer["error"]))
    try:
        report = replace(Report.from_json(_printable(answer["report"])), target=target)
        if report.ok is not (report.first_wrong is None):
            raise ValueError(report.ok)
        str(report), report._repr_html_(), json.dumps(report.to_json(), allow_nan=False)
    except Exception:
        return Verdict(target, None, "what came back from its process is no report")
    return Verdict(target, report)


def tally(verdicts: Sequence[Verdict]) -> str:
    """How many are right, right with warnings, wrong, and could not be judged."""
    kinds = Counter(_kind(verdict) for verdict in verdicts)
    order = ("right", "right with warnings", "wrong", "could not be judged")
    return ", ".join(f"{kinds[kind]} {kind}" for kind in order if kinds[kind]) + "."


def _kind(verdict: Verdict) -> str:
    if verdict.report is None:
        return "could not be judged"
    if not verdict.report.ok:
        return "wrong"
    return "right with warnings" if verdict.report.warnings else "right"


def _printable(value: Any) -> Any:
    """The same without control characters, which could do things to a terminal."""
    match value:
        case str():
            return "".join(letter if letter.isprintable() else " " for letter in value)
        case list():
            return [_printable(each) for each in value]
        case dict():
            return {_printable(key): _printable(each) for key, each in value.items()}
        case _:
            return value
