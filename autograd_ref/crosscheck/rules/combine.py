"""Combine the verdicts on several rules into one report."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from autograd_ref.crosscheck.quantity import Quantity
from autograd_ref.crosscheck.reports.report import Advice, Report
from autograd_ref.crosscheck.rules.asked import Asked
from autograd_ref.crosscheck.rules.vary import Failure

__all__ = ["EMPTY", "Verdict", "combined", "listing", "unjudged", "with_complex", "with_failures"]


EMPTY = "all arguments to differentiate by are empty: call it with at least one number"


class Verdict(NamedTuple):
    """The verdict on one rule.

    Attributes:
        name: name of the rule.
        place: place of the rule.
        report: the report on its cotangents; None if there is none.
        reason: the reason why there is none.
    """

    name: str
    place: str
    report: Report | None
    reason: str = ""


def combined(verdicts: Sequence[Verdict], dtype: str, notes: Sequence[str], asked: Asked) -> Report:
    """Return one report of the verdicts on all rules.

    Args:
        verdicts: the verdict on each rule.
        dtype: the checked dtype.
        notes: sentences about all rules.
        asked: the settings of the check.
    """
    quantities: list[Quantity] = []
    said: list[str] = []
    warnings: list[Advice] = []
    several = len(verdicts) > 1
    for number, verdict in enumerate(verdicts):
        alike = [i for i, other in enumerate(verdicts) if other.name == verdict.name]
        name = verdict.name if len(alike) == 1 else f"{verdict.name}#{alike.index(number) + 1}"
        prefix = f"{name}." if several else ""
        head = f"{name} ({verdict.place})"
        report = verdict.report
        if report is None:
            quantities.append(unjudged(f"{prefix}rule" if several else name, verdict.reason))
            said.append(f"{head} is not judged.")
            continue
        quantities += [_named(each, prefix, name) for each in report.quantities]
        wrong = [each.name[1:] for each in report.quantities if each.ok is False and each.name != "loss"]
        plural = len(wrong) > 1
        listed = f"the cotangent{'s' * plural} of {listing(wrong)}" if wrong else ""
        if not report.diagnosis and any(
            each.ok is False and each.name == "loss" for each in report.quantities
        ):
            said.append(f"{head} returns something else where it is differentiated.")
        if report.diagnosis:
            said += [f"{head}: {_in_words(each.text)}" for each in report.diagnosis]
        if listed:
            said.append(f"{head}: {listed} {'are' if plural else 'is'} wrong.")
        elif several:
            said.append(f"{head}: {_word(report.ok)}.")
        if report.signature:
            said.append(_in_words(report.signature))
        warnings += [replace(each, text=_in_words(each.text)) for each in report.warnings]
    wrong_ones = [each for each in quantities if each.ok is False]
    faulty = next((v.report for v in verdicts if v.report is not None and v.report.ok is False), None)
    none = any(v.report is None or v.report.ok is None for v in verdicts) or not verdicts
    return Report(
        target=asked.name,
        dtype=dtype,
        ok=False if faulty is not None else None if none else True,
        first_wrong=wrong_ones[0].name if wrong_ones else None if faulty is None else faulty.first_wrong,
        signature=" ".join([*said, *notes]) or None,
        warnings=tuple(dict.fromkeys(warnings)),
        quantities=tuple(quantities),
        points=max((v.report.points for v in verdicts if v.report is not None), default=1),
        form="rule",
        call=asked.call,
    )


def with_failures(report: Report, names: Sequence[str], failures: Sequence[Failure]) -> Report:
    """Add failures of other calls to the report on a rule that is right as called.

    Args:
        report: the report, which says right.
        names: names of the arguments.
        failures: the failures; the first for each argument is reported.
    """
    if not failures:
        return report
    worst: dict[str, Failure] = {}
    for each in failures:
        worst.setdefault(f"d{names[each.number]}", each)
    quantities = tuple(
        replace(each, ok=False, mismatch=f"is right as called, wrong {worst[each.name].condition}")
        if each.name in worst
        else each
        for each in report.quantities
    )
    told = " ".join(each.told(name) for name, each in worst.items())
    return replace(
        report,
        ok=False,
        first_wrong=next(iter(worst)),
        quantities=quantities,
        signature=" ".join(filter(None, [report.signature, told])),
    )


def with_complex(report: Report, names: Sequence[str], sign: str) -> Report:
    """Add how complex arguments are shown to a report that is not right.

    Args:
        report: the report.
        names: the complex arguments.
        sign: the sign of the derivative with respect to the imaginary part in the cotangent.
    """
    if not names or any(each.mismatch for each in report.quantities):
        return report
    text = (
        f"{listing(names)} {'is' if len(names) == 1 else 'are'} complex: the cotangent of z = x + iy is "
        f"d/dx {sign} i d/dy, and the last index is 0 for d/dx, 1 for d/dy."
    )
    return replace(report, signature=" ".join(filter(None, [report.signature, text])))


def listing(names: Sequence[str]) -> str:
    """Return names as in a sentence: a, b and c."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def unjudged(name: str, reason: str) -> Quantity:
    """Return a quantity for a rule that could not be judged."""
    nan = float("nan")
    return Quantity(name, (), None, nan, nan, nan, nan, (), nan, nan, seen=0.0, reason=reason)


def _named(quantity: Quantity, prefix: str, rule: str) -> Quantity:
    if quantity.name == "loss":
        return replace(quantity, name=f"{prefix}outputs", of=f"outputs of {rule}")
    return replace(
        quantity,
        name=f"{prefix}{quantity.name}",
        of=quantity.name[1:],
        source=f"cotangent of {quantity.name[1:]}",
    )


def _word(ok: bool | None) -> str:
    return "not judged" if ok is None else "right" if ok else "wrong"


def _in_words(text: str) -> str:
    """Change a sentence about a hand and its loss into one about a rule and its outputs."""
    told = re.sub(r"\b(the )?hand\b", "the rule", text).replace("The loss", "The sum of the outputs")
    return told[:1].upper() + told[1:] if text.startswith("hand") else told
