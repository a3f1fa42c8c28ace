"""Listings of source code, as text for a terminal and as a page of HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["Line", "Row", "listing_html", "listing_text"]

# Notes are in one column, unless a line of code is longer.
COLUMN = 60
# Columns by which the rest of a long line is indented at most, which leaves a phone enough of them.
MOST_INDENT = 12
_SOURCE = re.compile(r" *\d* │ ")  # a line of source with its number, or carets below it
_STYLES = {True: "green", False: "bold red", None: "dim"}

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 1rem; max-width: 72rem }}
h1 {{ font-size: 1.2rem; overflow-wrap: anywhere }}
h2 {{ font-size: 1rem; margin: 1.5rem 0 .3rem }}
pre {{ overflow-x: auto; margin: .3rem 0 }}
pre.said {{ white-space: pre-wrap; overflow-wrap: anywhere }}
ol {{ list-style: none; margin: 0; padding: 0; font: 13px/1.5 ui-monospace, monospace }}
li {{ display: grid; grid-template-columns: 2.6em minmax(0, 11fr) minmax(0, 9fr); column-gap: .8em }}
code:last-child {{ grid-column: 2 / -1 }}
.n {{ text-align: right; opacity: .6 }}
code {{ white-space: pre-wrap; overflow-wrap: anywhere; font: inherit }}
li code {{ padding-left: var(--i); text-indent: calc(-1 * var(--i)) }}
.note {{ opacity: .75 }}
summary {{ cursor: pointer; list-style: none }}
summary::after {{ content: " ▸"; opacity: .5 }}
details[open] {{ grid-column: 2 / -1 }}
.right .note {{ color: #18794e; opacity: 1 }}
.wrong {{ background: #e5484d26 }}
.wrong .note {{ color: #ce2c31; font-weight: 600; opacity: 1 }}
@media (prefers-color-scheme: dark) {{ .right .note {{ color: #3dd68c }} .wrong .note {{ color: #ff9592 }} }}
@media (max-width: 40rem) {{
  li {{ grid-template-columns: 2.6em minmax(0, 1fr) }}
  li > .note, details {{ grid-column: 2; padding-left: 2em }}
}}
</style></head><body>
{body}
</body></html>
"""


@dataclass(frozen=True)
class Line:
    """The explanation of a backward statement.

    Attributes:
        file: file of the source.
        line: the first line of the statement, from 1.
        code: that line, without its indentation.
        name: the forward value that it belongs to, if any.
        what: adjoint, contribution, partial, transposed, auxiliary, wrong or stale; in JSON, ``is``.
        factor: the factor by which it is multiplied, if known.
        ok: whether it is right; None if unknown.
    """

    file: str
    line: int
    code: str
    name: str | None
    what: str
    factor: float | None
    ok: bool | None


@dataclass(frozen=True)
class Row:
    """A line of a listing.

    Attributes:
        file: file of the source.
        line: its number, from 1.
        code: the line of code.
        note: the explanation.
        ok: whether the result is right; None if unknown.
        values: the array that it made at the first point, and the right one if known.
    """

    file: str
    line: int
    code: str
    note: str
    ok: bool | None
    values: str = ""


def listing_text(rows: Sequence[Row]) -> list[Text]:
    """Return the listing, one text per line; there is no colour in a pipe.

    Args:
        rows: the rows in the order of the files' lines; an empty line marks omitted ones.
    """
    from rich.text import Text

    found: list[Text] = []
    before: Row | None = None
    for row in rows:
        if before is None or row.file != before.file:
            found += [Text(), Text(Path(row.file).name, style="bold")]
        elif row.line != before.line + 1:
            found.append(Text())
        text = Text(f"{row.line:>5} │ ", style="dim", no_wrap=True, overflow="ignore")
        text.append(row.code, style="not dim")
        if row.note:
            text.append(" " * max(COLUMN - len(row.code), 2) + row.note, style=f"not dim {_STYLES[row.ok]}")
        found.append(text)
        before = row
    return found


def listing_html(title: str, said: str, rows: Sequence[Row]) -> str:
    """Return a self-contained page.

    Args:
        title: title of the page.
        said: the text above the listing.
        rows: as for `listing_text`.
    """
    parts = [f"<h1>{escape(title)}</h1>"]
    for is_source, lines in groupby(said.split("\n"), lambda line: bool(_SOURCE.match(line))):
        start = "<pre>" if is_source else '<pre class="said">'
        parts.append(f"{start}{escape(chr(10).join(lines))}</pre>")
    before: Row | None = None
    for row in rows:
        if before is None or row.file != before.file:
            parts += ["</ol>"] * (before is not None) + [f"<h2>{escape(Path(row.file).name)}</h2>", "<ol>"]
        elif row.line != before.line + 1:
            parts.append("<li>&nbsp;</li>")
        kind = {True: "right", False: "wrong", None: ""}[row.ok]
        note = f'<span class="note">{escape(row.note)}</span>' if row.note else ""
        if note and row.values:
            note = f"<details><summary>{note}</summary><pre>{escape(row.values)}</pre></details>"
        indent = min(len(row.code) - len(row.code.lstrip()) + 4, MOST_INDENT)
        code = f'<code style="--i:{indent}ch">{escape(row.code)}</code>'
        parts.append(f'<li class="{kind}"><span class="n">{row.line}</span>{code}{note}</li>')
        before = row
    return _PAGE.format(title=escape(title), body="\n".join([*parts, "</ol>"] if rows else parts))
