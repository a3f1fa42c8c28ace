"""Second names of values, ``dz = dh``: statements that compute nothing and are not on the tape."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from autograd_ref.crosscheck.program.blame.names import function_at
from autograd_ref.crosscheck.program.blame.says import target_of
from autograd_ref.crosscheck.program.blame.source import Statement, statements_of
from autograd_ref.recording import Place, Value

__all__ = ["renamed"]


def renamed(made: Mapping[Statement, Sequence[Value]]) -> Iterator[tuple[Statement, str, Value]]:
    """Yield the statements that give a value another name, with the new name and the latest value of the old.

    Args:
        made: the values that each statement made.
    """
    known: dict[tuple[int, str], list[tuple[int, Value]]] = {}
    for statement, values in made.items():
        name = target_of(values[-1])
        if (function := _function(statement)) is not None and name is not None:
            known.setdefault((function, name), []).append((statement.line, values[-1]))
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
            before = [each for each in known.get((function, node.value.id), ()) if each[0] < statement.line]
            if isinstance(target, ast.Name) and before:
                yield statement, target.id, max(before, key=lambda each: each[0])[1]


def _function(statement: Statement) -> int | None:
    node = function_at(Place(statement.file, statement.line, statement.line, 0, 0, ""))
    return None if node is None else node.lineno
