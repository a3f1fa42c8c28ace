"""Assert the verdict of a check in a test: failures show only the user's code, in the words of Python."""

import re
from collections.abc import Callable
from typing import Any

from autograd_ref.crosscheck.errors import in_user_code
from autograd_ref.crosscheck.reports.report import NotJudged, Report

__all__ = ["assert_right"]

# An option of the command line, with what is written after it.
_OPTION = re.compile(r"--(loss|backward|of|tolerance)\b(?: ('(?:.*?)'(?=[\s.,;:)]|$)|[A-Z]+\b|[\d.e-]*\d))?")


def assert_right(check: Callable[..., Report], *args: Any, **options: Any) -> None:
    """Make a check, and raise its report as an error of a test unless everything is right.

    Args:
        check: `check_call`, or another function that returns a report.
        *args: its arguments.
        **options: its keyword arguments.

    Raises:
        AssertionError: a gradient is wrong.
        NotJudged: nothing is wrong, but something could not be judged.
        TypeError, ValueError: an argument of the check is wrong.
    """
    __tracebackhide__ = True
    try:
        report = check(*args, **options)
    except NotJudged as error:
        name = options.get("name") or getattr(args[0], "__qualname__", "")
        raise NotJudged(in_python(f"{name}: {error}" if name else str(error))) from in_user_code(
            error.__cause__
        )
    if report.ok is None:
        raise NotJudged(in_python(str(report)))
    if not report.ok:
        raise AssertionError(in_python(str(report)))


def in_python(text: str) -> str:
    """Return a message with keyword arguments in place of options of the command line."""

    def keyword(found: re.Match[str]) -> str:
        name, given = found[1], found[2]
        if given is None:
            return f"{name}=..."
        held = given[1:-1] if given.startswith("'") else given
        if name == "of":
            source, _, leaf = held.partition("=")
            return f"of={{{source!r}: {leaf!r}}}"
        return f"{name}={held!r}" if given.startswith("'") else f"{name}={held}"

    return _OPTION.sub(keyword, text)
