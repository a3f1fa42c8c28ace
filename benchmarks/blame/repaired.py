"""Compare a repaired program with the original one."""

import ast
from dataclasses import dataclass

import numpy as np

from autograd_ref.crosscheck.reports.repair import Repair
from benchmarks.blame.plant import Planted
from benchmarks.blame.programs import Program

__all__ = ["Repaired", "applied", "joined", "restores", "same_gradients"]

# Largest difference between a repaired gradient and the right one, as a part of its largest entry.
NEAR = 1e-6


@dataclass(frozen=True)
class Repaired:
    """The result of the search for a repair of a planted mistake.

    Attributes:
        found: whether a repair was proposed.
        restores: whether it restores the original program, statement by statement.
        wrong: whether its gradients differ from the original's at points that the search did not use.
        others: the number of other edits that would do as well.
        seconds: the CPU time from the verdict to the repair, or to the end of the search.
    """

    found: bool
    restores: bool
    wrong: bool
    others: int
    seconds: float


def applied(source: str, repair: Repair) -> str:
    """Return a source with a repair applied."""
    lines = source.splitlines(keepends=True)
    end = repair.end_line if repair.before else repair.line - 1
    return "".join([*lines[: repair.line - 1], repair.after, *lines[end:]])


def restores(program: Program, repaired: str) -> bool:
    """Return whether a repaired program is the original one, apart from layout and ``pass`` statements."""
    return _statements(repaired) == _statements(program.source)


def _statements(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1:
            node.body = [each for each in body if not isinstance(each, ast.Pass)]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def same_gradients(right: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Return whether two programs give the same gradients."""
    for path, gradient in right.items():
        given = other.get(path)
        size = np.abs(gradient).max(initial=0.0)
        if given is None or given.shape != gradient.shape:
            return False
        if not (np.abs(given - gradient) <= NEAR * size).all():
            return False
    return True


def joined(first: Planted, second: Planted) -> str:
    """Return a source with two mistakes, which must be in different lines."""
    lines, others = first.source.split("\n"), second.source.split("\n")
    lines[second.line - 1 : second.end_line] = others[second.line - 1 : second.end_line]
    return "\n".join(lines)
