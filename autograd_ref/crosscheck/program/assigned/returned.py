"""The names of a function's results in its own return statement."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["renamed", "returned_names"]

# Functions of one array that return the same numbers.
KEEPS = {
    *("array", "asarray", "ascontiguousarray", "asfortranarray", "atleast_1d", "atleast_2d", "copy"),
    *("deepcopy", "float", "float32", "float64", "ravel", "squeeze", "transpose"),
}


def returned_names(function: Callable[..., Any], result: Any) -> dict[str, str]:
    """Return the variables from which a returned tuple, list or dict was built.

    Args:
        function: a function, with or without source.
        result: its result.

    Returns:
        The names by the path in the result, ``return[1]`` or ``return``; empty if nothing is known.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError):
        return {}
    last: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and node.value is not None and _fits(node.value, result):
            last = dict(_named(node.value, "return"))
    return last


def renamed(path: str, names: Mapping[str, str]) -> str:
    """Return a path with the variable's name in place of the longest part that has one."""
    for known in sorted(names, key=len, reverse=True):
        if path == known or (path.startswith(known) and path[len(known)] in "[."):
            return names[known] + path[len(known) :]
    return path


def _fits(node: ast.expr, result: Any) -> bool:
    if isinstance(node, ast.Tuple | ast.List):
        return isinstance(result, tuple | list) and len(result) == len(node.elts)
    return True


def _named(node: ast.expr, path: str) -> list[tuple[str, str]]:
    if isinstance(node, ast.Tuple | ast.List):
        return [each for i, item in enumerate(node.elts) for each in _named(item, f"{path}[{i}]")]
    if isinstance(node, ast.Dict):
        keys = [
            (key.value, item)
            for key, item in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant)
        ]
        return [
            each
            for key, item in keys
            for each in _named(item, f"{path}[{key!r}]")
            if "[" in each[0][len(path) + len(repr(key)) + 2 :]
        ]
    if isinstance(node, ast.Name):
        return [(path, node.id)]
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return [(path, f"{node.value.id}.{node.attr}")]
    # A reshaped, copied or scaled variable keeps its name: dW.ravel(), np.array(dW), dW / N.
    if isinstance(node, ast.Call):
        inner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if isinstance(inner, ast.Name) and not node.args and inner.id not in ("np", "numpy"):
            return [(path, inner.id)]
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        if len(node.args) == 1 and called in KEEPS:
            return _named(node.args[0], path)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _named(node.left, path)
    return []
