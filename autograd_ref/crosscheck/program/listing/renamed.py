"""Second names of values, ``dz = dh``: statements that compute nothing and are not on the tape."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator

from autograd_ref.crosscheck.program.blame.names import function_at
from autograd_ref.crosscheck.program.blame.source import Statement, statements_of
from autograd_ref.recording import Place, Value

__all__ = ["renamed"]


def renamed(
    named: Iterable[tuple[Statement, str | None, Value]], made: Collection[Statement]
) -> Iterator[tuple[Statement, str, Value]]:
    """Yield the statements that give a value another name, with the new name and the latest value of the old.

    Args:
        named: the values with names, with the statements that name them.
        made: the statements that made values.
    """
    known: dict[tuple[int, str], dict[int, Value]] = {}
    for statement, name, value in named:
        if (function := _function(statement)) is not None and name is not None:
            known.setdefault((function, name), {})[statement.line] = value
    functions = {_function(statement) for statement in made}
    for file in {statement.file for statement in made}:
        for statement in statements_of(file):
            node, function = statement.node, _function(statement)
            if statement in made or function is None or function not in functions:
                continue
            if not (
                isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.value, ast.Name)
            ):
                continue
            target = node.targets[0]
            values = known.get((function, node.value.id), {})
            before = [line for line in values if line < statement.line]
            if isinstance(target, ast.Name) and before:
                yield statement, target.id, values[max(before)]


def _function(statement: Statement) -> int | None:
    node = function_at(Place(statement.file, statement.line, statement.line, 0, 0, ""))
    return None if node is None else node.lineno
