"""Whether a planted mistake is mended: a repair in the source, held against the right program."""

import ast
from dataclasses import dataclass

import numpy as np

from autograd_ref.crosscheck.reports.repair import Repair
from benchmarks.blame.plant import Planted
from benchmarks.blame.programs import Program

__all__ = ["Mend", "applied", "joined", "restores", "same_gradients"]

# How far a gradient of a mended program may be from the right program's, as a part of its largest entry.
NEAR = 1e-6


@dataclass(frozen=True)
class Mend:
    """A repair of a planted mistake.

    Attributes:
        found: whether one was proposed.
        restores: whether the program is then the right one, statement by statement.
        wrong: whether its gradients differ from the right program's at points that the search never saw.
        others: how many other edits would do as well.
        seconds: of CPU time from the verdict to the repair, or to the end of the search.
    """

    found: bool
    restores: bool
    wrong: bool
    others: int
    seconds: float


def applied(source: str, repair: Repair) -> str:
    """A source with a repair in it."""
    lines = source.splitlines(keepends=True)
    end = repair.end_line if repair.before else repair.line - 1
    return "".join([*lines[: repair.line - 1], repair.after, *lines[end:]])


def restores(program: Program, mended: str) -> bool:
    """Whether a mended program is the right one, up to layout and the statement that marks a deleted one."""
    return _statements(mended) == _statements(program.source)


def _statements(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1:
            node.body = [each for each in body if not isinstance(each, ast.Pass)]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def same_gradients(right: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Whether two programs give the same gradients."""
    for path, gradient in right.items():
        given = other.get(path)
        size = np.abs(gradient).max(initial=0.0)
        if given is None or given.shape != gradient.shape:
            return False
        if not (np.abs(given - gradient) <= NEAR * size).all():
            return False
    return True


def joined(first: Planted, second: Planted) -> str:
    """A source with two mistakes, which are in different lines."""
    lines, others = first.source.split("\n"), second.source.split("\n")
    lines[second.line - 1 : second.end_line] = others[second.line - 1 : second.end_line]
    return "\n".join(lines)
