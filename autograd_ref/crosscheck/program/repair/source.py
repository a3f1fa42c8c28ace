"""The text of one file: spans of its syntax tree, and the text with some of them replaced.

Spans count bytes of UTF-8, like the compiler. Everything outside an edit is unchanged: tabs, line endings,
comments, the encoding.
"""

from __future__ import annotations

import ast
import difflib
import linecache
import re
import tokenize
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from autograd_ref.crosscheck.program.repair.by_value.slopes import slopes_in

__all__ = ["Change", "Source"]

_END_OF_LINE = re.compile(rb"\r\n|\r|\n")


class Change(NamedTuple):
    """A span of a source, in bytes of UTF-8, and the text that replaces it."""

    start: int
    end: int
    text: str


class Source:
    """One file, or a notebook's code.

    Args:
        file: the file name in its code objects.

    Attributes:
        file: the same.
        is_file: whether it is on disk.
        raw: its bytes on disk.
        encoding: the encoding of these bytes.
        text: its text in UTF-8.

    Raises:
        OSError: there is no source.
        SyntaxError: it is not Python, or its encoding is unknown.
    """

    def __init__(self, file: str):
        self.file = file
        path = Path(file)
        made = linecache.cache.get(file)  # a notebook's cells have no time of change
        self.is_file = path.is_file() and not (made is not None and len(made) > 1 and made[1] is None)
        self.raw, self.encoding = b"", "utf-8"
        if self.is_file:
            self.raw = path.read_bytes()
            with path.open("rb") as lines:
                self.encoding, _ = tokenize.detect_encoding(lines.readline)
            self.text = self.raw.decode(self.encoding).encode()
        else:
            self.text = "".join(linecache.getlines(file)).encode()
            if not self.text:
                raise OSError(f"there is no source of {file}")

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text.decode())  # text, so a line that names another encoding is ignored

    @cached_property
    def slopes(self) -> list[str]:
        """The slopes of the expressions of its functions."""
        return slopes_in(self.tree)

    @cached_property
    def starts(self) -> list[int]:
        """The position where each line starts."""
        return [0, *(found.end() for found in _END_OF_LINE.finditer(self.text))]

    @property
    def newline(self) -> str:
        """The line ending of the first line."""
        found = _END_OF_LINE.search(self.text)
        return "\n" if found is None else found.group().decode()

    def at(self, line: int, column: int) -> int:
        """Return the position of a place."""
        return self.starts[line - 1] + column

    def start_of(self, line: int) -> int:
        """Return the position where a line starts; the end of the text after the last line."""
        return self.starts[line - 1] if line <= len(self.starts) else len(self.text)

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return the start and the end of a node."""
        return self.at(node.lineno, node.col_offset), self.at(
            node.end_lineno or node.lineno, node.end_col_offset or 0
        )

    def of(self, node: ast.expr | ast.stmt) -> str:
        """Return the text of a node."""
        start, end = self.span(node)
        return self.text[start:end].decode()

    def line_of(self, position: int) -> int:
        """Return the line of a position, from 1."""
        low, high = 0, len(self.starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.starts[middle] <= position else (low, middle)
        return low + 1

    def indent(self, node: ast.stmt) -> str:
        """Return the white space before a statement that is the first in its line."""
        start = self.starts[node.lineno - 1]
        return self.text[start : self.at(node.lineno, node.col_offset)].decode()

    def changed(self, changes: Sequence[Change], start: int = 0, end: int | None = None) -> bytes:
        """Return the text between two positions with some spans replaced."""
        parts, here = [], start
        for each in sorted(changes):
            parts += [self.text[here : each.start], each.text.encode()]
            here = each.end
        return b"".join([*parts, self.text[here : len(self.text) if end is None else end]])

    def size(self, changes: Sequence[Change]) -> int:
        """Return the number of characters that changes remove and insert, without equal ends."""
        found = 0
        for each in changes:
            old, new = self.text[each.start : each.end].decode(), each.text
            first = _alike(old, new)
            found += len(old) + len(new) - 2 * (first + _alike(old[first:][::-1], new[first:][::-1]))
        return found

    def lines_of(self, changes: Sequence[Change]) -> tuple[int, int]:
        """Return the first and last line that changes affect; for insertions, last is before first."""
        first = min(self.line_of(each.start) for each in changes)
        last = max(self.line_of(max(each.start, each.end)) for each in changes)
        if all(each.start == each.end and each.start in self._line_starts for each in changes):
            last = first - 1
        elif all(each.end in self._line_starts and each.end > each.start for each in changes):
            last -= 1
        return first, last

    @cached_property
    def _line_starts(self) -> set[int]:
        return set(self.starts)

    def to_bytes(self, text: bytes) -> bytes:
        """Return a text of this file in the encoding of the file."""
        return text.decode().encode(self.encoding)

    def diff(self, new: bytes, name: str) -> str:
        """Return a unified diff for `git apply`."""
        return "".join(_unified(_lines(self.text), _lines(new), name))


def _alike(one: str, other: str) -> int:
    """Return the number of characters in which two texts agree at their start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _lines(text: bytes) -> list[str]:
    """Return lines with their endings, as in git: a form feed or lone carriage return does not end a line."""
    return [each.decode() for each in re.findall(rb"[^\n]*\n|[^\n]+", text)]


def _unified(old: list[str], new: list[str], name: str) -> Iterator[str]:
    for line in difflib.unified_diff(old, new, f"a/{name}", f"b/{name}"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
