"""The result for one target: a report, or the reason why there is none."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autograd_ref.crosscheck.isolated.process import Answer, Outcome
from autograd_ref.crosscheck.reports.report import Report

__all__ = ["TargetResult", "tally"]


@dataclass(frozen=True)
class TargetResult:
    """A target as given, with its report or a line that says why it could not be judged."""

    target: str
    report: Report | None
    error: str | None = None

    @classmethod
    def of(cls, target: str, answer: Answer) -> "TargetResult":
        """Return the result of a target from its process's answer."""
        report = None if answer.report is None else Report.from_json(answer.report)
        return cls(target, report, answer.error)

    @property
    def outcome(self) -> Outcome:
        """The outcome of the check."""
        if self.report is None or self.report.ok is None:
            return Outcome.NOT_JUDGED
        if not self.report.ok:
            return Outcome.WRONG
        return Outcome.WARNED if self.report.warnings else Outcome.RIGHT

    def line(self) -> str:
        """Return the result in one line."""
        if self.report is None:
            return f"{self.target}: could not be judged: {self.error}"
        warnings = ", ".join(advice.id for advice in self.report.warnings)
        return self.report.summary() + (f" Warnings: {warnings}." if warnings else "")

    def to_json(self) -> dict[str, Any]:
        """Return the report for JSON, or target, ok (null) and error."""
        if self.report is None:
            return {"target": self.target, "ok": None, "error": self.error}
        return self.report.to_json()


def tally(results: Sequence[TargetResult]) -> str:
    """Count results that are right, right with warnings, wrong, and could not be judged."""
    counts = Counter(result.outcome for result in results)
    return ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome]) + "."
