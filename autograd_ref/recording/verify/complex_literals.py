"""Complex literals on the left of an operator.

Python computes ``1j * x`` for a number x itself and calls no hook. So x leaves the tape unseen.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator

from autograd_ref.recording.place import Place
from autograd_ref.recording.tape import Tape

__all__ = ["complex_literal"]


def complex_literal(tape: Tape) -> Place | None:
    """Return the first such expression in the functions that ran; None if there is none."""
    codes = {value._code for value in tape.values if value._code is not None}
    for file in sorted({code.co_filename for code in codes}):
        for node in _expressions(file):
            for code in codes:
                lines = [line for _, _, line in code.co_lines() if line is not None]
                if code.co_filename == file and min(lines) <= node.lineno <= max(lines):
                    end = node.end_lineno or node.lineno, node.end_col_offset or 0
                    return Place(file, node.lineno, end[0], node.col_offset, end[1], code.co_qualname)
    return None


def _expressions(file: str) -> Iterator[ast.BinOp]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.BinOp)
            and not isinstance(node.right, ast.Constant)
            and _is_complex(node.left)
        ):
            yield node


def _is_complex(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_complex(node.left) or _is_complex(node.right)
    if isinstance(node, ast.UnaryOp):
        return _is_complex(node.operand)
    return isinstance(node, ast.Constant) and isinstance(node.value, complex)
