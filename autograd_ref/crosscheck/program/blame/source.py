"""The statements of a program's source, and the expressions in them, which the tape names by columns."""

from __future__ import annotations

import ast
import linecache
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from autograd_ref.recording import Place

__all__ = ["Statement", "excerpt", "is_own", "statement_at", "statements_of", "tree_of"]


_OWN = str(Path(__file__).parents[2]) + os.sep


def is_own(file: str) -> bool:
    """Whether a file is part of the checker, which makes the call."""
    return file.startswith(_OWN)


@dataclass(frozen=True)
class Statement:
    """One statement; for a compound statement, its first lines.

    Attributes:
        file: the file name in the code object.
        line: its first line, from 1.
        end_line: its last line; for a compound statement, the last before its body.
        node: its node in the syntax tree; None without source.
    """

    file: str
    line: int
    end_line: int
    node: ast.stmt | None

    def __hash__(self) -> int:
        return hash((self.file, self.line, self.end_line))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Statement) and (self.file, self.line, self.end_line) == (
            other.file,
            other.line,
            other.end_line,
        )


@lru_cache(maxsize=64)
def _parsed(file: str, text: str) -> tuple[ast.Module | None, tuple[Statement, ...]]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None, ()
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            found.append(Statement(file, node.lineno, _head_end(node), node))
    return tree, tuple(sorted(found, key=lambda each: (each.line, -each.end_line)))


def tree_of(file: str) -> ast.Module | None:
    """Return the syntax tree of a file or notebook cell; None without source."""
    return _parsed(file, "".join(linecache.getlines(file)))[0]


def statements_of(file: str) -> tuple[Statement, ...]:
    """Return all statements of a file, in the order of its lines."""
    return _parsed(file, "".join(linecache.getlines(file)))[1]


def statement_at(place: Place) -> Statement:
    """Return the innermost statement that contains an expression."""
    best = None
    for each in statements_of(place.file):
        if each.line <= place.line <= each.end_line and (best is None or each.line >= best.line):
            inside = best is None or each.line > best.line or _starts(each) <= place.column
            best = each if inside else best
    return best or Statement(place.file, place.line, place.end_line, None)


def excerpt(place: Place) -> str:
    """Return the text of an expression; if it has several lines, the first."""
    line = linecache.getline(place.file, place.line).encode()
    end = place.end_column if place.end_line == place.line else len(line)
    return line[place.column : end].decode(errors="replace").strip()


def _starts(statement: Statement) -> int:
    return statement.node.col_offset if statement.node is not None else 0


def _head_end(node: ast.stmt) -> int:
    body = getattr(node, "body", None)
    if isinstance(body, list) and body:
        return max(node.lineno, body[0].lineno - 1)
    return node.end_lineno or node.lineno
